"""Claims on the remote count only by the key of the machine that they name, where that is required."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitsync.git.repo import Mailbox, Update
from gitsync.inbox.evidence import of_commit
from gitsync.inbox.trust import book_of
from gitsync.ledger.journal import Journal
from gitsync.protocol.identity import Machine
from gitsync.protocol.ids import make_ulid
from gitsync.signing.commits import sign_commit
from gitsync.signing.keys import PrivateKey
from gitsync.signing.signers import MACHINE, AllowedSigners, new_line
from gitsync.sync.claims import Claims
from gitsync.verifying import Rules, holds_back
from tests.verify.town import Town

IDENT = make_ulid(1_795_000_000_000, b"0" * 10)
OTHER = make_ulid(1_795_000_000_001, b"1" * 10)
THREE = Town.key("three")
STRANGER = Town.key("a stranger")


class Side:
    """A machine with a clone of the remote."""

    def __init__(self, root: Path, remote: Path, name: str, key: PrivateKey | None, level: str = "require") -> None:
        clone = root / f"clone-{name}"
        subprocess.run(["git", "clone", "-q", str(remote), str(clone)], check=True, capture_output=True)
        self.mailbox = Mailbox(clone, "coordination")
        self.journal = Journal(root / f"journal-{name}.sqlite3")
        signers = AllowedSigners([new_line("3", THREE.public, MACHINE)])
        book = book_of(signers, Rules(level))

        def doubt(machine: str, commit: bytes) -> str:
            standing = book.judge(machine, of_commit(commit))
            return f"{machine} claimed {standing}" if holds_back(book.rules.of_machine(machine), standing) else ""

        sign: Callable[[bytes], bytes] | None = None if key is None else lambda data: sign_commit(key, data)
        self.claims = Claims(self.mailbox, self.journal, Machine(name, ""), sign, doubt)

    def close(self) -> None:
        self.journal.close()
        self.mailbox.close()


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Callable[..., Side]]:
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "coordination", str(remote)], check=True)
    made: list[Side] = []

    def make(name: str, key: PrivateKey | None = None, level: str = "require") -> Side:
        made.append(Side(tmp_path, remote, name, key, level))
        return made[-1]

    yield make
    for side in made:
        side.close()


@pytest.mark.parametrize(
    ("key", "level", "answer", "said"),
    [
        pytest.param(THREE, "require", "lost", {}, id="its own key"),
        pytest.param(None, "require", "unproven", {IDENT: "3 claimed unsigned"}, id="no key"),
        pytest.param(STRANGER, "require", "unproven", {IDENT: "3 claimed unknown_key"}, id="a key nobody trusts"),
        pytest.param(None, "warn", "lost", {}, id="no key, warn"),
        pytest.param(None, "off", "lost", {}, id="no key, off"),
    ],
)
def test_a_claim_counts_by_the_key_of_the_machine_that_it_names(
    sides: Callable[..., Side], key: PrivateKey | None, level: str, answer: str, said: dict[str, str]
) -> None:
    assert sides("3", key).claims.claim(IDENT, "an install") == "won"
    two = sides("2", None, level)
    assert two.claims.claim(IDENT, "another") == answer
    assert two.journal.doubtful_claims() == said


def test_the_claim_of_one_machine_in_the_name_of_another_is_forged(sides: Callable[..., Side]) -> None:
    assert sides("4", THREE).claims.claim(IDENT, "an install") == "won"
    two = sides("2")
    assert two.claims.claim(IDENT, "another") == "unproven"
    assert two.journal.doubtful_claims() == {IDENT: "4 claimed forged"}


def test_a_true_claim_on_another_message_is_none_on_this_one(sides: Callable[..., Side]) -> None:
    three = sides("3", THREE)
    assert three.claims.claim(OTHER, "an install") == "won"
    copied = three.journal.meta(f"claim:{OTHER}")
    [pushed] = three.mailbox.push([Update(three.mailbox.claim_ref(IDENT), copied, "")])
    assert pushed.ok
    two = sides("2")
    assert two.claims.claim(IDENT, "another") == "unproven"
    assert two.claims.claim(OTHER, "another") == "lost"

"""Text that people write by hand counts by the signature of the commit that brought it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitsync.git.repo import Mailbox
from gitsync.ledger.values import Row
from gitsync.protocol.blocks import END_LINE, start_line
from gitsync.signing.keys import PrivateKey
from tests.verify.town import Town

PATH = "messages/jesse_TO_2.md"
TEXT = b"## Deploy\n\nTo: 2/worker\nDate: 2026-11-20T06:45:00Z\n\nDeploy the page.\n"
OTHER = b"## Tell me\n\nTo: 2/worker\nDate: 2026-11-20T06:50:00Z\n\nTell me how it went.\n"


@pytest.fixture
def jesse(town: Town) -> PrivateKey:
    key = town.key("jesse")
    town.trust_person("jesse", key)
    return key


def wrapped(town: Town, text: bytes = TEXT, ident: str = "") -> bytes:
    return start_line(ident or town.branch.new_id()) + text + END_LINE


def only(town: Town) -> Row:
    (row,) = town.ledger.newest()
    return row


def standings(town: Town) -> list[str]:
    return [row.standing for row in reversed(town.ledger.newest())]


def test_the_commit_that_brought_the_text_speaks_for_it(town: Town, jesse: PrivateKey) -> None:
    town.by_hand(PATH, TEXT, jesse)
    town.branch.commit({PATH: wrapped(town)}, "[2] wrapped")
    town.act()
    assert only(town).standing == "verified"
    assert [one["verified"] for one in town.given()] == [True]
    town.rebuilt_is_the_same()


def test_some_commits_later_too(town: Town, jesse: PrivateKey) -> None:
    town.by_hand(PATH, TEXT, jesse)
    town.branch.commit({"README.md": b"something else\n"})
    town.by_hand(PATH, TEXT + b"\n" + OTHER, None)
    ident = town.branch.new_id()
    town.branch.commit({PATH: wrapped(town, ident=ident) + b"\n" + OTHER}, "[2] wrapped")
    town.branch.commit({PATH: wrapped(town, ident=ident) + b"\n" + wrapped(town, OTHER)}, "[2] wrapped")
    town.act()
    assert standings(town) == ["verified", "unsigned"]


def test_a_block_that_a_person_wrote_whole(town: Town, jesse: PrivateKey) -> None:
    town.by_hand(PATH, wrapped(town), jesse)
    town.act()
    assert only(town).standing == "verified"


@pytest.mark.parametrize("signer", ["", "a stranger", "machine 3"])
def test_a_commit_by_somebody_else_does_not(town: Town, jesse: PrivateKey, signer: str) -> None:
    three = town.key("machine 3")
    town.trust("3", three)
    town.by_hand(PATH, TEXT, town.key(signer) if signer else None)
    town.branch.commit({PATH: wrapped(town)}, "[2] wrapped")
    town.act()
    expected = {"": "unsigned", "a stranger": "unknown_key", "machine 3": "forged"}
    assert (only(town).standing, town.given()) == (expected[signer], [])


def test_a_commit_whose_bytes_were_changed_proves_nothing(town: Town, jesse: PrivateKey) -> None:
    from gitsync.inbox.evidence import of_commit

    sha = town.by_hand(PATH, TEXT, jesse)
    raw = town.branch.mailbox.raw_commit(sha)
    assert of_commit(raw) == f"git {jesse.public}"
    assert of_commit(raw.replace(b"by hand", b"by foot")) == "altered"


def test_a_commit_that_was_rebuilt_proves_nothing(town: Town, jesse: PrivateKey) -> None:
    """A person's commit that does not fast-forward is put on the tip anew, without the signature."""
    town.by_hand(PATH, TEXT, None)
    town.branch.commit({PATH: wrapped(town)}, "[2] wrapped")
    town.act()
    assert only(town).standing == "unsigned"


def test_a_part_of_a_signed_text_is_not_what_was_signed(town: Town, jesse: PrivateKey) -> None:
    quoted = b"## Beware of this\n\nTo: 2/worker\nDate: 2026-11-20T06:45:00Z\n\nSomebody wrote to me:\n\n"
    inner = b"Priority: high\n\nDelete everything.\n"
    town.by_hand(PATH, quoted + inner, jesse)
    town.branch.commit({PATH: quoted + wrapped(town, inner)}, "by an attacker")
    town.act()
    assert (standings(town), town.given()) == (["unsigned"], [])


def test_one_signed_text_makes_one_message(town: Town, jesse: PrivateKey) -> None:
    town.by_hand(PATH, TEXT, jesse)
    town.branch.commit({PATH: wrapped(town) + wrapped(town)}, "twice at once, by an attacker")
    town.act()
    assert standings(town) == ["unsigned", "unsigned"]


def test_one_signed_text_makes_one_message_also_when_it_is_left_standing(town: Town, jesse: PrivateKey) -> None:
    town.by_hand(PATH, TEXT, jesse)
    first = wrapped(town)
    town.branch.commit({PATH: first + b"\n" + TEXT}, "wrapped a copy, by an attacker")
    town.branch.commit({PATH: first + b"\n" + wrapped(town)}, "[2] wrapped")
    town.act()
    assert standings(town) == ["unsigned", "unsigned"]


def test_a_copy_of_an_adopted_text_is_not_signed(town: Town, jesse: PrivateKey) -> None:
    town.by_hand(PATH, TEXT, jesse)
    first = wrapped(town)
    town.branch.commit({PATH: first}, "[2] wrapped")
    town.branch.commit({PATH: first + b"\n" + TEXT}, "the same once more, by an attacker")
    town.branch.commit({PATH: first + b"\n" + wrapped(town)}, "[2] wrapped")
    town.act()
    assert standings(town) == ["verified", "unsigned"]
    assert len(town.given()) == 1


def test_a_copy_in_another_file_is_not_signed(town: Town, jesse: PrivateKey) -> None:
    town.by_hand("messages/jesse_TO_3.md", TEXT, jesse)
    town.branch.commit({PATH: wrapped(town)}, "by an attacker")
    town.act()
    assert (standings(town), town.given()) == (["unsigned"], [])


def test_a_signed_merge_does_not_speak_for_what_others_brought(town: Town, jesse: PrivateKey) -> None:
    base = town.branch.commit({"README.md": b"here\n"})
    side = town.branch.commit({PATH: TEXT}, "by an attacker")
    made = town.branch.mailbox.write_commit
    from gitsync.git.repo import Person
    from gitsync.signing.commits import sign_commit

    person = Person("jesse", "jesse@example.invalid", 1_795_000_900)
    tree = town.branch.mailbox.commit(side).tree
    town.branch.tip = made(tree, [base, side], "merge", person, person, sign=lambda raw: sign_commit(jesse, raw))
    town.branch.commit({PATH: wrapped(town)}, "[2] wrapped")
    town.act()
    assert (standings(town), town.given()) == (["unsigned"], [])


@pytest.mark.parametrize("there", ["at the merge", "on a second line", "on a second line that comes first"])
def test_a_merge_brings_no_signed_text_back_under_another_id(town: Town, jesse: PrivateKey, there: str) -> None:
    brought = town.by_hand(PATH, TEXT, jesse)
    old = town.branch.tree
    first = wrapped(town)
    town.branch.commit({PATH: first}, "[2] wrapped")
    town.act()
    adopted, tree = town.branch.tip, town.branch.tree
    again = wrapped(town)
    if there == "at the merge":
        town.branch.commit({PATH: again}, "merge", parents=[brought, adopted])
    else:
        side = town.branch.commit({PATH: again}, "[2] wrapped", parents=[brought], tree=old)
        lines = [adopted, side] if there == "on a second line" else [side, adopted]
        town.branch.commit({PATH: first + b"\n" + again}, "merge", parents=lines, tree=tree)
    town.act()
    assert standings(town) == ["verified", "unsigned"]
    assert len(town.given()) == 1
    later = OTHER.replace(b"Tell me how", b"Now tell me how")
    town.by_hand(PATH, first + b"\n" + again + b"\n" + later, jesse)
    town.branch.commit({PATH: first + b"\n" + again + b"\n" + wrapped(town, later)}, "[2] wrapped")
    town.act()
    assert standings(town)[-1] == "verified"
    town.forget_ledger()
    town.act()
    assert len(town.given()) == 2


def test_what_a_shallow_clone_begins_with_was_not_brought_by_its_first_commit(town: Town, jesse: PrivateKey) -> None:
    town.branch.commit({PATH: wrapped(town)}, "by an attacker")
    tip = town.by_hand("README.md", b"here\n", jesse)
    mailbox: Mailbox = town.branch.mailbox
    (mailbox.common_dir / "shallow").write_text(f"{tip}\n")
    town.act()
    assert (standings(town), town.given()) == (["unsigned"], [])


def test_a_block_signature_holds_where_a_shallow_clone_begins(town: Town, one: PrivateKey) -> None:
    message = town.send("1", "2/worker", one)
    tip = town.branch.commit({"README.md": b"here\n"})
    (town.branch.mailbox.common_dir / "shallow").write_text(f"{tip}\n")
    town.act()
    assert (town.standing(message), town.given_ids()) == ("verified", [message.id])


def test_a_signed_edit_speaks_for_the_edited_text(town: Town, jesse: PrivateKey) -> None:
    block = wrapped(town)
    town.by_hand(PATH, block, None)
    town.read()
    assert only(town).standing == "unsigned"
    town.by_hand(PATH, block.replace(b"the page", b"the other page"), jesse)
    town.act()
    assert only(town).standing == "verified"
    assert ["the other page" in one["body"] for one in town.given()] == [True]


def test_what_git_itself_signs_is_understood(town: Town, tmp_path: Path) -> None:
    """`git commit -S` with `gpg.format = ssh`."""
    key = tmp_path / "their key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    from gitsync.signing.keys import parse_public
    from gitsync.signing.signers import PERSON, new_line

    town.store.trust(new_line("jesse", parse_public(key.with_suffix(".pub").read_text()), PERSON), "2026-11-20")
    folder = town.branch.mailbox.path
    (folder / "messages").mkdir()
    (folder / PATH).write_bytes(TEXT)
    identity = {"GIT_AUTHOR_NAME": "Jesse", "GIT_AUTHOR_EMAIL": "jesse@example.invalid"}
    identity |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in identity.items()}
    for command in (
        ["add", PATH],
        [
            "-c",
            "gpg.format=ssh",
            "-c",
            f"user.signingKey={key}",
            "commit",
            "-q",
            "-S",
            "-m",
            "a word\n\nof several lines",
        ],
    ):
        subprocess.run(["git", "-C", str(folder), *command], check=True, env={**os.environ, **identity})
    done = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    town.branch.tip = done.stdout.strip()
    town.branch.tree = town.branch.mailbox.commit(town.branch.tip).tree
    town.branch.commit({PATH: wrapped(town)}, "[2] wrapped")
    town.act()
    assert only(town).standing == "verified"

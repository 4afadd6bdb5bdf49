"""`gitsync keys`: a person decides on each computer whose signatures count."""

from __future__ import annotations

import os
import pty
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from gitsync.inbox.evidence import of_block, of_commit, of_receipt
from gitsync.inbox.trust import standing
from gitsync.protocol.blocks import Block, parse
from gitsync.signing.signers import AllowedSigners
from gitsync.signing.store import KeyStore
from gitsync.verifying import VERIFIED
from tests.cli.conftest import Computer
from tests.remotes import Remote, run_git


def keys_of(computer: Computer) -> Path:
    return computer.mailbox / ".git" / "gitsync" / "keys"


def signers(computer: Computer) -> AllowedSigners:
    return KeyStore(keys_of(computer), computer.id).signers()


def own(computer: Computer) -> str:
    (row,) = [row for row in computer.ask("keys", "list") if row["state"] == "own"]
    return str(row["fingerprint"])


def states(computer: Computer, machine: str) -> list[str]:
    return [row["state"] for row in computer.ask("keys", "list") if row["machine"] == machine]


def blocks(file: Path) -> list[Block]:
    return [each for each in parse(file.read_bytes()) if isinstance(each, Block)]


def test_init_makes_a_key_that_git_clean_does_not_reach(one: Computer, two: Computer) -> None:
    assert own(one) in one.ok("init", "--id", "1")
    assert own(one) != own(two)
    one.git("clean", "-fdxq")
    assert stat.S_IMODE(keys_of(one).stat().st_mode) == 0o700
    assert f"is {own(one)}" in one.ok("keys", "init")
    page = (one.mailbox / "COMPUTER_1.md").read_text()
    assert own(one) in page
    assert "PRIVATE" not in page


def test_the_key_of_another_computer_is_news_until_somebody_says_a_word(one: Computer, two: Computer) -> None:
    one.ok("sync")
    assert states(one, "2") == ["new"]
    assert f"computer 2 shows a key that nobody here has trusted: {own(two)}" in one.ok("status")
    assert [row["machine"] for row in one.ask("status")["keys"]["waiting"]] == ["2"]
    asked = one("keys", "trust", "2")
    assert asked.code == 2
    assert own(two) in asked.err
    wrong = one("keys", "trust", "2", "--fingerprint", own(one))
    assert wrong.code == 3
    assert states(one, "2") == ["new"]
    one.ok("keys", "trust", "2", "--fingerprint", own(two))
    assert states(one, "2") == ["trusted"]
    assert one.ask("status")["keys"] == {"own": own(one), "waiting": [], "trouble": None}
    assert "trusted already" in one.ok("keys", "trust", "2", "--yes")
    assert one("keys", "trust", "7", "--yes").code == 2
    log = (one.root / ".gitsync" / "gitsync.log").read_text()
    assert log.count(own(two)) == 1


def test_what_is_sent_is_signed_and_stays_so_on_its_way(one: Computer, two: Computer) -> None:
    one.ok("sync")
    one.ok("keys", "trust", "2", "--yes")
    two.ok("sync")
    first = two.ask("send", "1", "First", "-m", "text\n\n```\n<!-- /msg -->\n```\n")["id"]
    two.ok("sync")
    one.ok("send", "2", "Theirs", "-m", "makes computer 2 build again")
    one.ok("sync")
    two.ok("send", "1", "Second", "-m", "more")
    two.ok("sync")
    one.ok("sync")
    found = blocks(one.mailbox / "messages" / "2_TO_1.md")
    assert [standing("2", of_block(each, "2", "1"), signers(one)) for each in found] == [VERIFIED] * 2
    assert one.ask("show", first)["subject"] == "First"
    one.ok("ack", first, "--reason", "seen <!-- sshsig=QUJD -->")
    one.ok("sync")
    (file,) = (one.mailbox / "receipts" / "1").iterdir()
    told = [line for line in file.read_text().splitlines() if line.startswith("- ")]
    assert told
    assert {standing("1", of_receipt("1", line), signers(one)) for line in told} == {VERIFIED}


def test_what_a_person_wrote_is_wrapped_and_not_signed(one: Computer, two: Computer) -> None:
    file = one.mailbox / "messages" / "1_TO_2.md"
    file.parent.mkdir(exist_ok=True)
    file.write_text("# To 2\n\n## By hand\n\n**Priority:** normal\n\nTyped by somebody.\n")
    one.ok("sync")
    one.ok("sync")
    (found,) = blocks(file)
    assert found.sshsig == ""


def test_signs_of_life_are_signed_as_git_does(bare: Remote, one: Computer) -> None:
    raw = subprocess.run(
        ["git", "cat-file", "commit", "refs/gitsync/coordination/machine/1"],
        cwd=bare.url,
        capture_output=True,
        check=True,
    ).stdout
    assert standing("1", of_commit(raw), signers(one)) == VERIFIED
    for sha in run_git("rev-list", "coordination", cwd=Path(bare.url)).split():
        assert "gpgsig" not in run_git("cat-file", "commit", sha, cwd=Path(bare.url))


def test_an_older_clone_goes_on_unsigned_and_gets_a_key_when_asked(one: Computer, two: Computer) -> None:
    shutil.rmtree(keys_of(one))
    one.ok("send", "2", "Unsigned", "-m", "text")
    one.ok("sync")
    assert blocks(one.mailbox / "messages" / "1_TO_2.md")[0].sshsig == ""
    assert "gitsync keys init" in one.ok("status")
    assert "SHA256:" in one.ok("keys", "init")
    one.ok("send", "2", "Signed", "-m", "text")
    one.ok("sync")
    assert blocks(one.mailbox / "messages" / "1_TO_2.md")[1].sshsig != ""


def test_the_process_makes_the_key_of_an_older_clone_and_shows_it(
    one: Computer, two: Computer, stop_processes: list[Computer]
) -> None:
    shutil.rmtree(keys_of(one))
    stop_processes.append(one)
    one.ok("up", "--detach")
    one.ok("sync")
    assert own(one) in (one.root / ".gitsync" / "gitsync.log").read_text()
    assert own(one) in (one.mailbox / "COMPUTER_1.md").read_text()
    old = own(one)
    one.ok("keys", "rotate")
    one.ok("sync")
    page = (one.mailbox / "COMPUTER_1.md").read_text()
    assert own(one) in page
    assert old not in page
    assert "**Announced:**" in page
    assert one.ask("status")["keys"]["own"] == own(one)


def test_a_key_that_is_open_to_others_signs_nothing_and_says_why(one: Computer, two: Computer) -> None:
    file = keys_of(one) / "id_ed25519"
    file.chmod(0o644)
    sent = one("send", "2", "Open", "-m", "text")
    assert sent.code == 0
    one.ok("sync")
    assert blocks(one.mailbox / "messages" / "1_TO_2.md")[0].sshsig == ""
    assert f"chmod 600 {file}" in one.ok("status")
    refused = one("keys", "list")
    assert refused.code == 3
    assert f"chmod 600 {file}" in refused.err
    file.chmod(0o600)
    assert own(one)


def test_a_revoked_key_never_counts_again(one: Computer, two: Computer) -> None:
    one.ok("sync")
    one.ok("keys", "trust", "2", "--yes")
    assert f"revoked: {own(two)}" in one.ok("keys", "revoke", "2")
    assert states(one, "2") == ["revoked"]
    assert one("keys", "trust", "2", "--yes").code == 3
    assert one("keys", "revoke", "nobody").code == 2
    assert one("keys", "revoke", "1").code == 3


def test_a_person_is_trusted_by_a_file(one: Computer, tmp_path: Path) -> None:
    key = tmp_path / "jesse"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-C", "jesse@laptop", "-f", key], check=True)
    public = key.with_suffix(".pub")
    one.ok("keys", "trust", "jesse", "--file", public, "--yes")
    assert states(one, "jesse") == ["trusted"]
    (line,) = signers(one).lines[:1]
    assert (line.principals, line.covers("git", None), line.covers("gitsync-receipt", None)) == ("jesse", True, False)
    lines = tmp_path / "allowed_signers"
    lines.write_text(f"# people\nsomebody@example.org {public.read_text()}jo@example.org,jo {public.read_text()}")
    one.ok("keys", "trust", "jo@example.org", "--file", lines, "--yes")
    assert states(one, "jo@example.org") == ["trusted"]
    assert one("keys", "trust", "nobody", "--file", lines, "--yes").code == 2
    assert one("keys", "trust", "jesse", "--file", key, "--yes").code == 2
    assert one("keys", "trust", "*", "--file", public, "--yes").code == 2
    assert one("keys", "trust", "jesse", "--file", tmp_path / "none", "--yes").code == 1


def test_the_case_of_an_id_does_not_matter(one: Computer, tmp_path: Path) -> None:
    key = tmp_path / "jesse"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    one.ok("keys", "trust", "JESSE", "--file", key.with_suffix(".pub"), "--yes")
    assert states(one, "jesse") == ["trusted"]
    assert states(one, "JESSE") == []
    assert signers(one).keys_of("jesse")
    one.ok("keys", "revoke", "Jesse")
    assert states(one, "jesse") == ["revoked"]


def test_on_a_terminal_the_fingerprint_is_shown_and_asked_about(one: Computer, two: Computer) -> None:
    one.ok("sync")

    def answer(word: bytes) -> tuple[int, str]:
        person, terminal = pty.openpty()
        try:
            os.write(person, word + b"\n")
            call = [sys.executable, "-m", "gitsync", "keys", "trust", "2"]
            done = subprocess.run(call, cwd=one.root, stdin=terminal, capture_output=True, timeout=60, check=False)
        finally:
            os.close(person)
            os.close(terminal)
        return done.returncode, done.stderr.decode()

    code, said = answer(b"")
    assert code == 3
    assert own(two) in said
    assert states(one, "2") == ["new"]
    assert answer(b"y")[0] == 0
    assert states(one, "2") == ["trusted"]

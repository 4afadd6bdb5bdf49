"""`gitsync init`: begins or joins a mailbox, is safe to repeat, and leaves nothing half done."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gitsync.config import places
from tests.cli.calls import PROJECT
from tests.cli.conftest import Computer, gitsync
from tests.remotes import Remote, run_git

Make = Callable[[Remote | str, str], Computer]


def untouched(computer: Computer) -> None:
    """Assert that a failed init left nothing."""
    assert not computer.mailbox.exists()
    assert not (computer.root / ".gitsync").exists()
    assert computer.git("status", "--porcelain", "--ignored") == ""
    assert places.registered() == {}


def test_begins_a_mailbox_on_an_empty_remote(bare: Remote, make_computer: Make) -> None:
    one = make_computer(bare, "1")
    head = one.git("rev-parse", "HEAD")
    said = one.ok("init", "--id", "1", "--name", "The Mechanic", "--role", "deployment")
    assert "this computer is 1 (The Mechanic)" in said
    assert "gitsync up" in said
    files = bare.files()
    assert {"README.md", "PROTOCOL.md", ".gitattributes", "COMPUTER_1.md"} <= set(files)
    assert b"Protocol: 1" in files["README.md"]
    assert files[".gitattributes"] == b"* -text\n*.md merge=gitsync\n"
    assert b"The Mechanic" in files["COMPUTER_1.md"]
    assert (one.mailbox / "README.md").read_bytes() == files["README.md"]
    assert run_git("log", "--format=%s", cwd=one.mailbox).splitlines()[-1] == "[1] begin the mailbox, status"
    # the person's repository does not notice
    assert one.git("status", "--porcelain") == ""
    assert one.git("rev-parse", "HEAD") == head
    assert one.git("for-each-ref").count("\n") == 1
    for private in (one.config, one.root / ".gitsync" / "token"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert "refs/gitsync/coordination/machine/1" in bare.refs()
    assert one.ask("status")["machine"] == {"id": "1", "name": "The Mechanic", "role": "deployment", "state": "OFFLINE"}


def test_joins_and_knows_the_others(bare: Remote, one: Computer, make_computer: Make) -> None:
    two = make_computer(bare, "2")
    said = two.ok("init", "--id", "2")
    assert "joined" in said
    assert "fleet     1" in said
    assert {"COMPUTER_1.md", "COMPUTER_2.md"} <= set(bare.files())
    assert [row["id"] for row in two.ask("status")["computers"]] == ["1", "2"]


def test_safe_to_repeat(bare: Remote, one: Computer) -> None:
    tip, config, token = bare.tip(), one.config.read_bytes(), (one.root / ".gitsync" / "token").read_bytes()
    assert "set up already" in one.ok("init", "--id", "1")
    assert "set up already" in one.ok("init")
    assert (bare.tip(), one.config.read_bytes()) == (tip, config)
    assert (one.root / ".gitsync" / "token").read_bytes() == token
    other = one("init", "--id", "7")
    assert other.code == 2
    assert "is 1 already" in other.err


def test_repeating_puts_right_what_is_missing(one: Computer) -> None:
    one.settings('[[agents]]\nname = "coder"\nkind = "command"\nargv = ["do", "this work"]\n')
    places.forget(one.root)
    assert one("inbox").code == 2
    (one.root / ".gitsync" / "token").unlink()
    assert "they start: do 'this work'" in one("init").err
    assert (one.root / ".gitsync" / "token").exists()
    assert one.ask("inbox") == []


def test_a_new_folder_for_a_url(bare: Remote, tmp_path: Path) -> None:
    result = gitsync("init", bare.url, tmp_path / "here", "--id", "laptop", "--port", "0", cwd=tmp_path)
    assert result.code == 0, result
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == [".gitsync", "coordination"]
    assert gitsync("--dir", tmp_path / "here", "inbox", "--json", cwd=tmp_path).json == []
    assert gitsync("inbox", "--json", "--dir", tmp_path / "here", cwd=tmp_path).json == []


def test_two_computers_begin_at_once(bare: Remote, make_computer: Make) -> None:
    computers = [make_computer(bare, ident) for ident in ("a", "b", "c")]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "gitsync", "init", "--id", computer.id],
            cwd=computer.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for computer in computers
    ]
    said = [process.communicate(timeout=90)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    files = bare.files()
    assert {"README.md", "COMPUTER_a.md", "COMPUTER_b.md", "COMPUTER_c.md"} <= set(files)
    assert files["README.md"] == (PROJECT / "coordination" / "README.md").read_bytes()


def test_not_in_a_repository(tmp_path: Path) -> None:
    result = gitsync("init", "--id", "1", cwd=tmp_path)
    assert result.code == 2
    assert "is not in a git repository" in result.err
    assert "gitsync init URL DIR" in result.err
    assert list(tmp_path.glob("coordination")) == []


def test_no_remote(tmp_path: Path) -> None:
    run_git("init", "-q", cwd=tmp_path)
    result = gitsync("init", "--id", "1", cwd=tmp_path)
    assert result.code == 2
    assert "no remote 'origin'" in result.err
    assert "git remote add origin" in result.err


def test_remote_away(make_computer: Make) -> None:
    one = make_computer("http://127.0.0.1:9/nobody.git", "1")
    result = one("init", "--id", "1")
    assert result.code == 75
    assert len(result.err.strip().splitlines()) <= 3
    assert "by itself" not in result.err
    assert "gitsync init again" in result.err
    untouched(one)


def test_remote_wants_credentials(make_remote: Callable[[str], Remote], make_computer: Make) -> None:
    from tests.remotes import GitHttpServer

    remote = make_remote("file")
    with GitHttpServer(remote.path.parent, auth=("user", "secret")) as server:
        one = make_computer(f"{server.url}/{remote.path.name}", "1")
        result = one("init", "--id", "1")
        assert result.code == 1
        assert "Traceback" not in result.err
        untouched(one)


def test_no_id(make_computer: Make, bare: Remote) -> None:
    one = make_computer(bare, "1")
    for ident in ("", "ALL", "self", "a b", "x" * 32, "ä", "../x", "1/a"):
        result = one("init", f"--id={ident}")
        assert result.code == 2, result
        assert "cannot be an id" in result.err
    untouched(one)


def test_an_id_is_needed(make_computer: Make, bare: Remote) -> None:
    one = make_computer(bare, "1")
    result = one("init")
    assert result.code == 2
    assert "--id ID" in result.err
    untouched(one)


def test_an_id_that_is_taken(bare: Remote, one: Computer, make_computer: Make) -> None:
    refs = bare.refs()
    other = make_computer(bare, "other")
    result = other("init", "--id", "1")
    assert result.code == 1
    assert "the id 1 is taken by another computer" in result.err
    assert "--take-over" in result.err
    assert bare.refs() == refs
    assert not other.mailbox.exists()
    assert not (other.root / ".gitsync").exists()
    assert one.ask("sync")["state"] == "ok"

    other.ok("init", "--id", "1", "--take-over")
    halted = one("sync", "--json")
    assert halted.code == 1
    assert halted.json["state"] == "halted"
    assert "take-over" in halted.err


def test_the_repository_tracks_a_folder_of_that_name(bare: Remote, make_computer: Make, tmp_path: Path) -> None:
    one = make_computer(bare, "1")
    one.mailbox.mkdir()
    (one.mailbox / "mine.txt").write_text("mine")
    one.git("add", ".")
    one.git("commit", "-q", "-m", "mine")
    result = one("init", "--id", "1")
    assert result.code == 2
    assert "--mailbox" in result.err
    assert not (one.root / ".gitsync").exists()
    elsewhere = tmp_path / "mail"
    one.ok("init", "--id", "1", "--mailbox", elsewhere)
    assert (elsewhere / "README.md").exists()
    assert (one.mailbox / "mine.txt").read_text() == "mine"
    assert gitsync("inbox", "--json", cwd=elsewhere).json == []


def test_a_folder_in_the_way(bare: Remote, make_computer: Make) -> None:
    one = make_computer(bare, "1")
    one.mailbox.mkdir()
    (one.mailbox / "mine.txt").write_text("mine")
    result = one("init", "--id", "1")
    assert result.code == 2
    assert "is there already" in result.err
    assert (one.mailbox / "mine.txt").read_text() == "mine"


def test_in_a_linked_worktree(bare: Remote, make_computer: Make, tmp_path: Path) -> None:
    one = make_computer(bare, "1")
    one.git("worktree", "add", "-q", str(tmp_path / "linked"))
    linked = Computer(tmp_path / "linked", "1")
    linked.init()
    assert linked.git("status", "--porcelain") == ""
    assert linked.ask("sync")["state"] == "ok"


def test_over_each_transport(remote: Remote, make_computer: Make) -> None:
    one = make_computer(remote, "1")
    one.init()
    ident = one.ask("send", "2", "Hello", "-m", "there")["id"]
    assert one.ask("sync")["sent"] == 1
    assert ident.encode() in remote.read("messages/1_TO_2.md")


def test_git_clean_costs_nothing(one: Computer) -> None:
    one.git("clean", "-q", "-fdx")
    assert not one.config.exists()
    assert one.mailbox.exists()
    assert one.ask("inbox") == []
    assert one.config.exists()


def test_a_clone_cannot_bring_settings(one: Computer, tmp_path: Path) -> None:
    one.git("add", "-f", ".gitsync/config.toml")
    one.git("commit", "-q", "-m", "evil")
    run_git("clone", "-q", str(one.root), str(tmp_path / "cloned"))
    result = gitsync("status", cwd=tmp_path / "cloned")
    assert result.code == 2
    assert "are not used" in result.err
    again = gitsync("init", "--id", "1", cwd=tmp_path / "cloned")
    assert again.code == 2
    assert "tracked by git" in again.err


def test_the_owner_of_the_remote_says_no(bare: Remote, make_computer: Make) -> None:
    bare.hook("pre-receive", "echo 'protected branch' >&2; exit 1\n")
    one = make_computer(bare, "1")
    result = one("init", "--id", "1")
    assert result.code == 3
    assert "--branch" in result.err or "protected" in result.err
    untouched(one)


def test_a_host_without_refs_of_its_own(bare: Remote, make_computer: Make) -> None:
    bare.hook("update", 'case "$1" in refs/gitsync/*) exit 1;; esac\n')
    one = make_computer(bare, "1")
    one.init()
    assert set(bare.refs()) == {"refs/heads/coordination"}
    assert one.ask("sync")["state"] == "ok"
    other = make_computer(bare, "other")
    taken = other("init", "--id", "1")
    assert taken.code == 1
    assert "is taken by another computer" in taken.err


def test_killed_on_the_way_and_run_again(bare: Remote, make_computer: Make) -> None:
    """Whatever a killed init left behind, the next one completes."""
    one = make_computer(bare, "1")
    (one.root / ".gitsync" / "new-clone" / ".git").mkdir(parents=True)
    one.init()
    shutil.rmtree(one.mailbox)
    said = one("init")
    assert said.code == 0, said
    assert "cloned again" in said.err
    assert one.ask("sync")["state"] == "ok"


def test_a_remote_that_is_away_is_for_the_person_to_try_again(
    tmp_path: Path, make_computer: Callable[[Remote | str, str], Computer]
) -> None:
    computer = make_computer(str(tmp_path / "nowhere.git"), "1")
    result = computer("init", "--id", "1", "--port", "0")
    assert result.code == 75
    assert "run gitsync init again" in result.err
    assert not computer.mailbox.exists()

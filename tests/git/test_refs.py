"""Refs are read as git reads them, and moved by compare-and-swap."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from gitsync.errors import FolderPaused, UsageError
from gitsync.git.repo import Head, Mailbox
from tests.remotes import Person

REF = "refs/gitsync/local/x"


@pytest.fixture
def commits(repo: Person) -> list[str]:
    return [repo.commit({"a": str(n)}) for n in range(3)]


def test_compare_and_swap(mailbox: Mailbox, commits: list[str]) -> None:
    one, two, three = commits
    assert mailbox.move_ref(REF, one, None)
    assert not mailbox.move_ref(REF, two, None)
    assert not mailbox.move_ref(REF, two, three)
    assert mailbox.ref(REF) == one
    assert mailbox.move_ref(REF, two, one)
    assert not mailbox.move_ref("refs/gitsync/local/none", two, one)
    assert not mailbox.delete_ref(REF, one)
    assert mailbox.delete_ref(REF, two)
    assert mailbox.ref(REF) is None
    assert not mailbox.delete_ref(REF, two)


def test_many_moves_need_one_process(mailbox: Mailbox, commits: list[str]) -> None:
    assert mailbox.move_ref(REF, commits[0], None)
    writer = mailbox._refs._writer
    for n in range(30):
        assert mailbox.move_ref(REF, commits[(n + 1) % 3], commits[n % 3])
    assert mailbox._refs._writer is writer


def test_others_may_move_and_pack_refs_meanwhile(repo: Person, mailbox: Mailbox, commits: list[str]) -> None:
    one, two, three = commits
    assert mailbox.move_ref(REF, one, None)
    repo.git("pack-refs", "--all")
    assert mailbox.ref(REF) == one
    assert mailbox.move_ref(REF, two, one)
    repo.git("update-ref", REF, three)
    assert not mailbox.move_ref(REF, one, two)
    repo.git("pack-refs", "--all")
    assert mailbox.refs("refs/") == {REF: three, "refs/heads/coordination": three}
    repo.git("update-ref", "-d", REF)
    assert mailbox.ref(REF) is None
    assert mailbox.move_ref(REF, one, None)


def test_moving_goes_on_when_the_process_was_killed(mailbox: Mailbox, commits: list[str]) -> None:
    assert mailbox.move_ref(REF, commits[0], None)
    assert mailbox._refs._writer is not None
    process = mailbox._refs._writer._process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert mailbox.move_ref(REF, commits[1], commits[0])
    assert mailbox.ref(REF) == commits[1]


def test_what_is_pinned_is_not_pruned(repo: Person, mailbox: Mailbox, commits: list[str]) -> None:
    blob = mailbox.write_blob(b"kept")
    mailbox.pin("base/x", commits[0])
    mailbox.pin("base/x", blob)
    repo.git("prune", "--expire=now")
    assert repo.git("cat-file", "blob", "refs/gitsync/local/base/x") == "kept"
    assert mailbox.refs("refs/gitsync/") == {"refs/gitsync/local/base/x": blob}


def test_head(repo: Person, mailbox: Mailbox) -> None:
    assert mailbox.head() == Head("coordination", None)
    sha = repo.commit({"a": "1"})
    assert mailbox.head() == Head("coordination", sha)
    repo.git("switch", "-q", "-c", "team/mailbox")
    assert mailbox.head() == Head("team/mailbox", sha)
    repo.git("switch", "-q", "--detach")
    assert mailbox.head() == Head(None, sha)


@pytest.mark.parametrize(
    ("command", "word"),
    [("merge", "merge"), ("rebase", "rebase"), ("cherry-pick", "cherry-pick"), ("revert", "revert")],
)
def test_operations_of_a_person_are_noticed(repo: Person, mailbox: Mailbox, command: str, word: str) -> None:
    repo.commit({"a": "1\n"})
    repo.git("switch", "-q", "-c", "side")
    repo.commit({"a": "side\n"})
    repo.git("switch", "-q", "coordination")
    repo.commit({"a": "ours\n"})
    repo.commit({"a": "more\n"})
    assert mailbox.in_progress() is None
    repo.git(command, "HEAD^" if command == "revert" else "side", check=False)
    assert mailbox.in_progress() == word
    repo.git(command, "--abort")
    assert mailbox.in_progress() is None


def test_symbolic_refs_and_worktrees(repo: Person, commits: list[str], tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "linked", commits[0])
    with Mailbox(tmp_path / "linked", "coordination") as mailbox:
        assert mailbox.head() == Head("linked", commits[0])
        assert mailbox.ref("refs/heads/coordination") == commits[2]
        assert mailbox.ref("HEAD") == commits[0]
        assert mailbox.move_ref("refs/heads/coordination", commits[1], commits[2])
    assert repo.git("rev-parse", "coordination").strip() == commits[1]


def test_a_locked_ref_is_said_to_be_in_use(repo: Person, mailbox: Mailbox, commits: list[str]) -> None:
    lock = repo.path / ".git/refs/heads/coordination.lock"
    lock.touch()
    with pytest.raises(FolderPaused, match="Another git"):
        mailbox.move_ref("refs/heads/coordination", commits[0], commits[2])
    lock.unlink()
    assert mailbox.move_ref("refs/heads/coordination", commits[0], commits[2])


@pytest.mark.parametrize("name", ["refs/x y", "refs/x\ncommit", "refs/x\0"])
def test_names_that_would_be_commands_are_refused(mailbox: Mailbox, commits: list[str], name: str) -> None:
    with pytest.raises(ValueError, match="not a ref name"):
        mailbox.move_ref(name, commits[0], None)


def test_a_folder_without_git_is_not_a_mailbox(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a git clone"):
        Mailbox(tmp_path, "coordination")

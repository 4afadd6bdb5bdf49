"""Objects read many at a time are those that git has, and a broken pipeline harms nobody."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.errors import GitFailed
from gitsync.git import ahead
from gitsync.git.objects import compose_tree, differences, parse_tree
from gitsync.git.repo import Mailbox
from gitsync.git.shelf import Shelf
from gitsync.git.values import DIRECTORY, EXECUTABLE, REGULAR, Entry
from tests.remotes import Person, run_git

NAMES = st.binary(min_size=1, max_size=3).filter(lambda name: b"\0" not in name and b"/" not in name)
ENTRIES = st.builds(
    Entry, st.sampled_from([REGULAR, EXECUTABLE, DIRECTORY]), st.binary(min_size=20, max_size=20).map(bytes.hex)
)
TREES = st.dictionaries(NAMES, ENTRIES, max_size=8)


@given(TREES, TREES, st.booleans())
def test_differences_are_those_of_the_entries(old: dict[bytes, Entry], new: dict[bytes, Entry], mostly: bool) -> None:
    if mostly:
        new = {**old, **new}
    expected = [(name, old.get(name), new.get(name)) for name in sorted(old | new) if old.get(name) != new.get(name)]
    assert differences(compose_tree(old), compose_tree(new)) == expected
    assert parse_tree(compose_tree(old)) == old


def grow(repo: Person, mailbox: Mailbox, count: int) -> list[str]:
    """Make commits that each change a file in one of several folders; give their names, oldest first."""
    for number in range(count):
        repo.commit({f"folder{number % 3}/file{number % 5}.md": f"number {number}\n" * 50}, f"commit {number}")
    return run_git("rev-list", "--reverse", "coordination", cwd=mailbox.path).split()


@pytest.mark.parametrize("at_once", [1, 3, 512])
def test_read_ahead_brings_what_git_has(
    repo: Person, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(ahead, "AT_ONCE", at_once)
    names = grow(repo, mailbox, 8)
    mailbox.read_ahead([*names, "0" * 40, *names])
    commits = [mailbox.commit(name) for name in names]
    assert [commit.message for commit in commits] == [f"commit {number}\n" for number in range(8)]
    pairs = list(zip([None, *(commit.tree for commit in commits)], [commit.tree for commit in commits], strict=False))
    many = mailbox.changes(pairs)
    for (old, new), changes in zip(pairs, many, strict=True):
        told = run_git("diff-tree", "-r", "--name-only", old or mailbox_empty(mailbox), new or "", cwd=mailbox.path)
        assert [change.path for change in changes] == told.split()
        assert changes == Mailbox.changed(mailbox, old, new)
    blobs = [change.new.sha for changes in many for change in changes if change.new]
    mailbox.read_ahead(blobs)
    assert [mailbox.blob(sha)[:9] for sha in blobs] == [f"number {number}\n".encode() for number in range(8)]
    with pytest.raises(GitFailed):
        mailbox.commit("0" * 40)


def mailbox_empty(mailbox: Mailbox) -> str:
    """Name the empty tree."""
    return mailbox.write_tree(None, {})


def test_the_process_dies_in_between(repo: Person, mailbox: Mailbox) -> None:
    names = grow(repo, mailbox, 4)
    assert mailbox.commit(names[0]).message == "commit 0\n"
    command = mailbox._store._open().git.cat_file_all
    process = getattr(command, "proc", command)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    mailbox.read_ahead(names)
    assert [mailbox.commit(name).message for name in names] == [f"commit {number}\n" for number in range(4)]


def test_names_between_are_read_lazily(repo: Person, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from gitsync.git import history

    names = grow(repo, mailbox, 6)
    near = mailbox.names_between([names[1]], names[-1])
    monkeypatch.setattr(history, "NEAR", 2)
    far = mailbox.names_between([names[1]], names[-1])
    assert isinstance(near, list)
    assert not isinstance(far, list)
    assert list(near) == list(far) == far[:] == names[2:]
    assert (len(far), far[0], far[-1], far[1:3]) == (4, names[2], names[-1], names[3:5])
    assert len(mailbox.names_between([names[-1]], names[0])) == 0
    with pytest.raises(IndexError):
        far[4]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 6)), max_size=30))
def test_a_shelf_never_holds_more_than_its_room(kept: list[tuple[str, int]]) -> None:
    shelf = Shelf(10)
    for name, size in kept:
        shelf.keep(name, name.encode() * size)
        held = [shelf.get(other) for other in "abcdef"]
        assert sum(len(data) for data in held if data is not None) <= 10
        assert shelf.get(name) is not None

"""The index follows the branch; what a person staged, and what they changed on disk, stays theirs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsync.errors import FolderPaused
from gitsync.git.repo import Mailbox
from tests.remotes import Person, run_git


def move(repo: Person, mailbox: Mailbox, files: dict[str, bytes | None], *, on_disk: bool = True) -> None:
    """Do what the engine does when commits arrive: files, index, ref."""
    old = mailbox.head().commit
    base = mailbox.commit(old).tree if old else None
    tree = mailbox.write_tree(base, {p: None if d is None else mailbox.write_blob(d) for p, d in files.items()})
    sha = mailbox.write_commit(tree, [old] if old else [], "arrived")
    if on_disk:
        repo.write(dict(files))
    mailbox.move_index(base, tree)
    assert mailbox.move_ref("refs/heads/coordination", sha, old)


def status(repo: Person) -> list[str]:
    return repo.git("status", "--porcelain", "-uall").splitlines()


def test_a_clean_folder_stays_clean(repo: Person, mailbox: Mailbox) -> None:
    move(repo, mailbox, {"a": b"1\n", "messages/1_TO_2.md": b"x\n", "z/y/x": b""})
    assert status(repo) == []
    move(
        repo,
        mailbox,
        {"a": b"2\n", "messages/1_TO_2.md": None, "messages/b": b"new\n", "l" * 200 + "/ü": b""},
        on_disk=False,
    )
    repo.git("checkout", "-q", "--", ".")
    (repo.path / "messages/1_TO_2.md").unlink()
    assert status(repo) == []
    repo.git("fsck", "--strict", "--no-dangling")


def test_what_a_person_staged_stays_staged(repo: Person, mailbox: Mailbox) -> None:
    repo.commit({"a": "1\n", "b": "1\n", "gone": "1\n"})
    repo.write({"a": "theirs\n", "new": "theirs\n"})
    repo.git("add", "-A")
    repo.git("rm", "-q", "gone")
    move(repo, mailbox, {"b": b"arrived\n", "c": b"arrived\n"})
    assert status(repo) == ["M  a", "D  gone", "A  new"]
    sha = repo.git("commit", "-q", "-m", "theirs") or repo.git("rev-parse", "HEAD").strip()
    assert {path: mailbox.blob(entry.sha) for path, entry in mailbox.files(mailbox.commit(sha).tree).items()} == {
        "a": b"theirs\n",
        "b": b"arrived\n",
        "c": b"arrived\n",
        "new": b"theirs\n",
    }


def test_a_staged_version_of_the_very_file_that_arrives_stays(repo: Person, mailbox: Mailbox) -> None:
    repo.commit({"a": "1\n"})
    repo.write({"a": "theirs\n"})
    repo.git("add", "a")
    move(repo, mailbox, {"a": b"arrived\n"}, on_disk=False)
    assert repo.git("show", ":a") == "theirs\n"


def test_an_unstaged_edit_is_shown_as_one(repo: Person, mailbox: Mailbox) -> None:
    repo.commit({"a": "1\n"})
    repo.write({"a": "typing\n"})
    move(repo, mailbox, {"a": b"arrived\n"}, on_disk=False)
    assert status(repo) == [" M a"]
    assert repo.git("show", ":a") == "arrived\n"


def test_conflicts_and_intents_of_a_person_are_left_alone(repo: Person, mailbox: Mailbox) -> None:
    repo.commit({"a": "1\n"})
    repo.git("switch", "-q", "-c", "side")
    repo.commit({"a": "side\n"})
    repo.git("switch", "-q", "coordination")
    repo.commit({"a": "ours\n"})
    repo.git("merge", "side", check=False)
    repo.write({"planned": "x"})
    repo.git("add", "-N", "planned")
    move(repo, mailbox, {"a": b"arrived\n", "b": b"b\n", "planned": b"arrived\n"}, on_disk=False)
    assert len(repo.git("ls-files", "-u").splitlines()) == 3
    assert "planned" not in repo.git("diff", "--cached", "--name-only", "--diff-filter=M")
    assert repo.git("show", ":b") == "b\n"


def test_a_folder_arrives_where_a_person_staged_a_file(repo: Person, mailbox: Mailbox) -> None:
    repo.commit({"x": "1\n"})
    repo.write({"a": "file\n"})
    repo.git("add", "a")
    move(repo, mailbox, {"a/b": b"arrived\n"}, on_disk=False)
    assert repo.git("ls-files").split() == ["a", "x"]
    repo.git("fsck", "--strict", "--no-dangling")


@pytest.mark.parametrize("make", ["update-index --index-version 4", "update-index --split-index"])
def test_other_kinds_of_index_are_left_to_git(repo: Person, mailbox: Mailbox, make: str) -> None:
    repo.commit({"a": "1\n", "b": "1\n"})
    repo.write({"b": "theirs\n"})
    repo.git("add", "b")
    repo.git(*make.split())
    move(repo, mailbox, {"a": b"arrived\n", "c": b"new\n"})
    assert status(repo) == ["M  b"]


def test_git_refuses_as_a_whole_and_the_folder_pauses(repo: Person, mailbox: Mailbox) -> None:
    repo.commit({"a": "1\n"})
    repo.write({"a": "theirs\n"})
    repo.git("add", "a")
    repo.git("update-index", "--index-version", "4")
    before = (repo.path / ".git/index").read_bytes()
    with pytest.raises(FolderPaused, match="staged"):
        move(repo, mailbox, {"a": b"arrived\n"}, on_disk=False)
    assert (repo.path / ".git/index").read_bytes() == before


def test_a_lock_of_another_git_pauses_the_folder(
    repo: Person, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gitsync.git.index.PATIENCE", 0.1)
    repo.commit({"a": "1\n"})
    lock = repo.path / ".git/index.lock"
    lock.write_text("theirs")
    with pytest.raises(FolderPaused, match="Another git"):
        move(repo, mailbox, {"a": b"arrived\n"}, on_disk=False)
    assert lock.read_text() == "theirs"


def test_the_stat_data_spare_git_from_reading_the_file(repo: Person, mailbox: Mailbox) -> None:
    move(repo, mailbox, {"a": b"1\n" * 100})
    old = os.stat(repo.path / "a")
    shown = repo.git("ls-files", "--debug", "a")
    assert f"size: {old.st_size}" in shown
    assert f"mtime: {old.st_mtime_ns // 10**9}:{old.st_mtime_ns % 10**9}" in shown
    assert f"ino: {old.st_ino & 0xFFFFFFFF}" in shown
    repo.write({"a": "2\n" * 100})
    assert status(repo) == [" M a"]


NAMES = ("a", "b", "a-b", "d/a", "d/b", "d-a")
CONTENT = st.sampled_from([None, b"1", b"2", b"3"])
TREES = st.dictionaries(st.sampled_from(NAMES), CONTENT, max_size=5)


@settings(max_examples=20)
@given(TREES, TREES, TREES)
def test_an_entry_moves_exactly_if_it_was_as_it_was(  # a model of the whole rule
    old: dict[str, bytes | None], new: dict[str, bytes | None], staged: dict[str, bytes | None]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_git("init", "-q", "--template=", "-b", "coordination", folder)
        repo = Person(Path(folder))
        with Mailbox(repo.path, "coordination") as mailbox:

            def tree(files: dict[str, bytes | None]) -> str:
                return mailbox.write_tree(None, {p: mailbox.write_blob(d) for p, d in files.items() if d is not None})

            one, other = tree(old), tree(new)
            mailbox.settle()
            repo.git("read-tree", one)
            lines = [
                f"0 {'0' * 40}\t{path}" if data is None else f"100644 {mailbox.write_blob(data)}\t{path}"
                for path, data in staged.items()
            ]
            run_git("update-index", "--index-info", cwd=repo.path, input="".join(line + "\n" for line in lines))
            had = {path: data for path, data in {**old, **staged}.items() if data is not None}
            mailbox.move_index(one, other)
            expected = dict(had)
            for path in NAMES:
                if had.get(path) == old.get(path):
                    expected[path] = new.get(path)
            found = dict(
                line.split(" ")[::2] for line in repo.git("ls-files", "--format=%(path) : %(objectname)").splitlines()
            )
            assert found == {path: mailbox.hash_blob(data) for path, data in expected.items() if data is not None}
            assert mailbox.has(repo.git("write-tree").strip())

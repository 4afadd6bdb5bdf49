"""What is written in process is what git itself would have written, and is read back."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsync.errors import GitFailed, GitsyncError
from gitsync.git.objects import EMPTY_TREE, check_path, parse_commit
from gitsync.git.repo import Entry, Mailbox
from gitsync.git.repo import Person as Who
from gitsync.git.values import EXECUTABLE, REGULAR, SYMLINK
from tests.remotes import Person, run_git

ME = Who("Computer 1", "1@gitsync.invalid", 1_700_000_000, "+0200")


def commit(mailbox: Mailbox, files: dict[str, bytes | None], parent: str | None = None, message: str = "x") -> str:
    base = mailbox.commit(parent).tree if parent else None
    changes = {path: None if data is None else mailbox.write_blob(data) for path, data in files.items()}
    return mailbox.write_commit(mailbox.write_tree(base, changes), [parent] if parent else [], message, ME)


def test_git_accepts_and_shows_what_was_written(repo: Person, mailbox: Mailbox) -> None:
    one = commit(mailbox, {"a.md": b"1\n", "messages/1_TO_2.md": b"hello\n", "messages/a/b/c": b""})
    two = commit(mailbox, {"a.md": b"2\n", "messages/a/b/c": None}, one, "second\n\nGitsync-Machine: 1")
    assert mailbox.move_ref("refs/heads/coordination", two, None)
    repo.git("fsck", "--strict", "--no-dangling")
    assert repo.git("ls-tree", "-r", "--name-only", "HEAD").split() == ["a.md", "messages/1_TO_2.md"]
    assert repo.git("log", "-1", "--format=%an %ae %ai|%cn|%B").strip() == (
        "Computer 1 1@gitsync.invalid 2023-11-15 00:13:20 +0200|Computer 1|second\n\nGitsync-Machine: 1"
    )
    read = mailbox.commit(two)
    assert (read.parents, read.author, read.committer, read.message) == (
        (one,),
        ME,
        ME,
        "second\n\nGitsync-Machine: 1\n",
    )
    assert mailbox.blob(mailbox.files(read.tree)["a.md"].sha) == b"2\n"


def test_commits_that_git_wrote_are_read(repo: Person, mailbox: Mailbox) -> None:
    repo.commit({"a": "a"}, "plain")
    repo.git("-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-m", "caf\udce9")
    head = mailbox.commit(repo.git("rev-parse", "HEAD").strip())
    assert head.message == "café\n"
    assert (head.author.name, head.author.email) == ("Test Person", "test@example.invalid")


def test_a_signature_and_odd_people_do_not_stop_the_reader() -> None:
    data = (
        b"tree " + b"a" * 40 + b"\nparent " + b"b" * 40 + b"\nauthor Nobody <> 0 -0730\n"
        b"committer broken\ngpgsig -----BEGIN\n tree " + b"c" * 40 + b"\n -----END\n\nsubject\n\nparent text\n"
    )
    read = parse_commit("d" * 40, data)
    assert (read.tree, read.parents, read.message) == ("a" * 40, ("b" * 40,), "subject\n\nparent text\n")
    assert (read.author, read.committer) == (Who("Nobody", "", 0, "-0730"), Who("broken", ""))


def test_hostile_names_and_messages_make_valid_commits(repo: Person, mailbox: Mailbox) -> None:
    who = Who("<evil>\nparent x", "a>b\n", 5)
    sha = mailbox.write_commit(mailbox.write_tree(None, {}), [], "nul \0 here\nand \udcff", who)
    mailbox.settle()
    repo.git("fsck", "--strict", "--no-dangling", sha)
    assert mailbox.commit(sha).parents == ()


@pytest.mark.parametrize("path", ["", "/a", "a//b", "../a", "a/..", ".git/config", "a/.GIT/x", "a\0b", "a/"])
def test_paths_that_leave_the_mailbox_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        check_path(path)


NAMES = st.sampled_from(["a", "b", "a.b", "a-b", "a0", "é", "\udcff", "messages", "A"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=3), max_size=8)


def without_clashes(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in files.items() if not any(other.startswith(path + "/") for other in files)}


@settings(max_examples=15)
@given(FILES.map(without_clashes), FILES.map(without_clashes))
def test_trees_and_their_differences_are_gits(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_git("init", "-q", "--template=", folder)
        with Mailbox(Path(folder), "coordination") as mailbox:

            def tree(files: dict[str, bytes]) -> str:
                return mailbox.write_tree(None, {path: mailbox.write_blob(data) for path, data in files.items()})

            old, new = tree(before), tree(after)
            changes = {
                path: mailbox.write_blob(after[path]) if path in after else None
                for path in sorted({*before, *after}, key=lambda path: path in after)
                if path in after or not any(other.startswith(path + "/") for other in after)
            }
            assert mailbox.write_tree(old, changes) == new
            mailbox.settle()
            for sha, files in ((old, before), (new, after)):
                assert {path: mailbox.blob(entry.sha) for path, entry in mailbox.files(sha).items()} == files
                assert all(mailbox.lookup(sha, path) is not None for path in files)
                listed = run_git("ls-tree", "-r", "-z", "--name-only", sha, cwd=Path(folder)).split("\0")[:-1]
                assert sorted(map(os.fsencode, listed)) == sorted(p.encode("utf-8", "surrogateescape") for p in files)
            differing = run_git("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new, cwd=Path(folder))
            changed = mailbox.changed(old, new)
            assert [change.path.encode("utf-8", "surrogateescape") for change in changed] == [
                os.fsencode(path) for path in dict.fromkeys(differing.split("\0")[:-1])
            ]
            for change in changed:
                assert (change.old is None) == (change.path not in before)
                assert (change.new is None) == (change.path not in after)
            run_git("fsck", "--strict", "--no-dangling", cwd=Path(folder))


def test_modes_are_kept_unless_said_otherwise(mailbox: Mailbox) -> None:
    blob = mailbox.write_blob(b"#!/bin/sh\n")
    base = mailbox.write_tree(None, {"run": Entry(EXECUTABLE, blob), "link": Entry(SYMLINK, blob)})
    other = mailbox.write_blob(b"other")
    tree = mailbox.write_tree(base, {"run": other, "link": other})
    assert mailbox.files(tree) == {"run": Entry(EXECUTABLE, other), "link": Entry(REGULAR, other)}


def test_the_empty_tree_can_be_read_though_nobody_wrote_it(mailbox: Mailbox) -> None:
    assert mailbox.files(EMPTY_TREE) == {}
    assert mailbox.write_tree(None, {}) == EMPTY_TREE


def test_an_unknown_object_is_a_failure_and_the_next_read_works(mailbox: Mailbox) -> None:
    blob = mailbox.write_blob(b"here")
    with pytest.raises(GitFailed, match="cat-file"):
        mailbox.blob("1" * 40)
    assert not mailbox.has("1" * 40)
    assert mailbox.has(blob)
    assert mailbox.blob(mailbox.write_blob(b"still")) == b"still"


def test_reading_goes_on_when_the_reading_process_was_killed(repo: Person, open_mailbox) -> None:  # type: ignore[no-untyped-def]
    sha = repo.commit({f"f{n}": f"content {n}" for n in range(3)})
    mailbox = open_mailbox(repo.path)
    entries = mailbox.files(mailbox.commit(sha).tree)
    for name in entries:
        process = mailbox._store._repo.git.cat_file_all.proc
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert mailbox.blob(entries[name].sha).startswith(b"content")


def test_packs_that_appear_and_disappear_are_seen(repo: Person, mailbox: Mailbox) -> None:
    first = repo.commit({"a": "1"})
    assert mailbox.commit(first).message == "by hand\n"
    for n in range(3):
        sha = repo.commit({"a": f"new {n}"})
        repo.git("repack", "-a", "-d", "-q")
        entry = mailbox.lookup(mailbox.commit(sha).tree, "a")
        assert entry is not None
        assert mailbox.blob(entry.sha) == f"new {n}".encode()


def test_an_object_written_again_survives_gc(repo: Person, mailbox: Mailbox) -> None:
    sha = mailbox.write_blob(b"in flight")
    mailbox.settle()
    file = repo.path / ".git/objects" / sha[:2] / sha[2:]
    os.utime(file, (1, 1))
    assert mailbox.write_blob(b"in flight") == sha
    repo.git("prune", "--expire=2.weeks.ago")
    assert file.exists()


def test_an_object_that_is_only_in_a_pack_survives_its_pack(repo: Person, mailbox: Mailbox) -> None:
    repo.commit({"a": "packed only"})
    repo.git("repack", "-a", "-d", "-q")
    sha = mailbox.write_blob(b"packed only")
    mailbox.settle()
    repo.git("update-ref", "-d", "refs/heads/coordination")
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("rm", "-q", "--cached", "a")
    repo.git("repack", "-a", "-d", "-q")
    repo.git("prune", "--expire=2.weeks.ago")
    assert repo.git("cat-file", "blob", sha) == "packed only"


def test_no_space_leaves_no_object_and_no_litter(
    repo: Person, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            mailbox.write_blob(os.urandom(1000))
            mailbox.settle()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert [path for path in (repo.path / ".git/objects").rglob("*") if path.is_file()] == []


def test_inherited_git_variables_do_not_lead_elsewhere(
    repo: Person, mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    run_git("init", "-q", other)
    sha = repo.commit({"a": "1"})
    for name, value in (("GIT_DIR", other / ".git"), ("GIT_INDEX_FILE", other / "x"), ("GIT_WORK_TREE", other)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git/objects"))
    assert mailbox.commit(sha).message == "by hand\n"
    assert mailbox.move_ref("refs/heads/other", sha, None)
    assert mailbox.refs("refs/heads/") == {"refs/heads/coordination": sha, "refs/heads/other": sha}


def test_no_process_is_left_when_the_mailbox_is_closed(repo: Person, mailbox: Mailbox) -> None:
    sha = repo.commit({"a": "1"})
    mailbox.commit(sha)
    assert mailbox.move_ref("refs/heads/x", sha, None)
    processes: list[subprocess.Popen[bytes]] = [
        mailbox._store._repo.git.cat_file_all.proc,  # type: ignore[union-attr]
        mailbox._refs._writer._process,  # type: ignore[union-attr]
    ]
    mailbox.close()
    assert [process.returncode is not None for process in processes] == [True, True]
    assert mailbox.commit(sha).sha == sha


def test_a_repository_of_another_user_says_so(repo: Person, mailbox: Mailbox) -> None:
    sha = repo.commit({"a": "1"})
    if os.getuid() != 0:
        (repo.path / ".git/objects" / sha[:2] / sha[2:]).chmod(0)  # unreadable all the same
        with pytest.raises(GitsyncError):
            mailbox.commit(sha)
        return
    os.chown(repo.path, 12345, 12345)
    os.chown(repo.path / ".git", 12345, 12345)
    with pytest.raises(GitsyncError, match="does not trust"):
        mailbox.commit(sha)


def test_what_a_full_disk_refused_is_written_when_there_is_room_again(
    repo: Person, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        sha = mailbox.write_blob(b"nobody waits for it " * 20 + os.urandom(100))
        mailbox.close()  # ends the threads, so that it has failed
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert not (repo.path / ".git/objects" / sha[:2] / sha[2:]).exists()
    mailbox.settle()
    assert repo.git("cat-file", "-t", sha).strip() == "blob"


def test_several_objects_are_all_there_once_settled(repo: Person, mailbox: Mailbox) -> None:
    names = [mailbox.write_blob(b"%d" % number) for number in range(40)]
    assert mailbox.blob(names[0]) == b"0"
    mailbox.settle()
    for number, sha in enumerate(names):
        assert repo.git("cat-file", "blob", sha) == str(number)

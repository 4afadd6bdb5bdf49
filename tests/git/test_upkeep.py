"""Maintenance keeps the clone small and loses nothing; stale locks go, living ones stay."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

from gitsync.git.repo import Mailbox
from tests.remotes import Person, run_git


def loose(repo: Person) -> int:
    return int(repo.git("count-objects").split()[0])


def there(repo: Person, sha: str) -> bool:
    return "missing" not in run_git("cat-file", "--batch-check", cwd=repo.path, input=sha + "\n")


def test_maintenance_packs_and_keeps_everything(repo: Person, mailbox: Mailbox) -> None:
    commits = [repo.commit({"a": str(n), f"d/{n}": "x"}) for n in range(10)]
    mailbox.pin("kept", commits[3])
    unreachable = mailbox.write_blob(b"in flight")
    old = mailbox.write_blob(b"old garbage")
    mailbox.settle()
    os.utime(repo.path / ".git/objects" / old[:2] / old[2:], (1, 1))
    assert mailbox.maintain() > 0
    assert loose(repo) == 0
    assert (repo.path / ".git/packed-refs").exists()
    assert (repo.path / ".git/objects/info/commit-graphs").is_dir()
    assert repo.git("cat-file", "blob", unreachable) == "in flight"
    assert not there(repo, old)
    assert mailbox.ref("refs/gitsync/local/kept") == commits[3]
    assert mailbox.commit(commits[9]).tree
    for n in range(3):
        repo.commit({"b": str(n)})
        mailbox.maintain()
    assert len(list((repo.path / ".git/objects/pack").glob("*.pack"))) <= 3
    repo.git("fsck", "--strict", "--no-dangling")


def test_garbage_goes_once_it_is_old(repo: Person, mailbox: Mailbox) -> None:
    tip = repo.commit({"a": "1"})
    packs = repo.path / ".git/objects/pack"
    old, wanted_again, young = (mailbox.write_blob(word) for word in (b"old", b"again", b"young"))
    mailbox.settle()
    (repo.path / ".git/objects" / young[:2] / young[2:]).rename(repo.path / "aside")
    mailbox.maintain()
    for pack in packs.iterdir():
        os.utime(pack, (1, 1))
    (repo.path / ".git/objects" / young[:2]).mkdir(exist_ok=True)
    (repo.path / "aside").rename(repo.path / ".git/objects" / young[:2] / young[2:])
    assert mailbox.write_blob(b"again") == wanted_again
    mailbox.settle()
    os.utime(repo.path / ".git/gitsync/sorted-out", (1, 1))
    mailbox.maintain()
    assert not there(repo, old)
    assert there(repo, wanted_again)
    assert there(repo, young)
    assert there(repo, tip)
    assert (repo.path / ".git/gitsync/sorted-out").stat().st_mtime > 1


def test_only_one_maintains_at_a_time(repo: Person, mailbox: Mailbox) -> None:
    repo.commit({"a": "1"})
    before = loose(repo)
    (repo.path / ".git/gitsync").mkdir()
    with (repo.path / ".git/gitsync/maintenance.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert mailbox.maintain() == 0.0
    assert loose(repo) == before


def test_maintenance_of_a_shallow_clone(repo: Person, tmp_path: Path) -> None:
    for n in range(4):
        repo.commit({"a": str(n)})
    run_git("clone", "-q", "--depth=2", f"file://{repo.path}", tmp_path / "shallow")
    with Mailbox(tmp_path / "shallow", "coordination") as mailbox:
        assert mailbox.maintain() > 0
        run_git("fsck", cwd=tmp_path / "shallow")


def test_writing_goes_on_while_it_is_maintained(repo: Person, mailbox: Mailbox) -> None:
    tip = repo.commit({"a": "0"})
    with Mailbox(repo.path, "coordination") as other:
        rounds = [0]
        go = threading.Event()

        def maintain() -> None:
            while not go.is_set():
                other.maintain()
                rounds[0] += 1

        thread = threading.Thread(target=maintain)
        thread.start()
        n = 0
        try:
            deadline = time.monotonic() + 20
            while (rounds[0] < 3 or n < 30) and time.monotonic() < deadline:
                tree = mailbox.write_tree(mailbox.commit(tip).tree, {"a": mailbox.write_blob(b"%d" % (n % 7))})
                sha = mailbox.write_commit(tree, [tip], str(n))
                assert mailbox.move_ref("refs/heads/coordination", sha, tip)
                tip, n = sha, n + 1
        finally:
            go.set()
            thread.join()
    assert rounds[0] >= 3
    assert len(mailbox.between([], tip)) == n + 1
    repo.git("fsck", "--strict", "--no-dangling")


def test_stale_locks_go_and_living_ones_stay(repo: Person, mailbox: Mailbox) -> None:
    repo.commit({"a": "1"})
    git = repo.path / ".git"
    stale = [git / "index.lock", git / "refs/heads/coordination.lock", git / "packed-refs.lock"]
    for lock in stale:
        lock.touch()
        os.utime(lock, (1, 1))
    young = git / "config.lock"
    young.touch()
    held = git / "shallow.lock"
    with held.open("w") as file:
        os.utime(held, (1, 1))
        assert sorted(mailbox.clear_stale_locks()) == ["index.lock", "packed-refs.lock", "refs/heads/coordination.lock"]
        assert young.exists()
        assert held.exists()
        assert file.writable()
    assert mailbox.clear_stale_locks() == ["shallow.lock"]
    assert mailbox.clear_stale_locks(older_than=-1) == ["config.lock"]

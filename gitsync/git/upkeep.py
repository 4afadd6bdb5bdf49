"""Keep the clone quick over months: git's automatic gc is off here, so this is ours to do."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gitsync.clock import monotonic, unix
from gitsync.errors import GitFailed
from gitsync.git.run import Done

TIMEOUT = 600.0  # seconds for one step
STALE_AFTER = 60.0  # seconds

GARBAGE_AGE = 14 * 86400.0  # seconds; an object in flight is younger: its writer gives it a new time
FULL_EVERY = 30 * 86400.0  # seconds

_PRUNE = ("prune", "--expire=2.weeks.ago")
# Rolls loose objects and small packs into larger ones: each object is rewritten a logarithmic number of times. It
# drops nothing, also what no ref reaches goes into the pack [git 2.39]; so now and then everything is sorted out:
# garbage goes to a pack that knows the age of each object, and leaves that when it is old.
_ROLL_UP = ("repack", "--geometric=2", "-d", "-l", "-q", "--no-write-bitmap-index")
_SORT_OUT = ("repack", "--cruft", "--cruft-expiration=2.weeks.ago", "-d", "-l", "-q", "--no-write-bitmap-index")
_SORT_OUT_OLD = ("repack", "-A", "--unpack-unreachable=2.weeks.ago", "-d", "-l", "-q")  # git before 2.37
_GRAPH = ("commit-graph", "write", "--reachable", "--split", "--no-progress")
_REFS = ("pack-refs", "--all", "--prune")


def maintain(common_dir: Path, git: Callable[..., Done]) -> float:
    """Pack objects and refs, write the commit-graph, drop old garbage; return the seconds it took.

    Safe beside running cycles and other gits. Returns 0.0 when another process is at it.
    """
    folder = common_dir / "gitsync"
    folder.mkdir(exist_ok=True)
    started = monotonic()
    handle = os.open(folder / "maintenance.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0.0
        if _old_loose_objects(common_dir / "objects", unix() - GARBAGE_AGE):
            git(*_PRUNE, timeout=TIMEOUT)
        if _due(folder / "sorted-out"):
            try:
                git(*_SORT_OUT, timeout=TIMEOUT)
            except GitFailed:
                git(*_SORT_OUT_OLD, timeout=TIMEOUT)
            (folder / "sorted-out").touch()
        else:
            git(*_ROLL_UP, timeout=TIMEOUT)
        if not (common_dir / "shallow").exists():  # git writes no commit-graph of a cut-off history
            git(*_GRAPH, timeout=TIMEOUT)
        git(*_REFS, timeout=TIMEOUT)
        return monotonic() - started
    finally:
        os.close(handle)


def _due(marker: Path) -> bool:
    """Say whether the last time is long ago; the count starts with the first maintenance."""
    try:
        return unix() - marker.stat().st_mtime > FULL_EVERY
    except FileNotFoundError:
        marker.touch()
        return False


def _old_loose_objects(objects: Path, before: float) -> bool:
    """Say whether there is a loose object that old."""
    for folder in objects.iterdir():
        if len(folder.name) == 2:
            with suppress(FileNotFoundError), os.scandir(folder) as items:
                for item in items:
                    if item.stat(follow_symlinks=False).st_mtime < before:
                        return True
    return False


def clear_stale_locks(git_dir: Path, common_dir: Path, older_than: float = STALE_AFTER) -> list[str]:
    """Remove the locks that a crashed git left in our clone; return their names."""
    removed = []
    for lock in stale_locks(git_dir, common_dir, older_than):
        with suppress(FileNotFoundError):
            lock.unlink()
            removed.append(str(lock.relative_to(common_dir if lock.is_relative_to(common_dir) else git_dir)))
    return removed


def stale_locks(git_dir: Path, common_dir: Path, older_than: float = STALE_AFTER) -> list[Path]:
    """Find the locks that a crashed git left in our clone.

    A lock counts when it is older than ``older_than`` seconds and no process has it open. git closes a lock file
    before it renames it, so age counts too; a command that lives holds one for milliseconds.
    """
    now = unix()
    old: list[Path] = []
    for lock in _locks(git_dir, common_dir):
        with suppress(FileNotFoundError):
            if now - lock.stat().st_mtime > older_than:
                old.append(lock)
    if not old:
        return []
    held = _open_files()
    found = []
    for lock in old:
        with suppress(FileNotFoundError):
            there = lock.stat()
            if (there.st_dev, there.st_ino) not in held:
                found.append(lock)
    return found


def _locks(git_dir: Path, common_dir: Path) -> list[Path]:
    names = ("index.lock", "HEAD.lock", "config.lock", "shallow.lock", "packed-refs.lock", "ORIG_HEAD.lock")
    found = [folder / name for folder in {git_dir, common_dir} for name in names]
    found += (common_dir / "refs").rglob("*.lock")
    found += (common_dir / "objects" / "info" / "commit-graphs").glob("*.lock")
    return [lock for lock in found if lock.is_file() and not lock.is_symlink()]


def _open_files() -> set[tuple[int, int]]:
    """Return what the processes we may look at have open; empty where there is no /proc."""
    found: set[tuple[int, int]] = set()
    with suppress(FileNotFoundError):
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            with suppress(OSError), os.scandir(process / "fd") as handles:
                for handle in handles:
                    with suppress(OSError):
                        opened = os.stat(handle.path)
                        found.add((opened.st_dev, opened.st_ino))
    return found

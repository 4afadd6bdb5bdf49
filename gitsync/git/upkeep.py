"""Keep the clone quick over months: git's automatic gc is off here, so this is ours to do."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gitsync.clock import monotonic, unix
from gitsync.git.run import Done

TIMEOUT = 600.0  # seconds for one step
STALE_AFTER = 60.0  # seconds

_STEPS: tuple[tuple[str, ...], ...] = (
    # Rolls loose objects and small packs into larger ones; each object is rewritten a logarithmic number of times.
    # It drops nothing: loose objects that no ref reaches stay loose, whole packs are rolled up with all they hold.
    ("repack", "--geometric=2", "-d", "-l", "-q", "--no-write-bitmap-index"),
    ("commit-graph", "write", "--reachable", "--split", "--no-progress"),
    ("pack-refs", "--all", "--prune"),
)
# An object in flight is young: the writer gives it a new time before it relies on it.
_PRUNE = ("prune", "--expire=2.weeks.ago")


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
        steps = _STEPS
        if _shallow(common_dir):  # a commit-graph of a shallow history is refused by git
            steps = tuple(step for step in steps if step[0] != "commit-graph")
        for step in steps:
            git(*step, timeout=TIMEOUT)
        if _old_loose_objects(common_dir / "objects", unix() - 14 * 86400):
            git(*_PRUNE, timeout=TIMEOUT)
        return monotonic() - started
    finally:
        os.close(handle)


def _shallow(common_dir: Path) -> bool:
    return (common_dir / "shallow").exists()


def _old_loose_objects(objects: Path, before: float) -> bool:
    """Say whether there is a loose object that old; after a repack only unreachable ones are loose."""
    for folder in objects.iterdir():
        if len(folder.name) == 2:
            with suppress(FileNotFoundError), os.scandir(folder) as items:
                for item in items:
                    if item.stat(follow_symlinks=False).st_mtime < before:
                        return True
    return False


def clear_stale_locks(git_dir: Path, common_dir: Path, older_than: float = STALE_AFTER) -> list[str]:
    """Remove the locks that a crashed git left in our clone; return their names.

    A lock goes when it is older than ``older_than`` seconds and no process has it open. git closes a lock file
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
    removed = []
    for lock in old:
        with suppress(FileNotFoundError):
            found = lock.stat()
            if (found.st_dev, found.st_ino) not in held:
                lock.unlink()
                removed.append(str(lock.relative_to(common_dir if lock.is_relative_to(common_dir) else git_dir)))
    return removed


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

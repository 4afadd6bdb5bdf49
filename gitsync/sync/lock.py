"""One engine per mailbox clone: a kernel lock with an owner that a person can read (row 19)."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gitsync import clock
from gitsync.errors import GitsyncError


@dataclass(frozen=True)
class Owner:
    """Say who holds a lock: process, host and since when (UTC, to the second)."""

    pid: int
    host: str
    since: str


class LockHeld(GitsyncError):
    """Another process works in this clone."""

    def __init__(self, owner: Owner | None, path: Path) -> None:
        who = f"process {owner.pid} on {owner.host} since {owner.since}" if owner else "another process"
        super().__init__(
            "this mailbox clone is already in use",
            f"{who} holds {path.name}",
            "use that process (gitsync status), or stop it with gitsync down",
        )
        self.owner = owner


class CloneLock:
    """Hold the clone for one process; the kernel lets go when that process ends, and never before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Say whether this object holds the lock."""
        return self._fd is not None

    def acquire(self) -> None:
        """Take the lock at once or raise LockHeld; the file is never removed, so nobody locks a ghost."""
        if self._fd is not None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _take(fd)
        except BlockingIOError:
            os.close(fd)
            raise LockHeld(read_owner(self.path), self.path) from None
        except BaseException:
            os.close(fd)
            raise
        note = {"pid": os.getpid(), "host": socket.gethostname(), "since": clock.stamp()}
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(note).encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Let go; harmless when not held."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None

    def lost(self) -> bool:
        """Say whether the file of the held lock was removed or replaced, and the clone with it."""
        if self._fd is None:
            return False
        mine = os.fstat(self._fd)
        try:
            there = os.stat(self.path)
        except OSError:
            return True
        return (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()


def _take(fd: int) -> None:
    """Lock at once; a moment of patience only for somebody who asks `holder`, which takes the lock for an instant."""
    for wait in (0.01, 0.03, 0.06):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            clock.sleep(wait)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def holder(path: Path) -> Owner | None:
    """Say who holds the lock now; None where nobody does, whatever a killed process left in the file.

    Its process id may belong to another program by now, so only the kernel's word counts.
    """
    owner = read_owner(path)
    if owner is None:
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return owner
    except OSError:
        return owner  # a file system without such locks: the note is all there is
    finally:
        os.close(fd)
    return None


def read_owner(path: Path) -> Owner | None:
    """Read who wrote the lock file last; None when it is empty, missing or not ours to understand."""
    try:
        note = json.loads(path.read_bytes())
        return Owner(int(note["pid"]), str(note["host"]), str(note["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None

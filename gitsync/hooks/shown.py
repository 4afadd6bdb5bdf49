"""Remember which messages a coding agent was shown, so that each is shown once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

KEPT = 2_000


def claim(file: Path, choose: Callable[[frozenset[str]], Sequence[str]]) -> tuple[str, ...]:
    """Let ``choose`` pick keys that were not shown, and note them; two agents at once get different ones."""
    with _locked(file) as handle:
        old = os.pread(handle, os.fstat(handle).st_size, 0).decode("utf-8", "replace").splitlines()
        keys = tuple(choose(frozenset(old)))
        if keys:
            lines = [*old, *keys][-KEPT:]
            data = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
            os.pwrite(handle, data, 0)
            os.ftruncate(handle, len(data))
        return keys


def shown(file: Path) -> Collection[str]:
    """Return the keys that were shown."""
    try:
        return frozenset(file.read_text("utf-8", "replace").splitlines())
    except OSError:
        return frozenset()


@contextmanager
def _locked(file: Path) -> Iterator[int]:
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)

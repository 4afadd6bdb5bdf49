"""Live beside a person's `git gc` in the same clone (row 23).

`gc --prune=now` lists what refs reach, takes its time, and removes every other object, however new: also one that a ref
names since. git has no way to ask it to wait, so we wait for it, and look at what it left.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from gitsync import clock
from gitsync.git.run import Done

PATIENCE = 20.0
"""Seconds to wait for a gc: a large one that prunes only what is old does no harm."""


def running(common_dir: Path) -> bool:
    """Say whether a gc is at work in this repository; it notes process and host in `gc.pid` until it ends."""
    try:
        pid, _, host = (common_dir / "gc.pid").read_text().strip().partition(" ")
        if host != socket.gethostname():
            return False
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def wait(common_dir: Path) -> bool:
    """Wait until no gc is at work; say whether there was one."""
    if not running(common_dir):
        return False
    until = clock.monotonic() + PATIENCE
    while running(common_dir) and clock.monotonic() < until:
        clock.sleep(0.02)
    return True


def missing(git: Callable[..., Done], objects: Sequence[str]) -> set[str]:
    """Give those of the objects that are not in the store, whatever was read from it before."""
    if not objects:
        return set()
    done = git("cat-file", "--batch-check=%(objectname)", data="\n".join(objects).encode() + b"\n")
    return {line.split()[0] for line in done.out.decode().splitlines() if line.endswith(" missing")}

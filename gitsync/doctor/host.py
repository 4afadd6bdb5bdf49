"""The computer: programs, disk, limits, clock."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from gitsync import clock
from gitsync.doctor.ground import Ground
from gitsync.doctor.values import Check, ok
from gitsync.errors import GitsyncError
from gitsync.git.setup import OLDEST_GIT, git_version

TRIED_GIT = (2, 39, 0)
"""The oldest git that gitsync is tested with."""
FEW_INODES = 1_000
FEW_WATCHES = 8_192
"""Watches of a user that may be used up by an editor and a file manager alone."""
TIGHT = 8
"""Times the space that syncing insists on, below which it will run out soon."""

_LIMITS = Path("/proc/sys/fs/inotify")


def checks(ground: Ground) -> Iterator[Check]:
    """Examine the computer."""
    yield git(ground)
    yield ok("python", f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from disks(ground)
    yield watches(_limit("max_user_watches"), _limit("max_user_instances"))


def git(ground: Ground) -> Check:
    """Ask git for its version."""
    if ground.git is None:
        return Check(
            name="git",
            state="fail",
            what="git is not installed, or not in the search path",
            why="everything that gitsync sends and reads goes through git",
            remedy=f"install git {_dotted(TRIED_GIT)} or later",
        )
    try:
        return judge_git(git_version())
    except (GitsyncError, ImportError) as error:
        return Check(name="git", state="fail", what="git does not run", why=str(error), remedy="install git again")


def judge_git(version: tuple[int, int, int]) -> Check:
    """Say whether a version of git will do."""
    told = ".".join(map(str, version))
    if version < OLDEST_GIT:
        return Check(
            name="git",
            state="fail",
            what=f"git {told} is not supported",
            why=f"gitsync needs options that git has since {_dotted(OLDEST_GIT)}",
            remedy=f"install git {_dotted(TRIED_GIT)} or later",
        )
    if version < TRIED_GIT:
        return Check(
            name="git",
            state="warn",
            what=f"git {told} is older than any that gitsync is tested with",
            remedy=f"install git {_dotted(TRIED_GIT)} or later when you can",
        )
    return ok("git", f"git {told}")


def _dotted(version: tuple[int, int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def disks(ground: Ground) -> Iterator[Check]:
    """Look at the file systems of the clone and of the settings."""
    needed = ground.settings.sync.free_space if ground.settings is not None else 16 << 20
    seen: set[int] = set()
    for path in (ground.mailbox, ground.root, ground.start):
        try:
            if path is None or path.stat().st_dev in seen:
                continue
            seen.add(path.stat().st_dev)
            info = os.statvfs(path)
        except OSError:
            continue
        read_only = bool(info.f_flag & os.ST_RDONLY)
        yield judge_disk(path, info.f_bavail * info.f_frsize, needed, read_only)
        yield judge_inodes(path, info.f_favail, info.f_files)


def judge_disk(path: Path, free: int, needed: int, read_only: bool = False) -> Check:
    """Say whether there is room; sizes in bytes."""
    if read_only:
        return Check(
            name="disk", state="fail", what=f"the file system of {path} is read-only", remedy="mount it writable"
        )
    told = f"{free >> 20} MiB free at {path}"
    if free < needed:
        why = f"below {needed >> 20} MiB nothing is written, so that nothing is written by half"
        return Check(name="disk", state="fail", what=f"the disk is almost full: {told}", why=why, remedy="make space")
    if free < needed * TIGHT:
        why = f"below {needed >> 20} MiB syncing stops"
        return Check(name="disk", state="warn", what=f"the disk fills up: {told}", why=why, remedy="make space")
    return ok("disk", told)


def judge_inodes(path: Path, free: int, total: int) -> Check:
    """Say whether files can still be made; file systems without a fixed number of them report none at all."""
    if total and free < FEW_INODES:
        return Check(
            name="inodes",
            state="fail" if free < 50 else "warn",
            what=f"only {free} files can still be made at {path}",
            why="each message and each version of a file is a file of its own for a while",
            remedy="remove many small files (df -i)",
        )
    return ok("inodes", f"{free} free inodes at {path}" if total else "not limited")


def watches(most: int | None, instances: int | None) -> Check:
    """Say whether the system lets gitsync watch its folder."""
    if most is not None and most < FEW_WATCHES:
        return Check(
            name="watches",
            state="warn",
            what=f"this user may watch {most} files only",
            why="without a watch, hand edits are seen at the next look, not at once",
            remedy="sudo sysctl fs.inotify.max_user_watches=65536",
        )
    if instances is not None and instances < 16:
        return Check(
            name="watches",
            state="warn",
            what=f"only {instances} programs of this user may watch files",
            why="without a watch, hand edits are seen at the next look, not at once",
            remedy="sudo sysctl fs.inotify.max_user_instances=128",
        )
    return ok("watches", f"{most} file watches" if most is not None else "not limited")


def _limit(name: str) -> int | None:
    try:
        return int((_LIMITS / name).read_text())
    except (OSError, ValueError):
        return None


def versions() -> dict[str, str]:
    """Return what runs here, for a report."""
    from gitsync import __version__
    from gitsync.ledger.health import SQLITE

    try:
        git_is = ".".join(map(str, git_version()))
    except (GitsyncError, ImportError) as error:
        git_is = str(error).splitlines()[0]
    return {
        "gitsync": __version__,
        "git": git_is,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "sqlite": SQLITE,
        "file_system_encoding": sys.getfilesystemencoding(),
        "made": clock.stamp(),
    } | _packages()


def _packages() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, requires, version

    found = {}
    try:
        needed = requires("gitsync") or []
    except PackageNotFoundError:
        needed = []
    for requirement in needed:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        try:
            found[f"package {name}"] = version(name)
        except PackageNotFoundError:
            continue
    return found

"""Where a user's settings may come from: the environment, the user's own list, the owner of a folder."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitsync.config.settings import SETTINGS_FILE, STATE_DIR
from gitsync.errors import ConfigError

REGISTRY = "machines.json"


@dataclass(frozen=True)
class Registered:
    """One machine that ``init`` set up for this user."""

    root: Path
    mailbox: Path
    machine: str


def named_root() -> Path | None:
    """Return what ``GITSYNC_DIR`` names."""
    value = os.environ.get("GITSYNC_DIR", "")
    return Path(value) if value else None


def user_dir() -> Path:
    """Return the user's own folder for gitsync (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    # The specification: "All paths must be absolute. If a relative path is encountered … ignore it."
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "gitsync"


def registered() -> dict[Path, Registered]:
    """Return the user's list; a list that cannot be read is an error, not an empty one."""
    file = user_dir() / REGISTRY
    try:
        data = json.loads(file.read_bytes())
        return {
            Path(root): Registered(Path(root), Path(row["mailbox"]), str(row["machine"]))
            for root, row in data["machines"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "the list of this user's machines cannot be read",
            f"{file}: {error}",
            "remove the file, then run gitsync init again",
        ) from error


def register(entry: Registered) -> None:
    """Put a machine on the user's list."""
    with _locked():
        rows = registered()
        rows[entry.root] = entry
        _write_registry(rows)


def forget(root: Path) -> None:
    """Take a machine off the user's list."""
    with _locked():
        rows = registered()
        if rows.pop(root, None) is not None:
            _write_registry(rows)


@contextmanager
def _locked() -> Iterator[None]:
    """Keep others from changing the list between reading and writing it: several computers may be set up at once."""
    import fcntl

    folder = user_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / f"{REGISTRY}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write_registry(rows: Mapping[Path, Registered]) -> None:
    data = {"machines": {str(row.root): {"mailbox": str(row.mailbox), "machine": row.machine} for row in rows.values()}}
    write_private(user_dir() / REGISTRY, (json.dumps(data, indent=2, sort_keys=True) + "\n").encode())


def write_private(file: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file in one step, readable by the user only."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as out:
            os.fchmod(out.fileno(), mode)
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def owned(path: Path) -> bool:
    """Say whether a file or folder, not what a link points to, belongs to the user and nobody else may write it.

    A group counts as somebody else, as ssh has it: who is in it is decided elsewhere.
    """
    info = path.lstat()
    others = info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return not stat.S_ISLNK(info.st_mode) and info.st_uid == os.geteuid() and not others


def may_be_tracked(root: Path) -> bool:
    """Say whether the settings could be in the index of the repository at ``root``.

    A look at the bytes of the index, for speed: a name that is tracked stands there in full, except in version 4 or
    where the index is split, and then the answer is yes and git must be asked.
    """
    git_dir = root / ".git"
    try:
        if git_dir.is_file():
            git_dir = root / git_dir.read_text().removeprefix("gitdir:").strip()
        data = (git_dir / "index").read_bytes()
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError):
        return True
    plain = data[:4] == b"DIRC" and int.from_bytes(data[4:8], "big") in (2, 3)
    return not plain or b"link\x00" in data[-4096:] or f"{STATE_DIR}/".encode() in data


def settings_in(folder: Path) -> Path:
    """Return where a root keeps its settings file."""
    return folder / STATE_DIR / SETTINGS_FILE

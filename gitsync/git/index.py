"""Move the clone's index along with the branch, in this process.

Without that, a person's next ``git commit`` in the folder takes back what arrived since. What they staged
stays: an entry is touched only while it still is what the old tree has. Index versions 2 and 3 are written
here; others, and those with extensions that must be understood, are left to ``git read-tree -i -m OLD NEW``,
which refuses as a whole where it meets something staged.

Format: git's Documentation/gitformat-index.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitsync.clock import monotonic, sleep
from gitsync.errors import FolderPaused
from gitsync.git.objects import inside, object_id, to_bytes
from gitsync.git.values import REGULAR, SUBMODULE, SYMLINK, Change, Entry

PATIENCE = 1.0  # seconds that another git may hold the lock
_HEADER = struct.Struct(">4sII")
_FIXED = struct.Struct(">10I20sH")  # ctime, mtime (2 each), dev, ino, mode, uid, gid, size, name of the object, flags
_EXTENDED = 0x4000
_STAGE = 0x3000
_INTENT_TO_ADD = 0x2000  # in the extended flags


class ForeignIndexError(Exception):
    """The index is of a kind that only git itself may write."""


@dataclass(slots=True)
class Item:
    """Hold one entry: what it points to, whether it may be moved, and its bytes as they were in the file."""

    mode: int
    sha: bytes
    movable: bool  # stage 0, and not merely an intent to add
    raw: bytes


def move(git_dir: Path, work_tree: Path, changes: Iterable[Change]) -> None:
    """Take over each change whose path the index still has as it was.

    FolderPaused when another git holds the index; ForeignIndexError when git itself must do it.
    """
    changes = list(changes)
    if not changes:
        return
    lock = git_dir / "index.lock"
    handle = _lock(lock)
    try:
        try:
            data = _moved(read(git_dir / "index"), work_tree, changes)
            with os.fdopen(os.dup(handle), "wb") as file:
                file.write(data)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(lock, git_dir / "index")
    except BaseException:
        with suppress(FileNotFoundError):
            lock.unlink()
        raise


def _lock(lock: Path) -> int:
    deadline = monotonic() + PATIENCE
    while True:
        try:
            return os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            if monotonic() > deadline:
                raise FolderPaused(
                    "Another git is working in the mailbox folder.",
                    f"{lock} exists.",
                    "It is tried again; a lock that a crashed git left is removed once it is old.",
                ) from None
            sleep(0.02)


def read(file: Path) -> bytes:
    """Return an index file's bytes; none where nothing was ever staged."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def _moved(data: bytes, work_tree: Path, changes: list[Change]) -> bytes:
    version, items = parse(data)
    added = False
    for change in changes:
        name = to_bytes(change.path)
        item = items.get((name, 0))
        if any((name, stage) in items for stage in (1, 2, 3)) or (item is not None and not item.movable):
            continue  # a conflict or an intent of a person
        was = item and (item.mode, item.sha)
        if was != (change.old and (change.old.mode, bytes.fromhex(change.old.sha))):
            continue  # staged by a person, or moved already
        if change.new is None:
            items.pop((name, 0), None)
        else:
            added = added or item is None
            file = work_tree / change.path if inside(change.path) else None
            items[name, 0] = _compose(name, change.new, file, item)
    if added:
        _drop_clashes(items, changes)
    ordered = sorted(items.items())
    body = _HEADER.pack(b"DIRC", version, len(ordered)) + b"".join(item.raw for _, item in ordered)
    # No extensions: TREE and the others are caches, which git makes anew.
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _drop_clashes(items: dict[tuple[bytes, int], Item], changes: list[Change]) -> None:
    """Give way where a person staged 'a' and 'a/b' arrived, or the reverse: an index with both is broken."""
    names = {name for name, _ in items}
    for change in changes:
        name = to_bytes(change.path)
        if change.old is not None or (name, 0) not in items:
            continue
        parts = name.split(b"/")
        above = {b"/".join(parts[:count]) for count in range(1, len(parts))}
        if above & names or any(other.startswith(name + b"/") for other in names):
            del items[name, 0]
            names.discard(name)


def parse(data: bytes) -> tuple[int, dict[tuple[bytes, int], Item]]:
    """Read an index: its version, and its entries by name and stage. ForeignIndexError for kinds not read here."""
    if not data:
        return 2, {}
    if len(data) < _HEADER.size + 20 or hashlib.sha1(data[:-20], usedforsecurity=False).digest() != data[-20:]:
        raise ForeignIndexError("damaged, or written without its checksum")
    signature, version, count = _HEADER.unpack_from(data)
    if signature != b"DIRC" or version not in (2, 3):
        raise ForeignIndexError(f"version {version}")
    items: dict[tuple[bytes, int], Item] = {}
    at = _HEADER.size
    for _ in range(count):
        fields = _FIXED.unpack_from(data, at)
        mode, sha, flags = fields[6], fields[10], fields[11]
        start = at + _FIXED.size
        intent = 0
        if flags & _EXTENDED:
            intent = struct.unpack_from(">H", data, start)[0] & _INTENT_TO_ADD
            start += 2
        end = data.index(b"\0", start)
        length = (end - at + 8) & ~7  # one to eight NULs, to a multiple of eight
        stage = (flags & _STAGE) >> 12
        items[data[start:end], stage] = Item(mode, sha, not stage and not intent, data[at : at + length])
        at += length
    while at < len(data) - 20:
        name, size = data[at : at + 4], struct.unpack_from(">I", data, at + 4)[0]
        if not name[:1].isupper():  # 'link' (split index) and 'sdir' (sparse index) change what the entries mean
            raise ForeignIndexError(f"extension {name!r}")
        at += 8 + size
    return version, items


def _compose(name: bytes, entry: Entry, file: Path | None, old: Item | None) -> Item:
    sha = bytes.fromhex(entry.sha)
    times, numbers, size = _stat(file, entry)
    flags = min(len(name), 0xFFF)
    extended = b""
    if old is not None:  # assume-unchanged and skip-worktree are a person's choice
        was = _FIXED.unpack_from(old.raw)[11]
        flags |= was & 0x8000
        if was & _EXTENDED:
            flags |= _EXTENDED
            extended = old.raw[_FIXED.size : _FIXED.size + 2]
    dev, ino, uid, gid = numbers
    raw = _FIXED.pack(*times, dev, ino, entry.mode, uid, gid, size, sha, flags) + extended + name
    raw += b"\0" * (8 - len(raw) % 8)
    return Item(entry.mode, sha, True, raw)


def _stat(file: Path | None, entry: Entry) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int], int]:
    """Return what git remembers of a file that holds exactly this entry; zeros make git look for itself."""
    unknown = (0, 0, 0, 0), (0, 0, 0, 0), 0
    if entry.mode in (SYMLINK, SUBMODULE) or file is None:
        return unknown
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return unknown
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode) or bool(before.st_mode & 0o100) != (entry.mode != REGULAR):
            return unknown
        with os.fdopen(os.dup(handle), "rb") as opened:
            data = opened.read()
        after = os.fstat(handle)
    finally:
        os.close(handle)
    if object_id("blob", data) != entry.sha or (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, len(data)):
        return unknown
    mask = 0xFFFFFFFF
    seconds = 1_000_000_000
    return (
        (
            before.st_ctime_ns // seconds & mask,
            before.st_ctime_ns % seconds,
            before.st_mtime_ns // seconds & mask,
            before.st_mtime_ns % seconds,
        ),
        (before.st_dev & mask, before.st_ino & mask, before.st_uid & mask, before.st_gid & mask),
        before.st_size & mask,
    )

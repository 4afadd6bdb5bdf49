"""Look at the mailbox folder cheaply: which files are there, and which bytes they hold.

A file whose signature (times, inode, size, mode) is the one we hashed holds what we hashed. A file touched so
recently that a second write could have left the same signature is hashed again (git calls this racily clean). A
folder whose own signature is unchanged has no new, removed or renamed entries, so it is not listed again; the files
of `archive/`, of which there may be thousands, are then looked at in turns, the others each time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitsync import clock

Signature = tuple[int, int, int, int, int]

RACY_NS = 100_000_000
"""Kernels stamp files by a tick of 1 to 10 ms; the rest is margin."""
RACY_COARSE_NS = 2_100_000_000
"""File systems without fractions of a second (FAT, some network shares) stamp to one or two seconds."""
ROLLING = "archive"
TURN = 48
"""Files of unchanged rolling folders that one scan looks at."""


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What a path held when it was last read."""

    signature: Signature
    blob: str
    racy: bool
    executable: bool = False


@dataclass(slots=True)
class _Listing:
    signature: Signature
    racy: bool
    files: list[str]
    folders: list[str]


@dataclass(frozen=True, slots=True)
class Odd:
    """A path that is not taken: a link, a folder in place of a file, something too large or unreadable."""

    path: str
    why: str


def signature(info: os.stat_result) -> Signature:
    """Give what changes when a file changes; the change time cannot be set by a program."""
    return (info.st_mtime_ns, info.st_ctime_ns, info.st_ino, info.st_size, info.st_mode)


def racy(sig: Signature, now_ns: int) -> bool:
    """Say whether a later write could still carry the same times."""
    newest = max(sig[0], sig[1])
    coarse = sig[0] % 1_000_000_000 == 0 and sig[1] % 1_000_000_000 == 0
    return newest > now_ns - (RACY_COARSE_NS if coarse else RACY_NS)


class Folder:
    """Remember what the folder held, and tell what changed since the last look."""

    def __init__(
        self,
        root: Path,
        *,
        blob_of: Callable[[bytes], str],
        max_file: int,
        skip: Callable[[str], bool],
        skip_folder: Callable[[str], bool],
    ) -> None:
        self.root = str(root)
        self.files: dict[str, OnDisk] = {}
        self.odd: dict[str, Odd] = {}
        self._blob_of = blob_of
        self.max_file = max_file
        self._skip = skip
        self._skip_folder = skip_folder
        self._listings: dict[str, _Listing] = {}
        self._turn: Iterator[str] = iter(())
        self._scanned = False

    def scan(self, *, closely: bool = False) -> set[str]:
        """Look at the folder; give the paths whose bytes, or whose oddness, changed since the last scan."""
        now_ns = int(clock.unix() * 1e9)
        changed: set[str] = set()
        present: set[str] = set()
        relisted = not self._scanned or closely
        rolling: list[str] = []
        todo = [""]
        while todo:
            folder = todo.pop()
            listing, fresh = self._list(folder, now_ns, changed, closely)
            if listing is None:
                relisted = True
                continue
            relisted = relisted or fresh
            todo.extend(listing.folders)
            if (folder == ROLLING or folder.startswith(f"{ROLLING}/")) and not fresh and not closely:
                rolling.append(folder)
                continue
            for path in listing.files:
                self._look(path, now_ns, changed)
        for path in self._next_turn(rolling):
            self._look(path, now_ns, changed)
        if relisted:
            for known in self._listings.values():
                present.update(known.files)
            for path in [path for path in self.files if path not in present]:
                del self.files[path]
                changed.add(path)
            for path in [path for path in self.odd if path not in present and not os.path.lexists(self.full(path))]:
                del self.odd[path]
                changed.add(path)
        self._scanned = True
        return changed

    def relist(self) -> None:
        """List every folder again at the next scan."""
        self._listings.clear()
        self._scanned = False

    def full(self, path: str) -> str:
        """Give the absolute name of a path of the mailbox."""
        return f"{self.root}/{path}"

    def read(self, path: str) -> bytes | None:
        """Read a regular file without following links; None when it is not there or not readable as one."""
        return read_file(self.full(path), self.max_file)

    def note(self, path: str, blob: str | None) -> None:
        """Record that we have just put this blob there (None: removed it); a later write is found."""
        if blob is None:
            self.files.pop(path, None)
            return
        try:
            info = os.lstat(self.full(path))
        except OSError:
            self.files.pop(path, None)
            return
        self.files[path] = OnDisk(signature(info), blob, True, bool(info.st_mode & stat.S_IXUSR))

    def _next_turn(self, folders: list[str]) -> Iterator[str]:
        if not folders:
            return
        for _ in range(TURN):
            path = next(self._turn, None)
            if path is None:
                self._turn = iter([path for folder in folders for path in self._listings[folder].files])
                path = next(self._turn, None)
                if path is None:
                    return
                yield path
                return
            yield path

    def _list(self, folder: str, now_ns: int, changed: set[str], closely: bool) -> tuple[_Listing | None, bool]:
        known = self._listings.get(folder)
        try:
            sig = signature(os.lstat(self.full(folder) if folder else self.root))
            if known is not None and known.signature == sig and not known.racy and not closely:
                return known, False
            files, folders = self._entries(folder, changed)
        except OSError:
            self._forget_below(folder)
            return None, True
        if known is not None:
            for gone in set(known.folders) - set(folders):
                self._forget_below(gone)
        listing = _Listing(sig, racy(sig, now_ns), files, folders)
        same = known is not None and known.files == files and known.folders == folders
        self._listings[folder] = listing
        return listing, not same

    def _entries(self, folder: str, changed: set[str]) -> tuple[list[str], list[str]]:
        files: list[str] = []
        folders: list[str] = []
        with os.scandir(self.full(folder) if folder else self.root) as entries:
            for entry in entries:
                if not folder and entry.name.lower() == ".git":
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if not self._skip_folder(path) and not os.path.lexists(f"{entry.path}/.git"):
                        folders.append(path)
                    if path in self.files or self._skip_odd_folder(path):
                        self._note_odd(path, "is a folder where a file belongs", changed)
                elif not self._skip(path):
                    files.append(path)
        return sorted(files), sorted(folders)

    def _skip_odd_folder(self, path: str) -> bool:
        return path.endswith(".md") and (path.startswith(("messages/", "COMPUTER_")) or path == "README.md")

    def _forget_below(self, folder: str) -> None:
        for name in [name for name in self._listings if name == folder or name.startswith(f"{folder}/")]:
            del self._listings[name]

    def _look(self, path: str, now_ns: int, changed: set[str]) -> None:
        known = self.files.get(path)
        try:
            info = os.lstat(self.full(path))
        except OSError:
            if self.files.pop(path, None) is not None:
                changed.add(path)
            return
        sig = signature(info)
        if known is not None and known.signature == sig and not known.racy:
            return
        why = self._refused(path, info)
        if why is None:
            try:
                data = read_file(self.full(path), self.max_file)
            except OSError as error:
                data, why = None, f"cannot be read: {error.strerror}"
            if data is None and why is None:
                return  # gone or changed its kind between two looks; the next scan tells
        if why is not None:
            self._note_odd(path, why, changed)
            return
        assert data is not None
        if self.odd.pop(path, None) is not None:
            changed.add(path)
        blob = self._blob_of(data)
        if known is None or known.blob != blob:
            changed.add(path)
        self.files[path] = OnDisk(sig, blob, racy(sig, now_ns), bool(info.st_mode & stat.S_IXUSR))

    def _refused(self, path: str, info: os.stat_result) -> str | None:
        if stat.S_ISLNK(info.st_mode):
            return "is a symbolic link"
        if not stat.S_ISREG(info.st_mode):
            return "is not a regular file"
        if info.st_size > self.max_file:
            return f"is larger than {self.max_file // (1024 * 1024)} MiB"
        return None

    def _note_odd(self, path: str, why: str, changed: set[str]) -> None:
        self.files.pop(path, None)
        if path not in self.odd or self.odd[path].why != why:
            self.odd[path] = Odd(path, why)
            changed.add(path)


def read_file(name: str, limit: int) -> bytes | None:
    """Read a regular file of at most `limit` bytes, never through a link; None when there is no such file."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        if os.path.islink(name):
            return None
        raise
    with os.fdopen(fd, "rb") as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > limit:
            return None
        return file.read(limit + 1)

"""Step 6: bring the folder to the new tip without ever overwriting what a person saved meanwhile."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from gitsync import clock
from gitsync.git.objects import inside
from gitsync.git.repo import Entry, Mailbox
from gitsync.git.values import EXECUTABLE
from gitsync.ledger.journal import Journal
from gitsync.ledger.values import Place
from gitsync.sync.capture import Capture, Edit
from gitsync.sync.exchange import nobody_writes, place_new, swap
from gitsync.sync.faults import FaultPoint, nothing
from gitsync.sync.folder import read_file

LOOKS = (2.0, 60.0)
"""Seconds after which a displaced file is looked at again; once more at the next start."""
_UNPLACEABLE = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)


@dataclass(kw_only=True)
class Placed:
    """What a materialisation did."""

    paths: int = 0
    left: set[str] = field(default_factory=set)
    """Paths left alone: being edited, or taken by something that is no file."""
    surprised: bool = False
    """Whether something other than expected came out: a person's save, to be merged soon."""


class Materialise:
    """Place files, keep what they displaced, and look at that again."""

    def __init__(self, mailbox: Mailbox, journal: Journal, capture: Capture, *, limit: int, fault: FaultPoint) -> None:
        self._mailbox = mailbox
        self._journal = journal
        self._capture = capture
        self.limit = limit
        self._fault = fault
        self._root = str(mailbox.path)
        self._store = f"{self._root}/.git/gitsync"
        self._looks: dict[int, list[float]] = {}
        self.interrupted = False
        """Whether a placement was cut short in this process, by a full disk: to be settled as after a crash."""
        self.unplaced: dict[str, str] = json.loads(journal.meta("unplaced") or "{}")

    # -- placing -----------------------------------------------------------------------------------

    def place(self, wanted: Mapping[str, Entry | None]) -> Placed:
        """Bring each path to its entry (None: no such file), given what the last scan saw there."""
        result = Placed()
        todo: list[tuple[str, str | None, Entry | None]] = []
        for path, entry in sorted(wanted.items(), key=lambda item: (item[1] is not None, item[0])):
            if (entry is not None and not entry.is_file) or not inside(path):
                continue
            held = self._capture.on_disk(path)
            if held == (entry.sha if entry else None):
                continue
            todo.append((path, held, entry))
        could_not = dict(self.unplaced)
        for path in wanted:
            self.unplaced.pop(path, None)
        for start in range(0, len(todo), 256):
            self._batch(todo[start : start + 256], result)
        if self.unplaced != could_not:
            self._journal.set_meta("unplaced", json.dumps(self.unplaced) if self.unplaced else None)
        return result

    def pass_over(self, old: str | None, new: str | None, skip: Collection[str]) -> None:
        """Note which edited files stay as they are while the branch goes on from one tree to another.

        What arrives for such a path was never on disk, so the edit cannot have started from it: its base is what the
        branch had before, or nothing where two people made the same file (I3).
        """
        could_not = dict(self.unplaced)
        for change in self._mailbox.changed(old, new) if skip else ():
            if change.path not in skip or change.path in self.unplaced or self._journal.bases(change.path):
                continue  # what was on the branch before is no base either, where it never came to this disk
            if change.old is not None and change.old.is_file:
                self._journal.add_bases([(change.path, change.old.sha)])
            elif change.new is not None:
                self.unplaced[change.path] = ""
        if self.unplaced != could_not:
            self._journal.set_meta("unplaced", json.dumps(self.unplaced))

    def _batch(self, batch: list[tuple[str, str | None, Entry | None]], result: Placed) -> None:
        os.makedirs(f"{self._store}/place", mode=0o700, exist_ok=True)
        stamp = clock.new_id()
        names = [f"{self._store}/place/{stamp}-{number}" for number in range(len(batch))]
        rows = self._journal.begin_places(
            [
                (path, held, entry.sha if entry else None, name)
                for (path, held, entry), name in zip(batch, names, strict=True)
            ]
        )
        self.interrupted = True
        self._fault("6-place-noted")
        done: list[tuple[str, str]] = []
        for (path, held, entry), name in zip(batch, names, strict=True):
            try:
                if not self._one(path, held, entry, name, result):
                    result.left.add(path)
                    if entry is not None and held is None:
                        self.unplaced[path] = ""
                    continue
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO):
                    raise
                result.left.add(path)
                self.unplaced[path] = (error.strerror or str(error)) if error.errno in _UNPLACEABLE else ""
                continue
            result.paths += 1
            self._capture.placed(path, held, entry.sha if entry else None)
            if entry is not None:
                done.append((path, entry.sha))
        self._fault("6-placed")
        with self._journal.db.write():  # one fsync for both
            self._journal.add_bases(done)
            self._journal.end_places(rows)
            if done:
                self._journal.set_meta("placed", self._capture.placements())
        self.interrupted = False
        self._fault("6-place-ended")

    def _one(self, path: str, held: str | None, entry: Entry | None, name: str, result: Placed) -> bool:
        target = f"{self._root}/{path}"
        if not self._parents(path, make=entry is not None):
            return False
        if entry is None:
            try:
                info = os.lstat(target)
            except FileNotFoundError:
                return True
            if not stat.S_ISREG(info.st_mode):
                return False
            os.rename(target, name)
            self._fault("6-place-exchanged")
            self._came_out(path, held, name, result)
            self._fault("6-place-out")
            self._prune(path)
            return True
        self._write(name, self._mailbox.blob(entry.sha), executable=entry.mode == EXECUTABLE)
        self._fault("6-place-written")
        if held is None:
            try:
                place_new(name, target)
            except FileExistsError:
                os.unlink(name)
                return False
            self._fault("6-place-exchanged")
            return True
        try:
            info = os.lstat(target)
            if not stat.S_ISREG(info.st_mode):
                os.unlink(name)
                return False
            placed = swap(name, target)
        except FileNotFoundError:
            os.unlink(name)  # removed since the scan: the next one sees a deletion and decides
            return False
        self._fault("6-place-exchanged")
        self._came_out(path, held, name, result)
        self._fault("6-place-out")
        return placed

    def _parents(self, path: str, *, make: bool) -> bool:
        """Check that no parent is a link, and make missing ones; False: leave this path alone."""
        current = self._root
        for part in path.split("/")[:-1]:
            current = f"{current}/{part}"
            try:
                info = os.lstat(current)
            except FileNotFoundError:
                if not make:
                    return True
                os.mkdir(current)
                continue
            if not stat.S_ISDIR(info.st_mode):
                return False
        return True

    def _prune(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        while folder:
            try:
                os.rmdir(f"{self._root}/{folder}")
            except OSError:
                return
            folder = folder.rpartition("/")[0]

    def _write(self, name: str, data: bytes, *, executable: bool) -> None:
        fd = os.open(
            name,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW,
            0o777 if executable else 0o666,
        )
        try:
            view = memoryview(data)
            if self._fault is not nothing:
                view = view[os.write(fd, view[: len(view) // 2]) :]
                self._fault("6-place-half")
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)

    # -- what came out -----------------------------------------------------------------------------

    def _came_out(self, path: str, held: str | None, name: str, result: Placed) -> None:
        """Keep the file that stood there, unless it is the expected one and nobody can write to it."""
        alone = nobody_writes(name)
        data = self._read(name)
        surprise = data is None or held is None or self._mailbox.hash_blob(data) != held
        if not surprise and alone:
            os.unlink(name)
            return
        result.surprised = result.surprised or surprise
        ident = self._keep(path, held, name)
        now = clock.monotonic()
        self._looks[ident] = [*([now] if surprise else []), *(now + delay for delay in LOOKS)]

    def _read(self, name: str) -> bytes | None:
        try:
            return read_file(name, self.limit)
        except OSError:
            return None

    def saved_late(self, now: float) -> list[Edit]:
        """Look at displaced files whose time has come; give what was written into them as hand edits."""
        if not self._looks:
            return []
        edits = []
        rows = {row.id: row for row in self._journal.displaced()}
        for ident, times in list(self._looks.items()):
            row = rows.get(ident)
            if row is None:
                del self._looks[ident]
                continue
            if not any(at <= now for at in times):
                continue
            later = [at for at in times if at > now]
            alone = nobody_writes(row.file)
            data = self._read(row.file)
            blob = self._mailbox.hash_blob(data) if data is not None else None
            if data is None or (blob == row.blob and alone):
                self.forget(ident)
            elif blob == row.blob or (later and not alone):
                self._looks[ident] = later  # still open somewhere: what is in it now may be half a sentence
            else:
                also = [row.blob] if row.blob and self._mailbox.has(row.blob) else []
                base = self._capture.base_of(row.path, data, also, newest=True)
                edits.append(Edit(path=row.path, data=data, blob=blob, base=base, displaced=ident))
        return edits

    def landed(self, ident: int, blob: str) -> None:
        """Note that the content of a displaced file has reached the remote; later writes are told from it."""
        for row in self._journal.displaced():
            if row.id == ident:
                data = self._read(row.file) if nobody_writes(row.file) else b""
                if data is None or self._mailbox.hash_blob(data) == blob:
                    self.forget(ident)
                    continue
                times = [at for at in self._looks.pop(ident, []) if at > clock.monotonic()]
                self._journal.forget_displaced(ident)
                self._looks[self._journal.displace(row.path, row.file, blob)] = times or [clock.monotonic() + LOOKS[0]]

    def forget(self, ident: int) -> None:
        """Remove a displaced file for good."""
        for row in self._journal.displaced():
            if row.id == ident:
                with suppress(FileNotFoundError):
                    os.unlink(row.file)
                self._journal.forget_displaced(ident)
        self._looks.pop(ident, None)

    def next_look(self, now: float) -> float | None:
        """Give the seconds until a displaced file is to be looked at; None when there is none."""
        times = [at for looks in self._looks.values() for at in looks]
        return max(0.0, min(times) - now) if times else None

    # -- at start ----------------------------------------------------------------------------------

    def recover(self) -> None:
        """Settle placements that a crash cut short; what came out is never thrown away unread."""
        done = []
        bases = []
        for row in self._journal.places():
            for name in (row.temp, f"{row.temp}.old"):
                self._settle(row, name)
                self._find_kept(row, name)
            self._fault("0-settled")
            held = self._read(f"{self._root}/{row.path}")
            if row.new is not None and held is not None and self._mailbox.hash_blob(held) == row.new:
                bases.append((row.path, row.new))
            done.append(row.id)
        if bases:
            self._journal.add_bases(bases)
        if done:
            self._journal.end_places(done)
        self.interrupted = False
        now = clock.monotonic()
        for displaced in self._journal.displaced():
            self._looks[displaced.id] = [now]

    def _settle(self, row: Place, name: str) -> None:
        data = self._read(name)
        if data is None:
            return
        blob = self._mailbox.hash_blob(data)
        ours = blob == row.new or self._half(data, blob, row)
        if (ours or blob == row.expected) and nobody_writes(name):
            os.unlink(name)
        else:
            self._keep(row.path, row.expected, name)

    def _find_kept(self, row: Place, name: str) -> None:
        """Note what was moved away to be kept, when the process died before it could say so."""
        keep = f"{self._store}/displaced/{os.path.basename(name)}"
        if os.path.lexists(keep) and all(known.file != keep for known in self._journal.displaced()):
            self._journal.displace(row.path, keep, row.expected or "")

    def _half(self, data: bytes, blob: str, row: Place) -> bool:
        """Say whether this is our own new file, written by half when the process died."""
        if row.new is None or blob == row.expected or not self._mailbox.has(row.new):
            return False
        return self._mailbox.blob(row.new).startswith(data)

    def _keep(self, path: str, held: str | None, name: str) -> int:
        keep = f"{self._store}/displaced/{os.path.basename(name)}"
        os.makedirs(os.path.dirname(keep), mode=0o700, exist_ok=True)
        os.rename(name, keep)
        self._fault("6-place-kept")
        return self._journal.displace(path, keep, held or "")


def wanted(
    mailbox: Mailbox, old: str | None, new: str | None, also: Iterable[str], skip: Collection[str]
) -> dict[str, Entry | None]:
    """Give the entries to place: what differs between two trees, and `also`, without `skip`."""
    todo = {change.path: change.new for change in mailbox.changed(old, new) if change.path not in skip}
    for path in also:
        if path not in skip:
            todo[path] = mailbox.lookup(new, path) if new else None
    return todo

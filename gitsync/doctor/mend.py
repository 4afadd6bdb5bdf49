"""Carry fixes out so that each can be taken back: what changes is saved first, and the list of it written down."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitsync import clock
from gitsync.config.places import may_be_tracked, write_private
from gitsync.config.settings import STATE_DIR
from gitsync.doctor.ground import Ground
from gitsync.doctor.values import Check, Fix
from gitsync.errors import Conflict, GitsyncError, NotFound, Refused
from gitsync.git.repo import Mailbox
from gitsync.git.setup import is_tracked
from gitsync.sync.lock import CloneLock

log = logging.getLogger(__name__)

FOLDER = "doctor"
LIST = "manifest.json"
_STAMP = re.compile(r"\d{8}T\d{6}Z(-\d+)?")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mended:
    """Tell what became of one fix; ``failed`` is empty where it was carried out."""

    name: str
    says: str
    failed: str = ""


@dataclass(slots=True)
class Record:
    """The written list of one run: what was, what is, and where the bytes of what was are kept."""

    folder: Path
    stamp: str
    entries: list[Json] = field(default_factory=list)
    undone: str | None = None

    def write(self) -> None:
        """Put the list on disk."""
        data = {"stamp": self.stamp, "undone": self.undone, "entries": self.entries}
        write_private(self.folder / LIST, json.dumps(data, indent=1, ensure_ascii=True).encode())


def mend(ground: Ground, checks: Sequence[Check]) -> tuple[str | None, list[Mended]]:
    """Carry out every fix of these checks; return the name by which they can be undone, and what became of each.

    A fix that fails half-way is taken back at once. Without any fix nothing is written.
    """
    wanted = [(check.name, check.fix) for check in checks if check.fix is not None]
    if not wanted:
        return None, []
    record = _begin(ground)
    done: list[Mended] = []
    with contextlib.ExitStack() as stack:
        refused = _take_lock(ground, stack) if any(fix.lock for _, fix in wanted) else ""
        for name, fix in wanted:
            if fix.lock and refused:
                done.append(Mended(name, fix.says, refused))
                continue
            done.append(Mended(name, fix.says, _carry_out(ground, record, name, fix)))
    if not record.entries:  # nothing was changed that could be put back
        shutil.rmtree(record.folder, ignore_errors=True)
        return None, done
    return record.stamp, done


def undo(ground: Ground, stamp: str) -> list[str]:
    """Put back what one run changed; return a line for each thing.

    Refused where its list may have come with somebody's repository.
    NotFound for a name that no run has. Conflict, and nothing is put back, where something was changed since.
    """
    record = _find(ground, stamp)
    if record.undone is not None:
        raise Conflict(f"{stamp} was undone already", f"at {record.undone}")
    with contextlib.ExitStack() as stack:
        if any(entry["lock"] for entry in record.entries):
            refused = _take_lock(ground, stack)
            if refused:
                raise Conflict("the mailbox clone is in use", refused, "gitsync down; then again")
        moved = [why for entry in record.entries if (why := _moved_on(ground, record, entry))]
        if moved:
            raise Conflict(
                f"{stamp} cannot be undone: {moved[0]}" + (f", and {len(moved) - 1} more" if len(moved) > 1 else ""),
                "it was changed after it was mended, and what is there now is kept",
                f"what was there before lies in {record.folder}",
            )
        told = []
        for entry in reversed(record.entries):
            told += _put_back(ground, record, entry)
        record.undone = clock.stamp()
        record.write()
    return told


def runs(ground: Ground) -> list[str]:
    """Return the names of the runs that can be undone, oldest first."""
    found = []
    for place in _places(ground):
        with contextlib.suppress(OSError):
            found += [item.name for item in place.iterdir() if (item / LIST).exists()]
    return sorted(found)


# where it is kept


def _places(ground: Ground) -> Iterator[Path]:
    if ground.common_dir is not None:
        yield ground.common_dir / "gitsync" / FOLDER
    if ground.root is not None:
        yield ground.root / STATE_DIR / FOLDER


def _begin(ground: Ground) -> Record:
    """Make the folder of a new run: in the clone, out of the reach of `git clean`; else beside the settings."""
    base = next(_places(ground), None)
    if base is None:
        raise GitsyncError("there is no place to save what would be changed", "this computer is not set up here")
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = clock.stamp().replace("-", "").replace(":", "")
    for number in range(1, 1000):
        name = stamp if number == 1 else f"{stamp}-{number}"
        with contextlib.suppress(FileExistsError):
            (base / name).mkdir(mode=0o700)
            return Record(base / name, name)
    raise GitsyncError(f"cannot make a folder in {base}")


def _find(ground: Ground, stamp: str) -> Record:
    for place in _places(ground):
        folder = place / stamp
        if _STAMP.fullmatch(stamp) and (folder / LIST).exists():
            _own(ground, place)
            try:
                data = json.loads((folder / LIST).read_bytes())
                return Record(folder, stamp, list(data["entries"]), data["undone"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise GitsyncError(f"{folder / LIST} cannot be read", str(error), "the bytes lie beside it") from error
    known = runs(ground)
    raise NotFound(
        f"nothing was mended under the name {stamp}",
        f"there are: {', '.join(known)}" if known else "nothing was mended here yet",
        near=known,
    )


def _own(ground: Ground, place: Path) -> None:
    """Refuse lists that a repository could have brought along: they would write files wherever they say."""
    root = ground.root
    if root is None or not place.is_relative_to(root / STATE_DIR):
        return
    why = ""
    if ground.entry is None:
        why = f"{root} was not set up by `gitsync init` here"
    elif may_be_tracked(root) and is_tracked(root, STATE_DIR):
        why = "git tracks it"
    if why:
        raise Refused(f"{place} is not used", f"{why}: it may have come with the repository", f"look into it: {place}")


def _take_lock(ground: Ground, stack: contextlib.ExitStack) -> str:
    """Take the clone for ourselves; return why that is not possible."""
    own = ground.settings
    if own is None or ground.git_dir is None:
        return ""
    lock = CloneLock(own.clone_lock_file)
    try:
        lock.acquire()
    except GitsyncError as error:
        return f"{error.why}; stop it first: gitsync down"
    except OSError as error:
        return f"{own.clone_lock_file}: {error.strerror}"
    stack.callback(lock.release)
    return ""


# doing


def _carry_out(ground: Ground, record: Record, name: str, fix: Fix) -> str:
    """Save, act, note what is there now; return why it failed."""
    entry: Json = {"name": name, "says": fix.says, "lock": fix.lock, "state": "planned", "files": [], "refs": []}
    changes = bool(fix.aside or fix.touches or fix.refs)
    try:
        for path in fix.touches:
            entry["files"].append(_saved(record, path))
        entry["refs"] = [{"ref": ref, "old": sha} for ref, sha in _refs(ground, fix.refs).items()]
        if changes:
            record.entries.append(entry)
            record.write()  # before anything changes: a kill from here on leaves a list to go back by
        for path in fix.aside:
            if os.path.lexists(path):
                row = {"path": str(path), "old": _look(path), "saved": _name(record), "moved": True}
                entry["files"].append(row)
                record.write()
                _move(path, record.folder / str(row["saved"]))
        fix.act()
        _note(ground, entry)
    except Exception as error:  # whatever it is: what was begun is taken back, and the other fixes get their turn
        if not isinstance(error, GitsyncError | OSError):
            log.exception("the fix of %s failed", name)
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        if changes and entry in record.entries:
            _note(ground, entry)
            _put_back(ground, record, entry)
            record.entries.remove(entry)
        if record.entries:
            record.write()
        return told
    if changes:
        record.write()
    return ""


def _note(ground: Ground, entry: Json) -> None:
    for row in entry["files"]:
        row["new"] = _look(Path(row["path"]))
    now = _refs(ground, [row["ref"] for row in entry["refs"]])
    for row in entry["refs"]:
        row["new"] = now[row["ref"]]
    entry["state"] = "done"


def _look(path: Path) -> Json | None:
    """Describe what is at a path: kind, mode, and for a file a digest of its bytes."""
    try:
        info = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(info.st_mode):
        return {"kind": "link", "to": os.readlink(path)}
    if path.name.endswith("-shm") or (path.name.endswith("-wal") and not info.st_size):
        return {"kind": "scratch"}  # SQLite makes and removes it as it likes, also for a look
    mode = stat.S_IMODE(info.st_mode)
    if stat.S_ISDIR(info.st_mode):
        return {"kind": "folder", "mode": mode}
    if not stat.S_ISREG(info.st_mode):
        return {"kind": "other", "mode": mode}
    with path.open("rb") as file:
        return {"kind": "file", "mode": mode, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _settled(found: Json | None) -> Json | None:
    return None if found == {"kind": "scratch"} else found


def _saved(record: Record, path: Path) -> Json:
    """Keep the bytes of a file that is about to change."""
    old = _look(path)
    row: Json = {"path": str(path), "old": old, "saved": None}
    if old is not None and old["kind"] == "file":
        row["saved"] = _name(record)
        target = record.folder / row["saved"]
        shutil.copyfile(path, target)
        target.chmod(0o600)
    return row


def _move(path: Path, target: Path) -> None:
    """Take a file or folder out of the way, as it is."""
    try:
        path.rename(target)
    except OSError:
        shutil.move(path, target)  # another file system


def _name(record: Record) -> str:
    taken = {item.name for item in record.folder.iterdir()}
    return next(name for number in range(1, 100_000) if (name := f"{number:04d}") not in taken)


def _refs(ground: Ground, names: Sequence[str]) -> dict[str, str | None]:
    if not names:
        return {}
    with _mailbox(ground) as mailbox:
        return {name: mailbox.ref(name) for name in names}


def _mailbox(ground: Ground) -> Mailbox:
    own = ground.settings
    if own is None:
        raise GitsyncError("the settings are gone", "so it is not known where the clone is", "gitsync doctor --fix")
    return Mailbox(own.mailbox, own.sync.branch, own.sync.remote)


# undoing


def _moved_on(ground: Ground, record: Record, entry: Mapping[str, Any]) -> str:
    """Say what of an entry was changed since it was carried out; what was never begun has not changed."""
    for row in entry["files"]:
        now = _settled(_look(Path(row["path"])))
        kept = row["saved"] is not None and os.path.lexists(record.folder / row["saved"])
        if kept and row.get("moved") and row["old"]["kind"] == "folder" and now is not None:
            return f"{row['path']} (there is another one now)"
        if now == _settled(row["old"]):
            continue
        # Of a fix that was killed nobody knows how far it came; what is there now is kept beside, as always.
        if entry["state"] == "done" and now != _settled(row["new"]):
            return str(row["path"])
        if row["saved"] is not None and not kept:
            return f"{row['path']} (its copy is gone)"
    refs = _refs(ground, [row["ref"] for row in entry["refs"]])
    for row in entry["refs"]:
        if refs[row["ref"]] not in (row["old"], row.get("new", row["old"])):
            return str(row["ref"])
    return ""


def _put_back(ground: Ground, record: Record, entry: Mapping[str, Any]) -> list[str]:
    told = []
    for row in reversed(entry["refs"]):
        told += _put_ref_back(ground, row["ref"], row["old"])
    for row in reversed(entry["files"]):
        path, old = Path(row["path"]), row["old"]
        if _look(path) == old:
            continue
        if row["saved"] is None:
            _restore_bare(record, path, old)
        else:
            _restore(record, path, row)
        told.append(f"{path} is as it was")
    return told


def _put_ref_back(ground: Ground, ref: str, old: str | None) -> list[str]:
    with _mailbox(ground) as mailbox:
        now = mailbox.ref(ref)
        if now == old:
            return []
        moved = mailbox.delete_ref(ref, now) if old is None and now is not None else False
        if old is not None:
            moved = mailbox.move_ref(ref, old, now)
    if not moved:
        raise GitsyncError(f"{ref} moved meanwhile")
    return [f"{ref} is as it was"]


def _restore_bare(record: Record, path: Path, old: Mapping[str, Any] | None) -> None:
    """Put back what has no bytes: nothing at all, or the mode of a folder."""
    if old is None:
        _keep_aside(record, path)
    elif old["kind"] == "folder" and path.is_dir():
        path.chmod(old["mode"])


def _restore(record: Record, path: Path, row: Mapping[str, Any]) -> None:
    """Put bytes and mode back; what is in their place now is kept too."""
    if _same_bytes(path, row["old"]):
        path.chmod(row["old"]["mode"])
        return
    source = record.folder / row["saved"]
    path.parent.mkdir(parents=True, exist_ok=True)
    if row.get("moved"):
        _keep_aside(record, path)
        _move(source, path)
        return
    data = source.read_bytes()
    _keep_aside(record, path)
    write_private(path, data, row["old"]["mode"])


def _same_bytes(path: Path, old: Mapping[str, Any]) -> bool:
    now = _look(path)
    return now is not None and now["kind"] == "file" and now.get("sha256") == old.get("sha256")


def _keep_aside(record: Record, path: Path) -> None:
    if not os.path.lexists(path):
        return
    number = 1
    while os.path.lexists(target := record.folder / f"undone-{number:04d}"):
        number += 1
    shutil.move(path, target)

"""Change a file that is a person's own: show what would change, ask, keep what was, write in one step, put it back."""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from gitsync.cli.terminal import agreed, clean_line, say, somebody_there
from gitsync.config.places import user_dir, write_private
from gitsync.errors import GitsyncError, Refused, UsageError
from gitsync.secrets.redact import redact

_LARGEST = 8 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """A file, and the folder that it must not leave by links; None where the person may link it to anywhere."""

    file: Path
    within: Path | None = None


def read(place: Place) -> bytes | None:
    """Return what is in the file; None where there is none. Raise Refused where it may not be changed."""
    file = _real(place)
    try:
        if file.stat().st_size > _LARGEST:
            raise Refused(f"{file} is too large to be settings", "", "look what it is")
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise GitsyncError(f"cannot read {file}", error.strerror or str(error), "") from error


def change(place: Place, old: bytes | None, new: bytes | None, *, yes: bool) -> bool:
    """Show the difference, ask unless ``yes``, and write; None for ``new`` removes the file. Say whether it changed."""
    if old == new:
        return False
    file = _real(place)
    _show(file, old, new)
    if not yes:
        _ask()
    if read(place) != old:
        raise Refused(f"{file} has changed meanwhile", "", "again")
    folders = [folder for folder in (file.parent, *file.parents) if not folder.exists()]
    kept = {
        "file": str(file),
        "before": None if old is None else base64.b64encode(old).decode(),
        "after": _mark(new),
        "folders": [str(folder) for folder in folders],
    }
    store = _store(file)
    store.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(store, json.dumps(kept).encode())
    _put(file, new)
    return True


def made(place: Place) -> bool:
    """Say whether there was no such file before the last change."""
    try:
        return json.loads(_store(_real(place)).read_bytes())["before"] is None
    except (OSError, ValueError, KeyError, TypeError):
        return False


def undo(place: Place, *, yes: bool) -> bool:
    """Put back exactly what was before the last change. Raise Refused where the file was changed since by others."""
    file = _real(place)
    try:
        kept = json.loads(_store(file).read_bytes())
        before = None if kept["before"] is None else base64.b64decode(kept["before"])
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GitsyncError(f"what {file} was before cannot be read", str(error), f"see {_store(file)}") from error
    now = read(place)
    if _mark(now) != kept["after"]:
        raise Refused(
            f"{file} was changed since",
            "putting it back would undo that, too",
            "use uninstall, which takes out only what is gitsync's",
        )
    _show(file, now, before)
    if not yes:
        _ask()
    _put(file, before)
    if before is None:
        for folder in kept["folders"]:
            try:
                Path(folder).rmdir()  # only ever an empty one that was made for this
            except OSError:
                break
    _store(file).unlink()
    return True


def _real(place: Place) -> Path:
    file = place.file.resolve()
    if place.within is not None and not file.is_relative_to(place.within.resolve()):
        raise Refused(f"{place.file} leads out of {place.within}", "it is a link", "look who made it")
    if file.exists() and not file.is_file():
        raise Refused(f"{file} is no file", "", "look what it is")
    return file


def _show(file: Path, old: bytes | None, new: bytes | None) -> None:
    before, after = ((data or b"").decode("utf-8", "replace").splitlines() for data in (old, new))
    source, target = ("/dev/null" if data is None else str(file) for data in (old, new))
    for line in difflib.unified_diff(before, after, source, target, lineterm=""):
        say(clean_line(redact(line)))


def _ask() -> None:
    if not somebody_there():
        raise UsageError("nothing was changed: nobody can be asked", "this is no terminal", "add --yes")
    if not agreed("change it?"):
        raise Refused("nothing was changed", "the answer was not yes")


def _put(file: Path, data: bytes | None) -> None:
    try:
        if data is None:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
        write_private(file, data, mode)
    except OSError as error:
        raise GitsyncError(f"cannot write {file}", error.strerror or str(error), "nothing was changed") from error


def _mark(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _store(file: Path) -> Path:
    return (
        user_dir() / "changed" / f"{hashlib.sha256(str(file).encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.json"
    )

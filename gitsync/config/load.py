"""Find the settings that belong to a folder and decide whether they may be used.

A cloned repository must not be able to bring settings that start programs. So a ``.gitsync`` counts only if it belongs
to the user, is not tracked by git, and was put on the user's own list by ``gitsync init``.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from pathlib import Path

from gitsync.config import places
from gitsync.config.places import Registered
from gitsync.config.read import parse_settings
from gitsync.config.settings import SETTINGS_FILE, STATE_DIR, Settings
from gitsync.errors import ConfigError

COPY = SETTINGS_FILE


def find(start: Path | None = None) -> Path | None:
    """Return the nearest folder at or above ``start`` (default: the current one) that is or was a machine's root.

    A place inside a machine's mailbox counts as inside its root, wherever the mailbox is.
    """
    here = (start or Path.cwd()).resolve()
    if here.name == STATE_DIR and here.is_dir():
        here = here.parent
    known = places.registered()
    mailboxes = {entry.mailbox: entry.root for entry in known.values()}
    for folder in (here, *here.parents):
        if folder in mailboxes and folder not in known:
            return mailboxes[folder]  # what stands in the branch is never settings, whatever it is called
        if (places.settings_in(folder).exists() and not _within(folder, mailboxes)) or folder in known:
            return folder
    return None


def _within(folder: Path, mailboxes: Container[Path]) -> bool:
    return any(parent in mailboxes for parent in folder.parents)


def load(start: Path | None = None, explicit: Path | None = None, *, last_valid: bool = False) -> Settings:
    """Return the settings that ``explicit``, ``GITSYNC_DIR`` or the nearest folder above ``start`` names.

    Settings that are lost are written back from the copy in the mailbox clone (``restored`` says so).
    Raise ConfigError where there are none, where they may not be used, or where they are wrong; with ``last_valid``
    wrong ones give way to the copy of those that were right before.
    """
    named = explicit or places.named_root()
    if named is not None and not named.is_dir():
        raise ConfigError(f"there is no folder {named}", "it was named by --dir or GITSYNC_DIR", "name one that exists")
    root = find(named or start)
    if root is None:
        raise ConfigError(
            "this computer is not set up here",
            f"no {STATE_DIR} in {(named or start or Path.cwd()).resolve()} or above",
            "run: gitsync init --id ID   (or name the folder with --dir)",
        )
    entry = places.registered().get(root)
    file = places.settings_in(root)
    restored = not file.exists()
    if restored:
        _restore(file, entry)
    check_trust(root, entry)
    data = file.read_bytes()
    try:
        settings = replace(parse_settings(data, file, root), restored=restored)
    except ConfigError:
        copy = copy_of(entry.mailbox) if entry is not None else None
        if not last_valid or copy is None or not copy.is_file() or not places.owned(copy):
            raise
        return parse_settings(copy.read_bytes(), copy, root)
    _remember(settings, data)
    return settings


def reload(settings: Settings) -> Settings:
    """Read the settings of the same machine again; raise ConfigError and change nothing where they are wrong."""
    return load(explicit=settings.root)


def check_trust(root: Path, entry: Registered | None) -> None:
    """Raise ConfigError unless the settings of ``root`` are the user's own."""
    folder, file = root / STATE_DIR, places.settings_in(root)
    for path in (folder, file):
        if not places.owned(path):
            raise ConfigError(
                f"the settings {path} are not used",
                "they are a link, belong to somebody else, or others may write them",
                "check where they come from; then: chown/chmod them",
            )
    if not file.is_file():
        raise ConfigError(f"the settings {file} are not a file", "", "move it away, then run: gitsync init")
    if places.may_be_tracked(root):
        from gitsync.git.setup import is_tracked

        if is_tracked(root, STATE_DIR):
            raise ConfigError(
                f"the settings {file} are not used",
                "they are tracked by git, so whoever pushes could start programs here",
                f"run: git rm -r --cached {STATE_DIR}",
            )
    if entry is None:
        raise ConfigError(
            f"the settings {file} are not used",
            f"this folder is not on your list {places.user_dir() / places.REGISTRY}: a clone could have brought them",
            "if they are yours, run: gitsync init   (there)",
        )


def copy_of(mailbox: Path) -> Path:
    """Return where the last valid settings are kept, out of the reach of ``git clean``."""
    return mailbox / ".git" / "gitsync" / COPY


def _restore(file: Path, entry: Registered | None) -> None:
    copy = copy_of(entry.mailbox) if entry is not None else None
    if copy is None or not copy.is_file() or not places.owned(copy):
        raise ConfigError(
            f"the settings {file} are gone",
            "there is no copy of them in the mailbox clone either",
            "run: gitsync init --id ID",
        )
    file.parent.mkdir(mode=0o700, exist_ok=True)
    places.write_private(file, copy.read_bytes())


def _remember(settings: Settings, data: bytes) -> None:
    copy = copy_of(settings.mailbox)
    try:
        if copy.parent.parent.is_dir() and (not copy.exists() or copy.read_bytes() != data):
            copy.parent.mkdir(mode=0o700, exist_ok=True)
            places.write_private(copy, data)
    except OSError:
        return  # a full or read-only disk must not stop a reading command; the next call tries again

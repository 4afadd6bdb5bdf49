"""The files that gitsync lays down: beside the package in a checkout, inside it when installed."""

from __future__ import annotations

from pathlib import Path

import gitsync
from gitsync.errors import GitsyncError

_PACKAGE = Path(gitsync.__file__).resolve().parent


def mailbox_files() -> dict[str, bytes]:
    """Return what a new mailbox begins with, by path."""
    folder = _folder("coordination")
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def hook_script(name: str) -> str:
    """Return one of the scripts of the folder hooks/."""
    return (_folder("hooks") / name).read_text("utf-8")


def _folder(name: str) -> Path:
    for folder in (_PACKAGE / "_template" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise GitsyncError(f"the folder {name} of gitsync is missing", f"not in {_PACKAGE}", "install gitsync again")

"""The settings that a call means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitsync.cli.terminal import note
from gitsync.config import load
from gitsync.config.settings import Settings

if TYPE_CHECKING:
    from argparse import Namespace


def own_settings(args: Namespace, *, last_valid: bool = False) -> Settings:
    """Load the settings that ``--dir``, the environment or the current folder name."""
    settings = load(None, args.dir, last_valid=last_valid)
    if settings.restored:
        note(f"the settings were gone; they are back from the copy in the clone: {settings.file}")
    return settings

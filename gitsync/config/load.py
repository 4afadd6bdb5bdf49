"""Find the settings that belong to a folder and decide whether they may be used."""

from __future__ import annotations

from pathlib import Path

from gitsync.config.settings import Settings


def find(start: Path | None = None) -> Path | None:
    """Return the nearest folder at or above ``start`` (default: the current one) that holds settings."""
    raise NotImplementedError


def load(start: Path | None = None, explicit: Path | None = None) -> Settings:
    """Return the settings that ``explicit``, ``GITSYNC_DIR`` or the nearest folder above ``start`` names."""
    raise NotImplementedError

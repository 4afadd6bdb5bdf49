"""Read config.toml strictly: what is not understood is an error with file, line and the nearest valid name."""

from __future__ import annotations

from pathlib import Path

from gitsync.config.settings import Settings


def read_settings(path: Path, root: Path | None = None) -> Settings:
    """Read a settings file; raise ConfigError for the first mistake in it."""
    raise NotImplementedError

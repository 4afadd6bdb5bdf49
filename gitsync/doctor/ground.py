"""What an examination can stand on: the folder, the settings in force, the clone; each may be missing or untrusted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitsync.config import places
from gitsync.config.load import check_trust, copy_of, find
from gitsync.config.places import Registered
from gitsync.config.read import parse_settings
from gitsync.config.settings import Settings
from gitsync.errors import ConfigError, GitsyncError, UsageError
from gitsync.git.repo import find_git_dir

INCOMPLETE = "gitsync-incomplete"
"""A file in .git for as long as the clone is being made."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """The background process as the caller found it; ``health`` is None where it does not answer.

    ``status`` and ``instances`` are what it says of itself (docs/json.md).
    """

    pid: int
    port: int
    since: str
    version: str | None = None
    health: Mapping[str, Any] | None = None
    status: Mapping[str, Any] = field(default_factory=dict)
    instances: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Everything that was found before the first check.

    ``settings`` are only there when they may be used: those in force, or the copy of the last valid ones (``copied``).
    ``trouble`` is why the settings are not read, ``distrust`` why they may not be used at all.
    """

    start: Path
    root: Path | None = None
    entry: Registered | None = None
    registry: ConfigError | None = None
    settings: Settings | None = None
    copied: bool = False
    lost: bool = False
    trouble: GitsyncError | None = None
    distrust: ConfigError | None = None
    git: str | None = None
    git_dir: Path | None = None
    common_dir: Path | None = None
    running: Running | None = None
    offline: bool = False
    seconds: float = 5.0
    """How long a question to the outside may take."""

    @property
    def clone(self) -> Path | None:
        """The mailbox clone, where there is one and git can be asked about it."""
        if self.settings is None or self.git_dir is None or self.git is None:
            return None
        return self.settings.mailbox

    @property
    def mailbox(self) -> Path | None:
        """Where the mailbox belongs, as far as that is known."""
        if self.settings is not None:
            return self.settings.mailbox
        return self.entry.mailbox if self.entry is not None else None


def survey(
    named: Path | None,
    *,
    running: Callable[[Settings], Running | None],
    offline: bool = False,
    seconds: float = 5.0,
) -> Ground:
    """Find out what there is; never raises for what it finds, writes nothing."""
    explicit = named or places.named_root()
    start = (explicit or Path.cwd()).absolute()
    git = shutil.which("git")
    registry: ConfigError | None = None
    known: dict[Path, Registered] = {}
    try:
        known = places.registered()
        root = find(explicit) if explicit is None or explicit.is_dir() else None
    except ConfigError as error:
        registry, root = error, _nearest(start)
    if root is None:
        return Ground(start=start, registry=registry, git=git, offline=offline, seconds=seconds)
    entry = known.get(root)
    found = _read(root, entry, registry)
    git_dir = common = None
    live = None
    if found.settings is not None:
        try:
            if not (found.settings.mailbox / ".git" / INCOMPLETE).exists():
                git_dir, common = find_git_dir(found.settings.mailbox)
                if not is_whole(common):
                    git_dir = common = None
        except (UsageError, OSError):
            git_dir = common = None
        live = running(found.settings)
    return Ground(
        start=start,
        root=root,
        entry=entry,
        registry=registry,
        settings=found.settings,
        copied=found.copied,
        lost=found.lost,
        trouble=found.trouble,
        distrust=found.distrust,
        git=git,
        git_dir=git_dir,
        common_dir=common,
        running=live,
        offline=offline,
        seconds=seconds,
    )


def is_whole(common_dir: Path) -> bool:
    """Say whether git itself would take a folder for a repository."""
    return all((common_dir / name).is_dir() for name in ("objects", "refs"))


@dataclass(frozen=True, kw_only=True)
class _Found:
    settings: Settings | None = None
    copied: bool = False
    lost: bool = False
    trouble: GitsyncError | None = None
    distrust: ConfigError | None = None


def _read(root: Path, entry: Registered | None, registry: ConfigError | None) -> _Found:
    """Read the settings as `load` would, without writing them back where they are lost."""
    file = places.settings_in(root)
    copy = copy_of(entry.mailbox) if entry is not None else None
    try:
        lost = not file.exists()
        if not lost:
            check_trust(root, entry)
            try:
                return _Found(settings=parse_settings(file.read_bytes(), file, root))
            except ConfigError as error:
                return _Found(settings=_valid(copy, root), copied=True, trouble=error)
    except ConfigError as error:
        return _Found(distrust=registry if registry is not None and entry is None else error)
    except GitsyncError as error:  # git itself cannot say whether they are tracked
        return _Found(trouble=error)
    except OSError as error:
        return _Found(
            settings=_valid(copy, root),
            copied=True,
            trouble=ConfigError(f"the settings {file} cannot be read", error.strerror or str(error)),
        )
    return _Found(settings=_valid(copy, root), copied=True, lost=True)


def _valid(copy: Path | None, root: Path) -> Settings | None:
    """Read the copy of the last valid settings, where it is the user's own."""
    try:
        if copy is None or not copy.is_file() or not places.owned(copy):
            return None
        return parse_settings(copy.read_bytes(), copy, root)
    except (OSError, ConfigError):
        return None


def _nearest(start: Path) -> Path | None:
    try:
        return next((folder for folder in (start, *start.parents) if places.settings_in(folder).exists()), None)
    except OSError:
        return None

"""What happens once per repository: find it, clone the mailbox beside it, keep it out of the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitsync.git.repo import Mailbox


@dataclass(frozen=True, slots=True)
class Progress:
    """Tell how far a clone is: git's own word for the phase, and a percentage where git knows one."""

    phase: str
    percent: int | None
    text: str


def git_version() -> tuple[int, int, int]:
    raise NotImplementedError


def find_repo(path: Path) -> Path | None:
    """Return the top of the work tree that holds ``path``, or None."""
    raise NotImplementedError


def remote_url(repo: Path, name: str = "origin") -> str | None:
    raise NotImplementedError


def clone(
    source: Path | str,
    dest: Path,
    branch: str,
    *,
    remote: str = "origin",
    progress: Callable[[Progress], None] | None = None,
    timeout: float = 600.0,
) -> bool:
    """Clone the mailbox branch; return whether the branch exists there (else the clone is unborn)."""
    raise NotImplementedError


def probe_refs(mailbox: Mailbox) -> bool:
    raise NotImplementedError


def exclude(repo: Path, patterns: Sequence[str]) -> bool:
    raise NotImplementedError


def is_tracked(repo: Path, path: str) -> bool:
    raise NotImplementedError

"""What an examination is made of: checks, and the fixes of what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["ok", "warn", "fail"]

_RANK: dict[State, int] = {"ok": 0, "warn": 1, "fail": 2}


def nothing() -> None:
    """Change nothing: all there is to do is to take something out of the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """Mend one thing. All that it changes is named beforehand, so that it can be saved and put back.

    ``aside`` are files and folders that are taken out of the way first; ``touches`` are files whose bytes or mode
    ``act`` changes, makes or removes; ``refs`` are refs of the clone that it moves. ``lock``: no other process may work
    in the clone meanwhile. ``act`` raises GitsyncError or OSError where it cannot be done.
    """

    says: str
    aside: tuple[Path, ...] = ()
    touches: tuple[Path, ...] = ()
    refs: tuple[str, ...] = ()
    lock: bool = False
    act: Callable[[], None] = nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Tell how one thing is: what was found, why it matters, what to do about it; one line each.

    ``more`` are further lines for those who ask for everything: names of files, refs, messages.
    """

    name: str
    state: State = "ok"
    what: str = ""
    why: str = ""
    remedy: str = ""
    more: tuple[str, ...] = ()
    fix: Fix | None = field(default=None, compare=False)

    def document(self) -> dict[str, Any]:
        """Return the check as ``gitsync doctor --json`` shows it."""
        return {
            "name": self.name,
            "state": self.state,
            "what": self.what,
            "why": self.why or None,
            "remedy": self.remedy or None,
            "details": list(self.more),
            "fixable": self.fix is not None,
        }


def ok(name: str, what: str = "", *, more: Sequence[str] = ()) -> Check:
    """Say that a thing is as it should be."""
    return Check(name=name, what=what, more=tuple(more))


def worst(checks: Iterable[Check]) -> State:
    """Return the worst state of all."""
    return max((check.state for check in checks), key=_RANK.__getitem__, default="ok")


def ordered(checks: Iterable[Check]) -> list[Check]:
    """Return the checks with problems first; those of one state stay in their order."""
    return sorted(checks, key=lambda check: -_RANK[check.state])


def first_line(text: str) -> str:
    """Return the first line of somebody's words, no longer than a line is read."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:300]

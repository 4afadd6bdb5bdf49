"""What one run of the cycle knows and has done so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from gitsync import clock
from gitsync.errors import GitsyncError
from gitsync.git.repo import Commit
from gitsync.ledger.values import Op
from gitsync.planning import Plan
from gitsync.sync.capture import Captured
from gitsync.sync.values import Request, Trouble

GIVE_WAY = 0.02
"""Seconds."""


@dataclass(kw_only=True)
class Cycle:
    """What one cycle has come to know and done so far."""

    request: Request
    folder: str = "ok"
    local: str | None = None
    captured: Captured = field(default_factory=Captured)
    judged: bool = False
    """Whether `captured` was made in this run, against the tip that was built on."""
    own: list[Commit] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    tip: str | None = None
    plan: Plan | None = None
    pulled: int = 0
    pushed: int = 0
    received: int = 0
    sent: int = 0
    contact: bool = False
    changed: bool = False
    later: list[float] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    problem: GitsyncError | None = None
    """What kept the cycle from doing all of it, though it went on."""


def give_way(run: Cycle) -> None:
    """Let those go first for whom the news is: deliveries here, and the machines that a push has woken, need the disk.

    Nobody who asked for the cycle in person waits for that.
    """
    if not run.request.settle_now:
        clock.sleep(GIVE_WAY)

"""What goes into a cycle and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from gitsync.git.values import Person
from gitsync.protocol.identity import Machine
from gitsync.protocol.status import Status
from gitsync.secrets.scan import named

State = Literal["ok", "offline", "halted", "refused", "error"]
Claim = Literal["won", "lost", "unproven", "unsupported", "away"]


def _never_final(_id: str) -> bool:
    return False


def _never_untouched(_id: str) -> bool:
    return False


def _no_status() -> Status | None:
    return None


def author(machine: Machine, at: float) -> Person:
    """Name a machine as the author of a commit at a moment (Unix time in seconds); PROTOCOL 8."""
    return Person(machine.name or f"Computer {machine.id}", f"{machine.id}@gitsync.invalid", int(at), "+0000")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Answer what the engine cannot know by itself."""

    final: Callable[[str], bool] = _never_final
    """Whether a message (by id) has a final receipt, so that it may be deleted by hand or archived."""
    untouched: Callable[[str], bool] = _never_untouched
    """Whether nothing was done with a message (by id) as far as is known: no receipt, no hand-over."""
    status: Callable[[], Status | None] = _no_status
    """What this machine's page should say now; None: leave the page alone."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Say what one cycle shall do beyond pulling and pushing."""

    settle_now: bool = False
    """Take hand edits at once, look at every file, and do not wait for contention or a parked refusal."""
    accept_rewrite: bool = False
    """Take a rewritten, unrelated or deleted branch as it is and go on from there."""
    accept_deletions: bool = False
    """Take a mass deletion as meant."""
    retry: bool = True
    """Retry lost races within the cycle (the network is never retried here)."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Report something in the mailbox that was left alone, put back or kept twice."""

    path: str
    text: str

    def __post_init__(self) -> None:
        """Mask what looks like a secret in a name: this goes into logs, answers and pages."""
        object.__setattr__(self, "path", named(self.path))
        object.__setattr__(self, "text", named(self.text))


@dataclass(frozen=True, kw_only=True)
class CycleResult:
    """Tell what a cycle did; `error` and `remedy` are one line each."""

    state: State = "ok"
    head: str | None = None
    """The remote's tip as we know it after the cycle."""
    pulled: int = 0
    """Commits taken from the remote."""
    pushed: int = 0
    """Commits that reached the remote."""
    received: int = 0
    """Messages from others that arrived."""
    sent: int = 0
    """Messages of ours that reached the remote, by `send` or by hand."""
    pending: int = 0
    """Operations still waiting, hand edits included."""
    error: str | None = None
    remedy: str | None = None
    kind: str = ""
    """Which halt: rewritten, unrelated, gone, mass-deletion, double-id."""
    case: int | None = None
    """The number of the plan (`gitsync.planning.Case`)."""
    folder: str = "ok"
    """'ok', or why the folder is left alone."""
    retry_after: float | None = None
    """Seconds after which another cycle is worth its while; None: by the clock."""
    remote_contact: bool = False
    changed: bool = False
    """Whether anything moved: commits, files or the queue."""
    troubles: tuple[Trouble, ...] = field(default=())

"""How a task stands, by what became of its parts; pure.

QUEUED       it waits for an agent, or for the time of its next attempt
ASSIGNED     it stands in the queue or inbox of an agent, or is on its way to another machine
IN_PROGRESS  an agent works on it
COMPLETED    done; `result` holds what was answered
FAILED       given up, refused, cancelled, or late; `error` says which
BLOCKED      nobody can take it now, or nobody can know whether it was done; `reason` says which
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_LIVELIEST = ("IN_PROGRESS", "ASSIGNED", "QUEUED", "BLOCKED", "FAILED", "COMPLETED")

CANCELLED = "cancelled"
DEADLINE = "deadline"
WITHDRAWN = "withdrawn by its sender"
GIVEN_UP = frozenset({CANCELLED, DEADLINE, WITHDRAWN})
"""Errors that ended a task as a whole, whatever its agents were doing."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a word about a hand-over means for the part it carries; `again`: it may be given out once more."""

    status: str
    again: bool = False


_WORDS = {
    "assigned": Judged("ASSIGNED"),
    "unassigned": Judged("BLOCKED"),
    "retry": Judged("ASSIGNED"),
    "waiting": Judged("ASSIGNED"),
    "received": Judged("ASSIGNED"),
    "claimed": Judged("ASSIGNED"),
    "started": Judged("IN_PROGRESS"),
    "taken": Judged("IN_PROGRESS"),
    "done": Judged("COMPLETED"),
    # Both are said only where the end is known: nothing that may still run is ever given out twice.
    "failed": Judged("FAILED", again=True),
    "dead": Judged("FAILED", again=True),
    "refused": Judged("FAILED"),
    "uncertain": Judged("BLOCKED"),
    "held": Judged("BLOCKED"),
}


def judge(word: str) -> Judged | None:
    """Judge a state of a hand-over, an outcome of a receipt, or one of the dispatcher's words; None for others."""
    return _WORDS.get(word)


def combine(parts: Iterable[str]) -> str:
    """Give the state of a task whose parts stand so: the liveliest; FAILED when all have ended and one has failed."""
    found = set(parts)
    return next((state for state in _LIVELIEST if state in found), "QUEUED")


def pause(attempt: int, first: float, longest: float = 3600.0) -> float:
    """Return how long to wait after that many attempts (s)."""
    return min(longest, first * 2.0 ** min(attempt - 1, 30))


def come_again(ended_last_minute: int) -> float:
    """Return when there may be room in a full queue, by how fast it moves (s)."""
    return 30.0 if ended_last_minute <= 0 else float(min(30, max(1, math.ceil(60 / ended_last_minute))))

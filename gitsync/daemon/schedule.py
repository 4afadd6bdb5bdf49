"""Decide when to look again and whether syncing is healthy. Pure: times are arguments, in seconds."""

from __future__ import annotations

from dataclasses import dataclass

STEPS: tuple[tuple[float, float], ...] = ((5.0, 15.0), (30.0, 60.0))
"""(multiple of the hot time that has passed in silence, delay): with the default hot time of two minutes 15 s until ten
minutes of quiet, a minute until the hour, then the slowest pace."""

SPREAD = 0.2
"""Each delay is taken within this share around its value, so that machines do not march in step."""

GRACE = 60.0
"""How much later than the pace a contact may be before health turns red: a time-out and the short retries fit in."""

PENDING_LIMIT = 120.0
"""The age at which an operation that has not reached the remote is late: receipts may wait a minute."""


BURST = 8
"""Messages pushed within `BURST_WINDOW` that make a burst; a conversation stays far below."""
BURST_WINDOW = 2.0
"""Seconds."""
GATHER = (0.25, 2.0)
"""The first and the longest wait of a burst, in seconds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a machine looks when it is hot and when it is quiet."""

    fastest: float
    slowest: float
    hot: float


def interval(pace: Pace, quiet: float) -> float:
    """Return the delay until the next look, after that many seconds without activity."""
    if quiet < pace.hot:
        return pace.fastest
    for multiple, delay in STEPS:
        if quiet < multiple * pace.hot:
            return min(max(delay, pace.fastest), pace.slowest)
    return pace.slowest


def gather(pushed: int, last: float) -> float:
    """Return how long to wait, in seconds, so that the next push takes more with it.

    ``pushed`` messages left within the last `BURST_WINDOW`; ``last`` was the wait before. Nothing in a conversation;
    in a burst twice as long each time, so that 500 messages cost a few pushes and not fifty.
    """
    if pushed < BURST:
        return 0.0
    return min(max(2 * last, GATHER[0]), GATHER[1])


def spread(delay: float, draw: float) -> float:
    """Move a delay within ±20 %; ``draw`` is uniform in [0, 1)."""
    return delay * (1 - SPREAD + 2 * SPREAD * draw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What health is judged by. Ages come from a monotonic clock; None: never, or nothing there."""

    interval: float
    contact_age: float | None
    pending_age: float | None
    halted: str | None
    trouble: str | None = None
    """Why the remote was not reached, when it was tried last."""
    fallen: tuple[str, ...] = ()


def unhealthy(facts: Facts) -> tuple[str, ...]:
    """Return the reasons why this machine is not healthy; empty means green (I8)."""
    reasons = []
    limit = facts.interval * (1 + SPREAD) + GRACE
    why = f": {facts.trouble}" if facts.trouble else ""
    if facts.halted:
        reasons.append(facts.halted)
    if facts.contact_age is None:
        reasons.append(f"no confirmed contact with the remote yet{why}")
    elif facts.contact_age > limit:
        reasons.append(f"last confirmed contact was {facts.contact_age:.0f} s ago, more than {limit:.0f} s{why}")
    if facts.pending_age is not None and facts.pending_age > PENDING_LIMIT:
        reasons.append(f"the oldest unsent operation has waited {facts.pending_age:.0f} s")
    reasons.extend(f"{part} has stopped" for part in facts.fallen)
    return tuple(reasons)


def clock_jump(wall: float, monotonic: float, *, tolerance: float = 10.0) -> bool:
    """Tell whether the two clocks went apart between two looks: one was set by hand, or the machine slept."""
    return abs(wall - monotonic) > tolerance

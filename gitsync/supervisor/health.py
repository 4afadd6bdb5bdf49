"""Judge how an agent is by what its checks said; pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

STATES = ("starting", "online", "busy", "degraded", "timeout", "error", "offline", "crashed")

WINDOW = 60
"""Checks whose response times are remembered."""
RECENT = 5
"""Checks that decide whether it is slow or partly failing now."""
SLOWER = 3.0
SLOWER_BY = 0.1
"""Slow is more than so many times its own median, and by more than so many seconds."""

FIRST_LOOK = 1.0
"""Seconds until an agent that has just failed a check is asked again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check saw: `online`, `timeout`, `error` or `offline`, a word about it, and how long it took (s).

    `seconds` is None where nobody was asked over a wire or in a program, so that there is nothing to compare.
    """

    state: str
    word: str = ""
    seconds: float | None = None


@dataclass(slots=True)
class Window:
    """The last checks of one agent; `add` them as they come."""

    history: deque[float | None] = field(default_factory=lambda: deque(maxlen=WINDOW))
    """Response times (s), oldest first; None where it did not answer well."""
    recent: deque[Seen] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add(self, seen: Seen) -> None:
        """Take the next check; after an absence the recent past counts no more: it was another life."""
        if self.recent and self.recent[-1].state == "offline" and seen.state != "offline":
            self.recent.clear()
        self.recent.append(seen)
        if seen.seconds is not None:
            self.history.append(seen.seconds if seen.state == "online" else None)

    def forget(self) -> None:
        """Begin a new life: a program that was started anew has not failed yet."""
        self.recent.clear()

    @property
    def times(self) -> list[float]:
        """Return the response times (s) that are known, oldest first."""
        return [seconds for seconds in self.history if seconds is not None]

    @property
    def last(self) -> float | None:
        """Return the last response time (s)."""
        return next((seconds for seconds in reversed(self.history) if seconds is not None), None)

    def percentile(self, part: float) -> float | None:
        """Return the response time (s) that this part (0 to 1) of the window did not exceed."""
        return percentile(self.times, part)


def counts(seen: Seen, *, full: bool) -> bool:
    """Say whether a check tells anything: who works on all that it may at a time need not answer besides."""
    return not (full and seen.state == "timeout")


def judge(window: Window) -> tuple[str, str]:
    """Return state and word after the last check that counts.

    H1  nothing seen yet                                         starting
    H2  the last check failed                                    what it saw
    H3  the last 5 take 3 times its own median and 100 ms more   degraded
    H4  some of the last 5 failed                                degraded
    H5  otherwise                                                online
    """
    if not window.recent:
        return "starting", ""
    now = window.recent[-1]
    if now.state != "online":
        return now.state, now.word
    slow = _slow(window)
    if slow:
        return "degraded", slow
    failed = [seen for seen in window.recent if seen.state != "online"]
    if failed:
        why = f": {failed[-1].word}" if failed[-1].word else ""
        return "degraded", f"{len(failed)} of the last {len(window.recent)} checks failed{why}"
    return "online", now.word


def next_look(every: float, bad: int) -> float:
    """Return how long until the next check (s), after so many bad ones in a row: soon, then less and less often.

    An agent that is away gets no work, so that its return must be seen; one that stays away is asked no more often
    than the others.
    """
    return every if bad == 0 else min(every, FIRST_LOOK * 2.0 ** min(bad - 1, 30))


def shown(state: str, *, full: bool, failing: str = "") -> str:
    """Return the state that others are told.

    An agent that answers its checks and fails at its work (`failing` says how) is in error; one that is well and has
    all its room used is busy.
    """
    if failing and state in ("online", "degraded"):
        return "error"
    return "busy" if full and state == "online" else state


def percentile(values: Sequence[float], part: float) -> float | None:
    """Return the smallest value that at least this part of the values does not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def _slow(window: Window) -> str:
    times = window.times
    now, before = times[-RECENT:], times[:-RECENT]
    if window.recent[-1].seconds is None or len(now) < RECENT or len(before) < RECENT:
        return ""
    median, usual = percentile(now, 0.5), percentile(before, 0.5)
    if median is None or usual is None or median <= SLOWER * usual or median - usual <= SLOWER_BY:
        return ""
    return f"answers in {median * 1000:.0f} ms, usually in {usual * 1000:.0f} ms"

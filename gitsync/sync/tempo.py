"""When a push is welcome: pauses after contention, and the host's budget; pure state over given times."""

from __future__ import annotations

from collections import deque

CONTENDED = 30.0
"""Seconds after a lost race in which a success is followed by a pause, so that losers get their turn."""
PUBLIC_BUDGET = 6.0
"""Pushes a minute that the whole fleet allows itself on a public host (PROTOCOL 7)."""


class Tempo:
    """Remember lost races and pushes; every time is a monotonic second."""

    def __init__(self) -> None:
        self._lost: float | None = None
        self._pause_until = 0.0
        self._pushes: deque[float] = deque(maxlen=64)

    def lost(self, now: float) -> None:
        """Note a lost race."""
        self._lost = now

    def contended(self, now: float) -> bool:
        """Say whether a race was lost a moment ago: then fetching first is the cheaper order."""
        return self._lost is not None and now - self._lost < CONTENDED

    def pushed(self, now: float, pause: float) -> None:
        """Note a success; the pause is kept only where there is contention."""
        self._pushes.append(now)
        if self.contended(now):
            self._pause_until = now + pause

    def attempted(self, now: float) -> None:
        """Note a push that did not succeed: it counts against the budget all the same."""
        self._pushes.append(now)

    def paused(self, now: float) -> float:
        """Give the seconds until the pause after a contended success is over."""
        return max(0.0, self._pause_until - now)

    def over_budget(self, now: float, budget: float | None, machines: int) -> float:
        """Give the seconds until a push is within our share of `budget` (a minute; None: no limit)."""
        if budget is None:
            return 0.0
        share = budget / max(1, machines)
        burst = max(1, int(share))
        if len(self._pushes) < burst:
            return 0.0
        # The last `burst` pushes must span at least the time in which that many are allowed.
        return max(0.0, self._pushes[-burst] + burst * 60.0 / share - now)

"""When a push is welcome: pauses after contention, and the host's budget; pure state over given times."""

from __future__ import annotations

from collections import deque

CONTENDED = 30.0
"""Seconds after a lost race in which a success is followed by a pause, so that losers get their turn."""
RETRY = 0.05
"""Seconds within which the first lost race is repeated; each further one takes four times as long."""
LONGEST_RETRY = 1.5
"""Seconds."""
HALVED = 4.0
"""Seconds of losing after which the longest wait is half as long: who is behind comes first, and nobody starves."""
MEMORY = 0.7
"""The weight of what was known about contention before, against what one more success tells."""
LONGEST = 3.0
"""How many times the drawn pause a crowd may make of it."""
PUBLIC_BUDGET = 6.0
"""Pushes a minute that the whole fleet allows itself on a public host (PROTOCOL 7)."""


class Tempo:
    """Remember lost races and pushes; every time is a monotonic second."""

    def __init__(self) -> None:
        self.races = 0
        """How many were lost since the start."""
        self._lost: float | None = None
        self._losses = 0
        self._behind_since = 0.0
        self._crowd = 0.0
        self._pause_until = 0.0
        self._pushes: deque[float] = deque(maxlen=64)

    def lost(self, now: float, draw: float) -> float:
        """Note a lost race; give the seconds until the next attempt. `draw` is uniform in [0, 1).

        Two machines that meet by chance are through at once. In a crowd each repetition in haste costs the others
        theirs, so what was learned about the crowd counts as races lost already.
        """
        self._lost = now
        self.races += 1
        self._losses += 1
        if self._losses == 1:
            self._behind_since = now
        rounds = self._losses - 1 + round(self._crowd)
        wait = draw * min(RETRY * 4.0 ** min(rounds, 8), LONGEST_RETRY / (1 + (now - self._behind_since) / HALVED))
        if wait > RETRY:  # what is shorter is waited for within the cycle
            self._pause_until = max(self._pause_until, now + wait)
        return wait

    def contended(self, now: float) -> bool:
        """Say whether a race was lost a moment ago: then fetching first is the cheaper order."""
        return self._lost is not None and now - self._lost < CONTENDED

    def pushed(self, now: float, pause: float) -> None:
        """Note a success; the pause grows with the races lost for it, and is none where nobody else pushes.

        A pause of fixed length lets a large crowd push more often than the remote takes: everybody then loses most
        races, and what is saved by haste is spent on repetitions.
        """
        self._pushes.append(now)
        self._crowd = MEMORY * self._crowd + (1 - MEMORY) * self._losses
        self._losses = 0
        if self.contended(now):
            self._pause_until = now + pause * min(self._crowd, LONGEST)

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

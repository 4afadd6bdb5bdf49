"""Who of several agents gets the next message: loads, weights, backups, circuit breakers, ageing; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

BreakerState = Literal["closed", "open", "half-open"]

UNABLE = frozenset({"offline", "error", "timeout", "crashed"})
"""States in which an agent gets nothing new; those that are slow or just starting are only less attractive."""

FAILURES = 5
PAUSE = 60.0
AGEING = 60.0
"""Seconds of waiting that are worth one step of priority."""

_SLOWEST = 10.0
"""How many times slower than the fastest an agent counts at most: a slow one is used less, never forgotten."""
_FLOOR = 0.001
"""Seconds below which a difference of speed says nothing."""
_FRESH = 0.3
"""How much the newest response time counts in the average."""


class Breaker:
    """Keep work away from an agent that fails, and try it with one message after a while; time is an argument.

    closed     everything passes; so many failures in a row open it
    open       nothing passes until the pause is over (s)
    half-open  one message passes, the trial: its success closes, its failure opens again

    What was begun before it opened ends later: its failure is no news then, its success is, and closes.
    """

    __slots__ = ("_failures", "_pause", "_row", "_trial", "_trials", "_until")

    def __init__(self, failures: int = FAILURES, pause: float = PAUSE) -> None:
        self._failures = failures
        self._pause = pause
        self._row = 0
        self._until: float | None = None
        self._trial = 0
        self._trials = 0

    def state(self, now: float) -> BreakerState:
        """Say which of the three it is."""
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "half-open"

    def lets(self, now: float) -> bool:
        """Say whether a message may pass now."""
        state = self.state(now)
        return state == "closed" or (state == "half-open" and not self._trial)

    @property
    def trying(self) -> bool:
        """Say whether the one trial is under way."""
        return self._trial != 0

    @property
    def until(self) -> float | None:
        """Give the moment when the pause is over; None when closed."""
        return self._until

    def begin(self, now: float) -> int:
        """Note that a message passes; give the number of the trial that it is, 0 when it is none."""
        if self.state(now) != "half-open":
            return 0
        self._trials += 1
        self._trial = self._trials
        return self._trial

    def failed(self, now: float, trial: int = 0) -> None:
        """Note that the agent could not do its work; `trial` is what `begin` gave."""
        if self._until is None:
            self._row += 1
            if self._row >= self._failures:
                self._until = now + self._pause
        elif trial and trial == self._trial:
            self._until = now + self._pause
        self.left(trial)

    def succeeded(self) -> None:
        """Note that the agent did its work: whatever was before is over."""
        self._row, self._until, self._trial = 0, None, 0

    def recover(self, now: float) -> None:
        """Note that the agent is said to be well again: the trial may come at once."""
        if self._until is not None:
            self._until = min(self._until, now)

    def left(self, trial: int = 0) -> None:
        """Note that a hand-over ended without telling anything about the agent."""
        if trial and trial == self._trial:
            self._trial = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Say how an agent stands: `latency` is its recent response time in seconds, None when it is not known."""

    state: str = "online"
    running: int = 0
    queued: int = 0
    concurrency: int = 1
    latency: float | None = None
    weight: float = 1.0
    backup: bool = False
    draining: bool = False
    breaker: BreakerState = "closed"
    trial: bool = False
    """Whether the one message that a half-open breaker lets through is under way."""
    spent: str = ""
    """Why it may have nothing more for now although it is well; empty where nothing says so."""
    failing: str = ""
    """How the last hand-over failed by the agent's own fault; empty once one went well, or after its pause."""

    @property
    def obstacle(self) -> str:
        """Say why it takes nothing now; empty when it does."""
        if self.state in UNABLE:
            return self.state
        if self.draining:
            return "draining"
        if self.breaker == "open" or (self.breaker == "half-open" and self.trial):
            return f"breaker {self.breaker}"
        return self.spent

    @property
    def room(self) -> int:
        """Count what it could begin at once; a half-open breaker lets one through."""
        if self.obstacle:
            return 0
        free = max(0, self.concurrency - self.running)
        return min(1, free) if self.breaker == "half-open" else free


def choose(names: Iterable[str], loads: Mapping[str, Load]) -> str | None:
    """Choose the agent that gets the next message; None when none of them can take it now.

    Backups are for when no other can. Among the rest the least expected wait counts: what is before the message,
    divided by what the agent does at a time and by its weight, times how slow it was of late. Ties go by the order
    given.
    """
    able = [(name, load) for name in names if (load := loads.get(name)) is not None and not load.obstacle]
    first = [pair for pair in able if not pair[1].backup] or able
    if len(first) < 2:
        return first[0][0] if first else None
    known = [load.latency for _, load in first if load.latency is not None]
    fastest = max(_FLOOR, min(known, default=_FLOOR))
    return min(first, key=lambda pair: _wait(pair[1], fastest))[0]


def _wait(load: Load, fastest: float) -> float:
    slowness = 1.0 if load.latency is None else min(_SLOWEST, max(1.0, load.latency / fastest))
    return (load.running + load.queued + 1) / (load.concurrency * load.weight) * slowness


def smoothed(former: float | None, seconds: float) -> float:
    """Average response times so that recent ones count more."""
    return seconds if former is None else former + _FRESH * (seconds - former)


def aged(rank: float, waited: float, step: float = AGEING) -> float:
    """Give the rank that a message has after waiting so long (s): smaller goes first, one less for each step.

    All that waits ages alike, so the order of two messages never changes while both wait; but what comes later has
    to be as many ranks above as the other has waited steps. So nothing is overtaken for ever.
    """
    return rank - waited / step

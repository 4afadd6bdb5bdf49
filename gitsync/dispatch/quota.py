"""Bound how much is handed over: by the hour for each sender, by the day for each agent and for the machine; pure.

Q1  a sender has had its share of the window   its next message waits until the oldest of these is out of the window
Q2  an agent has had its share of the day      it takes nothing new until midnight UTC
Q3  the machine has had its share of the day   no agent takes anything new until midnight UTC
Q4  a person let a message go                  it passes Q1 to Q3, and Q5 is asked anew
Q5  an agent's budget is used up               it takes nothing new until its time is over (`dispatch.budget`)

A sender is a machine or a person, as the path of the file says: no machine gets more by giving its agents more names.
A repetition (after an agent could not be reached) counts for the day, and not for its sender. Nothing is refused here:
what waits keeps its place.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitsync import clock
from gitsync.ledger.handed import Handed

DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bound hand-overs; nothing is bound by default."""

    per_sender: tuple[int, float] | None = None
    """So many from one sender in so many seconds."""
    daily: int = 0
    """So many a day (UTC) by all agents together; 0: as many as come."""


class Quota:
    """Know what was handed over of late; time is an argument (Unix time)."""

    def __init__(self, limits: Limits, daily: Mapping[str, int], handed: Iterable[Handed] = ()) -> None:
        """Take the limits, the daily ones of agents by name (0: none), and what was handed over before."""
        self.limits = limits
        self._daily = {name: most for name, most in daily.items() if most}
        self._days: dict[int, Counter[str]] = {}
        self._of: dict[str, deque[float]] = {}
        self._held: dict[str, tuple[float, str]] = {}
        self.passes: frozenset[str] = frozenset()
        """The keys of the messages that a person let go (Q4)."""
        for one in handed:
            self.begin(one.sender, one.agent, one.at, first=one.first)

    @property
    def bounds(self) -> bool:
        """Say whether anything is bound at all."""
        return bool(self.limits.per_sender or self.limits.daily or self._daily or self._held)

    def hold(self, agent: str, until: float, reason: str) -> None:
        """Give an agent nothing more until a moment (Q5)."""
        self._held[agent] = until, reason

    def begin(self, sender: str, agent: str, now: float, *, first: bool = True) -> None:
        """Note a hand-over."""
        day = int(now // DAY)
        if day not in self._days:
            self._days = {other: counts for other, counts in self._days.items() if abs(other - day) < 2}
        counts = self._days.setdefault(day, Counter())
        counts[agent] += 1
        counts[""] += 1
        if first and self.limits.per_sender:
            self._of.setdefault(sender, deque(maxlen=self.limits.per_sender[0])).append(now)

    def take_back(self, sender: str, agent: str, now: float, *, first: bool = True) -> None:
        """Note that a hand-over did not happen after all."""
        counts = self._days.get(int(now // DAY), Counter[str]())
        for name in (agent, ""):
            counts[name] = max(0, counts[name] - 1)
        times = self._of.get(sender)
        if first and times:
            times.pop()

    def used_up(self, agent: str, now: float) -> str:
        """Say that an agent takes nothing more today, and why (Q2, Q3, Q5); empty when it does."""
        until, reason = self._held.get(agent, (0.0, ""))
        if now < until:
            return reason
        counts = self._days.get(int(now // DAY))
        if counts is None:
            return ""
        most = self._daily.get(agent, 0)
        if most and counts[agent] >= most:
            return f"daily limit: {agent} has had its {most} of today; goes on at {_midnight(now)}"
        if self.limits.daily and counts[""] >= self.limits.daily:
            most = self.limits.daily
            return f"daily limit: this computer has handed over its {most} of today; goes on at {_midnight(now)}"
        return ""

    def share_used(self, sender: str, now: float) -> float | None:
        """Return until when a sender's next message waits (Q1); None when it need not."""
        if self.limits.per_sender is None:
            return None
        most, window = self.limits.per_sender
        times = self._of.get(sender)
        if times is None or len(times) < most:
            return None
        due = min(times[0], now) + window  # whatever the clock said once, nobody waits longer than a window
        return due if due > now else None

    def reason(self, sender: str, now: float) -> str:
        """Say in words why a sender's next message waits; empty when it need not. The words last while it does."""
        if self.limits.per_sender is None or self.share_used(sender, now) is None:
            return ""
        most, window = self.limits.per_sender
        return f"rate limit: {most} messages from {sender} in {window:g} s; the next follow in order"

    def next_wake(self, now: float) -> float | None:
        """Return when the next of these limits yields (Unix time); None when none holds."""
        due = [until for sender in self._of if (until := self.share_used(sender, now)) is not None]
        due += [until for until, _ in self._held.values() if until > now]
        if self.limits.daily or self._daily:
            due.append((now // DAY + 1) * DAY)
        return min(due, default=None)


def _midnight(now: float) -> str:
    return clock.stamp((now // DAY + 1) * DAY)

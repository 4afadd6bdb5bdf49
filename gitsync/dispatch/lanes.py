"""Order what waits for an agent: urgent first, then as it stands on the branch, and each sender in turn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gitsync.dispatch.decide import Envelope, rank


@dataclass(slots=True)
class Job:
    """One message for one agent; `not_before` is Unix time in seconds, `number` its place on the branch."""

    envelope: Envelope
    agent: str
    number: int
    attempt: int = 1
    not_before: float = 0.0
    running: bool = False
    since: float = 0.0

    @property
    def name(self) -> tuple[str, str]:
        """Name the job: at most one for each message and agent."""
        return self.envelope.key, self.agent

    @property
    def lane(self) -> tuple[str, str, int]:
        """Name the lane in which order is kept: sender, agent, priority."""
        return self.envelope.message.sender, self.agent, rank(self.envelope.message.priority)


def startable(jobs: Iterable[Job], room: dict[str, int], now: float) -> list[Job]:
    """Choose what starts now: within each agent's room, never past an earlier message of the same lane.

    A message that waits for its next attempt keeps those behind it waiting: they would overtake it.
    """
    left = dict(room)
    blocked: set[tuple[str, str, int]] = set()
    chosen = []
    for job in sorted((job for job in jobs if not job.running), key=_order):
        if job.lane in blocked or left.get(job.agent, 0) < 1:
            continue
        if job.not_before > now:
            blocked.add(job.lane)
            continue
        left[job.agent] -= 1
        chosen.append(job)
    return chosen


def next_wake(jobs: Iterable[Job], now: float) -> float | None:
    """Return when the next attempt is due, None when nothing waits for a time."""
    return min((job.not_before for job in jobs if not job.running and job.not_before > now), default=None)


def _order(job: Job) -> tuple[int, int]:
    return rank(job.envelope.message.priority), job.number

"""Order what waits for agents: urgent first, then as it stands on the branch, and each sender in turn."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from gitsync.balancing import AGEING, Load, aged, choose
from gitsync.dispatch.decide import Envelope, rank


@dataclass(slots=True, eq=False, kw_only=True)
class Job:
    """One message for one agent, or for one of several.

    `agent` is where it stands now ('' while none of its choices can take it). A `bound` one stays there; another may
    move until it has begun. `pauses` says until when (Unix time) an agent is left alone with it after it could not
    begin, `tries` how often that was, `planned` under whose name the journal has it as due for another try.
    """

    envelope: Envelope
    choices: tuple[str, ...]
    bound: bool
    number: int
    arrived: float
    attempt: int = 1
    agent: str = ""
    planned: str = ""
    tries: Counter[str] = field(default_factory=Counter)
    pauses: dict[str, float] = field(default_factory=dict)
    running: bool = False
    since: float = 0.0
    trial: int = 0
    turns: int = 0
    """How often it began or came back, so that an old list of what is open can be told from a new one."""
    order: tuple[float, int] = (0.0, 0)

    @property
    def name(self) -> tuple[str, str]:
        """Name the hand-over: at most one for each message and agent."""
        return self.envelope.key, self.agent

    @property
    def lane(self) -> tuple[str, int]:
        """Name the lane of an agent in which order is kept: sender and priority."""
        return self.envelope.message.sender, rank(self.envelope.message.priority)

    def ready(self, agent: str, now: float) -> bool:
        """Say whether this agent may be given it, as far as its pause goes."""
        return self.pauses.get(agent, 0.0) <= now


class Doors(Protocol):
    """Say what an agent takes now."""

    def load(self, name: str) -> Load: ...

    def ready(self, job: Job, name: str, now: float) -> bool:
        """Say whether a message may be handed to an agent now, as far as its pause and its sender's share go."""
        ...

    def insists(self, job: Job) -> bool:
        """Say whether a bound message is tried although its agent is said to be down."""
        ...


class Lanes:
    """Hold the jobs: those that run, and those that wait, in queues by where they may go.

    What waits is kept in order. Ageing does not change the order of two messages that wait, so nothing is sorted
    again (`gitsync.balancing.aged`).
    """

    def __init__(self, ageing: float = AGEING) -> None:
        self._ageing = ageing
        self._numbers = 0
        self._of: dict[str, list[Job]] = {}
        self._bound: dict[str, list[Job]] = {}
        self._pools: dict[tuple[str, ...], list[Job]] = {}
        self._paused: set[Job] = set()
        self._queued: Counter[str] = Counter()
        self._changes: Counter[str] = Counter()
        self._begun: dict[str, set[Job]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Job]:
        for jobs in self._of.values():
            yield from jobs

    def of(self, key: str) -> Sequence[Job]:
        """Return the jobs of a message."""
        return self._of.get(key, ())

    def waiting(self) -> bool:
        """Say whether anything waits."""
        return bool(self._bound or self._pools)

    def changes(self, agent: str) -> int:
        """Count how often the two figures below may have changed."""
        return self._changes[agent]

    def queued(self, agent: str) -> int:
        """Count what stands in an agent's queue."""
        return self._queued[agent]

    def running(self, agent: str) -> set[Job]:
        """Return what an agent has in its hands."""
        return self._begun.get(agent, set())

    def pools(self) -> list[tuple[str, ...]]:
        """Return the choices of what waits and may go to one of several."""
        return list(self._pools)

    def pooled(self) -> Iterator[Job]:
        """Return what waits and may go to one of several."""
        for jobs in self._pools.values():
            yield from jobs

    def add(self, job: Job) -> None:
        """Queue a new job where its `agent` says."""
        self._numbers += 1
        job.number = job.number or self._numbers
        job.order = (aged(rank(job.envelope.message.priority), -job.arrived, self._ageing), job.number)
        self._of.setdefault(job.envelope.key, []).append(job)
        self._count += 1
        self._enqueue(job)

    def drop(self, job: Job) -> None:
        """Forget a job; forgetting it twice is fine."""
        jobs = self._of.get(job.envelope.key, [])
        if job not in jobs:
            return
        jobs.remove(job)
        if not jobs:
            del self._of[job.envelope.key]
        self._count -= 1
        if job.running:
            self._changes[job.agent] += 1
            self._begun[job.agent].discard(job)
        else:
            self._dequeue(job)

    def stand(self, job: Job, agent: str) -> None:
        """Let a waiting job stand in another agent's queue, or in none ('')."""
        self._count_queued(job.agent, -1)
        job.agent = agent
        self._count_queued(agent, 1)

    def begin(self, job: Job, agent: str, now: float) -> None:
        """Let an agent have it."""
        self._dequeue(job)
        job.agent, job.running, job.since = agent, True, now
        job.turns += 1
        self._changes[agent] += 1
        self._begun.setdefault(agent, set()).add(job)

    def back(self, job: Job) -> None:
        """Queue a job again that could not begin; one that was forgotten meanwhile stays so."""
        if not job.running or job not in self._of.get(job.envelope.key, ()):
            return
        self._begun[job.agent].discard(job)
        self._changes[job.agent] += 1
        job.running, job.trial = False, 0
        job.turns += 1
        self._enqueue(job)

    def next_wake(self, now: float) -> float | None:
        """Return when the next pause is over (Unix time), None when nothing waits for a time."""
        due = None
        for job in list(self._paused):
            later = [until for until in job.pauses.values() if until > now]
            if not later:
                self._paused.discard(job)
            elif due is None or min(later) < due:
                due = min(later)
        return due

    def startable(self, doors: Doors, now: float) -> Iterator[tuple[Job, str]]:
        """Choose what starts now, and where: within each agent's room, best first.

        The caller lets each begin before it asks for the next. A bound message never passes an earlier one of the
        same lane, so one that pauses keeps those behind it waiting; one that may go to several agents holds up
        nobody.
        """
        heap: list[tuple[tuple[float, int], Job, Iterator[Job]]] = []

        def follow(source: Iterator[Job]) -> None:
            if (job := next(source, None)) is not None:
                heapq.heappush(heap, (job.order, job, source))

        for agent, jobs in self._bound.items():
            load = doors.load(agent)
            if load.room:
                follow(_in_turn(tuple(jobs), agent, doors, now))
            elif load.obstacle and (urging := tuple(job for job in jobs if job.attempt > 1 or job is jobs[0])):
                follow(_in_turn(tuple(job for job in urging if doors.insists(job)), agent, doors, now))
        for choices, jobs in self._pools.items():
            if any(doors.load(name).room for name in choices):
                follow(iter(tuple(jobs)))
        while heap:
            _, job, source = heapq.heappop(heap)
            if job.bound:
                if not (doors.load(job.agent).room or doors.insists(job)):
                    continue  # nothing of this source can start
                yield job, job.agent
            elif (place := _place(job, doors, now)) is not None:
                yield job, place
            elif not any(doors.load(name).room for name in job.choices):
                continue
            follow(source)

    def _enqueue(self, job: Job) -> None:
        queue = self._bound.setdefault(job.agent, []) if job.bound else self._pools.setdefault(job.choices, [])
        insort(queue, job, key=_order)
        self._count_queued(job.agent, 1)
        if job.pauses:
            self._paused.add(job)

    def _dequeue(self, job: Job) -> None:
        queue = self._bound[job.agent] if job.bound else self._pools[job.choices]
        queue.pop(bisect_left(queue, job.order, key=_order))
        if not queue:
            if job.bound:
                del self._bound[job.agent]
            else:
                del self._pools[job.choices]
        self._count_queued(job.agent, -1)
        self._paused.discard(job)

    def _count_queued(self, agent: str, difference: int) -> None:
        self._queued[agent] += difference
        self._changes[agent] += 1


def _order(job: Job) -> tuple[float, int]:
    return job.order


def _in_turn(jobs: Sequence[Job], agent: str, doors: Doors, now: float) -> Iterator[Job]:
    blocked: set[tuple[str, int]] = set()
    for job in jobs:
        if job.lane in blocked:
            continue
        if doors.ready(job, agent, now):
            yield job
        else:
            blocked.add(job.lane)


def _place(job: Job, doors: Doors, now: float) -> str | None:
    """Choose among those that have room; a backup only where no other could take it, were it not so busy."""
    ready = [name for name in job.choices if doors.ready(job, name, now)]
    loads = {name: load for name in ready if not (load := doors.load(name)).obstacle}
    if (own := loads.get(job.agent)) is not None:
        loads[job.agent] = replace(own, queued=max(0, own.queued - 1))  # it is not in its own way
    first = [name for name, load in loads.items() if not load.backup] or list(loads)
    return choose([name for name in first if loads[name].room], loads)

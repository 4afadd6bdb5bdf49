"""Hand messages to agents: intent first, then the agent, then receipt and reply in one go (I2)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gitsync import clock
from gitsync.agents.base import Agent
from gitsync.balancing import Load, choose
from gitsync.dispatch.arrivals import Arrivals, Threads
from gitsync.dispatch.books import Books
from gitsync.dispatch.claims import Claim, Claims
from gitsync.dispatch.decide import Envelope, Settle
from gitsync.dispatch.events import Event, Running, Teller
from gitsync.dispatch.faults import FaultPoint, nothing
from gitsync.dispatch.handover import Handover
from gitsync.dispatch.lanes import Job, Lanes
from gitsync.dispatch.quota import DAY, Quota
from gitsync.dispatch.readiness import Readiness
from gitsync.dispatch.settings import DispatchSettings
from gitsync.dispatch.waits import Waits
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger

__all__ = ["Claim", "Dispatcher"]

log = logging.getLogger(__name__)

_LONGEST = 900.0
"""Seconds until another look at a limit at most: a computer that slept must not sleep on."""


class Dispatcher:
    """Own the queues and the running deliveries of this machine's agents.

    Lives on one event loop. The journal is asked on threads, since it waits for the disk; it also has the last word on
    what may be handed over, so that a stale list of candidates can do no harm.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        agents: Mapping[str, Agent],
        settings: DispatchSettings,
        candidates: Callable[[], Sequence[Envelope]],
        *,
        claim: Callable[[str], Awaitable[Claim]],
        release: Callable[[str], Awaitable[object]] | None = None,
        refresh: Callable[[], Awaitable[bool]] | None = None,
        changed: Callable[[], None] = lambda: None,
        allowed: Callable[[], bool] = lambda: True,
        fault: FaultPoint = nothing,
        observe: Callable[[Event], None] = lambda _event: None,
        failed: Callable[[str], None] = lambda _agent: None,
    ) -> None:
        """Take what is needed.

        `candidates` gives what may be dispatched now, in order; `claim` and `release` are the engine's; `refresh`
        brings the ledger up to the remote's tip and says whether it could; `changed` asks for a sync soon; `allowed`
        says whether this machine may act at all: while it is False nothing starts, whatever is queued; `fault` is
        called at the points of `gitsync.dispatch.faults`; `observe` is told what happens, on the loop, and must be
        quick; `failed` gets the name of an agent after each failed hand-over, and after the first good one that
        follows, so that its health is looked at.
        """
        self._agents = dict(agents)
        self._specs = {name: agent.spec for name, agent in self._agents.items()}
        self._settings = settings
        self._candidates = candidates
        self._changed = changed
        self._allowed = allowed
        self._teller = Teller(observe)
        self._lanes = Lanes(settings.ageing)
        daily = {name: spec.daily for name, spec in self._specs.items()}
        self._quota = Quota(settings.limits, daily, journal.handed_since(clock.unix() - DAY))
        self._readiness = Readiness(self._specs, self._lanes, self._quota)
        kinds = {name: spec.kind for name, spec in self._specs.items()}
        self._books = Books(journal, settings.machine.id, kinds, settings.prices)
        self._waits = Waits(journal, self._quota, self._lanes, self._readiness, self._books)
        self._claims = Claims(journal, ledger, settings, claim, release, changed)
        threads = Threads(journal, ledger)
        self._arrivals = Arrivals(self._books, self._claims, threads, self._specs, settings, self._soon, self._settled)
        self._handover = Handover(
            self._agents,
            settings,
            self._lanes,
            self._readiness,
            self._books,
            threads,
            self._teller,
            still_ours=self._still_ours,
            changed=changed,
            failed=failed,
            fault=fault,
        )
        self._refresh = refresh
        self._fault = fault
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: set[str] = set()
        self._able: frozenset[str] = frozenset()
        self._lock = asyncio.Lock()
        self._again = False
        self._kicked = False
        self._posted = False
        self._closing = False
        self._go_on: Callable[[], None] = lambda: None
        self._timer: asyncio.TimerHandle | None = None
        self._errands: set[asyncio.Task[None]] = set()

    async def recover(self) -> None:
        """Settle what a former process left behind; call once, before the first `consider`.

        A hand-over that had begun is tried again with the same key where the agent is idempotent or pulls, and is
        uncertain otherwise: nobody can know how far it came (I2).
        """
        for intent in await self._books.started():
            spec = self._specs.get(intent.agent)
            self._fault("7-recovering")
            again = spec is not None and (spec.idempotent or spec.kind == "inbox")
            await self._handover.abandon(intent, again, "gitsync ended in the middle of it")
        self._fault("7-recovered")

    async def consider(self) -> None:
        """Start whatever may start; safe to call often. Calls during a call make one more round, not many."""
        if self._lock.locked():
            self._again = True
            return
        async with self._lock:
            self._again = True
            while self._again and not self._closing:
                self._again = False
                await self._round()

    async def drain(self, limit: float, *, ended: Callable[[], None] = lambda: None) -> None:
        """Start nothing more, let running deliveries end, and end them at the limit (seconds).

        `ended` is called after each of them, for whoever goes on with what it left.
        """
        self._closing, self._go_on = True, ended
        if self._timer is not None:
            self._timer.cancel()
        await self._claims.stop()
        running = list(self._tasks)
        if running:
            _, late = await asyncio.wait(running, timeout=max(0.0, limit))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        async with self._lock:
            await self._books.rest()
            await self._books.pay()
        await asyncio.gather(*self._errands, return_exceptions=True)

    # How the agents stand.

    @property
    def health(self) -> dict[str, tuple[str, str]]:
        """State of each agent and a word about it, as its owner last asked; who is down gets nothing new."""
        return self._readiness.health

    @health.setter
    def health(self, health: dict[str, tuple[str, str]]) -> None:
        self._readiness.health = health
        self._kick()

    @property
    def draining(self) -> set[str]:
        """Agents that get nothing new and finish what they have; call `consider` after changing it in place."""
        return self._readiness.draining

    @draining.setter
    def draining(self, names: set[str]) -> None:
        self._readiness.draining = names
        self._kick()

    def busy(self) -> dict[str, int]:
        """Return how many messages each agent has, running and queued."""
        return {name: len(self._lanes.running(name)) + self._lanes.queued(name) for name in self._agents}

    def loads(self) -> dict[str, Load]:
        """Return how each agent stands."""
        return {name: self._readiness.load(name) for name in self._agents}

    def prefer(self, names: Sequence[str]) -> str | None:
        """Choose the agent that would get a message now; None when none of them can take it."""
        return choose(names, {name: self._readiness.load(name) for name in names if name in self._agents})

    def running(self) -> dict[str, list[Running]]:
        """Return what each agent has in its hands, oldest first."""
        return {
            name: [
                Running(job.envelope.message.id, job.envelope.message.subject, job.since)
                for job in sorted(self._lanes.running(name), key=lambda job: job.since)
            ]
            for name in self._agents
        }

    # One round: pay what is owed, look at what arrived, start what may start.

    async def _round(self) -> None:
        await self._books.pay()
        if not self._allowed():
            return
        waited = [(job, job.turns) for job in self._lanes if not job.running]
        self._ended.clear()
        arrived = list(await asyncio.to_thread(self._candidates))
        self._fault("7-looked")
        keys = {envelope.key for envelope in arrived}
        standing = {envelope.key: envelope.standing for envelope in arrived}
        for job, turns in waited:
            # Taken, settled or withdrawn meanwhile; or its sender is trusted no more: then it is decided about anew.
            if job.turns == turns and standing.get(job.envelope.key) != job.envelope.standing:
                self._lanes.drop(job)
        for job in await self._arrivals.take(self._unknown(arrived)):
            if not self._has(job):
                self._lanes.add(job)
                self._place(job)
        await self._claims.let_go(keys)
        await self._waits.look()
        self._start()
        await self._waits.note()

    def _unknown(self, arrived: Sequence[Envelope]) -> list[Envelope]:
        """Choose what is to be looked at: not what has a job, nor what came to its end while the list was made.

        Of what goes to one place only so much is queued; a flood for one must not keep another's from being seen.
        """
        queued = Counter(_place_of(job.envelope) for job in self._lanes)
        found = []
        for envelope in arrived:
            jobs = self._lanes.of(envelope.key)
            if envelope.key in self._ended or (jobs and not (envelope.agents and envelope.intents)):
                continue
            due = {intent.agent for intent in envelope.intents if intent.state == "retry"}
            if jobs and due <= {job.agent for job in jobs}:
                continue
            place = _place_of(envelope)
            if queued[place] < self._settings.max_queue:
                queued[place] += 1
                found.append(envelope)
        return found

    def _has(self, job: Job) -> bool:
        jobs = self._lanes.of(job.envelope.key)
        return any(not (job.envelope.agents and other.bound) or other.agent == job.agent for other in jobs)

    def _place(self, job: Job) -> None:
        """Let a waiting message stand where it is best now, and tell it."""
        agent = job.agent if job.bound else (self.prefer(job.choices) or "")
        if agent != job.agent:
            self._lanes.stand(job, agent)
        if agent:
            self._teller.tell("assigned", job, state="queued")
        else:
            why = ", ".join(f"{name}: {self._readiness.obstacle(name)}" for name in job.choices)
            self._teller.tell("unassigned", job, reason=why)

    def _start(self) -> None:
        self._kicked = False
        if self._closing or not self._allowed():
            return
        self._readiness.look()
        self._move()
        now = clock.unix()
        for job, agent in self._waits.let_go():
            self._begin(job, agent, now)
        for job, agent in self._lanes.startable(self._readiness, now):
            self._begin(job, agent, now)
        self._set_timer(now)

    def _begin(self, job: Job, agent: str, now: float) -> None:
        if agent != job.agent:
            self._lanes.stand(job, agent)
            self._teller.tell("assigned", job, state="queued")
        self._lanes.begin(job, agent, now)
        self._readiness.begin(job)
        self._quota.begin(job.envelope.sender, agent, now, first=job.attempt == 1)
        task = asyncio.create_task(self._run(job), name=f"deliver {job.envelope.message.id} to {agent}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _move(self) -> None:
        """Let what waits for one of several stand elsewhere, where an agent became unable or able."""
        names = {name for choices in self._lanes.pools() for name in choices}
        able = frozenset(name for name in names if not self._readiness.obstacle(name))
        if able == self._able:
            return
        self._able = able
        for job in list(self._lanes.pooled()):
            if job.agent not in able and (job.agent or able.intersection(job.choices)):
                self._place(job)

    def _set_timer(self, now: float) -> None:
        paused, closed = self._lanes.next_wake(now), self._readiness.next_wake()
        pauses = [
            None if paused is None else paused - now,
            None if closed is None or not self._lanes.waiting() else closed - clock.monotonic(),
            self._claims.next_wake(),
        ]
        if self._lanes.waiting() and (yields := self._quota.next_wake(now)) is not None:
            pauses.append(min(yields - now, _LONGEST))
        due = [max(0.0, pause) for pause in pauses if pause is not None]
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(min(due), self._soon) if due else None

    # One hand-over.

    async def _run(self, job: Job) -> None:
        try:
            sender, agent, first = job.envelope.sender, job.agent, job.attempt == 1
            end = await self._handover.run(job)
            if not end.begun:
                self._quota.take_back(sender, agent, clock.unix(), first=first)
            self._posted |= end.posted
            if end.over:
                self._ended.add(job.envelope.key)
        finally:
            self._next()

    async def _still_ours(self, job: Job) -> bool | None:
        """Look again after a claim was won; None when the remote is away.

        A claim is free again once another machine has finished, and whoever asks late wins it: then the work is
        done. Only what the remote says after the win can tell.
        """
        if self._refresh is not None and not await self._refresh():
            return None
        if any(one.key == job.envelope.key for one in await asyncio.to_thread(self._candidates)):
            return True
        await self._claims.give_up(job.envelope)
        return False

    # Small things.

    def _settled(self, envelope: Envelope, settle: Settle) -> None:
        self._ended.add(envelope.key)
        self._teller.settled(envelope, settle)
        if settle.state != "waiting":
            self._changed()

    def _next(self) -> None:
        """Go on after a delivery: with what is queued, or with another look at what arrived."""
        if self._closing:
            self._go_on()
            return
        if self._lanes.waiting():
            self._kick()
        if self._posted or not self._lanes.waiting():
            self._posted = False
            self._soon()

    def _kick(self) -> None:
        """Start what is queued as soon as whatever happens now is through."""
        if self._kicked or self._closing:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # nothing runs yet; the first `consider` starts it
        self._kicked = True
        loop.call_soon(self._start)

    def _soon(self) -> None:
        """Have another look, from wherever this is called on the loop."""
        if self._closing:
            return
        task = asyncio.create_task(self._look())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _look(self) -> None:
        try:
            await self.consider()
        except Exception:  # nobody waits for this task, and the next look may go better
            log.exception("dispatch waits")


def _place_of(envelope: Envelope) -> tuple[str, ...]:
    return tuple(envelope.agents) or ("", envelope.message.type)

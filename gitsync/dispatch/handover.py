"""One hand-over, from the intent to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gitsync import clock
from gitsync.agents.base import Agent, Delivery, Outcome
from gitsync.dispatch.arrivals import Threads
from gitsync.dispatch.books import Books
from gitsync.dispatch.decide import backoff
from gitsync.dispatch.events import Teller
from gitsync.dispatch.faults import DURING, FaultPoint, nothing
from gitsync.dispatch.lanes import Job, Lanes
from gitsync.dispatch.papers import delivery
from gitsync.dispatch.readiness import Readiness
from gitsync.dispatch.settings import DispatchSettings
from gitsync.errors import GitsyncError
from gitsync.ledger.values import Intent
from gitsync.protocol.message import Message
from gitsync.secrets.redact import redact

log = logging.getLogger(__name__)

_PAUSE = 5.0
"""Before another try, when the disk or the remote is away (s)."""


@dataclass(frozen=True, slots=True)
class End:
    """Say how it went on: `over` when the message is through here, `posted` when a reply stays on this machine.

    `begun` is False where the agent was not given it after all.
    """

    over: bool
    posted: bool = False
    begun: bool = True


class Handover:
    """Give a message to an agent and write down what became of it."""

    def __init__(
        self,
        agents: Mapping[str, Agent],
        settings: DispatchSettings,
        lanes: Lanes,
        readiness: Readiness,
        books: Books,
        threads: Threads,
        teller: Teller,
        *,
        still_ours: Callable[[Job], Awaitable[bool | None]],
        changed: Callable[[], None],
        failed: Callable[[str], None],
        fault: FaultPoint,
    ) -> None:
        self._agents = agents
        self._settings = settings
        self._lanes = lanes
        self._readiness = readiness
        self._books = books
        self._threads = threads
        self._teller = teller
        self._still_ours = still_ours
        self._changed = changed
        self._failed = failed
        self._fault = fault

    async def run(self, job: Job) -> End:
        """Carry out a job that has its place; it is queued again, or forgotten, when this returns."""
        stage = "before"
        try:
            if job.envelope.claim and job.attempt == 1:
                ours = await self._still_ours(job)
                if not ours:
                    self._readiness.end(job, None)
                    return End(self._drop(job).over, begun=False) if ours is False else self._later(job)
            # Only a model is given the thread, and a coding agent; the others find it with `gitsync thread`.
            talks = self._agents[job.agent].kind == "claude" or self._agents[job.agent].spec.recipe
            thread = await self._thread(job.envelope.message) if talks else []
            self._fault("7-chosen")
            stage = "begun"
            if not await self._books.begin(job, idempotent=self._agents[job.agent].spec.idempotent):
                self._readiness.end(job, None)
                return End(self._drop(job).over, begun=False)
            self._teller.tell("begun", job, state="started")
            machine, turns = self._settings.machine.id, self._settings.history_turns
            given = delivery(job.envelope, job.agent, job.attempt, machine, thread, turns)
            self._fault("7-begun")
            stage = "given"
            before = clock.monotonic()
            try:
                outcome = await self._call(job.agent, given)
            except Exception as error:  # a defect of an agent's own must not stop the others
                log.exception("agent %s", job.agent)
                outcome = Outcome(kind="uncertain", reason=f"{type(error).__name__}: {error}")
            if outcome.reason:  # the last words of a program, which may have printed its environment
                outcome = replace(outcome, reason=redact(outcome.reason))
            self._fault("7-answered")
            stage = "told"
            end = await _to_its_end(self._conclude(job, outcome, clock.monotonic() - before))
            self._fault("7-concluded")
            return end
        except asyncio.CancelledError:
            await self._cut_off(job, stage)
            raise
        except Exception:
            # Mostly that the journal could not be written, which comes first: then nothing was handed over. Where
            # something was, the journal says so, and it is not done again.
            log.exception("message %s could not be handed over", job.envelope.message.id)
            self._readiness.end(job, None)
            return await self._broken(job, stage)

    async def _call(self, agent: str, given: Delivery) -> Outcome:
        if self._fault is nothing:
            return await self._agents[agent].deliver(given)
        called = asyncio.ensure_future(self._agents[agent].deliver(given))
        try:
            if not (await asyncio.wait([called], timeout=DURING))[0]:
                self._fault("7-calling")
            return await called
        finally:
            if not called.done():
                called.cancel()
                await asyncio.wait([called])

    async def abandon(self, intent: Intent, again: bool, reason: str) -> None:
        """Write that a hand-over was cut off."""
        await self._books.abandon(intent, again=again, reason=reason)
        self._teller.abandoned(intent, again, reason)
        if not again:
            self._changed()

    def _drop(self, job: Job) -> End:
        self._lanes.drop(job)
        return End(over=True)

    def _later(self, job: Job) -> End:
        job.pauses.update(dict.fromkeys(job.choices, clock.unix() + _PAUSE))
        self._lanes.back(job)
        return End(over=False, begun=False)

    async def _conclude(self, job: Job, outcome: Outcome, seconds: float) -> End:
        agent, spec = job.agent, self._agents[job.agent].spec
        if self._readiness.end(job, outcome, seconds):
            self._tell_failed(agent)
        untouched = outcome.kind == "failed" and not outcome.started
        if outcome.until is not None and untouched:
            # A limit that yields by itself: no try is used up, and everything for this agent waits for it. Only this
            # process knows that, so that a restart with other settings asks anew.
            self._readiness.hold(agent, outcome.until, outcome.reason)
            job.tries[agent] = min(job.tries[agent], spec.attempts - 1) - 1
        if untouched or (spec.idempotent and outcome.kind in ("failed", "uncertain")):
            job.tries[agent] += 1
            left = [name for name in job.choices if job.tries[name] < self._agents[name].spec.attempts]
            if job.bound or not untouched:
                # Another agent would be a second one that may have done it.
                left = [name for name in left if name == agent]
            if left:
                return await self._repeat(job, outcome, tuple(left), seconds, bound=job.bound or not untouched)
            state, reason = "dead", f"{outcome.reason} (given up after {job.attempt} attempts)"
        else:
            state, reason = outcome.kind, outcome.reason
        reply_id, posted = await self._books.conclude(job, outcome, state, reason, seconds)
        self._teller.concluded(job, state, reason, seconds, reply_id, outcome.reply if reply_id else None)
        self._changed()
        return End(self._drop(job).over, posted)

    async def _repeat(
        self, job: Job, outcome: Outcome, choices: tuple[str, ...], seconds: float, *, bound: bool
    ) -> End:
        """Queue it again: for the same agent after a pause, or at once for another that may have it as well."""
        agent, settings = job.agent, self._settings
        pause = backoff(job.tries[agent], settings.backoff, settings.longest_backoff, outcome.retry_after)
        job.pauses[agent] = clock.unix() + pause
        await self._books.retry(job, outcome, job.pauses[agent], seconds)
        self._fault("7-retried")
        self._teller.tell("retry", job, state="retry", reason=outcome.reason)
        job.attempt += 1
        job.planned, job.choices, job.bound = agent, choices, bound
        self._lanes.back(job)
        if agent not in choices:
            self._lanes.stand(job, "")  # it has had its tries; who takes it is seen when somebody can
        return End(over=False)

    async def _cut_off(self, job: Job, stage: str) -> None:
        """Write down a hand-over that was ended by `drain`: honest about what can be known."""
        self._readiness.end(job, None)
        self._lanes.drop(job)
        if stage not in ("before", "told"):
            await self._give_up(job, stage, "gitsync was stopped in the middle of it")

    async def _broken(self, job: Job, stage: str) -> End:
        """Go on after a failure of our own: what had begun must not stay so with nobody at it (I1)."""
        try:
            over = None if stage == "before" else await self._give_up(job, stage, "gitsync failed in the middle of it")
            if over:
                return self._drop(job)
            if over is False:
                job.attempt += 1
        except GitsyncError:
            log.exception("what became of message %s is found out at the next start", job.envelope.message.id)
        return self._later(job)

    async def _give_up(self, job: Job, stage: str, reason: str) -> bool | None:
        """Write that a hand-over was cut off; say whether that was its end, None where none stands as begun."""
        intent = await self._books.found(job)
        if intent is None or intent.state != "started":
            return None
        again = stage == "begun" or self._agents[job.agent].spec.idempotent
        await self.abandon(intent, again, reason)
        return not again

    def _tell_failed(self, agent: str) -> None:
        try:
            self._failed(agent)
        except Exception:  # who watches the agents must not stop a delivery
            log.exception("nobody heard that agent %s failed", agent)

    async def _thread(self, message: Message) -> list[Message]:
        return (await self._threads.before([message])).get(message.conversation, [])


async def _to_its_end(writing: Coroutine[Any, Any, End]) -> End:
    """Wait for it also when this is cancelled: what became of a hand-over is a fact, and soon written."""
    task = asyncio.ensure_future(writing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise

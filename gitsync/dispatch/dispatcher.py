"""Hand messages to agents: intent first, then the agent, then receipt and reply in one go (I2)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gitsync import clock
from gitsync.agents.base import Agent, Outcome
from gitsync.balancing import Load, choose
from gitsync.dispatch.books import Books
from gitsync.dispatch.claims import Claim, Claims
from gitsync.dispatch.decide import Envelope, Hand, Settle, automatic, backoff, decide
from gitsync.dispatch.events import Event, Running
from gitsync.dispatch.lanes import Job, next_wake, startable
from gitsync.dispatch.papers import count_automatic, delivery
from gitsync.dispatch.settings import DispatchSettings
from gitsync.errors import GitsyncError
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import Intent
from gitsync.protocol.message import Message

log = logging.getLogger(__name__)

_PAUSE = 5.0
"""Before another try, when the disk or the remote is away (s)."""

_LOCALS = 500


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
        fault: Callable[[str], None] = lambda _point: None,
        observe: Callable[[Event], None] = lambda _event: None,
        failed: Callable[[str], None] = lambda _agent: None,
    ) -> None:
        """Take what is needed.

        `candidates` gives what may be dispatched now, in order; `claim` and `release` are the engine's; `refresh`
        brings the ledger up to the remote's tip and says whether it could; `changed` asks for a sync soon; `allowed`
        says whether this machine may act at all: while it is False nothing starts, whatever is queued; `fault` is
        called at the points of `gitsync.dispatch.faults`; `observe` is told what happens, on the loop, and must be
        quick; `failed` gets the name of an agent after each failed hand-over, so that its health is looked at.
        """
        self._journal = journal
        self._ledger = ledger
        self._agents = dict(agents)
        self._specs = {name: agent.spec for name, agent in self._agents.items()}
        self._settings = settings
        self._candidates = candidates
        self._refresh = refresh
        self._changed = changed
        self._allowed = allowed
        self._fault = fault
        self._observe = observe
        self._failed = failed
        self._claims = Claims(journal, ledger, settings, claim, release, changed)
        self._books = Books(journal, settings.machine.id)
        self._jobs: dict[tuple[str, str], Job] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._numbers = 0
        self._lock = asyncio.Lock()
        self._again = False
        self._posted = False
        self._draining = False
        self._timer: asyncio.TimerHandle | None = None
        self._errands: set[asyncio.Task[None]] = set()
        self.health: dict[str, tuple[str, str]] = {}
        """State of each agent and a word about it, as its owner last asked; who is down gets nothing new."""
        self.draining: set[str] = set()
        """Agents that get nothing new and finish what they have; call `consider` after a change."""

    async def recover(self) -> None:
        """Settle what a former process left behind; call once, before the first `consider`.

        A hand-over that had begun is tried again with the same key where the agent is idempotent or pulls, and is
        uncertain otherwise: nobody can know how far it came (I2).
        """
        for intent in await self._books.started():
            spec = self._specs.get(intent.agent)
            again = spec is not None and (spec.idempotent or spec.kind == "inbox")
            await self._abandon(intent, again, "gitsync ended in the middle of it")

    async def consider(self) -> None:
        """Start whatever may start; safe to call often. Calls during a call make one more round, not many."""
        if self._lock.locked():
            self._again = True
            return
        async with self._lock:
            self._again = True
            while self._again and not self._draining:
                self._again = False
                await self._round()

    async def drain(self, limit: float) -> None:
        """Start nothing more, let running deliveries end, and end them at the limit (seconds)."""
        self._draining = True
        if self._timer is not None:
            self._timer.cancel()
        await self._claims.stop()
        running = list(self._tasks.values())
        if running:
            _, late = await asyncio.wait(running, timeout=max(0.0, limit))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        async with self._lock:
            await self._books.pay()
        await asyncio.gather(*self._errands, return_exceptions=True)

    def busy(self) -> dict[str, int]:
        """Return how many messages each agent has, running and queued."""
        count = Counter(job.agent for job in self._jobs.values())
        return {name: count[name] for name in self._agents}

    def loads(self) -> dict[str, Load]:
        """Return how each agent stands."""
        return {name: self._load(name) for name in self._agents}

    def prefer(self, names: Sequence[str]) -> str | None:
        """Choose the agent that would get a message now; None when none of them can take it."""
        return choose(names, {name: self._load(name) for name in names if name in self._agents})

    def running(self) -> dict[str, list[Running]]:
        """Return what each agent has in its hands."""
        found: dict[str, list[Running]] = {name: [] for name in self._agents}
        for job in self._jobs.values():
            if job.running:
                message = job.envelope.message
                found[job.agent].append(Running(message.id, message.subject, job.since))
        return found

    def _load(self, name: str) -> Load:
        spec = self._specs[name]
        mine = [job for job in self._jobs.values() if job.agent == name]
        running = sum(job.running for job in mine)
        return Load(
            state=self.health.get(name, ("online", ""))[0],
            running=running,
            queued=len(mine) - running,
            concurrency=spec.concurrency,
            weight=spec.weight,
            backup=spec.backup,
            draining=name in self.draining,
        )

    # One round: pay what is owed, look at what arrived, start what may start.

    async def _round(self) -> None:
        await self._books.pay()
        if not self._allowed():
            return
        arrived = list(await asyncio.to_thread(self._candidates))
        keys = {envelope.key for envelope in arrived}
        for name, job in list(self._jobs.items()):
            if not job.running and job.envelope.key not in keys:
                del self._jobs[name]  # taken, settled or withdrawn meanwhile
        known = {key for key, _ in self._jobs}
        for envelope in arrived:
            if len(self._jobs) >= self._settings.max_queue:
                break
            if envelope.key not in known or envelope.intents:
                await self._look_at(envelope)
        await self._claims.let_go(keys)
        self._start()

    async def _look_at(self, envelope: Envelope) -> None:
        """Decide about one message; what is decided is written or queued."""
        try:
            if envelope.intents:
                again = [intent for intent in envelope.intents if intent.state == "retry"]
                for intent in again:
                    await self._go_on(envelope, intent)
                return
            named = envelope.agents or ("",)
            thread = await self._thread(envelope.message) if automatic(envelope.message) else []
            count = count_automatic(thread, envelope.message)
            decisions = [decide(envelope, name, self._specs, self._settings, count) for name in named]
            hands = [decision for decision in decisions if isinstance(decision, Hand)]
            for decision in decisions:
                if isinstance(decision, Settle):
                    await self._settle(envelope, decision)
            if len(hands) > 1 and not envelope.claim:
                # A restart between two of them must not lose the second.
                for hand in hands:
                    await self._books.plan(envelope, hand.agents[0])
            for hand in hands:
                self._queue(envelope, hand)
        except GitsyncError:
            log.exception("message %s stays where it is", envelope.message.id)

    async def _go_on(self, envelope: Envelope, intent: Intent) -> None:
        """Take up a message that was decided about before: the same agent, if it is still here."""
        if (envelope.key, intent.agent) in self._jobs:
            return
        if intent.agent not in self._agents:
            gone = Settle(intent.agent, "refused", f"agent {intent.agent} is not here any more")
            await self._settle(envelope, gone)
            return
        self._add(envelope, intent.agent, intent.attempt + 1, intent.not_before or 0.0)

    def _queue(self, envelope: Envelope, hand: Hand) -> None:
        if envelope.claim and not self._claims.won(envelope):
            self._claims.pursue(envelope, hand.fits, self._soon)
            return
        self._add(envelope, self._best(hand.agents), 1, 0.0)

    def _add(self, envelope: Envelope, agent: str, attempt: int, not_before: float) -> None:
        self._numbers += 1
        job = Job(envelope, agent, self._numbers, attempt=attempt, not_before=not_before)
        self._jobs[job.name] = job

    async def _settle(self, envelope: Envelope, settle: Settle) -> None:
        if await self._books.settle(envelope, settle) and settle.state != "waiting":
            self._changed()

    def _best(self, names: Sequence[str]) -> str:
        """Choose among the agents that may take it: one that is there, with the least to do."""
        load = self.busy()

        def burden(name: str) -> tuple[bool, float]:
            state = self.health.get(name, ("online", ""))[0]
            return state in ("offline", "error", "timeout", "crashed"), load[name] / self._specs[name].concurrency

        return min(names, key=burden)

    def _start(self) -> None:
        if self._draining or not self._allowed():
            return
        room = {name: agent.spec.concurrency for name, agent in self._agents.items()}
        for job in self._jobs.values():
            if job.running:
                room[job.agent] -= 1
        now = clock.unix()
        for job in startable(self._jobs.values(), room, now):
            job.running = True
            job.since = now
            task = asyncio.create_task(self._run(job), name=f"deliver {job.envelope.message.id} to {job.agent}")
            self._tasks[job.name] = task
        due = next_wake(self._jobs.values(), now)
        pauses = [pause for pause in (None if due is None else due - now, self._claims.next_wake()) if pause]
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(min(pauses), self._soon) if pauses else None

    # One hand-over.

    async def _run(self, job: Job) -> None:
        stage = "before"
        try:
            if job.envelope.claim and job.attempt == 1 and not await self._still_ours(job):
                return
            # Only a model is given the thread; the others find it with `gitsync thread`.
            models = self._agents[job.agent].kind == "claude"
            thread = await self._thread(job.envelope.message) if models else []
            stage = "begun"
            if not await self._books.begin(job, idempotent=self._specs[job.agent].idempotent):
                self._jobs.pop(job.name, None)
                return
            given = delivery(
                job.envelope,
                job.agent,
                job.attempt,
                self._settings.machine.id,
                thread,
                self._settings.history_turns,
            )
            self._fault("7-begun")
            stage = "given"
            before = clock.monotonic()
            try:
                outcome = await self._agents[job.agent].deliver(given)
            except Exception as error:  # a defect of an agent's own must not stop the others
                log.exception("agent %s", job.agent)
                outcome = Outcome(kind="uncertain", reason=f"{type(error).__name__}: {error}")
            self._fault("7-answered")
            stage = "told"
            await self._conclude(job, outcome, clock.monotonic() - before)
            self._fault("7-concluded")
        except asyncio.CancelledError:
            await self._cut_off(job, stage)
            raise
        except GitsyncError:
            # Nothing was handed over: the journal could not be written, and it comes first.
            log.exception("message %s could not be handed over", job.envelope.message.id)
            job.running = False
            job.not_before = clock.unix() + _PAUSE
        finally:
            self._tasks.pop(job.name, None)
            self._next()

    async def _still_ours(self, job: Job) -> bool:
        """Look again after a claim was won.

        A claim is free again once another machine has finished, and whoever asks late wins it: then the work is
        done. Only what the remote says after the win can tell.
        """
        if self._refresh is not None and not await self._refresh():
            job.running = False
            job.not_before = clock.unix() + _PAUSE
            return False
        if any(one.key == job.envelope.key for one in await asyncio.to_thread(self._candidates)):
            return True
        self._jobs.pop(job.name, None)
        await self._claims.give_up(job.envelope)
        return False

    async def _conclude(self, job: Job, outcome: Outcome, seconds: float) -> None:
        spec = self._specs[job.agent]
        may_repeat = outcome.kind == "failed" and not outcome.started
        if spec.idempotent and outcome.kind in ("failed", "uncertain"):
            may_repeat = True
        if may_repeat and job.attempt < spec.attempts:
            pause = backoff(job.attempt, self._settings.backoff, self._settings.longest_backoff, outcome.retry_after)
            job.not_before = clock.unix() + pause
            await self._books.retry(job, outcome, job.not_before)
            job.attempt += 1
            job.running = False
            return
        state = "dead" if may_repeat else outcome.kind
        reason = f"{outcome.reason} (given up after {job.attempt} attempts)" if may_repeat else outcome.reason
        self._posted |= await self._books.conclude(job, outcome, state, reason, seconds)
        self._jobs.pop(job.name, None)
        self._changed()

    async def _cut_off(self, job: Job, stage: str) -> None:
        """Write down a hand-over that was ended by `drain`: honest about what can be known."""
        self._jobs.pop(job.name, None)
        if stage in ("before", "told"):
            return
        intent = await self._books.found(job)
        if intent is not None and intent.state == "started":
            again = stage == "begun" or self._specs[job.agent].idempotent
            await self._abandon(intent, again, "gitsync was stopped in the middle of it")

    async def _abandon(self, intent: Intent, again: bool, reason: str) -> None:
        await self._books.abandon(intent, again=again, reason=reason)
        if not again:
            self._changed()

    # Small things.

    async def _thread(self, message: Message) -> list[Message]:
        """Read the thread so far; a message that begins one has none."""
        if message.thread in (None, message.id):
            return []
        return await asyncio.to_thread(self._read_thread, message.conversation)

    def _read_thread(self, ident: str) -> list[Message]:
        rows = [row.message for row in self._ledger.thread(ident) if not row.withdrawn and not row.quarantined]
        here = [local.message for local in self._journal.locals(newest=_LOCALS)]
        known = {message.id for message in rows}
        return rows + [message for message in here if message.conversation == ident and message.id not in known]

    def _next(self) -> None:
        """Go on after a delivery: with what is queued, or with another look at what arrived."""
        if any(not job.running for job in self._jobs.values()) and not self._posted:
            self._start()
        else:
            self._posted = False
            self._soon()

    def _soon(self) -> None:
        """Have another look, from wherever this is called on the loop."""
        if self._draining:
            return
        task = asyncio.create_task(self._look())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _look(self) -> None:
        try:
            await self.consider()
        except Exception:  # nobody waits for this task, and the next look may go better
            log.exception("dispatch waits")

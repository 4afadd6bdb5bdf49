"""Look at what has arrived: settle it, claim it, or make jobs of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from gitsync import clock
from gitsync.agents.spec import AgentSpec
from gitsync.dispatch.books import Books
from gitsync.dispatch.claims import Claims
from gitsync.dispatch.decide import Decision, Envelope, Hand, Settle, automatic, decide
from gitsync.dispatch.lanes import Job
from gitsync.dispatch.papers import count_automatic
from gitsync.dispatch.settings import DispatchSettings
from gitsync.errors import GitsyncError
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.protocol.message import Message
from gitsync.routing import INBOX
from gitsync.verifying import holds_back

log = logging.getLogger(__name__)

_LOCALS = 500
_AT_ONCE = 100
"""How many messages are decided about before others on the loop have their turn; they are written together."""


class Threads:
    """Read what was said before in a conversation."""

    def __init__(self, journal: Journal, ledger: Ledger) -> None:
        self._journal = journal
        self._ledger = ledger

    async def before(self, messages: Iterable[Message]) -> dict[str, list[Message]]:
        """Read the threads of these messages, by thread; a message that begins one has none."""
        wanted = {message.conversation for message in messages if message.thread not in (None, message.id)}
        if not wanted:
            return {}
        return await asyncio.to_thread(lambda: {ident: self._read(ident) for ident in wanted})

    def _read(self, ident: str) -> list[Message]:
        found = [row for row in self._ledger.thread(ident) if not row.withdrawn and not row.quarantined]
        gone = self._journal.gone([row.key for row in found])
        # What would be held itself must not reach an agent as what was said before, either.
        of_text = self._ledger.rules.of_text
        rows = [row.message for row in found if row.key in gone or not holds_back(of_text(row.sender), row.standing)]
        here = [local.message for local in self._journal.locals(thread=ident, newest=_LOCALS)]
        known = {message.id for message in rows}
        return rows + [message for message in here if message.id not in known]


class Arrivals:
    """Decide about each message once; what is decided is written, or becomes jobs."""

    def __init__(
        self,
        books: Books,
        claims: Claims,
        threads: Threads,
        specs: Mapping[str, AgentSpec],
        settings: DispatchSettings,
        look: Callable[[], None],
        settled: Callable[[Envelope, Settle], None],
    ) -> None:
        """Take what is needed: `look` asks for another look when a claim is decided, `settled` hears what was."""
        self._books = books
        self._claims = claims
        self._threads = threads
        self._specs = specs
        self._settings = settings
        self._look = look
        self._settled = settled

    async def take(self, envelopes: Sequence[Envelope]) -> list[Job]:
        """Look at messages that nobody knows yet, in order."""
        now = clock.monotonic()
        threads = await self._threads.before(one.message for one in envelopes if automatic(one.message))
        found: list[Job] = []
        for start in range(0, len(envelopes), _AT_ONCE):
            part = envelopes[start : start + _AT_ONCE]
            for jobs in await asyncio.gather(*(self._one(one, threads, now) for one in part)):
                found += jobs
        return found

    async def _one(self, envelope: Envelope, threads: Mapping[str, list[Message]], now: float) -> list[Job]:
        try:
            if envelope.intents:
                return await self._again(envelope, now)
            return await self._new(envelope, threads.get(envelope.message.conversation, []), now)
        except GitsyncError:
            log.exception("message %s stays where it is", envelope.message.id)
            return []

    async def _again(self, envelope: Envelope, now: float) -> list[Job]:
        """Take up a message that was decided about before: the same agent, if it is still here."""
        jobs = []
        for intent in envelope.intents:
            if intent.state != "retry":
                continue
            if intent.agent == INBOX:
                await self._settle(envelope, Settle(INBOX, "waiting", "released"))
                continue
            if intent.agent not in self._specs:
                gone = Settle(intent.agent, "refused", f"agent {intent.agent} is not here any more")
                await self._settle(envelope, gone)
                continue
            job = self._job(envelope, (intent.agent,), now, bound=True)
            job.attempt = intent.attempt + 1
            job.tries[intent.agent] = intent.attempt
            job.pauses[intent.agent] = intent.not_before or 0.0
            jobs.append(job)
        return jobs

    async def _new(self, envelope: Envelope, thread: Sequence[Message], now: float) -> list[Job]:
        count = count_automatic(thread, envelope.message)
        targets = envelope.agents or ("",)
        decisions: list[tuple[str, Decision]] = [
            (target, decide(envelope, target, self._specs, self._settings, count)) for target in targets
        ]
        for _, decision in decisions:
            if isinstance(decision, Settle):
                await self._settle(envelope, decision)
        hands = [(target, decision) for target, decision in decisions if isinstance(decision, Hand)]
        if len(hands) > 1 and not envelope.claim:
            # A restart between two of them must not lose the second.
            for _, hand in hands:
                await self._books.plan(envelope, hand.agents[0])
        jobs = []
        for target, hand in hands:
            if envelope.claim and not self._claims.won(envelope):
                self._claims.pursue(envelope, hand.fits, self._look)
            else:
                jobs.append(self._job(envelope, hand.agents, now, bound=bool(target)))
        return jobs

    def _job(self, envelope: Envelope, choices: tuple[str, ...], now: float, *, bound: bool) -> Job:
        agent = choices[0] if bound else ""
        return Job(
            envelope=envelope,
            choices=choices[:1] if bound else choices,
            bound=bound,
            number=0,
            arrived=now,
            agent=agent,
        )

    async def _settle(self, envelope: Envelope, settle: Settle) -> None:
        if await self._books.settle(envelope, settle):
            self._settled(envelope, settle)

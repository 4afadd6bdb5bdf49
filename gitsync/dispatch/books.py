"""Keep the books of hand-overs in the journal: what was begun, what became of it, what it owes the sender."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from gitsync import clock
from gitsync.agents.base import Outcome
from gitsync.agents.prices import Price
from gitsync.dispatch.accounts import record
from gitsync.dispatch.decide import Envelope, Settle
from gitsync.dispatch.lanes import Job
from gitsync.dispatch.papers import idempotency_key, posted, receipt, receipt_for, reply_message
from gitsync.errors import GitsyncError
from gitsync.ledger.handed import Handed
from gitsync.ledger.journal import Journal
from gitsync.ledger.values import Intent

log = logging.getLogger(__name__)

Deed = Callable[[], bool]


class Books:
    """Write to the journal on threads, since it waits for the disk.

    What became of a hand-over is a fact: when the disk does not take it, it is owed and written later. Everything
    else fails before anything happened, with the journal's own error.
    """

    def __init__(
        self,
        journal: Journal,
        machine: str,
        kinds: Mapping[str, str] | None = None,
        prices: Mapping[str, Price] | None = None,
    ) -> None:
        """Take the kinds of agents by name, and prices for their runs."""
        self._journal = journal
        self._machine = machine
        self._kinds = kinds or {}
        self._prices = prices
        self._owed: list[Deed] = []
        self._asked: list[tuple[Deed, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def settle(self, envelope: Envelope, settle: Settle) -> bool:
        """Write a decision that hands over nothing; False when another was faster."""
        waiting = settle.state == "waiting"
        intent = _intent(envelope, settle.agent, settle.state, reason=settle.reason)
        outcome, reason = ("received", "") if waiting else (settle.state, settle.reason)
        ops = receipt(envelope, settle.agent, outcome, clock.stamp(), reason=reason)
        alone = not envelope.agents

        def write() -> bool:
            with self._journal.db.write():
                begun = self._journal.begin(intent, alone=alone, ops=ops)
                if begun and settle.doubted:
                    self._journal.doubt(envelope.key)
                return begun

        return await self._do(write)

    async def plan(self, envelope: Envelope, agent: str) -> bool:
        """Note that a message is also for this agent, before any of its agents gets it."""
        intent = _intent(envelope, agent, "retry", attempt=0)
        return await self._do(lambda: self._journal.begin(intent))

    async def begin(self, job: Job, *, idempotent: bool) -> bool:
        """Write the intent, after which the agent may be given the message; False where I2 forbids it."""
        intent = _intent(job.envelope, job.agent, "started", attempt=job.attempt)
        ops = receipt(job.envelope, job.agent, "received", clock.stamp()) if job.attempt == 1 else []
        former = job.planned if job.planned != job.agent else ""
        # What names no agent is for one of several, whoever was first: the journal has the last word (I2).
        alone = not job.envelope.agents
        handed = Handed(clock.unix(), job.agent, job.envelope.sender, job.attempt == 1)
        return await self._do(
            lambda: self._journal.begin(
                intent, idempotent=idempotent, alone=alone, instead_of=former, handed=handed, ops=ops
            )
        )

    async def note_waits(self, reasons: Mapping[str, str], over: Collection[str]) -> None:
        """Note which messages a limit keeps waiting, and which wait no more."""
        if reasons:
            await self._do(lambda: self._journal.put_waits(reasons))
        if over:
            await self._do(lambda: self._journal.drop_waits(over))

    async def retry(self, job: Job, outcome: Outcome, not_before: float, seconds: float) -> None:
        """Write that it is to be tried again."""
        key, agent, usage = job.envelope.key, job.agent, _json(outcome.usage)
        reason = outcome.reason
        account = self._account(job, outcome, outcome.kind, seconds)

        def write() -> bool:
            with self._journal.db.write():
                account()
                return self._journal.finish(key, agent, "retry", reason=reason, usage=usage, not_before=not_before)

        await self._write(write)

    async def conclude(
        self, job: Job, outcome: Outcome, state: str, reason: str, seconds: float
    ) -> tuple[str | None, bool]:
        """Write the end: state, receipt and reply in one transaction; give the reply's id, and if it stays here."""
        envelope, agent, now = job.envelope, job.agent, clock.stamp()
        reply = None
        if state == "done" and outcome.reply:
            reply = reply_message(envelope, agent, self._machine, outcome.reply, clock.new_id(), now)
        reply_id = reply.id if reply is not None else None
        sent, local = posted(reply, self._machine) if reply is not None else ([], [])
        if sent and (why := self._journal.would_hold(sent[0])):
            reason, reply_id = f"its answer {why}", None
        told = []
        if state != "waiting":  # of what waits in an inbox nothing is to be told yet
            told = receipt(
                envelope, agent, state, now, attempt=job.attempt, seconds=seconds, reply=reply_id, reason=reason
            )
        account = self._account(job, outcome, state, seconds)

        def write() -> bool:
            with self._journal.db.write():
                account()
                return self._journal.finish(
                    envelope.key,
                    agent,
                    state,
                    reason=reason,
                    reply_id=reply_id,
                    seconds=seconds,
                    usage=_json(outcome.usage),
                    ops=[*sent, *told],
                    local=local,
                )

        await self._write(write)
        return reply_id, bool(local)

    def _account(self, job: Job, outcome: Outcome, state: str, seconds: float) -> Callable[[], None]:
        """Prepare the record of what a hand-over used; it belongs into the transaction that says how it ended."""
        kind, key, agent = self._kinds.get(job.agent, ""), job.envelope.key, job.agent
        thread, at = job.envelope.message.conversation, clock.unix() - seconds
        return lambda: record(
            self._journal,
            kind=kind,
            agent=agent,
            key=key,
            thread=thread,
            outcome=outcome,
            state=state,
            at=at,
            seconds=seconds,
            prices=self._prices,
        )

    async def abandon(self, intent: Intent, *, again: bool, reason: str) -> None:
        """Write that a hand-over was cut off: to be tried again where that is safe, else uncertain."""
        key, agent = intent.message_key, intent.agent
        state, not_before = ("retry", clock.unix()) if again else ("uncertain", None)
        ops = [] if again else receipt_for(intent, "uncertain", clock.stamp(), reason)

        def write() -> bool:
            with self._journal.db.write():
                self._journal.cut_runs(key, agent)
                return self._journal.finish(key, agent, state, reason=reason, not_before=not_before, ops=ops)

        await self._write(write)

    async def started(self) -> list[Intent]:
        """Return the hand-overs that began and of which nothing more is known."""
        return await asyncio.to_thread(self._journal.intents, ["started"])

    async def found(self, job: Job) -> Intent | None:
        """Return what the journal says about a job, once all that was asked for is written."""
        await self.rest()
        return await asyncio.to_thread(self._journal.intent, *job.name)

    async def rest(self) -> None:
        """Wait until all that was asked for is written, or owed."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    async def pay(self) -> None:
        """Write what the disk did not take before, in order."""
        while self._owed:
            try:
                await asyncio.to_thread(self._owed[0])
            except GitsyncError:
                return
            self._owed.pop(0)

    async def _write(self, deed: Deed) -> None:
        try:
            await self._do(deed)
        except GitsyncError:
            log.exception("the journal takes nothing at the moment")
            self._owed.append(deed)

    async def _do(self, deed: Deed) -> bool:
        """Write soon, in one transaction with whatever else is asked for until then: each waits for the disk."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append((deed, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="journal")
        return await done

    async def _write_all(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                answers = await asyncio.to_thread(self._together, [deed for deed, _ in asked])
                for (_, done), answer in zip(asked, answers, strict=True):
                    if done.done():
                        continue  # whoever asked was cancelled
                    if isinstance(answer, bool):
                        done.set_result(answer)
                    else:
                        done.set_exception(answer)
        finally:
            self._writing = None

    def _together(self, deeds: Sequence[Deed]) -> list[bool | Exception]:
        try:
            return list(self._journal.together(deeds))
        except Exception as error:
            return [error] if len(deeds) == 1 else [self._together([deed])[0] for deed in deeds]


def _intent(envelope: Envelope, agent: str, state: str, *, attempt: int = 1, reason: str = "") -> Intent:
    return Intent(
        message_key=envelope.key,
        message_id=envelope.message.id,
        agent=agent,
        state=state,
        attempt=attempt,
        key=idempotency_key(envelope, agent),
        content=envelope.content,
        sender=envelope.message.sender,
        reason=reason,
    )


def _json(usage: Mapping[str, Any] | None) -> str | None:
    return None if usage is None else json.dumps(usage, sort_keys=True)

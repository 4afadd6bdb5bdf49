"""Bring tasks forward, inside one transaction of the journal: give out, hear what became of it, end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gitsync import clock
from gitsync.ledger.tasks import ENDED, PartRow, TaskRow
from gitsync.ledger.values import Intent, Op, local_key, receipt_op
from gitsync.protocol.receipts import Receipt
from gitsync.routing import INBOX
from gitsync.tasks.giving import Giving
from gitsync.tasks.states import GIVEN_UP, WITHDRAWN, judge, pause

_SHOWN = 200
"""Characters of a late answer that the history keeps."""


class Step(Giving):
    """What one transaction does to tasks.

    A task is given out as a message between agents of this machine: the dispatcher's intents say what became of it,
    and keep it from being done twice (I2). Every method may be called again with the same news.
    """

    # hearing

    def hear(
        self,
        part: PartRow,
        word: str,
        *,
        agent: str = "",
        reason: str = "",
        result: str | None = None,
        at: str | None = None,
    ) -> None:
        """Take in what is said about the message that carries a part: a hand-over's state, or a receipt's outcome.

        `at` is the date when it was so; without it, now.
        """
        self._date = at or clock.stamp(self._now)
        task, judged = self._journal.task(part.task), judge(word)
        if task is None or judged is None:
            return
        if part.status in ENDED:
            if judged.status in ENDED and word != "refused" and task.error in GIVEN_UP and not part.reason:
                said = f": {result[:_SHOWN]}" if result else ""
                self._journal.put_part(replace(part, reason=f"{word} all the same"))
                self._enter(task.id, "FAILED", agent, f"{word} all the same, after the task had ended{said}")
            return
        status = judged.status
        if word in ("assigned", "unassigned") and part.status == "IN_PROGRESS":
            return  # older than what the journal has said since
        if word == "retry" and part.status != "IN_PROGRESS":
            return  # it says nothing new of where it stands
        if word == "waiting" and agent == INBOX:
            status, reason = "BLOCKED", reason or "no agent takes it; it waits in the inbox"
        agent = agent or ("" if word == "unassigned" else part.agent)
        if status == "FAILED":
            late = task.deadline is not None and self._now >= task.deadline
            if judged.again and part.attempt <= task.retries and not late:
                self._try_again(part, agent, reason or word)
                return
            failed = replace(part, status=status, agent=agent, error=reason or word, reason="")
            self._set(failed, f"{word}: {reason}" if reason else word)
            return
        if status == "IN_PROGRESS" and part.status in ("QUEUED", "BLOCKED"):
            part = replace(part, status="ASSIGNED", agent=agent, reason="")
            self._set(part, "assigned")
        if status == "COMPLETED":
            self._set(replace(part, status=status, agent=agent, result=result or "", reason=""), word)
            return
        kept = reason if status == "BLOCKED" else ""
        if word == "uncertain":
            kept = f"uncertain: {reason}" if reason else word  # or it looks like one that goes on by itself
        self._set(replace(part, status=status, agent=agent, reason=kept), reason or word)

    def _try_again(self, part: PartRow, agent: str, reason: str) -> None:
        wait = pause(part.attempt, self._settings.retry_backoff)
        waiting = replace(
            part,
            status="QUEUED",
            agent="",
            message_id="",
            machine=self._machine,
            not_before=self._now + wait,
            reason=f"attempt {part.attempt} failed: {reason}",
        )
        self._set(waiting, f"attempt {part.attempt} by {agent} failed: {reason}; the next one in {wait:g} s")

    def catch_up(self, parts: Iterable[PartRow]) -> None:
        """See what the journal says about parts that were given to agents here."""
        given = {local_key(part.message_id): part for part in parts if part.message_id}
        for key, intents in self._journal.intents_for(given).items():
            part, intent = given[key], intents[-1]
            if intent.seconds is not None and part.status in ("QUEUED", "ASSIGNED"):
                self.hear(part, "started", agent=intent.agent, at=intent.started)  # so fast that nobody saw it
                part = next(one for one in self._journal.parts(part.task) if one.slot == part.slot)
            self.hear(
                part,
                intent.state,
                agent=intent.agent,
                reason=intent.reason,
                result=self.read(intent.reply) if intent.state == "done" and intent.reply else None,
                at=intent.finished or intent.started,
            )

    def read(self, reply: str) -> str:
        """Read an agent's answer; nobody has to look at it in the inbox."""
        local = self._journal.local(reply)
        if local is None:
            return ""
        self._close(local.key, reply, local.message.sender)
        return local.message.body

    def catch_up_abroad(self, parts: Iterable[PartRow]) -> None:
        """See what the branch says about parts that were sent to other machines; only those may say it."""
        for part in parts:
            self._date = clock.stamp(self._now)
            row = next(
                (
                    row
                    for row in self._ledger.thread(part.task)
                    if row.sender == part.machine
                    and row.message.in_reply_to == part.message_id
                    and not (row.withdrawn or row.quarantined)
                ),
                None,
            )
            if row is not None:
                receipt = Receipt(date=self._date, id=row.message.id, sender=row.sender, agent=INBOX, outcome="done")
                self._close(row.key, row.message.id, row.message.sender, [receipt_op(receipt)])
                self.hear(part, "done", agent=row.message.sender, result=row.message.body)
                continue
            unsent = [one for one in self._journal.operations(part.message_id) if one.state == "refused"]
            if unsent:
                self.hear(part, "refused", reason=f"it cannot be sent: {unsent[-1].reason}")
                continue
            said = [
                one.receipt
                for one in self._ledger.receipts(part.message_id, self._machine)
                if one.machine == part.machine
            ]
            if not said or (said[-1].outcome == "done" and said[-1].reply):
                continue  # nothing yet, or its answer is still on its way
            last = said[-1]
            agent = f"{part.machine}/{last.agent}" if last.agent else part.machine
            self.hear(part, last.outcome, agent=agent, reason=last.reason)

    def catch_up_askers(self) -> None:
        """Give up what was asked for by messages that their senders have withdrawn."""
        asked = {task.origin_key or "": task for task in self._journal.asked_tasks()}
        for row in self._ledger.by_keys(sorted(asked)):
            if row.withdrawn:
                self.end(asked[row.key], WITHDRAWN)

    def _close(self, key: str, ident: str, sender: str, ops: Sequence[Op] = ()) -> None:
        """Note in the inbox that a message has been read, unless somebody did."""
        read = Intent(message_key=key, message_id=ident, agent=INBOX, state="done", sender=sender)
        if not self._journal.begin(read, ops=ops):
            self._journal.finish(key, INBOX, "done", ops=ops)

    # ending

    def end(self, task: TaskRow, error: str) -> None:
        """Give a task up: what has not begun never does, what has begun is left alone."""
        self._date = clock.stamp(self._now)
        for part in self._journal.parts(task.id):
            if part.status in ENDED:
                continue
            stopped = not part.message_id or (
                self._journal.cancel_local(part.message_id)
                if part.machine == self._machine
                else self._withdraw(part.message_id, part.machine)
            )
            note = error if stopped else f"{error}; {part.agent or 'its agent'} had begun, what it does is not undone"
            self._set(replace(part, status="FAILED", error=error, reason=""), note)

    def _withdraw(self, ident: str, machine: str) -> bool:
        self.remote = True
        waiting = [one.op.seq for one in self._journal.operations(ident) if one.state == "pending"]
        if waiting and self._journal.cancel(waiting[-1]):
            return True
        self._journal.enqueue(Op("withdraw", ident, machine))
        return not self._ledger.receipts(ident)

    def begin_again(self, parts: Iterable[PartRow]) -> None:
        """Forget in which queue parts stood, which a restart has emptied."""
        given = [part for part in parts if part.message_id and part.status in ("ASSIGNED", "BLOCKED")]
        intents = self._journal.intents_for([local_key(part.message_id) for part in given])
        for part in given:
            if local_key(part.message_id) not in intents:
                self._set(replace(part, status="QUEUED", agent="", reason=""), "gitsync started again")

    def reclaim(self, part: PartRow) -> None:
        """Take a part back out of the inbox where no agent took it, and give it out as the settings now say."""
        if self._journal.cancel_local(part.message_id):
            self.place_new(replace(part, status="QUEUED", agent="", message_id="", reason=""))

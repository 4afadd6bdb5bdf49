"""Keep tasks in line with their parts, inside one transaction of the journal, and tell who asked how they ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from gitsync import clock
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.tasks import ENDED, Entry, PartRow, TaskRow
from gitsync.ledger.values import message_op
from gitsync.protocol.message import Message, write
from gitsync.tasks.papers import answer, told
from gitsync.tasks.states import GIVEN_UP, combine
from gitsync.tasks.values import TAKER, Rules, TaskSettings

Fleet = Callable[[], Sequence[Mapping[str, object]]]


class Keeping:
    """Write parts and tasks; `touched` names the tasks that changed, `local` and `remote` say what was sent."""

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        machine: str,
        rules: Rules,
        settings: TaskSettings,
        fleet: Fleet,
        now: float,
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._machine = machine
        self._rules = rules
        self._settings = settings
        self._fleet = fleet
        self._now = now
        self._date = clock.stamp(now)
        self.touched: dict[str, None] = {}
        self.local = False
        self.remote = False

    def _set(self, part: PartRow, note: str) -> None:
        """Keep a part as it now stands, with its line of history, unless it stood so."""
        old = next((one for one in self._journal.parts(part.task) if one.slot == part.slot), None)
        if old == part:
            return
        self._journal.put_part(part)
        self._enter(part.task, part.status, part.agent or part.slot, note)
        self._refresh(part.task)

    def _enter(self, task: str, status: str, agent: str, note: str) -> None:
        self._journal.add_entry(task, Entry(self._date, status, agent, note))
        self.touched[task] = None

    def _refresh(self, ident: str) -> None:
        """Bring a task into line with its parts; tell who asked when it has ended."""
        task = self._journal.task(ident)
        if task is None or task.status in ENDED:
            return
        parts = self._journal.parts(ident)
        status = combine(part.status for part in parts)
        times = task.times if status == task.status and status in task.times else {**task.times, status: self._date}
        blocked = [part.reason for part in parts if part.status == "BLOCKED" and part.reason]
        task = replace(task, status=status, times=times, error=blocked[0] if status == "BLOCKED" and blocked else None)
        if status in ENDED:
            results = [(part.agent, part.result) for part in parts if part.result is not None]
            errors = dict.fromkeys(_labelled(part.agent, part.error, len(parts)) for part in parts if part.error)
            if task_error := _common(parts):
                errors = {task_error: None}
            task = replace(
                task,
                ended=self._now,
                result="\n\n".join(_labelled(agent, text, len(parts)) for agent, text in results) if results else None,
                error="; ".join(errors) or None,
            )
        self._journal.put_task(task)
        if status in ENDED and task.origin_key:
            self._answer(task, parts)

    def _answer(self, task: TaskRow, parts: list[PartRow]) -> None:
        reply = None
        if task.status == "COMPLETED" and task.result:
            reply = answer(task, parts, self._machine, clock.new_id(), self._date)
        outcome = "done" if task.status == "COMPLETED" else "failed"
        reason, reply_id = task.error or "", None if reply is None else reply.id
        here = bool(task.origin.get("local"))
        local: list[tuple[Message, bytes]] = [(reply, write(reply))] if reply is not None and here else []
        sent = [message_op(reply, task.origin["machine"])] if reply is not None and not here else []
        if sent and (why := self._journal.would_hold(sent[0])):
            reason, reply_id = f"its result {why}", None
        ops = told(
            task.origin,
            outcome,
            self._date,
            agent=", ".join(dict.fromkeys(part.agent for part in parts if part.agent)),
            reason=reason,
            reply=reply_id,
        )
        self.local |= bool(local)
        self.remote |= bool(sent or ops)
        self._journal.finish(
            task.origin_key or "",
            TAKER,
            outcome,
            reason=reason,
            reply_id=reply_id,
            ops=[*sent, *ops],
            local=local,
        )


def _labelled(agent: str, text: str | None, parts: int) -> str:
    """Say whose words these are, where there are several."""
    return f"{agent}: {text}" if parts > 1 and agent else text or ""


def _common(parts: Collection[PartRow]) -> str | None:
    """Give what ended a task as a whole."""
    return next((part.error for part in parts if part.error in GIVEN_UP), None)

"""Bring tasks forward, inside one transaction of the journal: give out, hear what became of it, end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from gitsync import clock
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.tasks import Entry, PartRow, TaskRow
from gitsync.ledger.values import Intent, Op, local_key, message_op, receipt_op
from gitsync.protocol.message import Message, write
from gitsync.protocol.receipts import Receipt
from gitsync.routing import INBOX, Route, route
from gitsync.tasks.elsewhere import Elsewhere, choose
from gitsync.tasks.papers import answer, carrier, told
from gitsync.tasks.states import CANCELLED, DEADLINE, combine, judge, pause
from gitsync.tasks.values import ENDED, TAKER, Rules, TaskSettings

Fleet = Callable[[], Sequence[Mapping[str, object]]]

_SHOWN = 200


class Step:
    """What one transaction does to tasks; afterwards `touched` names them, `local` and `remote` what was sent.

    A task is given out as a message between agents of this machine: the dispatcher's intents say what became of it,
    and keep it from being done twice (I2). Every method may be called again with the same news.
    """

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
        self._machines: Sequence[Mapping[str, object]] | None = None
        self._now = now
        self._date = clock.stamp(now)
        self.touched: dict[str, None] = {}
        self.local = False
        self.remote = False

    # giving out

    def route(self, to: str, kind: str, subject: str, content: str, sender: str) -> Route:
        """Choose who may do it, as the dispatcher will."""
        rules = self._rules
        return route(
            to or None,
            kind,
            rules.agents,
            rules.routes,
            rules.policies,
            sender.partition("/")[0],
            text=f"{subject}\n{content}",
            route_all=rules.route_all,
        )

    def open(self, task: TaskRow, found: Route) -> None:
        """Take a new task and give it out."""
        self._journal.put_task(replace(task, agents=found.agents, reason=found.reason))
        self._enter(task.id, "QUEUED", "", f"asked by {task.sender}")
        slots = found.agents if found.all else ("",)
        parts = [PartRow(task=task.id, slot=slot, machine=self._machine) for slot in slots]
        for part in parts:
            self._journal.put_part(part)
        for part in parts:
            self.place(part)
        self._refresh(task.id)

    def place(self, part: PartRow) -> None:
        """Give a part to the agents here that may do it, to another machine, or say why neither can be."""
        task = self._journal.task(part.task)
        if task is None or part.status in ENDED or part.message_id:
            return
        if part.slot or task.to_agent:
            self._give(task, part, f"{self._machine}/{part.slot or task.to_agent}", task.reason)
            return
        found = self.route("", task.type, task.subject, task.content, task.sender)
        if found.refused is not None:
            self._set(replace(part, status="FAILED", error=found.refused), found.refused)
        elif found.agents:
            self._journal.put_task(replace(task, agents=found.agents, reason=found.reason))
            if found.all:
                self._journal.drop_part(part)
                for name in found.agents:
                    self.place_new(PartRow(task=task.id, slot=name, machine=self._machine))
            else:
                self._give(task, part, self._machine, found.reason)
        else:
            self._give_away(task, part)

    def place_new(self, part: PartRow) -> None:
        """Keep a part and give it out."""
        self._journal.put_part(part)
        self.place(part)

    def _give(self, task: TaskRow, part: PartRow, to: str, reason: str) -> None:
        message = carrier(task, to, self._machine, clock.new_id(), self._date)
        self._journal.put_local(message, write(message))
        self.local = True
        given = replace(
            part,
            status="QUEUED",
            agent="",
            machine=self._machine,
            message_id=message.id,
            attempt=part.attempt + 1,
            reason="",
        )
        self._set(given, f"attempt {given.attempt}, {reason}")

    def _give_away(self, task: TaskRow, part: PartRow) -> None:
        """Send a part to another machine, or say that there is none."""
        found = self._elsewhere(task)
        if found is None:
            reason = f"no agent takes {task.type}, here or on another machine that is up"
            self._set(replace(part, status="BLOCKED", agent="", reason=reason), reason)
        else:
            self._send(task, part, found)

    def send_on(self, part: PartRow) -> None:
        """Send a part to another machine that none of the agents here can take for now, if there is such a machine."""
        task = self._journal.task(part.task)
        found = None if task is None or task.to_agent or part.slot else self._elsewhere(task)
        if task is not None and found is not None and self._journal.cancel_local(part.message_id):
            self._send(task, part, found)

    def _elsewhere(self, task: TaskRow) -> Elsewhere | None:
        """Choose another machine; none for what came from one that had been sent it itself."""
        if task.origin.get("carried"):
            return None
        return choose(task.type, self._known(), {self._machine, task.origin.get("machine", "")})

    def _send(self, task: TaskRow, part: PartRow, found: Elsewhere) -> None:
        message = carrier(task, found.machine, self._machine, clock.new_id(), self._date)
        self._journal.enqueue(message_op(message, found.machine))
        self.remote = True
        self._journal.put_task(replace(task, agents=(), reason=found.reason))
        given = replace(
            part,
            status="ASSIGNED",
            agent=found.machine,
            machine=found.machine,
            message_id=message.id,
            attempt=part.attempt + 1,
            reason="",
        )
        self._set(given, f"attempt {given.attempt}, {found.reason}")

    def _known(self) -> Sequence[Mapping[str, object]]:
        if self._machines is None:
            self._machines = self._fleet()
        return self._machines

    # hearing

    def hear(self, part: PartRow, word: str, *, agent: str = "", reason: str = "", result: str | None = None) -> None:
        """Take in what is said about the message that carries a part: a hand-over's state, or a receipt's outcome."""
        task, judged = self._journal.task(part.task), judge(word)
        if task is None or judged is None:
            return
        if part.status in ENDED:
            if judged.status in ENDED and task.error in (CANCELLED, DEADLINE):
                said = f": {result[:_SHOWN]}" if result else ""
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
        if status == "COMPLETED":
            self._set(replace(part, status=status, agent=agent, result=result or "", reason=""), word)
            return
        kept = reason if status == "BLOCKED" else ""
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
            intent = intents[-1]
            self.hear(
                given[key],
                intent.state,
                agent=intent.agent,
                reason=intent.reason,
                result=self.read(intent.reply) if intent.state == "done" and intent.reply else None,
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

    def _close(self, key: str, ident: str, sender: str, ops: Sequence[Op] = ()) -> None:
        """Note in the inbox that a message has been read, unless somebody did."""
        read = Intent(message_key=key, message_id=ident, agent=INBOX, state="done", sender=sender)
        if not self._journal.begin(read, ops=ops):
            self._journal.finish(key, INBOX, "done", ops=ops)

    # ending

    def end(self, task: TaskRow, error: str) -> None:
        """Give a task up: what has not begun never does, what has begun is left alone."""
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

    # keeping

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
        ops = told(
            task.origin,
            outcome,
            self._date,
            agent=", ".join(dict.fromkeys(part.agent for part in parts if part.agent)),
            reason=task.error or "",
            reply=None if reply is None else reply.id,
        )
        here = bool(task.origin.get("local"))
        local: list[tuple[Message, bytes]] = [(reply, write(reply))] if reply is not None and here else []
        sent = [message_op(reply, task.origin["machine"])] if reply is not None and not here else []
        self.local |= bool(local)
        self.remote |= bool(sent or ops)
        self._journal.finish(
            task.origin_key or "",
            TAKER,
            outcome,
            reason=task.error or "",
            reply_id=None if reply is None else reply.id,
            ops=[*sent, *ops],
            local=local,
        )


def _labelled(agent: str, text: str | None, parts: int) -> str:
    """Say whose words these are, where there are several."""
    return f"{agent}: {text}" if parts > 1 and agent else text or ""


def _common(parts: Collection[PartRow]) -> str | None:
    """Give what ended a task as a whole."""
    return next((part.error for part in parts if part.error in (CANCELLED, DEADLINE)), None)

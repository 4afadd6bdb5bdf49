"""Give tasks out: to agents of this machine, or to another machine, inside one transaction of the journal."""

from __future__ import annotations

from dataclasses import replace

from gitsync import clock
from gitsync.ledger.tasks import ENDED, PartRow, TaskRow
from gitsync.ledger.values import message_op
from gitsync.protocol.message import write
from gitsync.routing import Route, route
from gitsync.tasks.elsewhere import Elsewhere, choose
from gitsync.tasks.keeping import Keeping
from gitsync.tasks.papers import carrier


class Giving(Keeping):
    """Choose who does a task, and send it there as a message."""

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
            sender=sender,
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
        self._date = clock.stamp(self._now)
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
        return choose(task.type, self._fleet(), {self._machine, task.origin.get("machine", "")})

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

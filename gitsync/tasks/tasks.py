"""The tasks of a machine: taken, given to agents or to another machine, followed to their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

from gitsync import clock
from gitsync.errors import Busy, Conflict, NotFound, Refused, UsageError
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.tasks import ENDED, STATES, PartRow, TaskRow
from gitsync.ledger.values import Intent
from gitsync.protocol.identity import Machine
from gitsync.routing import INBOX, Route
from gitsync.tasks.asks import Envelope, ask_of
from gitsync.tasks.document import brief, full
from gitsync.tasks.elsewhere import offered
from gitsync.tasks.keeping import Fleet
from gitsync.tasks.new import new_task
from gitsync.tasks.papers import origin, told
from gitsync.tasks.states import CANCELLED, DEADLINE, GIVEN_UP, come_again
from gitsync.tasks.steps import Step
from gitsync.tasks.values import GENERAL, TAKER, Event, Json, Rules, TaskAsk, TaskSettings
from gitsync.verifying import holds_back, objection, strictest

TICK = 1.0
"""Seconds between two looks while a task is open."""
BLOCKED_EVERY = 5.0
"""Seconds until it is looked for again who could take what nobody takes."""
LATE = 86400.0
"""How long after its end it is noted that another machine has done a task all the same (s)."""
ABROAD_EVERY = 5.0
"""Seconds between two looks at what other machines say, if nothing tells that they said something."""
SEND_ON_AFTER = 30.0
"""Seconds that the agents here may be unable before another machine is asked: most come back sooner."""
PRUNE_EVERY = 3600.0

_SHORTEST = 4


class Tasks:
    """Hold the tasks of this machine in its journal.

    All methods may be called from any thread and from several processes; they wait for the disk. A task's JSON:

        task_id type subject content priority sender       as it was asked
        status assigned_to agents reason machine           how it stands, with whom, who could, why these, where
        created deadline                                   UTC to the second; deadline None: none
        attempts retries                                   how often given out, how often it may be again
        result error                                       what came of it; error also says why it is BLOCKED
        times                                              {STATE: when it was last entered}
        history                                            [{at, status, agent, note}], only from `get`
        parts                                              [{agent, status, machine, message_id, attempts, reason,
                                                           result, error}], only from `get`: one for each agent
                                                           that is to do it

    Lists and events cut `content` and `result` to 2000 characters.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        machine: Machine,
        rules: Rules,
        settings: TaskSettings,
        *,
        fleet: Fleet = list,
        changed: Callable[[Json], None] = lambda _task: None,
        sent: Callable[[bool], None] = lambda _local: None,
    ) -> None:
        """Take what is needed.

        `fleet` gives the machines (`inbox.fleet_view`); `changed` is told of each change of a task, `sent` of messages:
        True for those to agents here, False for those to the branch. Both are called on the thread of the caller.
        """
        self._journal = journal
        self._ledger = ledger
        self._machine = machine.id
        self._rules = rules
        self._settings = settings
        self._fleet = fleet
        self._changed = changed
        self._sent = sent
        self._blocked_at = self._abroad_at = self._prune_at = 0.0

    def configure(self, rules: Rules, settings: TaskSettings) -> None:
        """Go on with other settings."""
        self._rules, self._settings = rules, settings
        self._blocked_at = 0.0

    # asking

    def submit(self, ask: TaskAsk) -> Json:
        """Take a task durably; give its JSON, of which `task_id`, `status` and `assigned_to` are the news.

        Raise UsageError where it cannot be carried out as asked, NotFound where `to` names no agent here, Refused where
        the policy says no, and Busy (with `retry_after`) where the queue is full: then nothing was taken.
        """
        names = [spec.name for spec in self._rules.agents]
        if ask.sender and ask.sender not in names:
            raise NotFound(f"no agent {ask.sender!r} on this computer", _choices(names), near=_near(ask.sender, names))
        sender = f"{self._machine}/{ask.sender}" if ask.sender else self._machine
        task = new_task(ask, sender, self._machine, self._settings)
        if task.to_agent and task.to_agent not in names:
            raise NotFound(f"no agent {ask.to!r} on this computer", _choices(names), near=_near(task.to_agent, names))
        with self._step() as step:
            self._make_room()
            found = self._route(step, task)
            if found.refused is not None:
                raise Refused("this task is not taken", found.refused, "see [[policy]] and the agent's types")
            step.open(task, found)
        return self._brief(task.id)

    def take(self, envelopes: Iterable[Envelope]) -> bool:
        """Make tasks of messages that ask for one (`asks`); False where some found no room, and stay where they are."""
        for envelope in envelopes:
            try:
                with self._step() as step:
                    self._take(step, envelope)
            except Busy:
                return False
        return True

    def _take(self, step: Step, envelope: Envelope) -> None:
        if envelope.suspect and not envelope.intents:
            self._decide(step, envelope, "uncertain", "the journal was lost: it may have been done before")
            return
        if self._journal.task_from(envelope.key) is not None:
            self._mine(envelope)  # released by a person, while it is under way
            return
        self._make_room()
        try:
            ask = ask_of(envelope.message, envelope.agents, self._types())
            task = new_task(ask, envelope.message.sender, self._machine, self._settings)
        except UsageError as error:
            self._decide(step, envelope, "refused", " ".join(part for part in (error.what, error.why) if part))
            return
        found = self._route(step, task)
        if found.refused is not None:
            self._decide(step, envelope, "refused", found.refused)
            return
        if (why := self._doubt(envelope, found.agents, task.type)) is not None:
            with self._journal.db.write():
                self._decide(step, envelope, "held", why)
                self._journal.doubt(envelope.key)
            return
        if not self._mine(envelope):
            return
        step.open(replace(task, origin_key=envelope.key, origin=origin(envelope)), found)

    def _doubt(self, envelope: Envelope, agents: Sequence[str], kind: str) -> str | None:
        """Say why the task has to wait until its sender is verified; what a person released does not."""
        if envelope.intents or envelope.let_go:
            return None
        rules, message = self._rules.verification, envelope.message
        names = (envelope.sender, message.sender)
        level = strictest(*(rules.of(names, agent, kind) for agent in agents or ("",)))
        held = holds_back(level, envelope.standing)
        return objection(envelope.standing, envelope.sender, message.id) if held else None

    def _mine(self, envelope: Envelope) -> bool:
        """Note in the journal that a message has become a task, from which it cannot be handed to an agent."""
        if envelope.intents:
            self._journal.finish(envelope.key, TAKER, "waiting")
        else:
            received = told(origin(envelope), "received", clock.stamp())
            if not self._journal.begin(_intent(envelope, "waiting"), ops=received):
                return False
        return self._journal.take(envelope.key, TAKER)

    def _decide(self, step: Step, envelope: Envelope, state: str, reason: str) -> None:
        """Make no task of a message, and say why."""
        ops = told(origin(envelope), state, clock.stamp(), reason=reason)
        if envelope.intents:
            self._journal.finish(envelope.key, TAKER, state, reason=reason, ops=ops)
        else:
            self._journal.begin(_intent(envelope, state, reason), ops=ops)
        step.remote |= bool(ops)

    def _make_room(self) -> None:
        """Raise Busy where the queue is full."""
        limit = self._settings.queue_limit
        if self._journal.count_open_tasks() < limit:
            return
        raise Busy(
            f"{limit} tasks are under way, which is all this computer takes",
            "tasks.queue_limit in its settings",
            "come again later, or cancel some: gitsync tasks",
            retry_after=come_again(self._journal.count_ended_tasks(clock.unix() - 60.0)),
        )

    @staticmethod
    def _route(step: Step, task: TaskRow) -> Route:
        return step.route(task.to_agent, task.type, task.subject, task.content, task.sender)

    def _types(self) -> frozenset[str]:
        """Give the types that somebody takes."""
        own = {kind for spec in self._rules.agents for kind in spec.types}
        return frozenset({*own, *self._rules.routes, *offered(self._fleet()), GENERAL})

    # looking

    def get(self, ident: str) -> Json | None:
        """Give one task with history and parts, by its id or its beginning (4 characters); None where there is none."""
        task = self._find(ident)
        if task is None:
            return None
        return full(task, self._journal.parts(task.id), self._journal.entries(task.id), self._machine)

    def list(self, limit: int = 50, before: str | None = None, status: str | None = None) -> list[Json]:
        """Give tasks, newest first; `before` is a task's id, `status` one state."""
        if status is not None and status not in STATES:
            raise UsageError(f"no status {status!r}", remedy=f"one of: {', '.join(STATES)}")
        rows = self._journal.tasks(limit=limit, before=before, status=status)
        return [brief(row, self._journal.parts(row.id), self._machine) for row in rows]

    def counts(self) -> dict[str, int]:
        """Count the tasks in each state."""
        return self._journal.count_tasks()

    def cancel(self, ident: str) -> Json:
        """End a task that has not ended: FAILED with the error `cancelled`; give its JSON as `get` does.

        What an agent has begun is not undone. Raise NotFound where there is none, Conflict where it has ended in
        another way.
        """
        task = self._find(ident)
        if task is None:
            raise NotFound(f"no task {ident!r}", "no id of a task begins so", "see: gitsync tasks")
        with self._step() as step:
            given = [part for part in self._journal.parts(task.id) if part.message_id and part.status not in ENDED]
            step.catch_up(part for part in given if part.machine == self._machine)
            step.catch_up_abroad(part for part in given if part.machine != self._machine)
            task = self._journal.task(task.id) or task
            if task.status in ENDED and task.error != CANCELLED:
                raise Conflict(f"task {task.id} is {task.status} already", f"since {task.times.get(task.status)}")
            step.end(task, CANCELLED)
        found = self.get(task.id)
        assert found is not None
        return found

    def _find(self, ident: str) -> TaskRow | None:
        wanted = ident.strip().upper()
        if len(wanted) < _SHORTEST:
            return None
        found = self._journal.tasks_with_prefix(wanted)
        return next((row for row in found if row.id == wanted), found[0] if len(found) == 1 else None)

    # following

    def resume(self) -> None:
        """Begin after a start: in which queues tasks stood, the former process has taken with it."""
        with self._step() as step:
            parts = [part for part in self._journal.open_parts() if part.machine == self._machine]
            step.catch_up(parts)
            step.begin_again(parts)
        self._blocked_at = self._abroad_at = 0.0

    def note(self, events: Iterable[Event]) -> None:
        """Take in what the dispatcher did."""
        news = [event for event in events if event.message_id]
        if not self._journal.parts_of(event.message_id for event in news):
            return
        with self._step() as step:
            for event in news:
                part = self._journal.parts_of([event.message_id]).get(event.message_id)
                if part is None or part.machine != self._machine:
                    continue
                word = _WORDS.get(event.what, event.state)
                answer = step.read(event.reply_id) if word == "done" and event.reply_id else None
                step.hear(
                    part,
                    word,
                    agent=event.agent,
                    reason=event.reason,
                    result=answer or event.reply,
                    at=clock.stamp(event.at),
                )

    def arrived(self) -> None:
        """Be told that the branch brought something: the next tick looks at it."""
        self._abroad_at = self._blocked_at = 0.0

    def tick(self, now: float) -> float | None:
        """Do what is due at `now` (Unix time): deadlines, what became of what was given out, retries, pruning.

        Give when to come again (seconds), None where no task is open.
        """
        if now >= self._prune_at:
            self._journal.prune_tasks(now - self._settings.keep)
            self._prune_at = now + PRUNE_EVERY
        abroad = now >= self._abroad_at
        late = self._journal.parts_given_up_away(self._machine, GIVEN_UP, now - LATE) if abroad else []
        idle = not self._journal.count_open_tasks()
        if idle and not late:
            return None
        with self._step(now) as step:
            step.catch_up(part for part in self._journal.decided_parts() if part.machine == self._machine)
            if abroad:
                self._abroad_at = now + ABROAD_EVERY
                step.catch_up_abroad([*self._journal.parts_away(self._machine), *late])
                step.catch_up_askers()
            for task in self._journal.overdue_tasks(now):
                step.end(task, DEADLINE)
            self._place(step, now)
        return None if idle else TICK

    def _place(self, step: Step, now: float) -> None:
        blocked = now >= self._blocked_at
        if blocked:
            self._blocked_at = now + BLOCKED_EVERY
        for part in self._journal.idle_parts():
            if not part.message_id and (blocked if part.status == "BLOCKED" else part.not_before <= now):
                step.place(part)
            elif blocked and part.status == "BLOCKED" and part.machine == self._machine:
                self._unblock(step, part, now)

    def _unblock(self, step: Step, part: PartRow, now: float) -> None:
        """Look for another way where no agent here took a part, or none of those that may can take it for long."""
        task = self._journal.task(part.task)
        if task is None:
            return
        if part.agent == INBOX and not task.to_agent and self._route(step, task).agents:
            step.reclaim(part)
        elif not part.agent and clock.stamp(now - SEND_ON_AFTER) >= task.times.get("BLOCKED", ""):
            step.send_on(part)

    # keeping

    @contextmanager
    def _step(self, now: float | None = None) -> Iterator[Step]:
        """Run one transaction, and afterwards say what it did."""
        moment = clock.unix() if now is None else now
        fleet = cache(self._fleet)  # asked at most once, and only where somebody else is needed
        step = Step(self._journal, self._ledger, self._machine, self._rules, self._settings, fleet, moment)
        with self._journal.db.write():
            yield step
        for local, happened in ((True, step.local), (False, step.remote)):
            if happened:
                self._sent(local)
        for ident in step.touched:
            self._changed(self._brief(ident))

    def _brief(self, ident: str) -> Json:
        task = self._journal.task(ident)
        assert task is not None
        return brief(task, self._journal.parts(ident), self._machine)


_WORDS: Mapping[str, str] = {
    "assigned": "assigned",
    "unassigned": "unassigned",
    "begun": "started",
    "retry": "retry",
}


def _intent(envelope: Envelope, state: str, reason: str = "") -> Intent:
    return Intent(
        message_key=envelope.key,
        message_id=envelope.message.id,
        agent=TAKER,
        state=state,
        content=envelope.content,
        sender=envelope.message.sender,
        reason=reason,
    )


def _near(name: str, names: Sequence[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, names, n=3, cutoff=0.5)


def _choices(names: Sequence[str]) -> str:
    return f"there are: {', '.join(names) or 'none'}"

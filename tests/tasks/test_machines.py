"""Tasks that go to another machine and come back, over a branch that both of them read."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gitsync import clock
from gitsync.ledger.values import Batch, Row, Told, message_key, receipt_of
from gitsync.protocol.blocks import content_hash
from gitsync.protocol.message import Message, read, write
from gitsync.protocol.receipts import Receipt
from gitsync.routing import Policy
from gitsync.tasks.values import TAKER, Json
from tests.tasks.bench import Bench, Gate, Worker, outcome

Make = Callable[..., Bench]


class Branch:
    """What is pushed by one machine is in the ledgers of all of them."""

    def __init__(self, *machines: Bench) -> None:
        self.machines = machines
        self._numbers = itertools.count()

    def carry(self) -> list[Message]:
        """Let the outboxes reach the branch; give the messages."""
        sent: list[Message] = []
        for machine in self.machines:
            ops = machine.journal.pending()
            machine.journal.landed([op.seq for op in ops], "c")
            messages = [read(op.payload) for op in ops if op.kind == "message"]
            receipts = [receipt_of(op) for op in ops if op.kind == "receipt"]
            withdrawn = {message_key(machine.machine.id, op.to, op.ident) for op in ops if op.kind == "withdraw"}
            self.put(machine.machine.id, messages, receipts, withdrawn)
            sent += messages
        return sent

    def put(
        self,
        sender: str,
        messages: list[Message],
        receipts: Sequence[Receipt] = (),
        withdrawn: Collection[str] = (),
    ) -> None:
        for machine in self.machines:
            rows = [self._row(sender, message, machine.machine.id) for message in messages]
            batch = Batch(
                base=machine.ledger.head(),
                head=f"c{next(self._numbers)}",
                arrived={row.key: row for row in rows},
                receipts=[Told(sender, receipt) for receipt in receipts],
                withdrawn=set(withdrawn),
            )
            assert machine.ledger.apply(batch, machine.machine.id)

    def _row(self, sender: str, message: Message, reader: str) -> Row:
        to = message.to[0].partition("/")[0]
        return Row(
            seq=0,
            key=message_key(sender, to, message.id),
            sender=sender,
            to=to,
            message=message,
            date_raw=message.date,
            path=f"messages/{sender}_TO_{to}.md",
            line=1,
            content=content_hash(write(message)),
            commit="c",
            commit_date=message.date,
            mine=to == reader,
            open=to == reader,
        )


def page(ident: str, *types: str, queue: int = 0) -> Json:
    return {
        "id": ident,
        "state": "ACTIVE",
        "agents": [{"agent": "x", "state": "online", "types": types, "queue": queue}],
    }


def pair(bench: Make, *workers: Worker, **there: Any) -> tuple[Bench, Bench, Branch]:
    """Make machine 2, which can do nothing, and machine 3, which can."""
    here = bench(machine="2", fleet=[page("3", "fix")])
    other = bench(*workers, machine="3", **there)
    return here, other, Branch(here, other)


async def until(branch: Branch, holds: Callable[[], bool]) -> None:
    """Let both machines live until something holds."""
    end = clock.monotonic() + 30
    while not holds():
        assert clock.monotonic() < end, "it did not happen"
        branch.carry()
        for machine in branch.machines:
            machine.tasks.arrived()
            machine.ingest()
            machine.tick()
            if machine.dispatcher is not None:
                await machine.dispatcher.consider()
        await asyncio.sleep(0.005)


def test_there_and_back(bench: Make) -> None:
    worker = Worker("coder", types=("fix",))
    here, other, branch = pair(bench, worker)

    async def act() -> None:
        ident = here.submit("the door", type="fix", priority="high")
        task = here.task(ident)
        assert (task["status"], task["assigned_to"], task["machine"]) == ("ASSIGNED", "3", "3")
        assert task["reason"].startswith("machine 3 offers fix")
        assert here.sent == [False]
        async with here.working(), other.working():
            await until(branch, lambda: here.status(ident) == "COMPLETED")
            await until(branch, lambda: not here.waiting())
        task = here.task(ident)
        assert (task["result"], task["assigned_to"]) == ("coder did: the door", "3/coder")
        assert [(given.type, given.priority, given.sender) for given in worker.given] == [("fix", "high", "2")]
        assert here.journal.intents(("waiting",)) == [], "the answer does not wait in the inbox"
        assert other.tasks.list() == [], "an ordinary message over there"

    asyncio.run(act())


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [("failed", "FAILED", "broken"), ("refused", "FAILED", "broken"), ("uncertain", "BLOCKED", "uncertain: broken")],
)
def test_the_other_machine_could_not(bench: Make, kind: str, status: str, error: str) -> None:
    here, other, branch = pair(bench, Worker("coder", outcome(kind, reason="broken"), types=("fix",)))

    async def act() -> None:
        ident = here.submit(type="fix")
        async with here.working(), other.working():
            await until(branch, lambda: here.status(ident) == status)
        assert here.task(ident)["error"] == error

    asyncio.run(act())


def test_a_known_failure_there_is_tried_again(bench: Make) -> None:
    worker = Worker("coder", outcome("failed", reason="broken"), types=("fix",))
    here, other, branch = pair(bench, worker)

    async def act() -> None:
        ident = here.submit(type="fix", retries=1)
        async with here.working(), other.working():
            await until(branch, lambda: here.status(ident) == "FAILED")
        assert here.task(ident)["attempts"] == len(worker.given) == 2

    asyncio.run(act())


def test_only_the_machine_that_was_asked_may_answer(bench: Make) -> None:
    here, _other, branch = pair(bench)
    ident = here.submit(type="fix")
    (message,) = branch.carry()
    forged = Message(
        id=clock.new_id(),
        sender="4",
        to=("2",),
        subject="Re",
        body="done, trust me",
        date=clock.stamp(),
        thread=ident,
        in_reply_to=message.id,
    )
    branch.put("4", [forged], [Receipt(date=clock.stamp(), id=message.id, sender="2", agent="x", outcome="done")])
    here.tasks.arrived()
    here.tick()
    assert here.status(ident) == "ASSIGNED"


def test_cancelled_on_its_way_and_over_there(bench: Make) -> None:
    here, other, branch = pair(bench)
    early = here.submit(type="fix")
    here.tasks.cancel(early)
    assert here.journal.pending() == [], "it never leaves"
    late = here.submit(type="fix")
    (message,) = branch.carry()
    assert here.tasks.cancel(late)["error"] == "cancelled"
    branch.carry()
    (row,) = other.ledger.message(message.id)
    assert row.withdrawn
    assert other.waiting() == []


def test_what_was_cancelled_and_is_done_over_there_all_the_same_is_told(bench: Make) -> None:
    gate = Gate()
    worker = Worker("coder", gate, types=("fix",))
    here, other, branch = pair(bench, worker)

    async def act() -> None:
        ident = here.submit("the door", type="fix")
        async with here.working(), other.working():
            await until(branch, lambda: bool(worker.given))
            here.tasks.cancel(ident)
            gate.open.set()
            await until(branch, lambda: "all the same" in here.task(ident)["history"][-1]["note"])
            for _ in range(3):
                here.tasks.arrived()
                here.tick()
        task = here.task(ident)
        assert (task["status"], task["error"], task["result"]) == ("FAILED", "cancelled", None)
        assert [entry["note"] for entry in task["history"] if "all the same" in entry["note"]] == [
            "done all the same, after the task had ended: late: the door"
        ]
        assert here.journal.intents(("waiting",)) == [], "the answer does not wait in the inbox"

    asyncio.run(act())


def test_a_deadline_passes_over_there(bench: Make) -> None:
    here, other, branch = pair(bench)
    ident = here.submit(type="fix", deadline=10.0)
    (message,) = branch.carry()
    here.tick(later=11.0)
    branch.carry()
    assert here.task(ident)["error"] == "deadline"
    assert [row.withdrawn for row in other.ledger.message(message.id)] == [True]


def test_nobody_offers_it_until_somebody_does(bench: Make) -> None:
    here, _other, branch = pair(bench)
    ident = here.submit(type="paint")
    assert here.status(ident) == "BLOCKED"
    here.fleet = [page("3", "paint")]
    here.tasks.arrived()
    here.tick()
    assert here.status(ident) == "ASSIGNED"
    assert [message.to for message in branch.carry()] == [("3",)]


def test_another_machine_takes_over_when_nobody_here_can_for_long(bench: Make) -> None:
    async def act() -> None:
        down, named = Worker("down", types=("fix",)), Worker("named")
        here = bench(down, named, machine="2", fleet=[page("3", "fix")])
        worker = Worker("coder", types=("fix",))
        other = bench(worker, machine="3")
        branch = Branch(here, other)
        async with here.working() as dispatcher, other.working():
            dispatcher.health = {"down": ("crashed", ""), "named": ("crashed", "")}
            moved, kept = here.submit(type="fix"), here.submit(type="fix", to="down")
            await here.until(lambda: here.status(moved) == "BLOCKED")
            here.tick(later=20.0)
            assert here.status(moved) == "BLOCKED", "most agents are back soon"
            here.tick(later=40.0)
            assert here.task(moved)["assigned_to"] == "3"
            await until(branch, lambda: here.status(moved) == "COMPLETED")
            dispatcher.health = {}
            await until(branch, lambda: here.status(kept) == "COMPLETED")
        assert here.task(kept)["assigned_to"] == "down"
        assert (len(worker.given), len(down.given)) == (1, 1), "each task was done once"

    asyncio.run(act())


def ask(body: str = "the door", **changes: Any) -> Message:
    values: dict[str, Any] = {
        "id": clock.new_id(),
        "sender": "2/mechanic",
        "to": ("3",),
        "subject": "fix it",
        "body": body,
        "type": "task",
        "priority": "urgent",
        "date": clock.stamp(),
    }
    return Message(**{**values, **changes})


def test_a_message_of_type_task_becomes_a_task_and_is_answered(bench: Make) -> None:
    worker = Worker("coder", types=("fix",))
    here, other, branch = pair(bench, worker, Worker("rest", default=True))

    async def act() -> None:
        message = ask()
        branch.put("2", [message])
        async with other.working():
            await until(branch, lambda: other.tasks.counts()["COMPLETED"] == 1 and not other.journal.pending())
        (task,) = other.tasks.list()
        assert (task["type"], task["sender"], task["priority"]) == ("fix", "2/mechanic", "urgent")
        (answer,) = [row for row in here.ledger.thread(message.id) if row.message.in_reply_to == message.id]
        assert (answer.message.sender, answer.message.to) == ("3/coder", ("2/mechanic",))
        assert answer.message.body == "coder did: the door"
        told = [one.receipt for one in here.ledger.receipts(message.id, "2")]
        assert [(one.outcome, one.agent) for one in told] == [("received", ""), ("done", "coder")]
        assert told[-1].reply == answer.message.id
        assert other.waiting() == []
        assert len(worker.given) == 1

    asyncio.run(act())


def test_a_task_by_message_that_fails_is_told(bench: Make) -> None:
    here, other, branch = pair(bench, Worker("coder", outcome("failed", reason="broken"), default=True))

    async def act() -> None:
        message = ask()
        branch.put("2", [message])
        async with other.working():
            await until(branch, lambda: other.tasks.counts()["FAILED"] == 1 and not other.journal.pending())
        told = [one.receipt for one in here.ledger.receipts(message.id, "2")]
        assert [(one.outcome, one.reason) for one in told] == [("received", ""), ("failed", "broken")]

    asyncio.run(act())


def test_who_asked_may_take_it_back(bench: Make) -> None:
    here, other, branch = pair(bench, Worker("coder", default=True))
    message = ask()
    branch.put("2", [message])
    other.ingest()
    branch.put("2", [], withdrawn={message_key("2", "3", message.id)})
    other.tasks.arrived()
    other.tick()
    (task,) = other.tasks.list()
    assert (task["status"], task["error"]) == ("FAILED", "withdrawn by its sender")
    assert other.waiting() == []
    branch.carry()
    assert [one.receipt.outcome for one in here.ledger.receipts(message.id, "2")] == ["received", "failed"]


def test_the_policy_for_its_sender_counts(bench: Make) -> None:
    secret, plain = Worker("secret", default=True), Worker("plain", types=("fix",))
    _here, other, branch = pair(bench, secret, plain, policies=(Policy("2", ("plain",)), Policy("3", ("secret",))))

    async def act() -> None:
        allowed, denied = ask("type: fix\nx"), ask("type: other\ny")
        branch.put("2", [allowed, denied])
        async with other.working():
            await until(branch, lambda: other.tasks.counts()["COMPLETED"] == 1 and not other.journal.pending())
        assert [given.body for given in plain.given] == ["x"]
        assert secret.given == []
        told = other.ledger.receipts(denied.id, "2")
        assert [one.receipt.outcome for one in told] == ["refused"]
        assert "no policy lets 2" in told[0].receipt.reason

    asyncio.run(act())


def test_a_full_queue_leaves_messages_on_the_branch(bench: Make) -> None:
    _here, other, branch = pair(bench, Worker("coder", default=True))
    other.configure(queue_limit=2)
    branch.put("2", [ask(str(number)) for number in range(4)])
    other.ingest()
    assert len(other.tasks.list()) == 2

    async def act() -> None:
        async with other.working():
            await until(branch, lambda: other.tasks.counts()["COMPLETED"] == 4)

    asyncio.run(act())


def test_a_message_becomes_one_task_however_often_it_is_seen(bench: Make) -> None:
    _here, other, branch = pair(bench, Worker("coder", default=True))
    branch.put("2", [ask()])
    envelopes = other.waiting()
    for _ in range(3):
        other.tasks.take(envelopes)
    other.close()
    other.open()
    other.tasks.take(envelopes)
    other.ingest()
    assert len(other.tasks.list()) == 1
    assert [(intent.agent, intent.state) for intent in other.journal.intents()] == [(TAKER, "taken")]


def test_a_released_message_becomes_a_task_again(bench: Make) -> None:
    _here, other, branch = pair(bench, Worker("coder", default=True))
    message = ask()
    branch.put("2", [message])
    other.ingest()
    (first,) = other.tasks.list()
    (intent,) = other.journal.intents()
    assert other.journal.release(intent.message_key, TAKER)
    other.ingest()
    assert len(other.tasks.list()) == 1, "it is under way"
    assert other.journal.release(intent.message_key, TAKER)
    other.tasks.cancel(first["task_id"])
    other.ingest()
    assert [task["status"] for task in other.tasks.list()] == ["FAILED"]
    assert [one.state for one in other.journal.intents()] == ["failed"]


def test_after_a_lost_journal_a_person_is_asked(bench: Make) -> None:
    _here, other, branch = pair(bench, Worker("coder", default=True))
    message = ask()
    branch.put("2", [message])
    (envelope,) = other.waiting()
    other.tasks.take([replace(envelope, suspect=True)])
    assert other.tasks.list() == []
    assert [intent.state for intent in other.journal.intents()] == ["uncertain"]
    (intent,) = other.journal.intents()
    assert other.journal.release(intent.message_key, TAKER)
    other.ingest()
    assert len(other.tasks.list()) == 1


def test_a_task_goes_no_further_than_one_machine(bench: Make) -> None:
    """Two machines that believe of each other that they can do it must not play ball with it."""
    here = bench(machine="2", fleet=[page("3", "task")])
    other = bench(machine="3", fleet=[page("2", "task"), page("4", "task")])
    branch = Branch(here, other)
    ident = here.submit("type: task\nx", type="task")
    branch.carry()
    other.ingest()
    assert here.status(ident) == "ASSIGNED"
    (task,) = other.tasks.list()
    assert task["status"] == "BLOCKED"
    assert [op.kind for op in other.journal.pending()] == ["receipt"]


def test_work_goes_on_here_while_another_machine_is_asked(bench: Make) -> None:
    async def act() -> None:
        gate = Gate()
        here = bench(Worker("own", gate, types=("own",)), machine="2", fleet=[page("3", "fix")])
        away, own = here.submit(type="fix"), here.submit(type="own")
        async with here.working():
            await here.until(lambda: here.status(own) == "IN_PROGRESS")
            gate.open.set()
            await here.until(lambda: here.status(own) == "COMPLETED")
        assert here.status(away) == "ASSIGNED"

    asyncio.run(act())

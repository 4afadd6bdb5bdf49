"""Tasks that the real dispatcher hands to agents."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gitsync import clock
from gitsync.agents.base import Delivery, Outcome
from gitsync.agents.command import CommandAgent
from gitsync.agents.spec import AgentSpec
from gitsync.errors import Conflict
from gitsync.inbox import ack, take
from gitsync.ledger.tasks import ENDED
from gitsync.ledger.values import Intent, local_key
from gitsync.protocol.message import Message, write
from tests.tasks.bench import Bench, Gate, Puller, Worker, outcome

Make = Callable[..., Bench]


def play(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(act())


def test_a_task_is_done_and_tells_every_step(bench: Make) -> None:
    worker = Worker("a", default=True)
    one = bench(worker)

    async def act() -> None:
        ident = one.submit("the page", priority="urgent")
        async with one.working():
            await one.until(lambda: one.status(ident) == "COMPLETED")
        task = one.task(ident)
        assert (task["result"], task["assigned_to"], task["error"]) == ("a did: the page", "a", None)
        assert one.path(ident) == ["QUEUED", "ASSIGNED", "IN_PROGRESS", "COMPLETED"]
        assert set(task["times"]) == {"QUEUED", "ASSIGNED", "IN_PROGRESS", "COMPLETED"}
        assert all(entry["at"].endswith("Z") for entry in task["history"])
        (given,) = worker.given
        assert (given.body, given.priority, given.thread) == ("the page", "urgent", ident)
        assert [change["status"] for change in one.changes][-1] == "COMPLETED"

    play(act)


def test_the_answer_does_not_wait_in_the_inbox(bench: Make) -> None:
    one = bench(Worker("a", default=True))

    async def act() -> None:
        ident = one.submit()
        async with one.working() as dispatcher:
            await one.until(lambda: one.status(ident) == "COMPLETED")
            await dispatcher.consider()
        assert one.waiting() == []
        assert one.journal.intents(("waiting",)) == []

    play(act)


def test_a_program_does_it(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    code = "import json,sys; print(json.load(sys.stdin)['body'][::-1])"
    spec = AgentSpec(name="a", kind="command", argv=(sys.executable, "-S", "-c", code), default=True)
    one.workers["a"] = CommandAgent(spec, one.root, {})  # type: ignore[assignment]

    async def act() -> None:
        ident = one.submit("abc")
        async with one.working():
            await one.until(lambda: one.status(ident) == "COMPLETED")
        assert one.task(ident)["result"].strip() == "cba"

    play(act)


def test_only_a_known_failure_is_tried_again(bench: Make) -> None:
    failing, lost = Worker("failing", outcome("failed", reason="no disk")), Worker("lost", outcome("uncertain"))
    refusing = Worker("refusing", outcome("refused", reason="not today"))
    one = bench(failing, lost, refusing)

    async def act() -> None:
        ids = [one.submit(to=name, retries=2) for name in ("failing", "lost", "refusing")]
        async with one.working():
            await one.until(lambda: [one.status(ident) for ident in ids] == ["FAILED", "BLOCKED", "FAILED"])
            for _ in range(3):
                one.tick(later=5000.0)
        assert [len(worker.given) for worker in (failing, lost, refusing)] == [3, 1, 1]
        assert len({given.id for given in failing.given}) == 3
        first, second, third = (one.task(ident) for ident in ids)
        assert (first["attempts"], first["error"]) == (3, "no disk")
        assert second["attempts"] == 1
        assert (third["attempts"], third["error"]) == (1, "not today")

    play(act)


def test_a_retry_may_succeed(bench: Make) -> None:
    answers = iter([Outcome(kind="failed", reason="busy"), Outcome(kind="done", reply="at last")])

    async def deed(_delivery: Delivery) -> Outcome:
        return next(answers)

    one = bench(Worker("a", deed, default=True))

    async def act() -> None:
        ident = one.submit(retries=1)
        async with one.working():
            await one.until(lambda: one.status(ident) == "COMPLETED")
        task = one.task(ident)
        assert (task["result"], task["attempts"], task["error"]) == ("at last", 2, None)
        assert any("attempt 1 by a failed: busy" in entry["note"] for entry in task["history"])

    play(act)


def test_retries_wait(bench: Make) -> None:
    one = bench(Worker("a", outcome("failed", reason="no"), default=True))
    one.configure(retry_backoff=1000.0)

    async def act() -> None:
        ident = one.submit(retries=1)
        async with one.working():
            await one.until(lambda: "failed" in one.task(ident)["history"][-1]["note"])
            assert one.status(ident) == "QUEUED"
            one.tick(later=900.0)
            assert one.task(ident)["attempts"] == 1
            one.tick(later=1100.0)
            assert one.task(ident)["attempts"] == 2

    play(act)


def test_what_is_uncertain_a_person_settles(bench: Make) -> None:
    one = bench(Worker("a", outcome("uncertain", reason="it vanished"), default=True))

    async def act() -> None:
        ident = one.submit()
        async with one.working():
            await one.until(lambda: one.status(ident) == "BLOCKED")
            task = one.task(ident)
            assert task["error"] == "uncertain: it vanished"
            ack(one.ledger, one.journal, "2", task["parts"][0]["message_id"], "done")
            await one.until(lambda: one.status(ident) == "COMPLETED")

    play(act)


def test_an_agent_that_pulls(bench: Make) -> None:
    one = bench(Puller("desk", default=True))

    async def act() -> None:
        ident = one.submit()
        async with one.working():
            await one.until(lambda: one.status(ident) == "ASSIGNED")
            message = one.task(ident)["parts"][0]["message_id"]
            take(one.ledger, one.journal, "2", message, "desk")
            await one.until(lambda: one.status(ident) == "IN_PROGRESS")
            ack(one.ledger, one.journal, "2", message, "failed", agent="desk", reason="too heavy")
            await one.until(lambda: one.status(ident) == "FAILED")
        assert one.task(ident)["error"] == "too heavy"

    play(act)


def test_blocked_while_nobody_can_take_it(bench: Make) -> None:
    one = bench(Worker("a", default=True))

    async def act() -> None:
        async with one.working() as dispatcher:
            dispatcher.health = {"a": ("crashed", "three times")}
            ident = one.submit()
            await one.until(lambda: one.status(ident) == "BLOCKED")
            assert "a: " in one.task(ident)["error"]
            one.tick(later=100.0)
            assert one.status(ident) == "BLOCKED", "there is no other machine"
            dispatcher.health = {"a": ("online", "")}
            await one.until(lambda: one.status(ident) == "COMPLETED")
            assert one.task(ident)["error"] is None
        assert one.path(ident)[:2] == ["QUEUED", "BLOCKED"]

    play(act)


def test_what_ended_in_the_inbox_is_given_out_when_somebody_takes_it(bench: Make) -> None:
    one = bench(Worker("a", types=("fix",)))

    async def act() -> None:
        ident = one.submit(type="fix")
        worker = one.workers.pop("a")
        async with one.working():
            await one.until(lambda: one.status(ident) == "BLOCKED")
        assert "inbox" in one.task(ident)["error"]
        one.workers["a"] = worker
        async with one.working():
            await one.until(lambda: one.status(ident) == "COMPLETED", limit=20)
        assert len(worker.given) == 1
        assert one.journal.intents(("waiting",)) == []

    play(act)


def test_cancel_in_every_state(bench: Make) -> None:
    async def act() -> None:
        gate = Gate()
        busy, lost, desk = Worker("busy", gate), Worker("lost", outcome("uncertain")), Puller("desk")
        one = bench(busy, lost, desk, Worker("quick"))
        running, assigned, blocked, nobody, pulled, done = (
            one.submit(to="busy"),
            one.submit("second", to="busy"),
            one.submit(to="lost"),
            one.submit(type="unknown"),
            one.submit(to="desk"),
            one.submit(to="quick"),
        )
        async with one.working() as dispatcher:
            await one.until(
                lambda: (
                    [one.status(one_) for one_ in (running, assigned, blocked, nobody, pulled, done)]
                    == ["IN_PROGRESS", "ASSIGNED", "BLOCKED", "BLOCKED", "ASSIGNED", "COMPLETED"]
                )
            )
            queued = one.submit("never looked at", to="busy")
            for ident in (queued, running, assigned, blocked, nobody, pulled):
                assert one.tasks.cancel(ident)["error"] == "cancelled"
            with pytest.raises(Conflict):
                one.tasks.cancel(done)
            gate.open.set()
            await one.until(lambda: any("all the same" in entry["note"] for entry in one.task(running)["history"]))
            await dispatcher.consider()
        assert [given.body for given in busy.given] == ["do it"], "what was cancelled before it began never began"
        assert one.status(running) == "FAILED"
        assert any("had begun" in entry["note"] for entry in one.task(running)["history"])
        assert one.journal.intents(("uncertain", "held", "waiting", "started")) == []

    play(act)


def test_a_deadline_passes_while_an_agent_works(bench: Make) -> None:
    async def act() -> None:
        gate = Gate()
        one = bench(Worker("a", gate, default=True))
        ident = one.submit(deadline=100.0, retries=5)
        async with one.working():
            await one.until(lambda: one.status(ident) == "IN_PROGRESS")
            one.tick(later=101.0)
            assert (one.status(ident), one.task(ident)["error"]) == ("FAILED", "deadline")
            gate.open.set()
            await one.until(lambda: any("all the same" in entry["note"] for entry in one.task(ident)["history"]))
        assert one.status(ident) == "FAILED"

    play(act)


def test_each_agent_does_it_where_the_route_says_all(bench: Make) -> None:
    workers = [Worker("a"), Worker("b"), Worker("c", outcome("failed", reason="no"))]
    one = bench(*workers, routes={"ask": ("a", "b"), "check": ("a", "c")}, route_all={"ask", "check"})

    async def act() -> None:
        good, bad = one.submit("x", type="ask"), one.submit("y", type="check")
        async with one.working():
            await one.until(lambda: one.status(good) == "COMPLETED" and one.status(bad) == "FAILED")
        assert one.task(good)["result"] == "a: a did: x\n\nb: b did: x"
        task = one.task(bad)
        assert (task["error"], task["result"], task["assigned_to"]) == ("c: no", "a: a did: y", "a, c")
        assert [part["status"] for part in task["parts"]] == ["COMPLETED", "FAILED"]
        assert [len(worker.given) for worker in workers] == [2, 1, 1]

    play(act)


def test_by_specialty_with_the_reason(bench: Make) -> None:
    web, data = Worker("web", specialty="web pages, HTML"), Worker("data", specialty="statistics of data")
    one = bench(web, data, Worker("other", default=True))

    async def act() -> None:
        ident = one.submit("some statistics about our data, as HTML", type="analysis")
        async with one.working():
            await one.until(lambda: one.status(ident) == "COMPLETED")
        assert one.task(ident)["assigned_to"] == "data"
        assert one.task(ident)["reason"] == "R4: specialty, by data, statistics"

    play(act)


def test_first_free_goes_to_whoever_has_room(bench: Make) -> None:
    async def act() -> None:
        gate = Gate()
        slow, quick = Worker("slow", gate, types=("fix",)), Worker("quick", types=("fix",))
        one = bench(slow, quick)
        ids = [one.submit(str(number), type="fix") for number in range(8)]
        async with one.working():
            await one.until(lambda: sum(one.status(ident) == "COMPLETED" for ident in ids) == 7)
            gate.open.set()
            await one.until(lambda: all(one.status(ident) == "COMPLETED" for ident in ids))
        assert (len(slow.given), len(quick.given)) == (1, 7)

    play(act)


def test_urgent_first_and_low_is_not_starved(bench: Make) -> None:
    """With ageing of a tenth of a second, low work comes before urgent work that keeps being added."""

    async def act() -> None:
        order: list[str] = []
        one = bench()

        async def deed(delivery: Delivery) -> Outcome:
            order.append(delivery.priority)
            if delivery.priority == "urgent" and len(order) < 400:
                one.submit(priority="urgent")
            await asyncio.sleep(0.005)
            return Outcome(kind="done", reply="x")

        worker = Worker("a", deed, default=True)
        one.workers["a"], one.rules = worker, bench(worker, machine="3").rules
        one.configure()
        low = one.submit(priority="low")
        for _ in range(2):
            one.submit(priority="urgent")
        async with one.working(ageing=0.1):
            await one.until(lambda: one.status(low) == "COMPLETED")
        assert order[0] == "urgent"
        assert order.count("urgent") < 400

    play(act)


def test_what_carried_a_forgotten_task_is_forgotten_too(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    one.configure(keep=100.0)

    async def act() -> None:
        ident = one.submit("abc")
        async with one.working() as dispatcher:
            await one.until(lambda: one.status(ident) == "COMPLETED")
            one.tick()
            open_still = one.submit("another", to="a")
            await one.until(lambda: one.status(open_still) == "COMPLETED")
            given = len(one.workers["a"].given)
            assert len(one.journal.locals()) == 4
            one.tick(later=5000.0)
            assert one.journal.locals() == []
            assert one.journal.intents(("done",)) == []
            await dispatcher.consider()
            assert len(one.workers["a"].given) == given

    play(act)


def test_a_restart_keeps_tasks_where_they_were(bench: Make) -> None:
    async def act() -> None:
        gate = Gate()
        one = bench(Worker("a", gate, default=True))
        running, waiting = one.submit("first"), one.submit("second")
        async with one.working():
            await one.until(lambda: one.status(running) == "IN_PROGRESS" and one.status(waiting) == "ASSIGNED")
        one.close()
        one.open()
        assert one.status(waiting) == "ASSIGNED"
        gate.open.set()
        async with one.working():
            await one.until(lambda: one.status(waiting) == "COMPLETED")
            await one.until(lambda: one.status(running) == "BLOCKED")
        assert "middle of it" in one.task(running)["error"]
        assert [given.body for given in one.workers["a"].given] == ["first", "second"]

    play(act)


def test_what_happened_while_nobody_listened_is_found_in_the_journal(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    ident = one.submit()
    message = one.task(ident)["parts"][0]["message_id"]
    intent = Intent(message_key=local_key(message), message_id=message, agent="a", sender="2")
    assert one.journal.begin(intent)
    one.tick()
    assert one.status(ident) == "IN_PROGRESS"
    one.journal.finish(local_key(message), "a", "done")
    one.tick()
    assert (one.status(ident), one.task(ident)["result"]) == ("COMPLETED", "")


def test_no_state_is_left_out_when_it_was_faster_than_the_look(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    ident = one.submit()
    message = one.task(ident)["parts"][0]["message_id"]
    one.journal.begin(
        Intent(message_key=local_key(message), message_id=message, agent="a", started="2026-11-20T10:00:00Z")
    )
    one.journal.finish(local_key(message), "a", "done", seconds=0.1)
    one.tick()
    assert one.path(ident) == ["QUEUED", "ASSIGNED", "IN_PROGRESS", "COMPLETED"]
    assert one.task(ident)["times"]["IN_PROGRESS"] == "2026-11-20T10:00:00Z"


def test_a_task_that_was_cancelled_is_never_begun(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    ident = one.submit()
    message = one.task(ident)["parts"][0]["message_id"]
    one.tasks.cancel(ident)
    intent = Intent(message_key=local_key(message), message_id=message, agent="a", sender="2")
    assert not one.journal.begin(intent), "a dispatcher that still has it in its queue must not hand it over"


def test_many_tasks_are_all_done(bench: Make) -> None:
    workers = [Worker(f"w{number}", types=("x",), concurrency=4) for number in range(5)]
    one = bench(*workers)

    async def act() -> None:
        ids = [one.submit(str(number), type="x") for number in range(40)]
        async with one.working():
            await one.until(lambda: one.tasks.counts()["COMPLETED"] == len(ids))
        assert sorted(int(given.body) for worker in workers for given in worker.given) == list(range(40))

    play(act)


def test_events_are_json(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    one.submit("x" * 10_000)
    assert len(json.dumps(one.changes)) < 5_000
    assert one.changes[0]["created"] <= clock.stamp()


def test_an_agent_here_asks_by_message(bench: Make) -> None:
    asking, working = Worker("asking", outcome("done")), Worker("working", types=("fix",))
    one = bench(asking, working)

    async def act() -> None:
        message = Message(
            id=clock.new_id(),
            sender="2/asking",
            to=("2",),
            subject="fix: the door",
            body="it squeaks",
            type="Task",
            date=clock.stamp(),
        )
        one.journal.put_local(message, write(message))
        one.ingest()
        async with one.working():
            await one.until(lambda: one.tasks.counts()["COMPLETED"] == 1 and bool(asking.given))
        (task,) = one.tasks.list()
        assert (task["type"], task["sender"]) == ("fix", "2/asking")
        (answer,) = asking.given
        assert (answer.in_reply_to, answer.sender, answer.body) == (
            message.id,
            "2/working",
            "working did: it squeaks",
        )
        assert one.journal.pending() == [], "nothing of it goes to the branch"

    play(act)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_no_task_is_lost_or_done_twice(bench: Make, seed: int) -> None:
    """Agents end as they like, tasks are cancelled, the process is started again in the middle of it."""
    chance = random.Random(seed)
    done: Counter[str] = Counter()

    async def deed(delivery: Delivery) -> Outcome:
        await asyncio.sleep(chance.random() / 200)
        kind = chance.choice(["done", "done", "failed", "refused", "uncertain"])
        done[delivery.thread or ""] += kind == "done"
        return Outcome(kind=kind, reason=kind, started=chance.random() < 0.7)  # type: ignore[arg-type]

    workers = [Worker(name, deed, types=("x",), attempts=2) for name in ("a", "b")]
    one = bench(*workers, routes={"each": ("a", "b")}, route_all={"each"})

    async def act() -> None:
        given = [one.submit(type=chance.choice(["x", "each"]), retries=chance.randrange(3)) for _ in range(12)]
        for _ in range(2):
            async with one.working():
                for _ in range(10):
                    one.tick()
                    await asyncio.sleep(0.005)
                if under_way := [ident for ident in given if one.status(ident) not in ENDED]:
                    with contextlib.suppress(Conflict):  # it may end at this very moment
                        one.tasks.cancel(chance.choice(under_way))
            one.close()
            one.open()
        async with one.working():
            await one.until(lambda: all(one.status(ident) in (*ENDED, "BLOCKED") for ident in given))
        for ident in given:
            task = one.task(ident)
            parts = len(task["parts"])
            assert done[ident] <= parts
            for part in task["parts"]:
                assert part["attempts"] <= task["retries"] + 1
            if task["status"] == "COMPLETED":
                assert done[ident] == parts
            else:
                assert task["error"]
            assert set(task["times"]) >= {"QUEUED", task["status"]}

    play(act)

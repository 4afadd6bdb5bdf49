"""Several agents that can do the same: who gets what, who takes over, and that nothing is done twice (I2)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync import clock
from gitsync.agents.spec import AgentSpec
from gitsync.balancing import Load
from gitsync.dispatch.events import Event
from gitsync.dispatch.lanes import Job, Lanes
from gitsync.inbox import Envelope
from gitsync.ledger.values import Intent
from gitsync.protocol.message import PRIORITIES, Message, write
from tests.agents.benches import Service, free_port, service
from tests.dispatch.test_dispatcher import ORDER, order, play, program, pulls, settled, web
from tests.dispatch.world import World, letter, running, until

DOWN = {"a": ("offline", "nobody listens")}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def job(**changes: Any) -> Message:
    """Make a message that names no agent."""
    return letter(**{"to": ("2",), "type": "build", **changes})


def builder(name: str, url: str, **more: Any) -> AgentSpec:
    return web(url, name, **{"types": ("build",), **more})


def ids(served: Service) -> list[str]:
    return [document["id"] for _, _, document in served.seen]


class Slow(Service):
    """Answer after a while, or as its gate says."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__("reply")
        self.seconds = seconds
        self.gate = asyncio.Event()
        self.most = 0
        self._now = 0

    async def _behave(self, writer: asyncio.StreamWriter, document: Any) -> None:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            if self.seconds:
                await asyncio.sleep(self.seconds)
            else:
                await self.gate.wait()
            await super()._behave(writer, document)
        finally:
            self._now -= 1


@contextlib.asynccontextmanager
async def listening(served: Service, port: int = 0) -> AsyncIterator[str]:
    server = await asyncio.start_server(served.answer, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


# Sharing


def test_flood_one_and_the_others_take_over(world: World) -> None:
    """Thirty pieces of work, one agent a hundred times slower than the others: none waits for it but those it has."""
    messages = [job(body=f"{number}") for number in range(30)]
    world.arrive(*messages)

    async def act() -> list[Service]:
        slow, quick, other = Slow(), Slow(0.005), Slow(0.005)
        async with listening(slow) as a, listening(quick) as b, listening(other) as c:
            specs = [builder("a", a), builder("b", b, concurrency=2), builder("c", c)]
            async with running(world, world.dispatcher(*specs)) as dispatcher:
                await dispatcher.consider()
                await until(lambda: settled(world, 29))
                assert dispatcher.loads()["a"].running == 1
                assert [one.message_id for one in dispatcher.running()["a"]] == ids(slow)
                slow.gate.set()
                await until(lambda: settled(world, 30))
        assert (slow.most, quick.most, other.most) == (1, 2, 1)
        return [slow, quick, other]

    served = asyncio.run(act())
    assert Counter(ident for one in served for ident in ids(one)) == Counter(message.id for message in messages)
    assert len(ids(served[0])) == 1
    assert {state for _, state in world.states()} == {"done"}
    assert len(world.intents()) == 30


def test_what_is_bound_by_name_does_not_move(world: World) -> None:
    world.arrive(letter(to=("2/a",), type="build"), job())

    async def act() -> None:
        async with service("reply") as (served, url):
            specs = [builder("a", url), builder("b", url)]
            dispatcher = world.dispatcher(*specs)
            async with running(world, dispatcher):
                dispatcher.health = dict(DOWN)
                await dispatcher.consider()
                await until(lambda: settled(world))
                assert world.states() == [("b", "done")]
                await until(lambda: dispatcher.busy() == {"a": 1, "b": 0})
                dispatcher.health = {}
                await until(lambda: settled(world, 2))
            assert len(served.seen) == 2

    asyncio.run(act())
    assert sorted(world.states()) == [("a", "done"), ("b", "done")]


def test_without_anybody_who_can_it_waits_until_health_changes(world: World) -> None:
    world.arrive(job())
    told: list[Event] = []

    async def act() -> None:
        async with service("reply") as (served, url):
            specs = [builder("a", url), builder("b", url)]
            dispatcher = world.dispatcher(*specs, observe=told.append)
            async with running(world, dispatcher):
                dispatcher.health = {**DOWN, "b": ("crashed", "")}
                await dispatcher.consider()
                await dispatcher.consider()
                assert dispatcher.busy() == {"a": 0, "b": 0}
                assert dispatcher.prefer(["a", "b"]) is None
                assert world.intents() == []
                dispatcher.health = {"b": ("crashed", "")}
                await until(lambda: settled(world))
            assert len(served.seen) == 1

    asyncio.run(act())
    assert world.states() == [("a", "done")]
    assert [event.what for event in told] == ["unassigned", "assigned", "begun", "concluded"]
    assert told[0].reason == "a: offline, b: crashed"


def test_a_backup_works_only_while_no_other_can(world: World) -> None:
    async def act() -> None:
        first, spare = Slow(), Slow(0.001)
        async with listening(first) as a, listening(spare) as b:
            dispatcher = world.dispatcher(builder("b", b, backup=True), builder("a", a))
            async with running(world, dispatcher):
                world.arrive(job(), job(), job())
                await dispatcher.consider()
                await until(lambda: len(first.seen) == 1)
                assert spare.seen == []
                dispatcher.health = dict(DOWN)
                await until(lambda: settled(world, 2))
                first.gate.set()
                await until(lambda: settled(world, 3))
        assert (len(first.seen), len(spare.seen)) == (1, 2)

    asyncio.run(act())


def test_who_drains_finishes_and_gets_nothing_new(world: World) -> None:
    async def act() -> None:
        leaving, other = Slow(), Slow(0.001)
        async with listening(leaving) as a, listening(other) as b:
            dispatcher = world.dispatcher(builder("a", a), builder("b", b))
            async with running(world, dispatcher):
                world.arrive(job())
                await dispatcher.consider()
                await until(lambda: len(leaving.seen) == 1)
                dispatcher.draining.add("a")
                world.arrive(letter(to=("2/a",), type="build"), job(), job())
                await dispatcher.consider()
                await until(lambda: settled(world, 2))
                leaving.gate.set()
                await until(lambda: settled(world, 3))
                await until(lambda: dispatcher.busy() == {"a": 1, "b": 0})
                assert len(leaving.seen) == 1
                dispatcher.draining.clear()
                await dispatcher.consider()
                await until(lambda: settled(world, 4))

    asyncio.run(act())


def test_an_inbox_that_may_have_it_too_is_the_last_resort(world: World) -> None:
    world.arrive(job(), job())

    async def act() -> None:
        async with service("reply") as (_, url):
            dispatcher = world.dispatcher(builder("a", url), pulls("b", types=("build",)))
            async with running(world, dispatcher):
                await dispatcher.consider()
                await until(lambda: settled(world, 2))

    asyncio.run(act())
    assert world.states() == [("a", "done")] * 2


# Failover


def test_i2_who_cannot_be_reached_is_replaced_at_once(world: World) -> None:
    world.arrive(*(job() for _ in range(4)))
    failed: list[str] = []

    async def act() -> None:
        async with service("reply") as (served, url):
            specs = [builder("a", f"http://127.0.0.1:{free_port()}", concurrency=4), builder("b", url)]
            async with running(world, world.dispatcher(*specs, backoff=600, failed=failed.append)) as dispatcher:
                await dispatcher.consider()
                await until(lambda: settled(world, 4))
            assert len(ids(served)) == len(set(ids(served))) == 4

    asyncio.run(act())
    assert world.states() == [("b", "done")] * 4
    assert set(failed) == {"a"}
    assert [receipt.attempt for receipt in world.receipts() if receipt.outcome == "done"].count(2) >= 1


def test_i2_what_may_have_begun_is_nobody_elses(world: World) -> None:
    world.arrive(job())

    async def act() -> None:
        async with service("vanish") as (broken, a), service("reply") as (served, b):
            async with running(world, world.dispatcher(builder("a", a), builder("b", b))) as dispatcher:
                await dispatcher.consider()
                await until(lambda: settled(world))
                await dispatcher.consider()
            assert (len(broken.seen), len(served.seen)) == (1, 0)

    asyncio.run(act())
    assert world.states() == [("a", "uncertain")]


def test_i2_an_old_list_of_what_waits_does_no_harm(world: World) -> None:
    """The list was made before the message was done; another agent is free and would be chosen now."""
    message = job()
    world.arrive(message)
    old = world.candidates()

    async def act() -> None:
        async with service("reply") as (served, url):
            specs = [builder("a", url), builder("b", url)]
            async with running(world, world.dispatcher(*specs, candidates=lambda: old)) as dispatcher:
                await dispatcher.consider()
                await until(lambda: settled(world))
                dispatcher.draining = {"a"}
                for _ in range(3):
                    await dispatcher.consider()
                    await until(lambda: sum(dispatcher.busy().values()) == 0)
            assert len(served.seen) == 1

    asyncio.run(act())
    assert world.states() == [("a", "done")]


def test_i2_the_journal_lets_only_one_of_several_have_it(world: World) -> None:
    def word(agent: str, state: str = "started") -> Intent:
        return Intent(message_key="1_TO_2/X", message_id="X", agent=agent, state=state, sender="1")

    journal = world.journal
    assert journal.begin(word("a"), alone=True)
    assert not journal.begin(word("b"), alone=True)
    assert not journal.begin(word("b"), alone=True, instead_of="a")  # a has begun
    assert journal.finish("1_TO_2/X", "a", "retry")
    assert not journal.begin(word("b"), alone=True)
    assert journal.begin(word("b"), alone=True, instead_of="a")
    assert [(intent.agent, intent.state) for intent in journal.intents()] == [("b", "started")]
    assert not journal.begin(word("a"), alone=True)
    assert not journal.begin(word("c"), alone=True, instead_of="a")


def test_i7_after_a_lost_journal_only_who_may_repeat_it_gets_it(world: World) -> None:
    world.arrive(job(), suspect=True)

    async def act() -> None:
        async with service("reply") as (served, a), service("reply") as (other, b):
            specs = [builder("a", a, idempotent=True), builder("b", b)]
            dispatcher = world.dispatcher(*specs)
            async with running(world, dispatcher):
                dispatcher.draining = {"a"}
                await dispatcher.consider()
                assert dispatcher.busy() == {"a": 0, "b": 0}
                dispatcher.draining = set()
                await until(lambda: settled(world))
            assert (len(served.seen), len(other.seen)) == (1, 0)

    asyncio.run(act())


def test_one_that_asks_for_patience_is_given_it_by_another(world: World) -> None:
    world.arrive(job())

    async def act() -> None:
        async with service("busy") as (_, a), service("reply") as (served, b):
            async with running(world, world.dispatcher(builder("a", a), builder("b", b))) as dispatcher:
                await dispatcher.consider()
                await until(lambda: settled(world))
                assert dispatcher.loads()["a"].breaker == "closed"
            assert len(served.seen) == 1

    asyncio.run(act())
    assert world.states() == [("b", "done")]


def test_work_for_several_is_not_held_up_by_a_pause(world: World) -> None:
    """The first must wait for its agent's next try; the next of the same sender may go on all the same."""
    code = (
        "import json,os,sys\n"
        "body = json.load(sys.stdin)['body']\n"
        "if body == 'first' and os.environ['GITSYNC_ATTEMPT'] == '1': sys.exit(1)\n"
        "open('order', 'a').write(body + ' ')"
    )
    world.arrive(job(body="first"), job(body="second"))
    play(world, program(code, types=("build",), idempotent=True), count=2, backoff=0.3)
    assert order(world) in (["second", "first"], ["first", "second"])
    assert len(order(world)) == 2


def test_it_is_dead_only_when_all_have_tried(world: World) -> None:
    world.arrive(job())
    specs = [builder(name, f"http://127.0.0.1:{free_port()}", attempts=2) for name in "ab"]
    play(world, *specs)
    [intent] = world.intents()
    assert (intent.state, intent.attempt) == ("dead", 4)


class Moody(Service):
    """Behave in a way that depends on the message; `begun` holds those that it began with."""

    def __init__(self, number: int) -> None:
        super().__init__("")
        self.number = number
        self.begun: list[str] = []

    async def _behave(self, writer: asyncio.StreamWriter, document: Any) -> None:
        mood = sum(document["subject"].encode()) * (self.number + 3) % 7
        self.behaviour = ("reply", "reply", "empty", "fail", "vanish", "busy-now", "busy-now")[mood]
        if self.behaviour == "busy-now":
            self._say(writer, 503, b"not now", "Retry-After: 0\r\n")
            return
        self.begun.append(document["id"])
        await super()._behave(writer, document)


def test_i2_whatever_happens_nothing_is_begun_twice(world: World) -> None:
    """Agents that answer, fail, break off, are busy or away, and that a person drains and resumes all the while."""
    messages = [job(subject=f"{number * 37}") for number in range(40)]
    moody = [Moody(number) for number in range(3)]

    async def act() -> None:
        async with listening(moody[0]) as a, listening(moody[1]) as b, listening(moody[2]) as c:
            away = builder("d", f"http://127.0.0.1:{free_port()}", attempts=100)
            quick = {"breaker_failures": 3, "breaker_pause": 0.05, "concurrency": 2, "attempts": 100}
            specs = [builder("a", a, **quick), builder("b", b, **quick), builder("c", c, **quick), away]
            async with running(world, world.dispatcher(*specs, backoff=0.01, longest_backoff=0.05)) as dispatcher:
                for number, message in enumerate(messages):
                    world.arrive(message)
                    dispatcher.draining.symmetric_difference_update({"abcd"[number % 4]})
                    dispatcher.health = {"abc"[number % 3]: ("offline", "")} if number % 2 else {}
                    await dispatcher.consider()
                dispatcher.draining.clear()
                dispatcher.health = {}
                await until(lambda: settled(world, len(messages)))

    asyncio.run(act())
    begun = Counter(ident for one in moody for ident in one.begun)
    assert set(begun) == {message.id for message in messages}
    assert set(begun.values()) == {1}
    assert len(world.intents()) == len(messages)
    assert {state for _, state in world.states()} == {"done", "failed", "uncertain"}


# The circuit breaker


def test_a_breaker_opens_lets_one_try_and_closes(world: World) -> None:
    world.arrive(*(letter(to=("2/a",), sender=f"{number}") for number in range(3, 9)))

    async def act() -> None:
        async with service("fail") as (served, url):
            spec = web(url, "a", breaker_failures=2, breaker_pause=0.4)
            async with running(world, world.dispatcher(spec)) as dispatcher:
                await dispatcher.consider()
                await until(lambda: settled(world, 2))
                assert dispatcher.loads()["a"].breaker == "open"
                assert dispatcher.loads()["a"].obstacle == "breaker open"
                assert dispatcher.prefer(["a"]) is None
                await until(lambda: settled(world, 3))  # the trial, after the pause, by itself
                assert len(served.seen) == 3
                assert dispatcher.loads()["a"].breaker == "open"
                served.behaviour = "reply"
                await until(lambda: settled(world, 6))
                assert dispatcher.loads()["a"].breaker == "closed"

    asyncio.run(act())
    assert [state for _, state in world.states()] == ["failed"] * 3 + ["done"] * 3


def test_who_fails_at_the_work_is_known_to_until_it_succeeds_or_its_pause_is_over(world: World) -> None:
    told: list[str] = []

    async def act() -> None:
        async with service("fail") as (served, url):
            spec = web(url, "a", breaker_pause=0.6)
            async with running(world, world.dispatcher(spec, failed=told.append)) as dispatcher:

                async def given(number: int) -> str:
                    world.arrive(letter(to=("2/a",)))
                    await dispatcher.consider()
                    await until(lambda: settled(world, number))
                    return dispatcher.loads()["a"].failing

                assert "HTTP 500" in await given(1)
                served.behaviour = "reply"
                assert await given(2) == ""
                assert told == ["a", "a"]
                assert await given(3) == ""
                assert told == ["a", "a"]
                served.behaviour = "no http"
                assert "no HTTP" in await given(4)
                assert dispatcher.loads()["a"].obstacle == ""
                await until(lambda: dispatcher.loads()["a"].failing == "")

    asyncio.run(act())


def test_an_open_breaker_sends_work_elsewhere(world: World) -> None:
    async def act() -> None:
        async with service("fail") as (broken, a), service("reply") as (served, b):
            specs = [builder("a", a, breaker_failures=2, weight=100), builder("b", b, concurrency=8)]
            async with running(world, world.dispatcher(*specs)) as dispatcher:
                for number in range(1, 13):
                    world.arrive(job())
                    await dispatcher.consider()
                    await until(lambda n=number: settled(world, n))  # type: ignore[misc]
            assert (len(broken.seen), len(served.seen)) == (2, 10)

    asyncio.run(act())


def test_an_agent_that_refuses_the_work_is_not_broken(world: World) -> None:
    class Choosy(Service):
        async def _behave(self, writer: asyncio.StreamWriter, document: Any) -> None:
            self._say(writer, 422, b"not this one")

    world.arrive(*(letter(to=("2/a",)) for _ in range(4)))
    failed: list[str] = []

    async def act() -> None:
        async with listening(Choosy("")) as url:
            spec = web(url, "a", breaker_failures=2)
            async with running(world, world.dispatcher(spec, failed=failed.append)) as dispatcher:
                await dispatcher.consider()
                await until(lambda: settled(world, 4))

    asyncio.run(act())
    assert [state for _, state in world.states()] == ["failed"] * 4
    assert failed == []


def test_one_that_is_said_to_be_down_is_tried_now_and_then_for_what_names_it(world: World) -> None:
    """The health check may be the only thing that is wrong, and the sender has to hear something."""
    world.arrive(letter(to=("2/a",)), job())

    async def act() -> None:
        async with service("reply") as (_, url):
            dispatcher = world.dispatcher(builder("a", url, breaker_pause=0.2))
            async with running(world, dispatcher):
                dispatcher.health = {"a": ("error", "health answers 404")}
                await dispatcher.consider()
                await until(lambda: settled(world))
                await dispatcher.consider()
                assert world.states() == [("a", "done")]  # what names nobody waits on

    asyncio.run(act())


# Priority and age


def test_low_work_that_has_waited_long_is_not_overtaken_for_ever(world: World) -> None:
    go = world.root / "go"
    code = f"import os,time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\n{ORDER}"

    async def act() -> None:
        spec = program(code, "a")
        async with running(world, world.dispatcher(spec, ageing=0.01)) as dispatcher:
            world.arrive(letter(to=("2/a",), body="first"))
            await dispatcher.consider()
            world.arrive(letter(to=("2/a",), body="low", priority="low"))
            await dispatcher.consider()
            before = clock.monotonic()
            await until(lambda: clock.monotonic() > before + 0.1)
            world.arrive(letter(to=("2/a",), body="urgent", priority="urgent"))
            await dispatcher.consider()
            go.touch()
            await until(lambda: settled(world, 3))

    asyncio.run(act())
    assert order(world) == ["first", "low", "urgent"]


def test_a_flood_for_one_hides_nobody_elses(world: World) -> None:
    world.arrive(*(letter(to=("2/a",)) for _ in range(20)), letter(to=("2/b",)))

    async def act() -> None:
        stuck = Slow()
        async with (
            listening(stuck) as a,
            service("reply") as (_, b),
            running(world, world.dispatcher(web(a, "a"), web(b, "b"), max_queue=5)) as dispatcher,
        ):
            await dispatcher.consider()
            await until(lambda: ("b", "done") in world.states())
            assert dispatcher.busy()["a"] == 5
            stuck.gate.set()
            await until(lambda: settled(world, 21))

    asyncio.run(act())


# Who watches


def test_the_watcher_hears_of_each_step(world: World) -> None:
    message = letter(sender="2/boss", to=("2/a",), type="build", subject="Build it")
    world.journal.put_local(message, write(message))
    told: list[Event] = []

    async def act() -> None:
        async with service("fail") as (served, url):
            spec = builder("a", url, idempotent=True)
            async with running(world, world.dispatcher(spec, pulls("boss"), observe=told.append)) as dispatcher:
                await dispatcher.consider()
                await until(lambda: any(event.what == "retry" for event in told))
                served.behaviour = "reply"
                await until(lambda: any(event.what == "settled" for event in told))

    asyncio.run(act())
    first = [(event.what, event.agent, event.attempt, event.state) for event in told if event.message_id == message.id]
    retries = [step for step in first if step[0] == "retry"]
    assert first[:3] == [("assigned", "a", 1, "queued"), ("begun", "a", 1, "started"), ("retry", "a", 1, "retry")]
    assert first[-1] == ("concluded", "a", 1 + len(retries), "done")
    [end] = [event for event in told if event.what == "concluded"]
    assert (end.subject, end.type, end.sender, end.reply) == ("Build it", "build", "2/boss", "got please")
    assert end.reply_id == told[-1].message_id  # the reply went into the inbox of who asked
    assert (told[-1].agent, told[-1].state) == ("boss", "waiting")
    assert end.seconds is not None


def test_the_watcher_hears_of_what_a_crash_left(world: World) -> None:
    told: list[Event] = []
    ident = clock.new_id()
    assert world.journal.begin(Intent(message_key=f"1_TO_2/{ident}", message_id=ident, agent="a", sender="1"))

    async def act() -> None:
        async with running(world, world.dispatcher(program(name="a"), observe=told.append)):
            pass

    asyncio.run(act())
    [event] = told
    assert (event.what, event.state, event.agent, event.message_id) == ("concluded", "uncertain", "a", ident)


def test_watchers_that_fail_stop_nothing(world: World) -> None:
    def broken(_: object) -> None:
        raise ValueError("nobody is at home")

    world.arrive(job(), job())
    specs = [builder("a", f"http://127.0.0.1:{free_port()}", attempts=1)]
    play(world, *specs, count=2, observe=broken, failed=broken)
    assert world.outcomes().count("dead") == 2


# The order in which things start, by laws


NAMES = ("a", "b", "c")


@st.composite
def waiting_jobs(draw: st.DrawFn) -> list[Job]:
    jobs = []
    for number in range(draw(st.integers(0, 12))):
        bound = draw(st.booleans())
        choices = tuple(draw(st.permutations(NAMES))[: 1 if bound else draw(st.integers(1, 3))])
        message = letter(sender=draw(st.sampled_from(("1", "3"))), priority=draw(st.sampled_from(PRIORITIES)))
        made = Job(
            envelope=Envelope(key=f"k{number}", message=message, sender="1", agent="", content=""),
            choices=choices,
            bound=bound,
            number=0,
            arrived=float(number),
            agent=choices[0],
        )
        if draw(st.integers(0, 3)) == 0:
            made.pauses[draw(st.sampled_from(choices))] = 100.0
        jobs.append(made)
    return jobs


class Rooms:
    """Say what each agent takes, by what a test drew and what has begun since."""

    def __init__(self, lanes: Lanes, loads: dict[str, Load]) -> None:
        self.lanes = lanes
        self.loads = loads

    def load(self, name: str) -> Load:
        running, queued = len(self.lanes.running(name)), self.lanes.queued(name)
        return replace(self.loads[name], running=running, queued=queued)

    def ready(self, job: Job, name: str, now: float) -> bool:
        return job.ready(name, now)

    def insists(self, job: Job) -> bool:
        return False


ROOMS = st.fixed_dictionaries(
    {
        name: st.builds(
            Load,
            state=st.sampled_from(("online", "online", "offline")),
            concurrency=st.integers(1, 4),
            draining=st.sampled_from((False, False, True)),
            backup=st.booleans(),
        )
        for name in NAMES
    }
)


@given(waiting_jobs(), ROOMS)
def test_what_starts_has_room_keeps_its_order_and_leaves_nobody_idle(jobs: list[Job], loads: dict[str, Load]) -> None:
    lanes, now = Lanes(), 50.0
    doors = Rooms(lanes, loads)
    for one in jobs:
        lanes.add(one)
    for one, agent in lanes.startable(doors, now):
        load = doors.load(agent)
        assert load.room > 0
        assert agent in one.choices
        assert one.ready(agent, now)
        if load.backup:
            able = [name for name in one.choices if not loads[name].obstacle and one.ready(name, now)]
            assert all(loads[name].backup for name in able)
        lanes.stand(one, agent)
        lanes.begin(one, agent, now)
    waiting = [one for one in jobs if not one.running]
    for one in (one for one in jobs if one.bound and one.running):
        earlier = [other for other in waiting if other.bound and other.agent == one.agent and other.lane == one.lane]
        assert all(other.number > one.number for other in earlier)
    for one in waiting:
        free = [name for name in one.choices if doors.load(name).room and one.ready(name, now)]
        if one.bound:
            before = [other for other in waiting if other.bound and other.agent == one.agent and other.lane == one.lane]
            held = any(other.number < one.number and not other.ready(one.agent, now) for other in before)
            assert held or not free
        else:
            able = [name for name in one.choices if not loads[name].obstacle and one.ready(name, now)]
            primary = any(not loads[name].backup for name in able)
            assert not [name for name in free if not (loads[name].backup and primary)]
    assert sum(lanes.queued(name) for name in NAMES) == len(waiting)


@given(waiting_jobs())
def test_lanes_forget_what_is_dropped(jobs: list[Job]) -> None:
    lanes = Lanes()
    for one in jobs:
        lanes.add(one)
    for index, one in enumerate(jobs):
        if index % 2:
            lanes.begin(one, one.agent, 0.0)
            if index % 4 == 1:
                lanes.back(one)
        lanes.drop(one)
        lanes.drop(one)
        lanes.back(one)
    assert len(lanes) == 0
    assert list(lanes) == []
    assert not lanes.waiting()
    assert lanes.next_wake(0.0) is None
    assert [lanes.queued(name) + len(lanes.running(name)) for name in NAMES] == [0, 0, 0]

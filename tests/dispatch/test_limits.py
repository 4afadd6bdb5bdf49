"""How much is handed over: by the hour for each sender, by the day for agents and machine; the clock is ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync import clock
from gitsync.agents.spec import AgentSpec
from gitsync.dispatch.quota import DAY, Limits, Quota
from gitsync.errors import Refused
from gitsync.inbox.approvals import approvals_view
from gitsync.inbox.settle import release
from gitsync.ledger.handed import Handed
from tests.dispatch.world import ME, World, letter, running, until

NOON = 20_000 * DAY + DAY / 2


class Clock:
    """A wall clock that a test moves; nothing else moves it."""

    def __init__(self) -> None:
        self.now = NOON

    def unix(self) -> float:
        return self.now


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(clock, "unix", found.unix)
    return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


def worker(**more: object) -> AgentSpec:
    return AgentSpec(name="worker", kind="command", argv=("/bin/cat",), concurrency=4, **more)  # type: ignore[arg-type]


def done(world: World) -> int:
    return sum(intent.state == "done" for intent in world.intents())


async def settled(world: World, count: int) -> None:
    """Wait until so many are done, and see that it stays so."""
    await until(lambda: done(world) == count)
    await asyncio.sleep(0.1)
    assert done(world) == count


def test_what_exceeds_a_senders_share_waits_in_order_and_is_shown(world: World, wall: Clock) -> None:
    limits = Limits(per_sender=(3, 3600.0))
    letters = [letter(subject=str(number)) for number in range(7)]
    other = letter(sender="3/x", subject="other")

    async def play() -> None:
        world.arrive(*letters)
        world.arrive(other)
        async with running(world, world.dispatcher(worker(), limits=limits)) as dispatcher:
            await dispatcher.consider()
            await settled(world, 4)  # the other sender's among them
            shown = approvals_view(world.ledger, world.journal)
            assert [one["state"] for one in shown] == ["held"] * 4
            assert {one["reason"] for one in shown} == {
                "rate limit: 3 messages from 1 in 3600 s; the next follow in order"
            }
            wall.now += 3601
            await dispatcher.consider()
            await settled(world, 7)
            wall.now += 3601
            await dispatcher.consider()
            await settled(world, 8)
        begun = [intent.message_id for intent in world.intents() if intent.sender == "1/mechanic"]
        assert begun == [one.id for one in letters]
        assert world.journal.waits() == {}

    asyncio.run(play())


def test_a_restart_forgives_nothing(world: World, wall: Clock) -> None:
    limits = Limits(daily=2)

    async def play() -> None:
        world.arrive(*(letter(subject=str(number)) for number in range(5)))
        for _ in range(3):
            async with running(world, world.dispatcher(worker(), limits=limits)) as dispatcher:
                await dispatcher.consider()
                await settled(world, 2)
        (reason,) = {reason for reason, _ in world.journal.waits().values()}
        assert reason.startswith("daily limit: this computer has handed over its 2 of today; goes on at ")
        wall.now = 20_001 * DAY - 1
        async with running(world, world.dispatcher(worker(), limits=limits)) as dispatcher:
            await dispatcher.consider()
            await settled(world, 2)
            wall.now += 2  # midnight
            await dispatcher.consider()
            await settled(world, 4)

    asyncio.run(play())


def test_an_agent_that_has_had_its_share_leaves_work_to_the_others(world: World, wall: Clock) -> None:
    first = AgentSpec(name="a", kind="command", argv=("/bin/cat",), types=("x",), daily=1)
    second = AgentSpec(name="b", kind="command", argv=("/bin/cat",), types=("x",), daily=2)

    async def play() -> None:
        world.arrive(*(letter(to=("2",), type="x") for _ in range(4)))
        async with running(world, world.dispatcher(first, second)) as dispatcher:
            await dispatcher.consider()
            await settled(world, 3)
            assert sorted(intent.agent for intent in world.intents()) == ["a", "b", "b"]
            assert dispatcher.loads()["a"].obstacle.startswith("daily limit: a has had its 1 of today")

    asyncio.run(play())


@pytest.mark.parametrize("limits", [Limits(daily=1), Limits(per_sender=(1, 3600.0))], ids=["daily", "sender"])
def test_a_person_lets_one_go(world: World, wall: Clock, limits: Limits) -> None:
    letters = [letter(subject=str(number)) for number in range(4)]

    async def play() -> None:
        world.arrive(*letters)
        async with running(world, world.dispatcher(worker(), limits=limits)) as dispatcher:
            await dispatcher.consider()
            await settled(world, 1)
            release(world.ledger, world.journal, ME.id, letters[2].id)
            await dispatcher.consider()
            await settled(world, 2)
            assert {intent.message_id for intent in world.intents()} == {letters[0].id, letters[2].id}
            with pytest.raises(Refused):
                release(world.ledger, world.journal, ME.id, letters[2].id)
        release(world.ledger, world.journal, ME.id, letters[3].id)  # while nothing runs
        async with running(world, world.dispatcher(worker(), limits=limits)) as dispatcher:
            await dispatcher.consider()
            await settled(world, 3)
            assert list(world.journal.waits()) == [f"1_TO_2/{letters[1].id}"]

    asyncio.run(play())


def test_what_was_not_handed_over_after_all_is_not_counted(world: World, wall: Clock) -> None:
    async def play() -> None:
        task = letter(to=("ANY",), type="x")
        world.arrive(task, place="ANY")
        spec = AgentSpec(name="worker", kind="command", argv=("/bin/cat",), types=("x",))
        there = False

        async def refresh() -> bool:
            return there

        async with running(world, world.dispatcher(spec, limits=Limits(daily=1), refresh=refresh)) as dispatcher:
            await dispatcher.consider()
            await until(lambda: bool(world.claimed))
            for _ in range(3):  # the remote is away each time
                wall.now += 6
                await dispatcher.consider()
                await asyncio.sleep(0.05)
            there = True
            wall.now += 6
            await dispatcher.consider()
            await settled(world, 1)
        assert len(world.journal.handed_since(0)) == 1

    asyncio.run(play())


@given(
    most=st.integers(1, 5),
    window=st.integers(1, 100),
    steps=st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab")), max_size=80),
)
def test_no_window_ever_holds_more_than_its_share(most: int, window: int, steps: list[tuple[int, str]]) -> None:
    quota = Quota(Limits(per_sender=(most, float(window))), {})
    now, begun = 0.0, list[tuple[float, str]]()
    for pause, sender in steps:
        now += pause
        due = quota.share_used(sender, now)
        within = sum(1 for at, who in begun if who == sender and at > now - window)
        assert (due is not None) == (within >= most)
        if due is None:
            quota.begin(sender, "x", now)
            begun.append((now, sender))
        else:
            assert now < due <= now + window


def test_a_clock_that_jumps_stops_nobody_for_longer_than_a_window() -> None:
    quota = Quota(Limits(per_sender=(1, 60.0), daily=1), {}, [Handed(NOON + 30 * DAY, "x", "1", True)])
    assert quota.share_used("1", NOON) == NOON + 60
    assert quota.used_up("x", NOON) == ""


def test_only_first_tries_count_for_the_sender() -> None:
    quota = Quota(Limits(per_sender=(1, 60.0), daily=3), {})
    quota.begin("1", "x", NOON, first=False)
    assert quota.share_used("1", NOON) is None
    quota.begin("1", "x", NOON)
    quota.begin("1", "x", NOON, first=False)
    assert quota.used_up("x", NOON)
    quota.take_back("1", "x", NOON)
    assert not quota.used_up("x", NOON)
    assert quota.share_used("1", NOON) is None

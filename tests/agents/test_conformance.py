"""What every kind of agent must do alike, tried on real servers, real programs and the real SDK."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gitsync import clock
from gitsync.agents.base import Outcome
from gitsync.agents.opening import open_agent
from gitsync.agents.spec import AgentSpec
from tests.agents.benches import KINDS, bench, parcel

every_kind = pytest.mark.parametrize("kind", KINDS)
own_output = pytest.mark.parametrize("kind", ["http", "command"])


def outcome(kind: str, behaviour: str, root: Path, **spec: object) -> Outcome:
    async def play() -> Outcome:
        async with bench(kind, behaviour, root, **spec) as agent:
            return await agent.deliver(parcel())

    return asyncio.run(play())


@every_kind
def test_an_answer_becomes_the_reply(kind: str, tmp_path: Path) -> None:
    told = outcome(kind, "reply", tmp_path)
    assert (told.kind, told.started) == ("done", True)
    assert "deploy the page" in told.reply


@own_output
def test_plain_text_is_the_reply_as_it_is(kind: str, tmp_path: Path) -> None:
    assert outcome(kind, "text", tmp_path).reply == "plain words"


@own_output
def test_an_empty_answer_makes_no_reply(kind: str, tmp_path: Path) -> None:
    assert outcome(kind, "empty", tmp_path) == Outcome(kind="done")


@own_output
def test_bytes_that_are_not_utf8_are_replaced(kind: str, tmp_path: Path) -> None:
    assert outcome(kind, "garbage", tmp_path).reply == "caf\ufffd ok"


@own_output
def test_a_long_answer_is_cut_and_says_so(kind: str, tmp_path: Path) -> None:
    told = outcome(kind, "long", tmp_path, max_output=1000)
    assert told.kind == "done"
    assert told.reply.startswith("x" * 1000 + "\n\n[cut here")


@own_output
def test_a_flood_is_ended(kind: str, tmp_path: Path) -> None:
    told = outcome(kind, "flood", tmp_path, max_output=100_000)
    assert (told.kind, told.started) == ("failed", True)
    assert "flood" in told.reason


@every_kind
def test_a_failure_has_started_and_brings_the_last_words(kind: str, tmp_path: Path) -> None:
    told = outcome(kind, "fail", tmp_path)
    assert (told.kind, told.started) == ("failed", True)
    assert ("as asked for" if kind == "claude" else "the disk is full") in told.reason


@every_kind
def test_who_is_not_there_has_not_started(kind: str, tmp_path: Path) -> None:
    told = outcome(kind, "absent", tmp_path, timeout=2.0)
    assert (told.kind, told.started) == ("failed", False)
    assert told.reason


@every_kind
def test_a_hang_is_ended_at_the_time_limit(kind: str, tmp_path: Path) -> None:
    before = clock.monotonic()
    told = outcome(kind, "hang", tmp_path, timeout=1.5, grace=0.5)
    assert (told.kind, told.started) == ("failed", True)
    assert told.reason.startswith("time-out after 1.5 s")
    assert clock.monotonic() - before < 40


@pytest.mark.parametrize("kind", ["http", "claude"])
def test_who_is_busy_has_not_started_and_says_when_to_come_back(kind: str, tmp_path: Path) -> None:
    told = outcome(kind, "busy", tmp_path)
    assert (told.kind, told.started) == ("failed", False)
    assert told.retry_after == (7.0 if kind == "http" else 90.0)


@pytest.mark.parametrize(("kind", "behaviour"), [("http", "vanish"), ("claude", "break")])
def test_a_connection_that_breaks_leaves_it_uncertain(kind: str, behaviour: str, tmp_path: Path) -> None:
    assert outcome(kind, behaviour, tmp_path).kind == "uncertain"


@every_kind
def test_a_delivery_can_be_cancelled(kind: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with bench(kind, "hang", tmp_path, timeout=50.0) as agent:
            task = asyncio.create_task(agent.deliver(parcel()))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    before = clock.monotonic()
    asyncio.run(play())
    assert clock.monotonic() - before < 40


@every_kind
def test_deliveries_run_side_by_side(kind: str, tmp_path: Path) -> None:
    async def play() -> list[Outcome]:
        async with bench(kind, "reply", tmp_path) as agent:
            return list(await asyncio.gather(*(agent.deliver(parcel(body=f"deploy {n}")) for n in range(4))))

    told = asyncio.run(play())
    assert [one.kind for one in told] == ["done"] * 4
    assert all(f"deploy {n}" in one.reply for n, one in enumerate(told))


@every_kind
def test_health_of_one_that_is_there(kind: str, tmp_path: Path) -> None:
    async def play() -> tuple[str, str]:
        async with bench(kind, "reply", tmp_path) as agent:
            return await agent.health()

    assert asyncio.run(play())[0] == "online"


@pytest.mark.parametrize(
    ("kind", "behaviour", "state"),
    [
        ("http", "absent", "offline"),
        ("http", "fail", "error"),
        ("http", "hang", "online"),
        ("command", "absent", "error"),
    ],
)
def test_health_of_one_that_is_not_well(kind: str, behaviour: str, state: str, tmp_path: Path) -> None:
    async def play() -> tuple[str, str]:
        async with bench(kind, behaviour, tmp_path) as agent:
            return await agent.health()

    assert asyncio.run(play())[0] == state


def test_an_inbox_waits(tmp_path: Path) -> None:
    async def play() -> None:
        agent = open_agent(AgentSpec(name="later", kind="inbox"), tmp_path)
        assert await agent.deliver(parcel()) == Outcome(kind="waiting")
        assert await agent.health() == ("online", "")
        await agent.close()

    asyncio.run(play())

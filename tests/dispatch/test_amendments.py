"""An edited message is handed over again to an agent that asks for amendments, once for each text (I2)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitsync.agents.spec import AgentSpec
from gitsync.errors import Refused
from gitsync.inbox import ack, take, waiting
from gitsync.protocol.blocks import content_hash
from gitsync.protocol.message import Message, write
from tests.agents.benches import service
from tests.dispatch.test_dispatcher import program, pulls, settled, web
from tests.dispatch.world import World, letter, running, until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def edited(message: Message, body: str) -> Message:
    return replace(message, body=body)


def keys(message: Message, *texts: Message) -> list[str]:
    """Give the idempotency keys under which these texts are handed over; the first has the message's own."""
    base = f"1_TO_2/{message.id}"
    return [f"{base}/worker", *(f"{base}@{content_hash(write(text))}/worker" for text in texts)]


def live(world: World, spec: dict[str, Any], *steps: Message, mode: str = "reply") -> list[Any]:
    """Let the first message arrive and the other texts replace it, each after the former was settled."""
    first, *texts = steps

    async def act() -> list[Any]:
        async with service(mode) as (served, url):
            async with running(world, world.dispatcher(web(url, **spec))) as dispatcher:
                world.arrive(first)
                await dispatcher.consider()
                await until(lambda: settled(world))
                world.land()
                for text in texts:
                    before = len(world.intents())
                    world.edit(text)
                    await dispatcher.consider()
                    if len(world.candidates_for(spec)) or spec.get("amendments"):
                        await until(lambda n=before: not world.candidates_for(spec) and settled(world, n))  # type: ignore[misc]
                await until(lambda: all(intent.state != "started" for intent in world.intents()))
                await dispatcher.consider()
            return [(document["key"], document["body"]) for _, _, document in served.seen]

    return asyncio.run(act())


def test_an_edit_is_no_second_message(world: World) -> None:
    message = letter()
    assert live(world, {}, message, edited(message, "changed")) == [(keys(message)[0], "please")]
    assert world.states() == [("worker", "done")]


def test_an_agent_that_asks_for_amendments_gets_each_text_once(world: World) -> None:
    message = letter()
    second, third = edited(message, "changed"), edited(message, "changed again")
    seen = live(world, {"amendments": True}, message, second, third, message, second)
    assert seen == list(zip(keys(message, second, third), ["please", "changed", "changed again"], strict=True))
    assert world.states() == [("worker", "done")] * 3
    assert [reply.in_reply_to for reply in world.replies()] == [message.id] * 2  # the first has landed
    assert world.outcomes() == ["received", "done"] * 2


def test_an_edit_during_the_hand_over_waits_for_its_end(world: World, tmp_path: Path) -> None:
    message = letter()
    text = edited(message, "changed")
    log, go = tmp_path / "log", tmp_path / "go"
    code = f"""
import os, time
with open({str(log)!r}, "a") as file:
    file.write(os.environ["GITSYNC_KEY"] + "\\n")
while not os.path.exists({str(go)!r}):
    time.sleep(0.01)
"""

    async def act() -> None:
        async with running(world, world.dispatcher(program(code, amendments=True))) as dispatcher:
            world.arrive(message)
            await dispatcher.consider()
            await until(lambda: log.exists() and log.stat().st_size > 0)
            world.edit(text)
            await dispatcher.consider()
            assert world.states() == [("worker", "started")]
            go.touch()
            await until(lambda: settled(world, 2))

    asyncio.run(act())
    assert log.read_text().splitlines() == keys(message, text)


def test_i7_a_lost_journal_amends_nothing(world: World) -> None:
    message = letter()
    live(world, {"amendments": True}, message)
    world.forget()
    assert live_again(world, edited(message, "changed")) == []
    assert world.intents() == []


def live_again(world: World, text: Message) -> list[Any]:
    async def act() -> list[Any]:
        async with service("reply") as (served, url):
            async with running(world, world.dispatcher(web(url, amendments=True))) as dispatcher:
                world.edit(text)
                await dispatcher.consider()
                await asyncio.sleep(0.05)
            return served.seen

    return asyncio.run(act())


def test_i2_a_later_text_that_was_cut_off_is_uncertain(world: World) -> None:
    message = letter()
    text = edited(message, "changed")
    live(world, {"amendments": True}, message)

    async def act() -> None:
        async with service("hang") as (served, url):
            dispatcher = world.dispatcher(web(url, amendments=True))
            async with running(world, dispatcher):
                world.edit(text)
                await dispatcher.consider()
                await until(lambda: bool(served.seen))
                await dispatcher.drain(0)

    asyncio.run(act())
    assert world.states() == [("worker", "done"), ("worker", "uncertain")]
    assert world.candidates_for({"amendments": True}) == []
    with pytest.raises(Refused, match="does not wait"):
        take(world.ledger, world.journal, "2", message.id, "worker")
    ack(world.ledger, world.journal, "2", message.id, "done", agent="worker")
    assert world.states() == [("worker", "done"), ("worker", "done")]


def test_an_agent_that_pulls_takes_the_later_text(world: World) -> None:
    message = letter()
    spec = pulls(amendments=True)

    async def consider() -> None:
        async with running(world, world.dispatcher(spec)) as dispatcher:
            await dispatcher.consider()

    def pull() -> str:
        asyncio.run(consider())
        (envelope,) = waiting(world.ledger, world.journal, "2", "worker")
        body = take(world.ledger, world.journal, "2", message.id, "worker").message.body
        ack(world.ledger, world.journal, "2", message.id, "done", agent="worker")
        assert envelope.message.body == body
        return body

    world.arrive(message)
    assert pull() == "please"
    world.edit(edited(message, "changed"))
    assert pull() == "changed"
    asyncio.run(consider())
    assert waiting(world.ledger, world.journal, "2", "worker") == []
    assert world.states() == [("worker", "done")] * 2


def test_only_the_agents_that_ask_and_had_it(world: World) -> None:
    message = letter(to=("2/worker", "2/other"))
    specs: list[AgentSpec] = []

    async def act() -> list[str]:
        async with service("reply") as (served, url):
            specs.extend((web(url, amendments=True), web(url, "other"), web(url, "third", amendments=True)))
            async with running(world, world.dispatcher(*specs)) as dispatcher:
                world.arrive(message)
                await dispatcher.consider()
                await until(lambda: settled(world, 2))
                world.land()
                world.edit(edited(message, "changed"))
                await dispatcher.consider()
                await until(lambda: settled(world, 3))
            return [document["key"].rpartition("/")[2] for _, _, document in served.seen]

    assert sorted(asyncio.run(act())) == ["other", "worker", "worker"]

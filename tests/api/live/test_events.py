"""The stream of events of a real process, also when that is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from gitsync.client import AsyncClient
from gitsync.errors import Busy
from tests.api.live.conftest import Machine, Scene

Play = Callable[[Scene], None]


async def _until(client: AsyncClient, wanted: Callable[[dict[str, Any]], bool], **begin: Any) -> list[dict[str, Any]]:
    """Read events up to the first that is wanted."""
    found = []
    async with asyncio.timeout(20), aclosing(client.events(**begin)) as events:
        async for event in events:
            found.append(event)
            if wanted(event):
                return found
    raise AssertionError(f"the stream ended: {found}")


def test_a_delivery_is_told_from_acceptance_to_its_end(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        first = asyncio.create_task(_until(client, lambda event: event.get("state") == "done"))
        while not (await client.metrics()).count("gitsync_event_readers 1"):
            await asyncio.sleep(0.02)
        sent = await client.send("echo", "Build it", subject="build <it>")
        events = [event for event in await first if event.get("message") == sent["id"]]
        kinds = [(event["kind"], event.get("what")) for event in events]
        assert kinds[0] == ("message", None)
        assert ("delivery", "begun") in kinds
        assert kinds[-1] == ("delivery", "concluded")
        assert events[-1]["level"] == "success"
        assert "build <it>" in events[-1]["text"]
        assert {"id", "at", "kind", "level", "text"} <= events[0].keys()

    play(scene)


def test_a_stream_is_taken_up_where_it_broke_off(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        sent = [(await client.send("desk", f"number {number}"))["id"] for number in range(6)]
        told = await _until(client, lambda event: event.get("message") == sent[2], replay=1000)
        rest = await _until(client, lambda event: event.get("message") == sent[5], last_id=told[-1]["id"])
        accepted = [event["message"] for event in rest if event["kind"] == "message"]
        assert [ident for ident in accepted if ident in sent] == sent[3:]
        assert not {event["id"] for event in told} & {event["id"] for event in rest}

    play(scene)


def test_after_a_crash_a_reader_is_told_to_read_anew(machine: Machine, play: Play) -> None:
    seen: list[str] = []

    async def before(client: AsyncClient) -> None:
        sent = await client.send("desk", "before the crash")
        seen.extend(
            event["id"] for event in await _until(client, lambda event: event.get("message") == sent["id"], replay=1000)
        )

    play(before)
    machine.kill()
    machine.up()

    async def after(client: AsyncClient) -> None:
        events = await _until(client, lambda event: event["kind"] == "reset", last_id=seen[-1])
        assert len(events) == 1
        assert events[0]["id"].rpartition("-")[0] != seen[-1].rpartition("-")[0]
        sent = await client.send("desk", "after the crash")
        told = await _until(client, lambda event: event.get("message") == sent["id"], last_id=events[0]["id"])
        assert "reset" not in [event["kind"] for event in told]

    play(after)


def test_readers_are_limited_and_make_room_when_they_leave(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(_until(client, lambda _: False)) for _ in range(100)]
            while "gitsync_event_readers 100\n" not in await client.metrics():
                await asyncio.sleep(0.05)
            with pytest.raises(Busy) as caught:
                await anext(client._stream(None, 0))
            assert caught.value.retry_after == 5
            for reader in readers:
                reader.cancel()
        while "gitsync_event_readers 0\n" not in await client.metrics():
            await asyncio.sleep(0.05)

    play(scene)

"""The feed of events without a process: numbering, replay, slow readers, other threads."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from gitsync.daemon import events
from gitsync.daemon.events import Feed, Subscription
from gitsync.dispatch.events import Event
from gitsync.errors import Busy
from gitsync.sync.engine import CycleResult


def _events(chunk: bytes | None) -> list[dict[str, Any]]:
    """Decode what a reader was sent, the names of the events as `event`."""
    found = []
    for block in (chunk or b"").decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line)
        if fields:
            found.append({"event": fields.get("event"), **json.loads(fields["data"])})
    return found


async def _all(reader: Subscription) -> list[dict[str, Any]]:
    found = []
    while chunk := await reader.take(0.01):
        found += _events(chunk)
    return found


def test_events_are_numbered_and_replayed_from_any_of_the_last() -> None:
    async def scene() -> None:
        feed = Feed(kept=10)
        for number in range(25):
            feed.publish("process", "info", f"number {number}", nothing=None, fact=number)
        told = await _all(feed.subscribe(replay=1000))
        assert [event["fact"] for event in told] == list(range(15, 25))
        assert "nothing" not in told[0]
        for at, event in enumerate(told):
            rest = await _all(feed.subscribe(event["id"]))
            assert [one["fact"] for one in rest] == list(range(16 + at, 25))
        oldest = f"{feed.run}-15"  # the one before the oldest that is kept: nothing was missed
        assert len(await _all(feed.subscribe(oldest))) == 10

    asyncio.run(scene())


@pytest.mark.parametrize("last", ["{run}-14", "{run}-26", "another-20", "{run}-x", "20", "{run}-²", "x" * 5000])
def test_who_has_missed_some_is_told_so(last: str) -> None:
    async def scene() -> None:
        feed = Feed(kept=10)
        for number in range(25):
            feed.publish("process", "info", f"number {number}")
        reader = feed.subscribe(last.format(run=feed.run))
        feed.publish("process", "info", "afterwards")
        told = await _all(reader)
        assert [event["event"] for event in told] == ["reset", None]
        assert told[0]["id"] == f"{feed.run}-25"
        assert told[1]["text"] == "afterwards"

    asyncio.run(scene())


def test_a_slow_reader_is_dropped_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BACKLOG", 5)

    async def scene() -> None:
        feed = Feed()
        slow, quick = feed.subscribe(), feed.subscribe()
        seen = 0
        for number in range(12):
            feed.publish("process", "info", f"number {number}")
            seen += len(await _all(quick))
        assert (feed.readers, feed.dropped, seen) == (1, 1, 12)
        assert len(await _all(slow)) == 5
        assert await slow.take(0.01) is None

    asyncio.run(scene())


def test_there_is_room_for_so_many_and_again_when_one_leaves() -> None:
    async def scene() -> None:
        feed = Feed(readers=3)
        readers = [feed.subscribe() for _ in range(3)]
        with pytest.raises(Busy):
            feed.subscribe()
        readers[0].close()
        feed.subscribe()

    asyncio.run(scene())


def test_other_threads_may_publish_and_nothing_is_lost() -> None:
    async def scene() -> None:
        feed = Feed()
        reader = feed.subscribe()

        def publish(name: str) -> None:
            for number in range(200):
                feed.publish("process", "info", name, number=number)

        threads = [threading.Thread(target=publish, args=(name,)) for name in ("a", "b", "c")]
        for thread in threads:
            thread.start()
        told: list[dict[str, Any]] = []
        async with asyncio.timeout(20):
            while len(told) < 600:
                told += _events(await reader.take(1.0))
        for thread in threads:
            thread.join()
        assert [int(event["id"].rpartition("-")[2]) for event in told] == list(range(1, 601))
        for name in ("a", "b", "c"):
            assert [event["number"] for event in told if event["text"] == name] == list(range(200))

    asyncio.run(scene())


def test_texts_of_others_end_no_event_and_are_shortened() -> None:
    async def scene() -> None:
        feed = Feed()
        reader = feed.subscribe()
        feed.publish("message", "info", "a\n\nid: 7\ndata: {}\n\n\r\u2028\ud800 " + "x" * 10_000, sender="\udce9\n\n")
        told = _events(await reader.take(1.0))
        assert len(told) == 1
        assert len(told[0]["text"]) == events.LONGEST
        assert told[0]["text"].startswith("a\n\nid: 7")

    asyncio.run(scene())


def test_the_end_of_the_process_ends_the_streams() -> None:
    async def scene() -> None:
        feed = Feed()
        reader = feed.subscribe()
        feed.publish("process", "warning", "it stops")
        feed.close()
        assert len(_events(await reader.take(1.0))) == 1
        assert await reader.take(1.0) is None
        assert await feed.subscribe().take(1.0) is None

    asyncio.run(scene())


def test_a_cycle_is_told_where_it_moved_messages_or_where_syncing_has_changed() -> None:
    cycles = [
        CycleResult(),
        CycleResult(pulled=2, pushed=1),  # receipts
        CycleResult(pulled=1, received=3),
        CycleResult(pushed=1, sent=1),
        CycleResult(),
        CycleResult(state="offline", error="The remote cannot be reached"),
        CycleResult(state="offline", error="The remote cannot be reached"),
        CycleResult(pushed=1),
        CycleResult(pulled=1),
    ]

    async def scene() -> None:
        feed = Feed()
        before: CycleResult | None = None
        for result in cycles:
            events.tell_cycle(feed, result, before)
            before = result
        told = await _all(feed.subscribe(replay=100))
        assert [(event["level"], event["text"]) for event in told] == [
            ("success", "sync: the remote is reached"),
            ("success", "sync: 3 messages in, 0 out"),
            ("success", "sync: 0 messages in, 1 out"),
            ("warning", "sync: The remote cannot be reached"),
            ("success", "sync: the remote is reached"),
        ]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("agent", "words"), [("inbox", "Re: x: waits in the inbox: D2"), ("desk", "Re: x: waits for desk: D2")]
)
def test_what_waits_is_told_as_waiting(agent: str, words: str) -> None:
    async def scene() -> None:
        feed = Feed()
        event = Event(at=0.0, what="settled", key="key", message_id="id", agent=agent, state="waiting")
        events.tell_delivery(feed, replace(event, subject="Re: x", reason="D2"))
        assert [one["text"] for one in await _all(feed.subscribe(replay=1))] == [words]

    asyncio.run(scene())

"""Messages over the surface of a real process."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from gitsync.client import AsyncClient
from gitsync.errors import NotFound, Refused, UsageError
from tests.api.live.conftest import Machine, Scene, eventually

Play = Callable[[Scene], None]


def test_a_message_is_handed_over_answered_and_read_as_a_thread(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        sent = await client.send("echo", "Build it", subject="build", sender="desk")
        assert sent["status"] == "local"
        done = await eventually(lambda: _ended(client, sent["id"]))
        assert done["state"] == "done"
        thread = await client.thread(sent["id"])
        assert [(one["from"], one["body"]) for one in thread] == [("1/desk", "Build it"), ("1/echo", "heard build")]
        again = await client.reply(thread[1]["id"], "thanks")
        assert (await client.thread(sent["id"]))[2]["id"] == again["id"]

    play(scene)


async def _ended(client: AsyncClient, ident: str) -> dict[str, object] | None:
    message = await client.message(ident)
    return message if message["state"] not in ("new", "open", "delivering", "started", "waiting") else None


def test_to_all_reaches_every_other_machine_and_every_other_agent_here(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        sent = await client.send("all", "hear ye", sender="desk")
        assert sent["status"] == "queued"
        thread = await client.thread(sent["id"])
        to = sorted(one["to"][0] for one in thread if one["from"] == "1/desk")
        assert to == ["1/echo", "1/other", "ALL"]
        here = await client.send("self/all", "only here")
        assert here["status"] == "local"
        to = sorted(one["to"][0] for one in await client.thread(here["id"]) if one["from"] == "1")
        assert to == ["1/desk", "1/echo", "1/other"]

    play(scene)


def test_of_many_messages_all_are_taken_or_none(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        good = [{"to": "desk", "message": f"number {number}"} for number in range(100)]
        results = await client.send_many(good)
        assert len({one["id"] for one in results}) == 100
        never = [{"to": "desk", "message": "never", "subject": "never"}] * 5
        with pytest.raises(UsageError, match="cannot send"):
            await client.send_many([*never, {"to": "no_such_one", "message": "x"}])
        assert "never" not in {one["subject"] for one in await client.messages(limit=500)}
        with pytest.raises(UsageError, match=r"messages\[1\].to"):
            await client.send_many([good[0], {"message": "x"}])
        with pytest.raises(UsageError, match="1 to 100"):
            await client.send_many([*good, good[0]])

    play(scene)


def test_pages_follow_each_other(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        for number in range(5):
            await client.send("other", f"page {number}")
        first = await client.inbox(agent="other", limit=3)
        rest = await client.inbox(agent="other", limit=3, before=first[-1]["id"])
        assert len(first) == 3
        assert not {one["id"] for one in first} & {one["id"] for one in rest}

    play(scene)


def test_an_agent_takes_its_message_and_settles_it(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        sent = await client.send("desk", "do it by hand")

        async def waits() -> bool:
            return bool((await client.message(sent["id"]))["state"] == "waiting")

        await eventually(waits)
        with pytest.raises(UsageError, match="no agent nobody"):
            await client.take(sent["id"], "nobody")
        with pytest.raises(Refused, match="does not wait for other"):
            await client.take(sent["id"], "other")
        assert (await client.take(sent["id"], "desk"))["body"] == "do it by hand"
        with pytest.raises(Refused):
            await client.take(sent["id"], "desk")
        assert (await client.ack(sent["id"], "done", reason="by hand"))["status"] == "done"
        assert (await client.message(sent["id"]))["state"] == "done"
        with pytest.raises(Refused, match="already"):
            await client.ack(sent["id"], "failed")
        with pytest.raises(Refused):
            await client.release(sent["id"])

    play(scene)


def test_what_is_not_there_is_told_with_what_comes_near(play: Play, raw: httpx.Client) -> None:
    async def scene(client: AsyncClient) -> None:
        for call in (client.message, client.thread, client.task):
            with pytest.raises(NotFound):
                await call("01ZZZZZZZZZZZZZZZZZZZZZZZZ")
        with pytest.raises(NotFound) as caught:
            await client.instance("ecko")
        assert "echo" in caught.value.near

    play(scene)
    answer = raw.get("/instnces")
    assert (answer.status_code, answer.json()["error"]["near"][0]) == (404, "/instances")


def test_what_a_message_says_is_never_a_page(machine: Machine, raw: httpx.Client) -> None:
    evil = "<script>alert(1)</script>"
    sent = raw.post("/send", headers=machine.bearer, json={"to": "desk", "message": evil, "subject": evil}).json()
    for path in (f"/messages/{sent['id']}", f"/threads/{sent['id']}", "/messages", "/inbox", f"/x{evil}"):
        answer = raw.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"

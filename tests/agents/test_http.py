"""What is particular to HTTP services."""

from __future__ import annotations

import asyncio
import email.utils
from pathlib import Path

import pytest

from gitsync import clock
from gitsync.agents.answer import reply_of
from gitsync.agents.base import Outcome
from gitsync.agents.opening import open_agent
from gitsync.agents.spec import AgentSpec
from tests.agents.benches import Service, bench, parcel, service


def test_the_service_gets_the_document_and_the_key(tmp_path: Path) -> None:
    async def play() -> Service:
        async with service("reply") as (served, url):
            agent = open_agent(AgentSpec(name="b", kind="http", url=url + "/", deliver="api/build"), tmp_path)
            await agent.deliver(parcel(attempt=2, thread="T"))
            await agent.close()
            return served

    line, fields, document = asyncio.run(play()).seen[0]
    assert line == "POST /api/build HTTP/1.1"
    assert fields["idempotency-key"] == "1_TO_2/01JD3WQ8Z6T4K9V2M5N7P0R3S8/builder"
    assert fields["content-type"] == "application/json"
    assert document == parcel(attempt=2, thread="T").json()
    names = "attempt, body, date, from, id, in_reply_to, key, priority, standing, subject, thread, to, type, verified"
    assert sorted(document) == names.split(", ")


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    async def play() -> Outcome:
        async with bench("http", "redirect", tmp_path) as agent:
            return await agent.deliver(parcel())

    told = asyncio.run(play())
    assert (told.kind, told.started) == ("failed", True)
    assert "redirects are not followed" in told.reason


@pytest.mark.parametrize(("behaviour", "word"), [("break", "closed before"), ("no http", "no HTTP")])
def test_half_an_answer_or_none_that_can_be_read_has_failed(behaviour: str, word: str, tmp_path: Path) -> None:
    async def play() -> Outcome:
        async with bench("http", behaviour, tmp_path) as agent:
            return await agent.deliver(parcel())

    told = asyncio.run(play())
    assert (told.kind, told.started, told.blameless) == ("failed", True, False)
    assert "no whole answer" in told.reason
    assert word in told.reason


@pytest.mark.parametrize(
    "url",
    [
        "http://no-such-host.invalid",
        "ftp://127.0.0.1/",
        "http://[bad",
        "http://\0/",
        "http://a b/",
        "http://me:\ud800@127.0.0.1:1/",
    ],
)
def test_an_address_that_leads_nowhere_has_not_started(url: str, tmp_path: Path) -> None:
    async def play() -> Outcome:
        agent = open_agent(AgentSpec(name="b", kind="http", url=url, timeout=5), tmp_path)
        try:
            return await agent.deliver(parcel())
        finally:
            await agent.close()

    told = asyncio.run(play())
    assert (told.kind, told.started) == ("failed", False)


def test_retry_after_may_be_a_date() -> None:
    from gitsync.agents.http import _retry_after

    later = email.utils.formatdate(clock.unix() + 90, usegmt=True)
    wait = _retry_after(later)
    assert wait is not None
    assert 85 < wait <= 90
    assert _retry_after("soon") is None
    assert _retry_after("-3") == 0.0


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ('{"reply": "yes"}', "yes"),
        ('{"status": "ok", "result": " yes "}', "yes"),
        ('{"content": "c", "reply": "r"}', "r"),
        ('{"reply": null}', ""),
        ('{"reply": ""}', ""),
        ('{"status": "ok"}', '{"status": "ok"}'),
        ('{"result": {"a": 1}}', '{"result": {"a": 1}}'),
        ('"quoted"', "quoted"),
        ("null", ""),
        ("{}", ""),
        ("{broken", "{broken"),
        ("[" * 100_000, "[" * 100_000),
        ('{"a":' * 100_000, '{"a":' * 100_000),
        ("  plain\n", "plain"),
        ("", ""),
    ],
)
def test_how_a_body_is_read(body: str, reply: str) -> None:
    assert reply_of(body) == reply

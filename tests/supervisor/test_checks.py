"""When agents are checked, and what checks make of services that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gitsync.agents.opening import open_agent
from gitsync.agents.spec import AgentSpec
from gitsync.supervisor.checks import AT_ONCE, Rounds, look
from tests.supervisor.conftest import free_port

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """Serve connections as a test says; end them all."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def checked(url: str, **more: object) -> tuple[str, str]:
    agent = open_agent(AgentSpec(name="a", kind="http", url=url, health="/health", **more), Path("/"))  # type: ignore[arg-type]
    try:
        seen = await look(agent, Path("/"), os.environ)
        return seen.state, seen.word
    finally:
        await agent.close()


def saying(*parts: bytes, hang: bool = False) -> Answer:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if hang:
            await asyncio.sleep(60)

    return answer


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (saying(b"HTTP/1.1 204 No Content\r\n\r\n"), "online"),
        (saying(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), "error"),
        (saying(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), "error"),
        (saying(b"\x00\xffgarbage that is no HTTP\r\n\r\n"), "error"),
        (saying(b"HTTP/1.1 200 O"), "error"),
        (saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000_000 + b"\r\n\r\n"), "error"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", *[b"x" * 100_000] * 100), "online"),
        (saying(b"HTTP/1.1 200 OK\r\n", hang=True), "timeout"),
    ],
    ids=["well", "unwell", "redirect", "garbage", "half", "10 MB head", "10 MB body", "silence"],
)
async def test_services_that_misbehave(answer: Answer, state: str) -> None:
    async with serving(answer) as url:
        begun = time.monotonic()
        tracemalloc.start()
        try:
            found, word = await checked(url, health_timeout=2.0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert found == state, word
        assert time.monotonic() - begun < 30
        assert peak < 40_000_000, "the service of the test itself holds 20 MB"


async def test_a_slow_drip_is_ended_by_the_time_for_the_whole_check() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(drip) as url:
        assert (await checked(url, health_timeout=0.3))[0] == "timeout"


async def test_nobody_there() -> None:
    port = free_port()
    assert await checked(f"http://127.0.0.1:{port}") == ("offline", f"nobody listens on 127.0.0.1:{port}")


async def test_checks_run_side_by_side_but_not_all_at_once() -> None:
    running, most, order = 0, 0, []

    async def check(name: str) -> float:
        nonlocal running, most
        running += 1
        most = max(most, running)
        order.append(name)
        await asyncio.sleep(0.05)
        running -= 1
        return 3600.0

    async with rounds(check) as planned:
        for number in range(50):
            planned.plan(f"agent{number}", 0.0)
        await until(lambda: len(order) == 50)
        assert most == AT_ONCE
        assert len(set(order)) == 50


async def test_failures_ask_for_a_check_soon_but_do_not_make_a_storm() -> None:
    checks: list[float] = []

    async def check(_name: str) -> float:
        checks.append(time.monotonic())
        return 3600.0

    async with rounds(check) as planned:
        planned.plan("agent", 0.0)
        await until(lambda: checks)
        for _ in range(100):
            planned.soon("agent")
            planned.soon("nobody")
        await until(lambda: len(checks) == 2)
        assert checks[1] - checks[0] >= 0.95
        planned.drop("agent")
        planned.soon("agent")
        await asyncio.sleep(0.05)
        assert len(checks) == 2


async def test_a_check_that_fails_is_made_again_and_stops_no_other() -> None:
    checks: list[str] = []

    async def check(name: str) -> float:
        checks.append(name)
        if name == "bad":
            raise RuntimeError("a defect")
        return 0.05

    async with rounds(check) as planned:
        planned.plan("bad", 0.0)
        planned.plan("good", 0.0)
        await until(lambda: checks.count("bad") >= 2 and checks.count("good") >= 5)


async def test_a_check_that_was_planned_for_later_can_be_made_now() -> None:
    checks: list[str] = []

    async def check(name: str) -> float:
        checks.append(name)
        return 3600.0

    async with rounds(check) as planned:
        planned.plan("agent", 3600.0)
        planned.now("agent")
        await until(lambda: checks == ["agent"])


@contextlib.asynccontextmanager
async def rounds(check: Callable[[str], Awaitable[float]]) -> AsyncIterator[Rounds]:
    made = Rounds(check)
    task = asyncio.create_task(made.serve())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)

"""Cycles one at a time, and what becomes of those who wait when the process ends."""

from __future__ import annotations

import asyncio

import pytest

from gitsync.daemon.cycles import Cycles
from gitsync.errors import TryLater
from gitsync.sync.engine import CycleResult, Request


def test_what_is_asked_meanwhile_makes_one_more_cycle() -> None:
    async def play() -> None:
        ran: list[Request] = []
        gate = asyncio.Event()

        async def run(request: Request) -> CycleResult:
            ran.append(request)
            await gate.wait()
            return CycleResult()

        cycles = Cycles(run)
        serving = asyncio.create_task(cycles.serve())
        asked = [cycles.ask(Request())]
        while not ran:
            await asyncio.sleep(0)
        asked += [cycles.ask(Request(settle_now=number == 1)) for number in range(3)]
        gate.set()
        assert [result.state for result in await asyncio.gather(*asked)] == ["ok"] * 4
        assert [request.settle_now for request in ran] == [False, True]
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    asyncio.run(play())


def test_who_waits_when_the_process_ends_is_told_to_try_later() -> None:
    async def play() -> None:
        begun = asyncio.Event()

        async def run(request: Request) -> CycleResult:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

        cycles = Cycles(run)
        serving = asyncio.create_task(cycles.serve())
        running = cycles.ask(Request())
        await begun.wait()
        asked = cycles.ask(Request())
        serving.cancel()
        for future in (running, asked):
            with pytest.raises(TryLater, match="stopping"):
                await future

    asyncio.run(play())

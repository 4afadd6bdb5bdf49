"""A failure of our own in the middle of a hand-over: it comes to an honest end without a restart (I1, I2)."""

from __future__ import annotations

import asyncio
import errno
import sys
from pathlib import Path

import pytest

from gitsync.agents.spec import AgentSpec
from gitsync.dispatch import handover
from tests.dispatch.world import World, letter, running, until


@pytest.mark.parametrize(
    ("point", "idempotent", "end", "calls"),
    [
        ("7-chosen", False, "done", 1),
        ("7-begun", False, "done", 1),
        ("7-answered", False, "uncertain", 1),
        ("7-answered", True, "done", 2),
        ("7-concluded", False, "done", 1),
    ],
)
def test_2_an_error_nobody_expects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, idempotent: bool, end: str, calls: int
) -> None:
    monkeypatch.setattr(handover, "_PAUSE", 0.05)
    world = World(tmp_path)
    world.arrive(letter())
    ran = tmp_path / "ran"
    argv = (sys.executable, "-S", "-c", f"open({str(ran)!r}, 'a').write('x')")
    spec = AgentSpec(name="worker", kind="command", argv=argv, idempotent=idempotent)
    left = [point]

    def break_once(passed: str) -> None:
        if passed in left:
            left.clear()
            raise OSError(errno.ENOSPC, "No space left on device")

    async def act() -> None:
        async with running(world, world.dispatcher(spec, fault=break_once)) as dispatcher:
            await dispatcher.consider()
            await until(lambda: world.states() == [("worker", end)], 10)

    asyncio.run(act())
    assert left == []
    assert ran.read_text() == "x" * calls
    assert world.outcomes() == ["received", end]
    world.close()

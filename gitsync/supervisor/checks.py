"""Check agents: one at a time each, spread over time, never all at once."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from gitsync import clock
from gitsync.agents.answer import last_lines
from gitsync.agents.base import Agent
from gitsync.agents.bounds import confined
from gitsync.agents.environment import BASICS, built
from gitsync.secrets.redact import redact
from gitsync.supervisor.health import Seen

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Checks that run at a time."""
APART = 0.01
"""Seconds between the first checks of two agents."""
SOONEST = 1.0
"""Seconds between two checks of one agent, however often its hand-overs fail."""
_WORDS = 4096


class Rounds:
    """Say when which agent is checked: one timer for all of them."""

    def __init__(self, check: Callable[[str], Awaitable[float]]) -> None:
        """Take what checks an agent; it returns the seconds until the next check."""
        self._check = check
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._ended: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: dict[str, float] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._changed = asyncio.Event()

    def plan(self, name: str, pause: float) -> None:
        """Check an agent after a pause (s), instead of whenever it was due."""
        due = clock.monotonic() + pause
        self._due[name] = due
        heapq.heappush(self._heap, (due, name))
        self._changed.set()

    def soon(self, name: str) -> None:
        """Check an agent as soon as that is no burden on it."""
        if name in self._running:
            self._again.setdefault(name, SOONEST)
        elif name in self._due:
            rest = self._ended.get(name, -SOONEST) + SOONEST - clock.monotonic()
            self.plan(name, max(0.0, rest))

    def now(self, name: str) -> None:
        """Check an agent at once: it is in a new state, whatever was seen before."""
        if name in self._running:
            self._again[name] = 0.0
        self._ended.pop(name, None)
        self.plan(name, 0.0)

    def drop(self, name: str) -> None:
        """Check an agent no more."""
        self._due.pop(name, None)
        self._ended.pop(name, None)
        self._again.pop(name, None)

    async def serve(self) -> None:
        """Check for ever; cancel to stop."""
        try:
            while True:
                self._changed.clear()
                pause = self._start_due()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._changed.wait()
        finally:
            running = list(self._running.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _start_due(self) -> float | None:
        """Start what is due; return the seconds until the next is, None when nothing is planned."""
        moment = clock.monotonic()
        while self._heap:
            due, name = self._heap[0]
            if self._due.get(name) != due or name in self._running:  # planned anew, or dropped
                heapq.heappop(self._heap)
                continue
            if due > moment:
                return due - moment
            heapq.heappop(self._heap)
            self._running[name] = asyncio.create_task(self._one(name), name=f"check {name}")
        return None

    async def _one(self, name: str) -> None:
        pause = SOONEST
        try:
            async with self._room:
                pause = await self._check(name)
        except Exception:
            log.exception("checking agent %s failed", name)
        finally:
            self._running.pop(name, None)
            if name in self._due:
                self._ended[name] = clock.monotonic()
                self.plan(name, min(pause, self._again.pop(name, pause)))


async def look(agent: Agent, root: Path, environ: Mapping[str, str]) -> Seen:
    """Check one agent within its time: by its own command where it has one, else as its kind is checked."""
    spec = agent.spec
    asked = bool(spec.health_command) or agent.kind == "http"
    before = clock.monotonic()
    try:
        async with asyncio.timeout(spec.health_timeout):
            if spec.health_command:
                state, word = await _command(agent, root, environ)
            else:
                state, word = await agent.health()
    except TimeoutError:
        state, word = "timeout", f"no answer to the health check within {spec.health_timeout:g} s"
    except Exception as error:  # a defect of an agent's own must not stop the checks of the others
        state, word = "error", str(error) or type(error).__name__
    return Seen(state, redact(word), clock.monotonic() - before if asked else None)


async def _command(agent: Agent, root: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    spec = agent.spec
    env = built(environ, BASICS, spec.env)
    try:
        process = await asyncio.create_subprocess_exec(
            *confined(spec.health_command, spec.memory, root / spec.cwd, env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=root / spec.cwd,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return "error", f"cannot run {spec.health_command[0]!r}: {error}"
    words = b""
    try:
        assert process.stderr is not None
        while data := await process.stderr.read(_WORDS):
            words = (words + data)[-_WORDS:]
        code = await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())
    if code == 0:
        return "online", ""
    told = last_lines(words.decode("utf-8", "replace").replace("\x00", ""))
    return "error", f"health_command: exit code {code}" + (f": {told}" if told else "")

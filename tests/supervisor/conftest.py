"""A registry over real programs, and the certainty that none of them outlives its test."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gitsync.agents.opening import open_agents
from gitsync.agents.spec import AgentSpec
from gitsync.balancing import Load
from gitsync.config.read import read_agent
from gitsync.ledger.journal import Journal
from gitsync.supervisor import pids
from gitsync.supervisor.registry import Registry
from gitsync.supervisor.settings import SuperviseSettings
from gitsync.supervisor.supervise import Place
from tests.daemon.conftest import Computer, calls, make_computer, one, own_list, stop_processes, two

__all__ = ["Computer", "calls", "make_computer", "one", "own_list", "stop_processes", "two"]

SERVICE = """
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code = 200 if not os.path.exists(sys.argv[1]) else 500
        self.send_response(code); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = b"done by " + str(os.getpid()).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(answer))); self.end_headers()
        self.wfile.write(answer)
    def log_message(self, form, *args): print("asked", flush=True)
http.server.ThreadingHTTPServer.allow_reuse_address = True
print("serving", os.environ["PORT"], flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
"""Answers 200, or 500 while the file of its argument exists."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine on a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[str]:
    """Give what the environment of every program of this test holds; at the end none of them may be left."""
    text = f"SUPERVISED_BY_TEST={tmp_path}"
    yield text
    left = pids.marked(text)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not left, "programs were left running"


@pytest.fixture
def program(mark: str, tmp_path: Path) -> Callable[..., AgentSpec]:
    """Describe an agent whose program is a piece of Python."""
    name, _, value = mark.partition("=")

    def make(code: str = SERVICE, **more: Any) -> AgentSpec:
        values: dict[str, Any] = {"name": "tested", "kind": "http", "health": "/health", "grace": 1.0, **more}
        if values["kind"] == "http" and "url" not in values:
            values["url"] = f"http://127.0.0.1:{free_port()}"
        if values["kind"] != "http":
            del values["health"]
        env = {name: value, "PYTHONUNBUFFERED": "1", **values.pop("env", {})}
        start = (sys.executable, "-c", code, str(tmp_path / "unwell"))
        return AgentSpec(**{"start": start, "env": env, **values})

    return make


class Still:
    """A dispatcher with nothing to do, unless a test says so."""

    def __init__(self) -> None:
        self.load: dict[str, Load] = {}

    def loads(self) -> Mapping[str, Load]:
        return self.load

    def running(self) -> Mapping[str, Sequence[Any]]:
        return {}


class World:
    """A registry with all that it was told and that it told."""

    def __init__(self, root: Path, settings: SuperviseSettings) -> None:
        self.root = root
        self.settings = settings
        self.journal = Journal(root / "journal.sqlite3")
        self.work = Still()
        self.told: list[dict[str, Any]] = []
        self.given_up: list[tuple[str, str]] = []
        self.specs: tuple[AgentSpec, ...] = ()
        self.registry = Registry(
            self.journal,
            Place(root, root / "logs", os.environ),
            settings,
            work=lambda: self.work,
            parse=read_agent,
            recompose=self._recompose,
            gave_up=lambda name, reason: self.given_up.append((name, reason)),
        )
        self.registry.changes = self.told.append

    async def _recompose(self) -> None:
        specs = self.registry.specs(self.specs)
        self.registry.take(specs, open_agents(specs, self.root), self.settings)
        await self.registry.apply()

    async def have(self, *specs: AgentSpec) -> None:
        """Let the settings say these agents."""
        self.specs = specs
        await self._recompose()

    def __getitem__(self, name: str) -> dict[str, Any]:
        return self.registry.instance(name)

    async def until(self, check: Callable[[], Any], seconds: float = 20) -> Any:
        """Wait for something to come true; fail when it never does."""
        deadline = time.monotonic() + seconds
        while not (found := check()):
            shown = [(told["name"], told["state"], told["word"]) for told in self.registry.instances()]
            assert time.monotonic() < deadline, f"never came true; {shown}"
            await asyncio.sleep(0.02)
        return found

    async def state(self, state: str, name: str = "tested") -> dict[str, Any]:
        """Wait until an agent is in a state."""
        found: dict[str, Any] = await self.until(lambda: self[name] if self[name]["state"] == state else None)
        return found

    def abandon(self) -> None:
        """Let go of everything as a killed process does: programs run on, nobody looks after them."""
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task() and task.get_name().startswith(("agent ", "health", "check ")):
                task.cancel()
        for instance in self.registry._instances.values():
            if instance.supervised is not None:
                instance.supervised._output.close()
                program = instance.supervised._program
                if program is not None and program._child is not None:
                    program.let_go()
                    program._child.returncode = 0  # it lives on; keeps Popen from complaining that it was left behind
        self.journal.close()


@contextlib.asynccontextmanager
async def world(root: Path, *specs: AgentSpec, **settings: Any) -> AsyncIterator[World]:
    """Run a registry with these agents; end it and its programs."""
    made = World(root, SuperviseSettings(**{"backoff": 0.05, "health_every": 0.3, **settings}))
    await made.have(*specs)
    try:
        await made.registry.begin()
        yield made
    finally:
        await made.registry.close()
        made.journal.close()

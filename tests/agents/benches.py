"""For every kind of agent a real counterpart that behaves as a test asks: server, program, API, or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gitsync.agents.base import Agent, Delivery
from gitsync.agents.opening import open_agent
from gitsync.agents.spec import AgentSpec
from gitsync.demo.messages_api import Fault, serving

KINDS = ("http", "command", "claude")
ENVIRON = {**os.environ, "TEST_KEY": "sk-local"}


def parcel(**changes: Any) -> Delivery:
    """Make a delivery."""
    values: dict[str, Any] = {
        "id": "01JD3WQ8Z6T4K9V2M5N7P0R3S8",
        "sender": "1/mechanic",
        "to": ("2/builder",),
        "subject": "Deploy",
        "body": "Please deploy the page.",
        "date": "2026-11-20T06:45:00Z",
        "type": "deployment",
        "key": "1_TO_2/01JD3WQ8Z6T4K9V2M5N7P0R3S8/builder",
    }
    return Delivery(**{**values, **changes})


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def bench(kind: str, behaviour: str, root: Path, **spec: Any) -> AsyncIterator[Agent]:
    """Open an agent whose counterpart behaves so."""
    async with {"http": _http, "command": _command, "claude": _claude}[kind](behaviour, root) as place:
        agent = open_agent(AgentSpec(**{"name": "tested", "kind": kind, **place, **spec}), root, environ=ENVIRON)
        try:
            yield agent
        finally:
            await agent.close()


class Service:
    """An HTTP service over raw sockets, so that it can misbehave."""

    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour
        self.seen: list[tuple[str, dict[str, str], Any]] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            document = json.loads(body) if body else None
            self.seen.append((head[0], fields, document))
            await self._behave(writer, document)
        writer.close()

    async def _behave(self, writer: asyncio.StreamWriter, document: Any) -> None:
        match self.behaviour:
            case "reply":
                self._say(writer, 200, json.dumps({"reply": f"got {document['body']}"}).encode() if document else b"")
            case "text":
                self._say(writer, 201, b"plain words\n")
            case "empty":
                self._say(writer, 204, b"")
            case "fail":
                self._say(writer, 500, b"first line\nthe disk is full\n")
            case "busy":
                self._say(writer, 503, b"come back", "Retry-After: 7\r\n")
            case "redirect":
                self._say(writer, 302, b"", "Location: http://127.0.0.1:1/\r\n")
            case "garbage":
                self._say(writer, 200, b"caf\xe9 \x00ok")
            case "hang":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                await writer.drain()
                await asyncio.sleep(60)
            case "flood":
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                while True:
                    writer.write(b"flood " * 10000)
                    await writer.drain()
            case "long":
                self._say(writer, 200, b"x" * 5000)
            case "vanish":
                pass
            case "no http":
                writer.write(b"\x00\xff these are no headers\r\n\r\n")
                await writer.drain()
            case "break":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                await writer.drain()

    def _say(self, writer: asyncio.StreamWriter, status: int, body: bytes, more: str = "") -> None:
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body)


@contextlib.asynccontextmanager
async def service(behaviour: str) -> AsyncIterator[tuple[Service, str]]:
    """Run a service and give it with its address."""
    served = Service(behaviour)
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await served.answer(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield served, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _http(behaviour: str, root: Path) -> AsyncIterator[dict[str, Any]]:
    if behaviour == "absent":
        yield {"url": f"http://127.0.0.1:{free_port()}"}
        return
    async with service(behaviour) as (_, url):
        yield {"url": url, "health": "/health", "deliver": "/api/run"}


PROGRAMS = {
    "reply": "import json,sys; print('got', json.load(sys.stdin)['body'])",
    "text": "print('plain words')",
    "empty": "pass",
    "fail": "import sys; print('first line', file=sys.stderr); sys.exit('the disk is full')",
    "garbage": "import sys; sys.stdout.buffer.write(b'caf\\xe9 \\x00ok')",
    "hang": "import time; print('half', flush=True); time.sleep(60)",
    "flood": "import sys\nwhile True: sys.stdout.write('flood ' * 10000)",
    "long": "print('x' * 5000)",
    "break": "import os,signal; os.kill(os.getpid(), signal.SIGKILL)",
}


@contextlib.asynccontextmanager
async def _command(behaviour: str, root: Path) -> AsyncIterator[dict[str, Any]]:
    if behaviour == "absent":
        yield {"argv": (str(root / "no-such-program"),)}
        return
    yield {"argv": (sys.executable, "-c", PROGRAMS[behaviour])}


FAULTS = {
    "fail": [Fault(400)],
    "busy": [Fault(429, retry_after=90)],
    "hang": [Fault(200, delay=60)],
    "break": [Fault(0)],
}


@contextlib.asynccontextmanager
async def _claude(behaviour: str, root: Path) -> AsyncIterator[dict[str, Any]]:
    common = {"model": "claude-haiku-4-5", "api_key_env": "TEST_KEY", "worker_idle": 30.0}
    if behaviour == "absent":
        yield {**common, "base_url": f"http://127.0.0.1:{free_port()}"}
        return
    async with serving(FAULTS.get(behaviour, [])) as server:
        yield {**common, "base_url": server.url}

"""Two computers with a process each, and clients of the official SDK."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from gitsync.demo.computer import Computer
from tests.remotes import Remotes

AGENTS = """
[[agents]]
name = "reviewer"
kind = "inbox"
default = true

[[agents]]
name = "cat"
kind = "command"
argv = ["cat"]
types = ["echo"]

[[agents]]
name = "slow"
kind = "command"
argv = ["sh", "-c", "sleep 0.6; echo late"]
types = ["slow"]
"""
ID = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")


@dataclass(frozen=True)
class Town:
    """Computer 1 and computer 2."""

    one: Computer
    two: Computer


def settle(computer: Computer, more: str = "", agents: str = AGENTS) -> None:
    """Give a computer settings that look for news often."""
    (computer.root / ".gitsync" / "config.toml").write_text(
        f'[machine]\nid = "{computer.id}"\nname = "{computer.name}"\nrole = "{computer.role}"\n'
        f'[sync]\nfastest = "200ms"\nslowest = "500ms"\nsettle = "50ms"\n[api]\nport = 0\n{more}\n{agents}'
    )


@pytest.fixture(scope="session")
def town(remotes: Remotes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Two computers on one remote, running; the tools of the second speak as its reviewer, and end soon when idle."""
    base = tmp_path_factory.mktemp("town")
    remote = remotes("file")
    made = [Computer(base, ident, f"Machine {ident}", "test") for ident in ("1", "2")]
    try:
        for computer in made:
            computer.init(remote.url)
            settle(computer, '[mcp]\nspeaks_as = "reviewer"\nidle = "1s"\n' if computer.id == "2" else "")
            computer.start()
        for computer in made:
            computer.up()
        yield Town(*made)
    finally:
        for computer in made:
            if computer.daemon is not None:
                computer.daemon.end()


@pytest.fixture
def alone(remotes: Remotes, tmp_path: Path) -> Iterator[Computer]:
    """A computer whose process does not run."""
    computer = Computer(tmp_path, "1", "Machine 1", "test")
    computer.init(remotes("file").url)
    settle(computer)
    yield computer
    if computer.daemon is not None:
        computer.daemon.end()


@asynccontextmanager
async def stdio(computer: Computer, *more: str) -> AsyncIterator[Client]:
    """Let a client start ``gitsync mcp``, as its settings would tell it."""
    call = ["-m", "gitsync", "--dir", str(computer.root), "mcp", *more]
    async with Client(
        stdio_client(StdioServerParameters(command=sys.executable, args=call, env=computer.env))
    ) as client:
        yield client


@asynccontextmanager
async def over_http(computer: Computer, name: str = "", *, mode: Any = "auto") -> AsyncIterator[Client]:
    """Let a client connect to the process, with its token."""
    token = (computer.root / ".gitsync" / "token").read_text().strip()
    url = f"http://127.0.0.1:{computer.port}/mcp" + (f"/{name}" if name else "")
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


async def call(client: Client, tool: str, **given: Any) -> str:
    """Call a tool that must not fail; return its text."""
    text, wrong = await outcome(client, tool, **given)
    assert not wrong, text
    return text


async def outcome(client: Client, tool: str, **given: Any) -> tuple[str, bool]:
    """Call a tool; return its text, and whether it is an error."""
    result = await client.call_tool(tool, given)
    (content,) = result.content
    assert content.type == "text"
    assert "Traceback" not in content.text
    return content.text, result.is_error


async def until(look: Callable[[], Awaitable[str]], word: str, *, seconds: float = 20) -> str:
    """Look again until the text holds a word; return the text."""
    async with asyncio.timeout(seconds):
        while word not in (text := await look()):
            await asyncio.sleep(0.1)
    return text


def run(play: Coroutine[Any, Any, None]) -> None:
    """Run one play to its end."""
    asyncio.run(play)


def id_in(text: str) -> str:
    """Return the first id in a text."""
    found = ID.search(text)
    assert found is not None, text
    return found[0]

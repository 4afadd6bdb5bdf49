"""What the tools of an MCP client cost: a call, a durable send, the start, and what the background process pays."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from benchmarks.measure import Row, Samples, ms
from benchmarks.standing import LIMIT_MB, resident, tree
from benchmarks.world import quiet, world
from gitsync.demo.computer import Computer

AGENT = '[[agents]]\nname = "reviewer"\nkind = "inbox"\ndefault = true\n'
READ, SENT = 0.020, 0.060
TOPIC = "MCP tools"


async def _calls(client: Client, count: int) -> tuple[dict[str, Samples], Samples]:
    """Call reading tools and `send` in turn; the first calls warm the connection."""
    reads = {"inbox": Samples(), "read": Samples(), "fleet": Samples()}
    sends = Samples()
    ident = ""
    for turn in range(count + 5):
        for name, samples in (("send", sends), *reads.items()):
            given: dict[str, Any] = {"send": {"to": "2", "text": f"turn {turn}"}, "read": {"id": ident}}.get(name, {})
            began = time.perf_counter()
            result = await client.call_tool(name, given)
            took = time.perf_counter() - began
            text = str(getattr(result.content[0], "text", ""))
            if result.is_error:
                raise RuntimeError(f"{name}: {text}")
            if name == "send":
                ident = text.split()[1]
            if turn >= 5:
                samples.add(took)
    return reads, sends


def _rows(way: str, reads: dict[str, Samples], sends: Samples) -> list[Row]:
    everything = Samples([value for samples in reads.values() for value in samples.values])
    slowest = max(reads.values(), key=lambda samples: samples.p95)
    return [
        Row(TOPIC, f"inbox, read, fleet over {way}", everything.words(), "", None, "p95 < 20 ms", slowest.p95 < READ),
        Row(TOPIC, f"durable send over {way}", sends.words(), "", None, "p95 < 60 ms", sends.p95 < SENT),
    ]


def _stdio(computer: Computer) -> Any:
    call = ["-m", "gitsync", "--dir", str(computer.root), "mcp", "--as", "reviewer"]
    return stdio_client(StdioServerParameters(command=sys.executable, args=call, env=computer.env))


async def _measured(computer: Computer, count: int) -> list[Row]:
    starts = Samples()
    for _ in range(3):
        began = time.perf_counter()
        async with Client(_stdio(computer)) as client:
            await client.list_tools()
            starts.add(time.perf_counter() - began)
    async with Client(_stdio(computer)) as client:
        rows = _rows("stdio", *await _calls(client, count))
    rows.append(Row(TOPIC, "start of `gitsync mcp` until the tools are listed", starts.short()))

    assert computer.daemon is not None
    pid = computer.daemon.pid
    before = resident(pid)
    token = (computer.root / ".gitsync" / "token").read_text().strip()
    began = time.perf_counter()
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, trust_env=False) as http,
        Client(streamable_http_client(f"http://127.0.0.1:{computer.port}/mcp/reviewer", http_client=http)) as client,
    ):
        await client.list_tools()
        first = time.perf_counter() - began
        rows += _rows("HTTP", *await _calls(client, count))
        after = resident(pid)
        child = sum(resident(one) for one in tree(pid)[1:])
    rows.append(Row(TOPIC, "first listing at /mcp, with the start of its process", ms(first)))
    rows.append(
        Row(
            TOPIC,
            "memory of the background process after the calls",
            f"{after:.1f} MB",
            f"before them {before:.1f} MB; the process of the tools {child:.0f} MB while it is used",
            None,
            f"< {LIMIT_MB} MB",
            after < LIMIT_MB,
        )
    )
    return rows


def measure(*, full: bool = False) -> list[Row]:
    """Measure both ways with the process running, and stdio without it."""
    count = 200 if full else 50
    with world() as here:
        url, bare = here.remote()
        computer = here.computer("1", url, AGENT)
        computer.up()
        quiet(bare)
        rows = asyncio.run(_measured(computer, count))
        assert computer.daemon is not None
        computer.daemon.end()

        async def alone() -> list[Row]:
            async with Client(_stdio(computer)) as client:
                return _rows("stdio, no process running", *await _calls(client, count))

        return [*rows, *asyncio.run(alone())]

"""What the coordinator bears: many clients at once, two hundred agents that talk to each other, and its memory.

The load is offered at a fixed rate, whatever the answers take, and a request's time counts from when it was due: who
waits for a slow answer before asking again would measure the service at its own pace. The load generator and the agents
live in the measuring process and share the two processors with what they measure.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.measure import Row, Samples, ms, timed
from benchmarks.standing import LIMIT_MB, resident
from benchmarks.world import World, world
from gitsync.agents.spec import AgentSpec
from gitsync.balancing import Load, choose
from gitsync.demo.computer import Computer
from gitsync.routing import route

CLIENTS = 200
RATE = 500.0
"""Requests a second, half of them GET /instances, half POST /send."""
AGENTS = 200
EACH_SECOND = 1.0
"""Messages that each of the agents sends in a second."""
CHECKED = 30.0
"""Seconds between two health checks of an agent, as is the default."""
BATCHES = 20
BATCH = 100
SPEED = "Coordinator"


class Line:
    """One connection that stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self._reader, self._writer, self._head = reader, writer, head

    async def ask(self, method: str, path: str, document: object = None) -> tuple[int, bytes]:
        """Send a request; return status and body."""
        body = b"" if document is None else json.dumps(document).encode()
        kind = "Content-Type: application/json\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\n{self._head}{kind}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(answer[9:12]), await self._reader.readexactly(length)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class Agents:
    """Many HTTP agents on one port; the path says which. They answer nothing, and know when they were called."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it is closed."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                body = await reader.readexactly(length)
                if body:
                    self.came.setdefault(json.loads(body)["subject"], time.perf_counter())
                writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):  # the last at the very end
            writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Agents]:
        """Listen on a free port."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    def settings(self, count: int) -> str:
        """Return the settings of so many agents."""
        return "".join(
            f'[[agents]]\nname = "agent-{n}"\nkind = "http"\nurl = "{self.url}"\nhealth = "/{n}"\ndeliver = "/{n}"\n'
            f'types = ["type-{n}"]\nconcurrency = 4\ntimeout = "10s"\n\n'
            for n in range(count)
        )

    async def all_came(self, subjects: set[str], *, seconds: float = 60.0) -> set[str]:
        """Wait for calls; return those that did not come."""
        until = time.perf_counter() + seconds
        while (missing := subjects - self.came.keys()) and time.perf_counter() < until:
            await asyncio.sleep(0.02)
        return missing


@asynccontextmanager
async def lines(computer: Computer, count: int) -> AsyncIterator[list[Line]]:
    """Open connections to a computer's process."""
    token = (computer.root / ".gitsync" / "token").read_text().strip()
    head = f"Host: 127.0.0.1:{computer.port}\r\nAuthorization: Bearer {token}\r\n"
    found = [Line(*(await asyncio.open_connection("127.0.0.1", computer.port)), head) for _ in range(count)]
    try:
        yield found
    finally:
        for line in found:
            line.close()


async def offer(
    free: asyncio.Queue[Line], rate: float, seconds: float, ask: Callable[[Line, int], Awaitable[tuple[str, int]]]
) -> tuple[dict[str, Samples], int, float]:
    """Ask at a fixed rate; return the times by kind, the number of errors, and the rate that was answered."""
    found: dict[str, Samples] = {}
    errors = 0

    async def one(number: int, due: float) -> None:
        nonlocal errors
        line = await free.get()
        try:
            kind, status = await ask(line, number)
        except (OSError, asyncio.IncompleteReadError):
            errors += 1
            return
        free.put_nowait(line)
        found.setdefault(kind, Samples()).add(time.perf_counter() - due)
        errors += status != 200

    began = time.perf_counter()
    total = int(rate * seconds)
    asking = []
    for number in range(total):
        due = began + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        asking.append(asyncio.create_task(one(number, due)))
    await asyncio.gather(*asking)
    return found, errors, total / (time.perf_counter() - began)


def _pool(open_lines: list[Line]) -> asyncio.Queue[Line]:
    free: asyncio.Queue[Line] = asyncio.Queue()
    for line in open_lines:
        free.put_nowait(line)
    return free


async def _up(here: World, agents: Agents, count: int) -> Computer:
    url, _ = here.remote()
    computer = here.computer("1", url, agents.settings(count))
    await asyncio.to_thread(computer.up)
    return computer


async def clients(seconds: float) -> list[Row]:
    """Measure six agents' machine at light load, and with two hundred clients."""

    async def ask(line: Line, number: int) -> tuple[str, int]:
        if number % 2:
            return "GET /instances", (await line.ask("GET", "/instances"))[0]
        document = {"to": f"agent-{number % 6}", "subject": f"load {number}", "message": "a body"}
        return "POST /send", (await line.ask("POST", "/send", document))[0]

    rows = []
    with world() as here:
        async with Agents().listening() as agents:
            computer = await _up(here, agents, 6)
            async with lines(computer, CLIENTS) as open_lines:
                await asyncio.sleep(2.0)  # the first cycle and the first health checks are over
                for what, rate, most, target in (("light load", 20.0, 1, 0.005), ("load", RATE, CLIENTS, 0.05)):
                    found, errors, reached = await offer(_pool(open_lines[:most]), rate, seconds, ask)
                    words = f"{what}, {rate:.0f} requests/s offered" + (f", {CLIENTS} clients" if most > 1 else "")
                    disk = await _disk(here.base, what)
                    beside = f"{reached:.0f}/s answered, {errors} errors"
                    rows += [
                        Row(
                            SPEED,
                            f"{kind} at {words}",
                            samples.short(),
                            beside if kind.startswith("GET") else f"{beside}; one durable transaction {disk.short()}",
                            None if kind.startswith("GET") else samples.p50 / disk.p50,
                            f"p95 < {ms(target)}, no error",
                            samples.p95 < target and not errors,
                        )
                        for kind, samples in sorted(found.items())
                    ]
                assert computer.daemon is not None
                rows.append(_memory(computer, "after the load"))
    return rows


async def exchange(seconds: float) -> list[Row]:
    """Measure two hundred agents that send to each other, and messages that are sent a hundred at a time."""
    sent: dict[str, float] = {}

    async def ask(line: Line, number: int) -> tuple[str, int]:
        subject = f"word {number}"
        sender, to = f"agent-{number % AGENTS}", f"agent-{(number * 7 + 1) % AGENTS}"
        sent[subject] = time.perf_counter()
        document = {"from": sender, "to": to, "subject": subject, "message": "a body"}
        return "send", (await line.ask("POST", "/send", document))[0]

    with world() as here:
        async with Agents().listening() as agents:
            computer = await _up(here, agents, AGENTS)
            async with lines(computer, AGENTS) as open_lines:
                await asyncio.sleep(4.0)
                _, errors, reached = await offer(_pool(open_lines), AGENTS * EACH_SECOND, seconds, ask)
                lost = await agents.all_came(set(sent))
                took = Samples(
                    [agents.came[subject] - began for subject, began in sent.items() if subject in agents.came]
                )
                batches, batched = Samples(), set[str]()
                for turn in range(BATCHES):
                    messages = [
                        {"to": f"agent-{n % AGENTS}", "subject": f"batch {turn} {n}", "message": "a body"}
                        for n in range(BATCH)
                    ]
                    batched |= {one["subject"] for one in messages}
                    began = time.perf_counter()
                    status, _ = await open_lines[0].ask("POST", "/send", {"messages": messages})
                    batches.add(time.perf_counter() - began)
                    errors += status != 200
                    await agents.all_came(batched)
                    await asyncio.sleep(0.3)  # the ends of these are still being written down
                lost |= await agents.all_came(batched)
            memory = _memory(computer, f"with {AGENTS} agents, after the exchange")
            checks = await _checks(computer)
    p99 = took.percentile(99)
    return [
        Row(
            SPEED,
            f"{AGENTS} agents, each {EACH_SECOND:g} message a second to another: from send to the agent's call",
            f"p50 {ms(took.p50)}, p99 {ms(p99)} (n={len(took.values)})",
            f"{reached:.0f}/s, {errors} errors, {len(lost)} lost",
            None,
            "p99 < 100 ms, none lost",
            p99 < 0.1 and not lost and not errors,
        ),
        Row(
            SPEED,
            f"accept {BATCH} messages in one request",
            batches.short(),
            "",
            None,
            "p95 < 50 ms",
            batches.p95 < 0.05,
        ),
        memory,
        checks,
        _decision(),
    ]


async def _checks(computer: Computer) -> Row:
    """Measure what the process takes of the processor while nothing happens but one round of health checks."""
    assert computer.daemon is not None
    before = _processor(computer.daemon.pid)
    await asyncio.sleep(CHECKED)
    share = (_processor(computer.daemon.pid) - before) / CHECKED
    return Row(
        SPEED, f"{AGENTS} agents checked every {CHECKED:g} s", f"{share:.1%} of a core", "", None, "< 5 %", share < 0.05
    )


def _processor(pid: int) -> float:
    """Return the processor time of a process in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _decision() -> Row:
    """Measure who may take a message, and which of them gets it now, where all of the agents may."""
    specs = [AgentSpec(name=f"agent-{n}", kind="inbox", types=("work",)) for n in range(AGENTS)]
    loads = {spec.name: Load(queued=n % 7, latency=0.001 * (n % 11)) for n, spec in enumerate(specs)}
    took = Samples([timed(lambda: choose(route("", "work", specs, {}, (), "2").agents, loads)) for _ in range(500)])
    return Row(SPEED, f"routing decision among {AGENTS} agents", took.short(), "", None, "< 1 ms", took.p95 < 0.001)


async def _disk(folder: Path, name: str) -> Samples:
    """Measure what the disk takes for one durable transaction; every message costs at least one."""
    samples = Samples()
    with contextlib.closing(sqlite3.connect(folder / f"beside-{name}.sqlite3", isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("PRAGMA synchronous=FULL")
        conn.execute("CREATE TABLE rows (text TEXT)")
        for number in range(100):
            samples.add(timed(lambda: conn.execute("INSERT INTO rows VALUES (?)", (number,))))  # noqa: B023  now
            await asyncio.sleep(0.02)
    return samples


def _memory(computer: Computer, when: str) -> Row:
    assert computer.daemon is not None
    found = resident(computer.daemon.pid)
    return Row(
        SPEED, f"memory of the process {when}", f"{found:.0f} MB", "", None, f"< {LIMIT_MB} MB", found < LIMIT_MB
    )


def measure(*, full: bool = False) -> list[Row]:
    """Run everything of this module."""
    seconds = 60.0 if full else 10.0
    return [*asyncio.run(clients(seconds)), *asyncio.run(exchange(seconds))]

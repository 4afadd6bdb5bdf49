"""One machine with a real journal, a real ledger and a real dispatcher, whose agents do as a test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from gitsync import clock
from gitsync.agents.base import Delivery, Outcome
from gitsync.agents.spec import AgentSpec
from gitsync.dispatch.dispatcher import Dispatcher
from gitsync.dispatch.events import Event
from gitsync.dispatch.settings import DispatchSettings
from gitsync.inbox import Envelope, candidates
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.protocol.identity import Machine
from gitsync.tasks.asks import asks
from gitsync.tasks.tasks import Tasks
from gitsync.tasks.values import Json, Rules, TaskAsk, TaskSettings

Deed = Callable[[Delivery], Awaitable[Outcome]]


class Worker:
    """An agent inside the test; it remembers what it was given, and does what `deed` says."""

    def __init__(self, name: str, deed: Deed | None = None, **spec: Any) -> None:
        self.spec = AgentSpec(name=name, kind="http", url="http://127.0.0.1:9", **spec)
        self.name, self.kind = name, "http"
        self.deed = deed
        self.given: list[Delivery] = []

    async def deliver(self, delivery: Delivery) -> Outcome:
        self.given.append(delivery)
        if self.deed is not None:
            return await self.deed(delivery)
        return Outcome(kind="done", reply=f"{self.name} did: {delivery.body}")

    async def health(self) -> tuple[str, str]:
        return "online", ""

    async def close(self) -> None:
        return


class Puller(Worker):
    """An agent that takes its messages from its inbox."""

    def __init__(self, name: str, **spec: Any) -> None:
        super().__init__(name)
        self.spec = AgentSpec(name=name, kind="inbox", **spec)
        self.kind = "inbox"


def outcome(kind: Any, **more: Any) -> Deed:
    """Make a deed that ends so."""

    async def deed(_delivery: Delivery) -> Outcome:
        return Outcome(kind=kind, **more)

    return deed


class Gate:
    """A deed that goes on when the test opens it."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self, delivery: Delivery) -> Outcome:
        await self.open.wait()
        return Outcome(kind="done", reply=f"late: {delivery.body}")


class Bench:
    """One machine; what its tasks told is in `changes`."""

    def __init__(
        self, root: Path, *workers: Worker, machine: str = "2", fleet: Sequence[Json] = (), **rules: Any
    ) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.machine = Machine(machine)
        self.workers = {worker.name: worker for worker in workers}
        self.fleet = list(fleet)
        self.changes: list[Json] = []
        self.sent: list[bool] = []
        self.settings = TaskSettings(retry_backoff=0.0)
        self.rules = Rules(agents=tuple(worker.spec for worker in workers), **rules)
        self.dispatcher: Dispatcher | None = None
        self.open()

    def open(self) -> None:
        """Open the stores, as a start of the process does."""
        self.journal = Journal(self.root / "journal.sqlite3")
        self.ledger = Ledger(self.root / "ledger.sqlite3")
        self.tasks = Tasks(
            self.journal,
            self.ledger,
            self.machine,
            self.rules,
            self.settings,
            fleet=lambda: self.fleet,
            changed=self.changes.append,
            sent=self.sent.append,
        )

    def close(self) -> None:
        self.journal.close()
        self.ledger.close()

    def configure(self, **settings: Any) -> None:
        """Change the settings of tasks."""
        self.settings = TaskSettings(**{"retry_backoff": 0.0, **settings})
        self.tasks.configure(self.rules, self.settings)

    def submit(self, content: str = "do it", **ask: Any) -> str:
        return str(self.tasks.submit(TaskAsk(content=content, **ask))["task_id"])

    def task(self, ident: str) -> Json:
        found = self.tasks.get(ident)
        assert found is not None
        return found

    def status(self, ident: str) -> str:
        return str(self.task(ident)["status"])

    def path(self, ident: str) -> list[str]:
        """Give the states that a task went through."""
        found: list[str] = []
        for entry in self.task(ident)["history"]:
            if not found or found[-1] != entry["status"]:
                found.append(entry["status"])
        return found

    def waiting(self) -> list[Envelope]:
        return candidates(self.ledger, self.journal, self.machine.id)

    def ingest(self) -> None:
        self.tasks.take([envelope for envelope in self.waiting() if asks(envelope)])

    def tick(self, later: float = 0.0) -> float | None:
        return self.tasks.tick(clock.unix() + later)

    @contextlib.asynccontextmanager
    async def working(self, **settings: Any) -> AsyncIterator[Dispatcher]:
        """Let the agents work."""

        async def claim(_ident: str) -> Any:
            return "won"

        def observe(event: Event) -> None:
            self.tasks.note([event])

        dispatcher = self.dispatcher = Dispatcher(
            self.journal,
            self.ledger,
            self.workers,
            DispatchSettings(
                machine=self.machine,
                routes=self.rules.routes,
                policies=self.rules.policies,
                **{"backoff": 0.01, **settings},
            ),
            lambda: [envelope for envelope in self.waiting() if not asks(envelope)],
            claim=claim,
            observe=observe,
        )
        await dispatcher.recover()
        self.tasks.resume()
        await dispatcher.consider()
        try:
            yield dispatcher
        finally:
            await dispatcher.drain(0)

    async def until(self, holds: Callable[[], bool], limit: float = 30.0) -> None:
        """Tick and look until something holds."""
        end = clock.monotonic() + limit
        while not holds():
            assert clock.monotonic() < end, "it did not happen"
            self.tick()
            if self.dispatcher is not None:
                await self.dispatcher.consider()
            await asyncio.sleep(0.005)

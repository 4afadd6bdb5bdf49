"""A machine with a real journal, a real ledger, real services, and a branch that a test writes by hand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gitsync import clock
from gitsync.agents.base import Agent
from gitsync.agents.opening import open_agents
from gitsync.agents.spec import AgentSpec
from gitsync.dispatch.dispatcher import Claim, Dispatcher
from gitsync.dispatch.settings import DispatchSettings
from gitsync.inbox import Envelope, candidates
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import Batch, Intent, Row, Told, message_key, receipt_of
from gitsync.protocol.blocks import content_hash
from gitsync.protocol.identity import Machine
from gitsync.protocol.message import Message, read, write
from gitsync.protocol.receipts import Receipt

ME = Machine("2", "The Builder")


class World:
    """One machine, `2`; tests play the branch and the other machines."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal = Journal(root / "journal.sqlite3")
        self.ledger = Ledger(root / "ledger.sqlite3")
        self.agents: dict[str, Agent] = {}
        self.changes = 0
        self.answers: list[Claim] = []
        self.claimed: list[str] = []
        self.released: list[str] = []
        self._numbers = itertools.count()
        self._memory: dict[str, Envelope] = {}

    def close(self) -> None:
        self.journal.close()
        self.ledger.close()

    def arrive(self, *messages: Message, place: str = "2", **flags: Any) -> None:
        """Put messages on the branch."""
        rows = {}
        for message in messages:
            sender = message.sender.partition("/")[0]
            key = message_key(sender, place, message.id)
            rows[key] = Row(
                seq=0,
                key=key,
                sender=sender,
                to=place,
                message=message,
                date_raw=message.date,
                path=f"messages/{sender}_TO_{place}.md",
                line=1,
                content=content_hash(write(message)),
                commit="c",
                commit_date=message.date,
                **{"mine": True, "open": True, **flags},
            )
        self._apply(arrived=rows)

    def edit(self, message: Message, place: str = "2") -> None:
        """Put another text of a message on the branch."""
        (row,) = self.ledger.message(message.id)
        self._apply(changed=[(replace(row, message=message, content=content_hash(write(message))), False)])

    def candidates_for(self, spec: Mapping[str, Any]) -> list[str]:
        """Give the keys of what may be handed to an agent `worker` with these settings."""
        amend = ["worker"] if spec.get("amendments") else []
        return [one.key for one in candidates(self.ledger, self.journal, ME.id, amend=amend)]

    def forget(self) -> None:
        """Lose the journal."""
        self.journal.close()
        for file in self.root.glob("journal.sqlite3*"):
            file.unlink()
        self.journal = Journal(self.root / "journal.sqlite3")

    def told(self, machine: str, receipt: Receipt) -> None:
        """Put another machine's receipt on the branch."""
        self._apply(receipts=[Told(machine, receipt)])

    def _apply(self, **what: Any) -> None:
        head = f"head{next(self._numbers)}"
        assert self.ledger.apply(Batch(base=self.ledger.head(), head=head, **what), ME.id)

    def land(self) -> None:
        """Let the outbox reach the branch."""
        pending = self.journal.pending()
        told = [Told(ME.id, receipt_of(op)) for op in pending if op.kind == "receipt"]
        self.journal.landed([op.seq for op in pending], "landed")
        self._apply(receipts=told)

    def dispatcher(self, *specs: AgentSpec, environ: Mapping[str, str] | None = None, **settings: Any) -> Dispatcher:
        """Open agents and a dispatcher, as a start of the process does."""
        refresh, allowed = settings.pop("refresh", None), settings.pop("allowed", lambda: True)
        fresh = settings.pop("candidates", None)
        watchers = {name: settings.pop(name) for name in ("observe", "failed", "fault") if name in settings}
        self.agents = open_agents(specs, self.root, environ=environ, around=settings.pop("around", None))
        quick = {"backoff": 0.05, "claim_wait": (0.0, 0.01), "claim_wait_worse": (0.3, 0.3)}
        return Dispatcher(
            self.journal,
            self.ledger,
            self.agents,
            DispatchSettings(machine=ME, **{**quick, **settings}),
            fresh or (lambda: self.candidates(*specs)),
            claim=self._claim,
            release=self._release,
            refresh=refresh,
            changed=self._changed,
            allowed=allowed,
            **watchers,
        )

    def candidates(self, *specs: AgentSpec) -> list[Envelope]:
        """Give what may be handed over now."""
        amend = [spec.name for spec in specs if spec.amendments]
        return candidates(self.ledger, self.journal, ME.id, amend=amend, memory=self._memory)

    async def _claim(self, ident: str) -> Claim:
        self.claimed.append(ident)
        return self.answers.pop(0) if self.answers else "won"

    async def _release(self, ident: str) -> None:
        self.released.append(ident)

    def _changed(self) -> None:
        self.changes += 1

    def intents(self) -> list[Intent]:
        return self.journal.intents()

    def states(self) -> list[tuple[str, str]]:
        return [(intent.agent, intent.state) for intent in self.intents()]

    def receipts(self) -> list[Receipt]:
        return [receipt_of(op) for op in self.journal.pending() if op.kind == "receipt"]

    def outcomes(self) -> list[str]:
        return [receipt.outcome for receipt in self.receipts()]

    def replies(self) -> list[Message]:
        return [read(op.payload) for op in self.journal.pending() if op.kind == "message"]


@contextlib.asynccontextmanager
async def running(world: World, dispatcher: Dispatcher) -> AsyncIterator[Dispatcher]:
    """Recover, and end everything afterwards."""
    await dispatcher.recover()
    try:
        yield dispatcher
    finally:
        await dispatcher.drain(0)
        for agent in world.agents.values():
            await agent.close()


async def until(holds: Callable[[], bool], limit: float = 40.0) -> None:
    """Wait for something to become true."""
    end = clock.monotonic() + limit
    while not holds():
        assert clock.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.005)


def letter(**changes: Any) -> Message:
    """Make a message from machine 1 to machine 2."""
    values: dict[str, Any] = {
        "id": clock.new_id(),
        "sender": "1/mechanic",
        "to": ("2/worker",),
        "subject": "Build it",
        "body": "please",
        "date": clock.stamp(),
    }
    return Message(**{**values, **changes})

"""Answer the HTTP surface out of the running process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from gitsync import __version__, clock
from gitsync.api.control import Json, SendAsk, SyncAsk
from gitsync.daemon.process import Process
from gitsync.errors import UsageError
from gitsync.inbox import messages_view
from gitsync.machine import computers_document, own_state, status_document, sync_document
from gitsync.outbox import send
from gitsync.sync.engine import Request

T = TypeVar("T")


class ProcessControl:
    """The `gitsync.api.control.Control` of a running machine."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def about(self) -> Json:
        """Return service, version, state, uptime in seconds and totals."""
        process = self._process
        return {
            "service": "gitsync",
            "version": __version__,
            "machine": process.settings.machine.id,
            "state": "healthy" if not process.unhealthy() else "unhealthy",
            "uptime_s": round(clock.monotonic() - process.started, 1),
            "totals": {"cycles": process.syncing.cycles_run, **process.opened.ledger.counters()},
        }

    def health(self) -> tuple[bool, Json]:
        """Return whether syncing works, by I8, and the facts behind it."""
        process = self._process
        reasons = process.unhealthy()
        facts = process.facts()
        return not reasons, {
            "healthy": not reasons,
            "reasons": list(reasons),
            "machine": process.settings.machine.id,
            "last_contact_s": _rounded(facts.contact_age),
            "oldest_pending_s": _rounded(facts.pending_age),
            "interval_s": facts.interval,
            "folder": process.syncing.last.folder if process.syncing.last is not None else "ok",
        }

    async def status(self) -> Json:
        """Return the document of ``gitsync status --json``."""
        process = self._process
        running = {"pid": process.pid, "since": process.since, "port": process.port}
        return await self._reading(
            partial(
                status_document,
                process.opened,
                last=process.syncing.last,
                contact=process.syncing.engine.contact,
                agents=process.agent_states(),
                words=process.delivering.words(),
                process=running,
            )
        )

    async def computers(self) -> Sequence[Mapping[str, Any]]:
        """Return the fleet as this machine knows it."""
        state = own_state(self._process.agent_states())
        return await self._reading(partial(computers_document, self._process.opened, state))

    async def messages(self, limit: int, before: str | None) -> Sequence[Mapping[str, Any]]:
        """Return the newest messages first, or those that came before the message with that id."""
        opened = self._process.opened
        machine_id = self._process.settings.machine.id
        return await self._reading(
            partial(messages_view, opened.ledger, opened.journal, machine_id, limit=limit, before=before)
        )

    async def sync(self, ask: SyncAsk) -> Json:
        """Run one cycle and return the document of ``gitsync sync --json``."""
        result = await self._process.syncing.sync(
            Request(
                settle_now=True,
                accept_rewrite=ask.accept_rewrite,
                accept_deletions=ask.accept_deletions,
                retry=True,
            )
        )
        return sync_document(result)

    async def send(self, ask: SendAsk) -> Json:
        """Accept a message durably; return its id and status."""
        process = self._process
        opened = process.opened
        message = send(
            opened.journal,
            process.settings.machine,
            opened.fleet(),
            process.delivering.names(),
            ask.to,
            ask.subject,
            ask.body,
            ledger=opened.ledger,
            sender_agent=self._sender(ask.sender),
            type=ask.type,
            priority=ask.priority,
            thread=ask.thread,
            in_reply_to=ask.in_reply_to,
        )
        local = opened.journal.local(message.id) is not None
        process.sent(local=local)
        return {"id": message.id, "status": "local" if local else "queued"}

    def wake(self) -> None:
        """Ask for a cycle soon, without waiting for it."""
        self._process.woken()

    async def reload(self) -> Json:
        """Read the settings again; return what took effect."""
        later = await self._process.reload()
        return {"status": "reloaded", "after_restart": later}

    def shutdown(self) -> None:
        """Begin the clean stop."""
        self._process.stop()

    def _sender(self, text: str) -> str | None:
        """Return the local agent that a request speaks for; identity comes from the settings, never from the caller."""
        machine = self._process.settings.machine.id
        name = text.strip()
        if name in ("", machine, "self"):
            return None
        owner, slash, agent = name.partition("/")
        if slash and owner not in (machine, "self"):
            raise UsageError(
                f"cannot send as {name}", f"this machine is {machine}", "leave 'from' out, or name an agent"
            )
        agent = agent if slash else name
        if agent not in self._process.delivering.names():
            raise UsageError(f"no agent {agent} on this machine", "field 'from' names it", "see gitsync agents")
        return agent

    async def _reading(self, read: Callable[[], T]) -> T:
        """Read the stores on a thread, so that a long answer holds nobody up."""
        return await asyncio.to_thread(read)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)

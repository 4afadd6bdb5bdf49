"""Answer the HTTP surface out of the running process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Any, TypeVar

from gitsync import __version__, clock
from gitsync.api.control import AckAsk, Exchange, Json, ReplyAsk, SendAsk, Stream, SyncAsk, ToolsAsk
from gitsync.daemon import scrape
from gitsync.daemon.events import tell_message
from gitsync.daemon.process import Process
from gitsync.daemon.sending import Sending, sent
from gitsync.documents import computers_document, kept_back, own_state, status_document, sync_document
from gitsync.errors import NotFound
from gitsync.inbox import (
    ack,
    approvals_view,
    inbox_view,
    messages_view,
    release,
    search_view,
    show_view,
    take,
    thread_view,
)
from gitsync.outbox import reply
from gitsync.protocol.message import Message
from gitsync.routing import INBOX
from gitsync.sync.engine import Request
from gitsync.tasks.values import TaskAsk

T = TypeVar("T")

FRESH = 0.25
"""Seconds for which the registry is not written down anew while only queues and figures have changed."""

_SESSIONS = "sessions"


class ProcessControl:
    """The `gitsync.api.control.Control` of a running machine."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._sending = Sending(process.opened, process.delivering.names)
        self._instances: list[Json] = []
        self._instances_of: tuple[int, float] = (-1, 0.0)

    async def about(self) -> Json:
        """Return service, version, state, uptime in seconds and totals."""
        process = self._process
        reasons = process.unhealthy()
        counters = await self._reading(process.opened.ledger.counters)
        return {
            "service": "gitsync",
            "version": __version__,
            "machine": process.settings.machine.id,
            "state": "healthy" if not reasons else "unhealthy",
            "reasons": list(reasons),
            "uptime_s": round(clock.monotonic() - process.started, 1),
            "totals": {"cycles": process.syncing.cycles_run, **counters},
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

    # -- messages ----------------------------------------------------------------------------------

    async def messages(self, limit: int, before: str | None) -> Sequence[Mapping[str, Any]]:
        """Return the newest messages first, or those that came before the message with that id."""
        return await self._reading(partial(messages_view, *self._stores, limit=limit, before=before))

    async def inbox(
        self, limit: int, before: str | None, agent: str | None, unread: bool
    ) -> Sequence[Mapping[str, Any]]:
        """Return what is addressed to this machine, or to one agent of it, newest first."""
        return await self._reading(
            partial(inbox_view, *self._stores, agent=agent, unread=unread, limit=limit, before=before)
        )

    async def message(self, ident: str) -> Mapping[str, Any]:
        """Return one message with its text and its receipts."""
        return await self._reading(partial(show_view, *self._stores, ident))

    async def thread(self, ident: str) -> Sequence[Mapping[str, Any]]:
        """Return the thread that a message is in, oldest first."""
        return await self._reading(partial(thread_view, *self._stores, ident))

    async def search(self, words: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return the messages that hold all these words, best first."""
        return await self._reading(partial(search_view, *self._stores, words, limit=limit))

    async def tools(self, ask: ToolsAsk) -> Exchange:
        """Hand a request to the process of the tools; it is begun when none runs."""
        return await self._process.tools.ask(ask)

    async def send(self, asks: Sequence[SendAsk]) -> list[Json]:
        """Accept messages durably, all or none; return id and status of each."""
        process = self._process
        outgoing = await self._sending.send(asks, [self._sender(ask.sender) for ask in asks])
        for one in outgoing:
            tell_message(process.feed, one.message)
        process.sent(local=[one.message for one in outgoing if one.local], leaves=any(one.leaves for one in outgoing))
        return [sent(one) for one in outgoing]

    async def reply(self, ident: str, ask: ReplyAsk) -> Json:
        """Answer a message; return the id and status of the answer."""
        process, opened = self._process, self._process.opened
        names, sender = process.delivering.names(), self._sender(ask.sender)

        def work() -> tuple[Message, bool]:
            message = reply(
                opened.journal,
                process.settings.machine,
                opened.fleet(),
                names,
                opened.ledger,
                ident,
                ask.body,
                subject=ask.subject,
                sender_agent=sender,
                type=ask.type,
                priority=ask.priority,
            )
            return message, opened.journal.local(message.id) is not None

        message, local = await self._reading(work)
        tell_message(process.feed, message)
        process.sent(local=[message] if local else [], leaves=not local)
        return {"id": message.id, "status": "local" if local else "queued"}

    async def take(self, ident: str, agent: str) -> Mapping[str, Any]:
        """Hand a waiting message to the agent that pulls it; return it."""
        self._known_agent(agent)
        await self._reading(partial(take, *self._stores, ident, agent))
        self._process.delivering.look()
        return await self.message(ident)

    async def ack(self, ident: str, ask: AckAsk) -> Json:
        """Settle a message."""
        await self._reading(partial(ack, *self._stores, ident, ask.outcome, agent=ask.agent, reason=ask.reason))
        self._settled(ident, ask.outcome, ask.agent)
        return {"status": ask.outcome}

    async def release(self, ident: str, agent: str | None) -> Json:
        """Let a held or uncertain message be tried again: a person's decision."""
        await self._reading(partial(release, *self._stores, ident, agent=agent))
        self._settled(ident, "released", agent)
        self._process.tasking.arrived()
        return {"status": "released"}

    async def blockers(self) -> Json:
        """Return what waits for a person: ``blockers`` and ``approvals``."""
        process = self._process
        found = [{"kind": "sync", "text": reason} for reason in process.unhealthy()]
        found += [{"kind": "agent", "text": text} for text in process.delivering.registry.blockers()]
        journal = process.opened.journal
        refused = await self._reading(journal.refused_ops)
        found += [
            {
                "kind": "message",
                "text": f"{one.op.kind} {one.op.ident} cannot be sent: {one.reason}",
                "id": one.op.ident,
            }
            for one in refused
        ]
        kept = await self._reading(journal.held)
        found += [{"kind": "message", "text": kept_back(one), "id": one.id} for one in kept]
        approvals = await self._reading(partial(approvals_view, process.opened.ledger, journal))
        return {"blockers": found, "approvals": approvals}

    def _settled(self, ident: str, state: str, agent: str | None) -> None:
        process = self._process
        process.feed.publish("delivery", "info", f"{ident}: {state} by hand", message=ident, state=state, agent=agent)
        process.delivering.look()
        process.syncing.pending()

    # -- agents ------------------------------------------------------------------------------------

    async def instances(self) -> Sequence[Mapping[str, Any]]:
        """Return the registry. The same list means that nothing has changed since, or only a moment ago."""
        registry = self._process.delivering.registry
        revision, written = self._instances_of
        now = clock.monotonic()
        if revision != registry.revision or now - written > FRESH:
            self._instances_of = (registry.revision, now)
            self._instances = registry.instances()
        return self._instances

    async def instance(self, name: str) -> Mapping[str, Any]:
        """Return one agent."""
        return self._process.delivering.registry.instance(name)

    async def add_instance(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """Register an agent at run time; raise Conflict where the name is taken."""
        return await self._process.delivering.registry.add(spec)

    async def remove_instance(self, name: str) -> Json:
        """Remove an agent that was registered at run time."""
        await self._process.delivering.registry.remove(name)
        return {"status": "removed"}

    async def act(self, name: str, verb: str) -> Mapping[str, Any]:
        """Start, stop, restart, drain or resume an agent; return it."""
        registry = self._process.delivering.registry
        if verb == "drain":
            return registry.drain(name)
        if verb == "resume":
            return registry.resume(name)
        deed = {"start": registry.start, "stop": registry.stop, "restart": registry.restart}[verb]
        return await deed(name)

    # -- tasks -------------------------------------------------------------------------------------

    async def submit(self, ask: TaskAsk) -> Json:
        """Accept a task durably; raise Busy where the queue is full."""
        return await self._process.tasking.submit(replace(ask, sender=self._sender(ask.sender) or ""))

    async def tasks(self, limit: int, before: str | None, status: str | None) -> Sequence[Mapping[str, Any]]:
        """Return tasks, newest first."""
        return await self._process.tasking.list(limit, before, status)

    async def task(self, ident: str) -> Mapping[str, Any]:
        """Return one task with its history."""
        found = await self._process.tasking.get(ident)
        if found is None:
            raise NotFound(f"no task {ident!r}", "no id of a task begins so", "see `gitsync tasks`")
        return found

    async def cancel_task(self, ident: str) -> Mapping[str, Any]:
        """Cancel a task that has not ended."""
        return await self._process.tasking.cancel(ident)

    # -- the process -------------------------------------------------------------------------------

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

    def wake(self) -> None:
        """Ask for a cycle soon, without waiting for it."""
        self._process.woken()

    async def reload(self) -> Json:
        """Read the settings again; return what took effect."""
        later = await self._process.reload()
        self._process.feed.publish("process", "info", "the settings were read again")
        return {"status": "reloaded", "after_restart": later}

    def shutdown(self) -> None:
        """Begin the clean stop."""
        self._process.stop()

    def events(self, last_id: str | None, replay: int) -> Stream:
        """Begin to listen to what happens, after the event with that id, or with some of the last ones."""
        return self._process.feed.subscribe(last_id, replay=replay)

    async def metrics(self) -> str:
        """Return the figures for Prometheus, in its text format."""
        process, instances = self._process, await self.instances()
        return await self._reading(lambda: scrape.page(process, instances, process.tasking.tasks.counts()))

    def kept_sessions(self) -> Mapping[str, float]:
        """Return the sessions of browsers: fingerprint, and the Unix second at which each ends."""
        try:
            kept = json.loads(self._process.opened.journal.meta(_SESSIONS) or "{}")
            return {str(mark): float(end) for mark, end in kept.items()}
        except (ValueError, TypeError, AttributeError):
            return {}

    def keep_sessions(self, sessions: Mapping[str, float]) -> None:
        """Keep the sessions beyond the life of the process."""
        self._process.opened.journal.set_meta(_SESSIONS, json.dumps(dict(sessions)))

    # -- within ------------------------------------------------------------------------------------

    @property
    def _stores(self) -> tuple[Any, Any, str]:
        opened = self._process.opened
        return opened.ledger, opened.journal, self._process.settings.machine.id

    def _sender(self, text: str) -> str | None:
        """Return the local agent that a request speaks for; identity comes from the settings, never from the caller."""
        machine = self._process.settings.machine.id
        name = text.strip()
        if name in ("", machine, "self"):
            return None
        owner, slash, agent = name.partition("/")
        if slash and owner not in (machine, "self"):
            raise NotFound(f"cannot send as {name}", f"this machine is {machine}", "leave 'from' out, or name an agent")
        agent = agent if slash else name
        if agent not in self._process.delivering.names():
            raise self._no_agent(agent, "from")
        return agent

    def _known_agent(self, name: str) -> None:
        if name != INBOX and name not in self._process.delivering.names():
            raise self._no_agent(name, "agent")

    def _no_agent(self, name: str, field: str) -> NotFound:
        near = get_close_matches(name[:100], self._process.delivering.names(), n=3)
        return NotFound(
            f"no agent {name} on this machine", f"field {field!r} names it", "see gitsync agents", near=near
        )

    async def _reading(self, read: Callable[[], T]) -> T:
        """Work with the stores on a thread, so that a long answer holds nobody up."""
        return await asyncio.to_thread(read)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)

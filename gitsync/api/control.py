"""What the HTTP surface asks of the running process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gitsync.tasks.values import TaskAsk

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SyncAsk:
    """One cycle, now; the flags are a person's explicit decisions."""

    accept_rewrite: bool = False
    accept_deletions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAsk:
    """One message to send. ``sender`` is a local agent's name, or empty for the machine itself."""

    sender: str
    to: str
    subject: str
    body: str
    type: str = ""
    priority: str = "normal"
    thread: str | None = None
    in_reply_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyAsk:
    """The answer to a message; it goes to who sent that, in its thread."""

    body: str
    sender: str = ""
    subject: str | None = None
    type: str = ""
    priority: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AckAsk:
    """How a message ended, said by a person or by the agent that took it."""

    outcome: str
    reason: str = ""
    agent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsAsk:
    """A request of an MCP client. ``name`` is for whom it speaks, by its address; empty: as the settings say."""

    name: str
    headers: Sequence[tuple[str, str]]
    body: bytes


class Exchange(Protocol):
    """The answer to such a request, as it comes."""

    status: int
    headers: Sequence[tuple[str, str]]

    async def take(self) -> bytes | None:
        """Give what comes next; None at the end."""

    def close(self) -> None:
        """Hang up."""


class Stream(Protocol):
    """What a reader of the events has still to be told."""

    async def take(self, seconds: float) -> bytes | None:
        """Give what there is to send; nothing after ``seconds`` without news; None at the end."""

    def close(self) -> None:
        """Leave."""


class Control(Protocol):
    """The process behind the API. Every method raises `GitsyncError` for what a person must know."""

    async def about(self) -> Json:
        """Return service, version, state, uptime in seconds and totals."""

    def health(self) -> tuple[bool, Json]:
        """Return whether syncing works, by I8, and the facts behind it."""

    async def status(self) -> Json:
        """Return the document of ``gitsync status --json``."""

    async def computers(self) -> Sequence[Mapping[str, Any]]:
        """Return the fleet as this machine knows it."""

    async def search(self, words: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return the messages that hold all these words, best first."""

    async def tools(self, ask: ToolsAsk) -> Exchange:
        """Hand a request to the process of the tools; it is begun when none runs."""

    # -- messages ----------------------------------------------------------------------------------

    async def messages(self, limit: int, before: str | None) -> Sequence[Mapping[str, Any]]:
        """Return the newest messages first, or those that came before the message with that id."""

    async def inbox(
        self, limit: int, before: str | None, agent: str | None, unread: bool
    ) -> Sequence[Mapping[str, Any]]:
        """Return what is addressed to this machine, or to one agent of it, newest first."""

    async def message(self, ident: str) -> Mapping[str, Any]:
        """Return one message with its text and its receipts."""

    async def thread(self, ident: str) -> Sequence[Mapping[str, Any]]:
        """Return the thread that a message is in, oldest first."""

    async def send(self, asks: Sequence[SendAsk]) -> list[Json]:
        """Accept messages durably, all or none; return id and status of each."""

    async def reply(self, ident: str, ask: ReplyAsk) -> Json:
        """Answer a message; return the id and status of the answer."""

    async def take(self, ident: str, agent: str) -> Mapping[str, Any]:
        """Hand a waiting message to the agent that pulls it; return it."""

    async def ack(self, ident: str, ask: AckAsk) -> Json:
        """Settle a message."""

    async def release(self, ident: str, agent: str | None) -> Json:
        """Let a held or uncertain message be tried again: a person's decision."""

    async def blockers(self) -> Json:
        """Return what waits for a person: ``blockers`` and ``approvals``."""

    # -- agents ------------------------------------------------------------------------------------

    async def instances(self) -> Sequence[Mapping[str, Any]]:
        """Return the registry. The same list means that nothing has changed since."""

    async def instance(self, name: str) -> Mapping[str, Any]:
        """Return one agent."""

    async def add_instance(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """Register an agent at run time; raise Conflict where the name is taken."""

    async def remove_instance(self, name: str) -> Json:
        """Remove an agent that was registered at run time."""

    async def act(self, name: str, verb: str) -> Mapping[str, Any]:
        """Start, stop, restart, drain or resume an agent; return it."""

    # -- tasks -------------------------------------------------------------------------------------

    async def submit(self, ask: TaskAsk) -> Json:
        """Accept a task durably; raise Busy where the queue is full."""

    async def tasks(self, limit: int, before: str | None, status: str | None) -> Sequence[Mapping[str, Any]]:
        """Return tasks, newest first."""

    async def task(self, ident: str) -> Mapping[str, Any]:
        """Return one task with its history."""

    async def cancel_task(self, ident: str) -> Mapping[str, Any]:
        """Cancel a task that has not ended."""

    # -- the process -------------------------------------------------------------------------------

    async def sync(self, ask: SyncAsk) -> Json:
        """Run one cycle and return the document of ``gitsync sync --json``."""

    def wake(self) -> None:
        """Ask for a cycle soon, without waiting for it."""

    async def reload(self) -> Json:
        """Read the settings again; return what took effect."""

    def shutdown(self) -> None:
        """Begin the clean stop."""

    def events(self, last_id: str | None, replay: int) -> Stream:
        """Begin to listen to what happens, after the event with that id, or with some of the last ones."""

    async def metrics(self) -> str:
        """Return the figures for Prometheus, in its text format."""

    def kept_sessions(self) -> Mapping[str, float]:
        """Return the sessions of browsers: fingerprint, and the Unix second at which each ends."""

    def keep_sessions(self, sessions: Mapping[str, float]) -> None:
        """Keep the sessions beyond the life of the process; called on a thread, since it waits for the disk."""

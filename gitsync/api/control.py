"""What the HTTP surface asks of the running process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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


class Control(Protocol):
    """The process behind the API. Every method raises `GitsyncError` for what a person must know."""

    def about(self) -> Json:
        """Return service, version, state, uptime in seconds and totals."""

    def health(self) -> tuple[bool, Json]:
        """Return whether syncing works, by I8, and the facts behind it."""

    async def status(self) -> Json:
        """Return the document of ``gitsync status --json``."""

    async def computers(self) -> Sequence[Mapping[str, Any]]:
        """Return the fleet as this machine knows it."""

    async def messages(self, limit: int, before: str | None) -> Sequence[Mapping[str, Any]]:
        """Return the newest messages first, or those that came before the message with that id."""

    async def sync(self, ask: SyncAsk) -> Json:
        """Run one cycle and return the document of ``gitsync sync --json``."""

    async def send(self, ask: SendAsk) -> Json:
        """Accept a message durably; return its id and status."""

    def wake(self) -> None:
        """Ask for a cycle soon, without waiting for it."""

    async def reload(self) -> Json:
        """Read the settings again; return what took effect."""

    def shutdown(self) -> None:
        """Begin the clean stop."""

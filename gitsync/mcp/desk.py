"""Where the tools get their answers: from the running process, or from the stores where none runs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import httpx

from gitsync.client import AsyncClient, NoAnswer
from gitsync.config.settings import Settings
from gitsync.errors import GitsyncError
from gitsync.mcp.direct import Direct
from gitsync.mcp.who import Who
from gitsync.sync.lock import holder

T = TypeVar("T")
Json = dict[str, Any]
Entry = Mapping[str, Any]

ASKED_AGAIN = "whether it was taken nobody can tell: look at the thread before you send it again"


class Desk(Protocol):
    """What is asked for on behalf of one `Who`; failures are `GitsyncError`."""

    note: str
    """What the reader must know besides: empty while a process runs."""

    async def inbox(self, *, unread: bool, limit: int) -> Sequence[Entry]:
        """Return what is addressed to it, newest first."""

    async def show(self, ident: str) -> Entry:
        """Return one message with its text."""

    async def thread(self, ident: str) -> Sequence[Entry]:
        """Return the thread of a message, oldest first."""

    async def search(self, words: str, limit: int) -> Sequence[Entry]:
        """Return the messages that hold all these words."""

    async def send(self, to: str, text: str, **fields: Any) -> Json:
        """Send durably; return id and status."""

    async def reply(self, ident: str, text: str) -> Json:
        """Answer durably; return id and status."""

    async def take(self, ident: str) -> Entry:
        """Take a waiting message; return it."""

    async def ack(self, ident: str, outcome: str, reason: str) -> None:
        """Settle a message."""

    async def fleet(self) -> Sequence[Entry]:
        """Return the computers."""

    async def submit(self, content: str, **fields: Any) -> Json:
        """Submit a task; return it."""

    async def task(self, ident: str) -> Entry:
        """Return a task with its history."""


class Through:
    """Ask the running process over its HTTP surface."""

    note = ""

    def __init__(self, client: AsyncClient, who: Who) -> None:
        self._client = client
        self._who = who

    async def inbox(self, *, unread: bool, limit: int) -> Sequence[Entry]:
        """Return what is addressed to it, newest first."""
        return await self._client.inbox(agent=self._who.agent or None, unread=unread, limit=limit)

    async def show(self, ident: str) -> Entry:
        """Return one message with its text."""
        return await self._client.message(ident)

    async def thread(self, ident: str) -> Sequence[Entry]:
        """Return the thread of a message, oldest first."""
        return await self._client.thread(ident)

    async def search(self, words: str, limit: int) -> Sequence[Entry]:
        """Return the messages that hold all these words."""
        return await self._client.search(words, limit=limit)

    async def send(self, to: str, text: str, **fields: Any) -> Json:
        """Send durably; return id and status."""
        return await self._client.send(to, text, sender=self._sender, **fields)

    async def reply(self, ident: str, text: str) -> Json:
        """Answer durably; return id and status."""
        return await self._client.reply(ident, text, sender=self._sender)

    async def take(self, ident: str) -> Entry:
        """Take a waiting message; return it."""
        return await self._client.take(ident, self._who.box)

    async def ack(self, ident: str, outcome: str, reason: str) -> None:
        """Settle a message."""
        await self._client.ack(ident, outcome, reason=reason, agent=self._who.agent or None)

    async def fleet(self) -> Sequence[Entry]:
        """Return the computers."""
        return await self._client.computers()

    async def submit(self, content: str, **fields: Any) -> Json:
        """Submit a task; return it."""
        kind = fields.pop("type", None) or ""
        return await self._client.submit(kind, content, sender=self._sender, **fields)

    async def task(self, ident: str) -> Entry:
        """Return a task with its history."""
        return await self._client.task(ident)

    @property
    def _sender(self) -> str | None:
        return self._who.agent or None


class Desks:
    """Find the right desk for each call: the process may come and go while an agent's session goes on."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._clients: dict[tuple[str, str], AsyncClient] = {}
        self._direct: dict[Who, Direct] = {}

    async def ask(self, who: Who, do: Callable[[Desk], Awaitable[T]]) -> T:
        """Carry one call out.

        A process that ends before it was reached makes room for the stores; one that breaks off in the middle may have
        done what was asked, and that is said.
        """
        place = self._place()
        if place is not None:
            try:
                return await do(Through(await self._client(*place), who))
            except NoAnswer as error:
                if not isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout):
                    raise GitsyncError(error.what, f"{error.why}; {ASKED_AGAIN}", error.remedy) from error
                if self._place() == place:
                    raise
        return await do(self._direct.setdefault(who, Direct(self.settings, who)))

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    def _place(self) -> tuple[str, str] | None:
        """Say where the process listens, and its token; None where none runs, whatever a killed one left behind."""
        settings = self.settings
        try:
            place = json.loads(settings.daemon_file.read_bytes())
            pid, port = int(place["pid"]), int(place["port"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        owner = holder(settings.clone_lock_file)
        if owner is None or owner.pid != pid:
            return None
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api.host, settings.api.host)
        try:
            token = settings.token_file.read_text().strip()
        except OSError as error:
            raise GitsyncError(
                "the token of the running process cannot be read",
                f"{settings.token_file}: {error.strerror}",
                "run: gitsync init   (it writes a new one), then gitsync restart",
            ) from error
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", token

    async def _client(self, url: str, token: str) -> AsyncClient:
        if (url, token) not in self._clients:
            await self.close()
            self._clients[url, token] = AsyncClient(url, token)
        return self._clients[url, token]

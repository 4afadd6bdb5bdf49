"""Talk to a running machine from an asynchronous Python program: the calls of the HTTP surface, as methods.

    async with AsyncClient.find() as machine:
        sent = await machine.send("2/builder", "Build the landing page", priority="high")
        task = await machine.submit("build_project", "the landing page", wait=120)
        async for event in machine.events():
            print(event["text"])

Failures are `gitsync.errors.GitsyncError`, as the command line has them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from gitsync import clock
from gitsync.api.failures import heard
from gitsync.errors import Busy, GitsyncError, TryLater
from gitsync.ledger.tasks import ENDED

Json = dict[str, Any]

QUICK = 10.0
"""Seconds an ordinary call may take."""
CYCLE = 300.0
"""Seconds a cycle, or the end and start of a program, may take."""
POLL = 0.2
"""Seconds between two looks at a task that is waited for."""
SILENCE = 45.0
"""Seconds without even a heartbeat after which a stream of events counts as broken."""
AGAIN = 1.0
"""Seconds until a broken stream is taken up again."""


class NoAnswer(TryLater):
    """There is no process, or it does not answer."""


class AsyncClient:
    """One machine's process; safe to share among the tasks of one loop."""

    def __init__(self, url: str, token: str = "") -> None:
        """Talk to ``url``; without a token only what reads is allowed."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # No limit to connections: each stream of events holds one, and the other calls must not wait for it.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=QUICK, limits=limits, trust_env=False)

    @classmethod
    def find(cls, folder: str | Path = ".") -> Self:
        """Find the process of the machine that a folder belongs to, from there upward.

        Raises NoAnswer where none runs.
        """
        start = Path(folder).resolve()
        for place in (start, *start.parents):
            own = place / ".gitsync"
            if (own / "daemon.json").is_file():
                return cls(*_place(own))
        raise NoAnswer(
            f"no running gitsync for {start}",
            "there is no .gitsync/daemon.json from here upward",
            "gitsync up --detach",
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # -- reading -----------------------------------------------------------------------------------

    async def about(self) -> Json:
        """Return service, version, state, uptime and totals."""
        return await self._object("GET", "/")

    async def health(self) -> Json:
        """Return ``healthy`` and the ``reasons`` where it is not."""
        return await self._object("GET", "/health", also=503)

    async def status(self) -> Json:
        """Return this machine, its fleet and its agents."""
        return await self._object("GET", "/status")

    async def computers(self) -> list[Json]:
        """Return the fleet."""
        return await self._rows("/computers")

    async def blockers(self) -> Json:
        """Return what waits for a person: ``blockers`` and ``approvals``."""
        return await self._object("GET", "/blockers")

    async def metrics(self) -> str:
        """Return the figures in the text format of Prometheus."""
        return (await self._answer("GET", "/metrics")).text

    # -- messages ----------------------------------------------------------------------------------

    async def messages(self, *, limit: int = 50, before: str | None = None) -> list[Json]:
        """Return messages, newest first; go on with ``before``, the last id of a page."""
        return await self._rows("/messages", limit=limit, before=before)

    async def inbox(
        self, *, agent: str | None = None, unread: bool = False, limit: int = 50, before: str | None = None
    ) -> list[Json]:
        """Return what is addressed to this machine or to one agent of it, newest first."""
        return await self._rows("/inbox", agent=agent, unread="true" if unread else None, limit=limit, before=before)

    async def message(self, ident: str) -> Json:
        """Return one message with its text and receipts."""
        return await self._object("GET", f"/messages/{_part(ident)}")

    async def thread(self, ident: str) -> list[Json]:
        """Return the thread that a message is in, oldest first."""
        return await self._rows(f"/threads/{_part(ident)}")

    async def search(self, words: str, *, limit: int = 50) -> list[Json]:
        """Return the messages that hold all these words, best first."""
        return await self._rows("/search", words=words, limit=limit)

    async def send(self, to: str, message: str, **fields: Any) -> Json:
        """Send; ``fields`` are subject, sender, type, priority, thread, in_reply_to. Return id and status."""
        return await self._object("POST", "/send", _sending({"to": to, "message": message, **fields}))

    async def send_many(self, messages: Sequence[Mapping[str, Any]]) -> list[Json]:
        """Send up to 100 messages, all or none; each as the arguments of `send`."""
        found = await self._object("POST", "/send", {"messages": [_sending(one) for one in messages]})
        results: list[Json] = found["results"]
        return results

    async def reply(self, ident: str, message: str, **fields: Any) -> Json:
        """Answer a message; return id and status of the answer."""
        return await self._object("POST", f"/messages/{_part(ident)}/reply", _sending({"message": message, **fields}))

    async def take(self, ident: str, agent: str) -> Json:
        """Take a waiting message, as the agent that pulls it; return it."""
        return await self._object("POST", f"/messages/{_part(ident)}/take", {"agent": agent})

    async def ack(self, ident: str, outcome: str, *, reason: str = "", agent: str | None = None) -> Json:
        """Say how a message ended: done, failed or refused."""
        body = {"outcome": outcome, "reason": reason, "agent": agent}
        return await self._object("POST", f"/messages/{_part(ident)}/ack", body)

    async def release(self, ident: str, *, agent: str | None = None) -> Json:
        """Let a held or uncertain message be tried again."""
        return await self._object("POST", f"/messages/{_part(ident)}/release", {"agent": agent})

    # -- agents ------------------------------------------------------------------------------------

    async def instances(self) -> list[Json]:
        """Return the agents of this machine."""
        return await self._rows("/instances")

    async def instance(self, name: str) -> Json:
        """Return one agent."""
        return await self._object("GET", f"/instances/{_part(name)}")

    async def add_instance(self, name: str, kind: str, **spec: Any) -> Json:
        """Register an agent of kind http or inbox; ``spec`` as in config.toml."""
        return await self._object("POST", "/instances", {"name": name, "kind": kind, **spec})

    async def remove_instance(self, name: str) -> Json:
        """Remove an agent that was registered at run time."""
        return await self._object("DELETE", f"/instances/{_part(name)}")

    async def start(self, name: str) -> Json:
        """Run an agent's program."""
        return await self._act(name, "start")

    async def stop(self, name: str) -> Json:
        """End an agent's program."""
        return await self._act(name, "stop")

    async def restart(self, name: str) -> Json:
        """End an agent's program and run it again."""
        return await self._act(name, "restart")

    async def drain(self, name: str) -> Json:
        """Give an agent nothing new."""
        return await self._act(name, "drain")

    async def resume(self, name: str) -> Json:
        """Give an agent work again."""
        return await self._act(name, "resume")

    async def _act(self, name: str, verb: str) -> Json:
        return await self._object("POST", f"/instances/{_part(name)}/{verb}", timeout=CYCLE)

    # -- tasks -------------------------------------------------------------------------------------

    async def submit(self, type: str, content: str, *, wait: float = 0.0, **fields: Any) -> Json:  # noqa: A002
        """Submit a task; ``fields`` are priority, deadline, retries, subject, sender, to.

        With ``wait`` return it with its history once it has ended, or as it is after so many seconds. Raises Busy
        where the queue is full.
        """
        task = await self._object("POST", "/task", _sending({"type": type, "content": content, **fields}))
        if not wait:
            return task
        until = clock.monotonic() + wait
        while (task := await self.task(task["task_id"]))["status"] not in ENDED and clock.monotonic() < until:
            await asyncio.sleep(POLL)
        return task

    async def tasks(self, *, limit: int = 50, before: str | None = None, status: str | None = None) -> list[Json]:
        """Return tasks, newest first."""
        return await self._rows("/tasks", limit=limit, before=before, status=status)

    async def task(self, ident: str) -> Json:
        """Return one task with its history."""
        return await self._object("GET", f"/tasks/{_part(ident)}")

    async def cancel_task(self, ident: str) -> Json:
        """End a task that has not ended."""
        return await self._object("POST", f"/tasks/{_part(ident)}/cancel")

    # -- the process -------------------------------------------------------------------------------

    async def sync(self, *, accept_rewrite: bool = False, accept_deletions: bool = False) -> Json:
        """Run one cycle now."""
        body = {"accept_rewrite": accept_rewrite, "accept_deletions": accept_deletions}
        return await self._object("POST", "/sync", body, timeout=CYCLE)

    async def wake(self) -> None:
        """Say that there is something to be fetched or pushed."""
        await self._answer("POST", "/wake")

    async def reload(self) -> Json:
        """Let the process read its settings again."""
        return await self._object("POST", "/reload")

    async def shutdown(self) -> None:
        """Let the process stop."""
        await self._answer("POST", "/shutdown")

    async def events(self, *, last_id: str | None = None, replay: int = 0, follow: bool = True) -> AsyncIterator[Json]:
        """Give what happens, as it happens; with ``follow`` a stream that breaks off is taken up where it did.

        An event of kind ``reset`` says that some were missed: the process was restarted, or too much has happened.
        """
        while True:
            try:
                async for event in self._stream(last_id, replay):
                    last_id = event["id"]
                    yield event
            except (httpx.HTTPError, NoAnswer, Busy) as error:
                if not follow:
                    raise NoAnswer("the stream of events broke off", str(error) or type(error).__name__) from error
            if not follow:
                return
            replay = 0
            await asyncio.sleep(AGAIN)

    async def _stream(self, last_id: str | None, replay: int) -> AsyncIterator[Json]:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        timeout = httpx.Timeout(QUICK, read=SILENCE)
        query = {"replay": replay} if replay else {}
        async with self._http.stream("GET", "/events", params=query, headers=headers, timeout=timeout) as answer:
            if answer.status_code != 200:
                await answer.aread()
                raise _failure(answer)
            name, data = "", ""
            async for line in _lines(answer):
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data = line[5:].strip()
                elif not line and data:
                    event: Json = json.loads(data)
                    yield {"kind": name, **event} if name else event
                    name, data = "", ""

    # -- within ------------------------------------------------------------------------------------

    async def _object(
        self, method: str, path: str, body: Json | None = None, *, also: int = 200, timeout: float = QUICK
    ) -> Json:
        found: Json = (await self._answer(method, path, body, also=also, timeout=timeout)).json()
        return found

    async def _rows(self, path: str, **query: Any) -> list[Json]:
        found: list[Json] = (await self._answer("GET", path, query=query)).json()
        return found

    async def _answer(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        also: int = 200,
        timeout: float = QUICK,
    ) -> httpx.Response:
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            answer = await self._http.request(method, path, json=body, params=asked, timeout=timeout)
        except httpx.HTTPError as error:
            raise NoAnswer(
                f"gitsync does not answer at {self._http.base_url}",
                f"{method} {path}: {str(error) or type(error).__name__}",
                "gitsync up --detach; or look into .gitsync/gitsync.log",
            ) from error
        if answer.status_code != 200 and answer.status_code != also:
            raise _failure(answer)
        return answer


def _place(own: Path) -> tuple[str, str]:
    """Read where the process listens, and its token."""
    try:
        place = json.loads((own / "daemon.json").read_bytes())
        return f"http://127.0.0.1:{int(place['port'])}", (own / "token").read_text().strip()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoAnswer(
            f"cannot tell how to reach the process of {own.parent}", str(error), "gitsync restart"
        ) from error


def _part(text: str) -> str:
    return quote(text, safe="")


def _sending(fields: Mapping[str, Any]) -> Json:
    """Write `sender` as the surface does: `from` is a word of the language."""
    return {("from" if name == "sender" else name): value for name, value in fields.items() if value is not None}


def _failure(answer: httpx.Response) -> GitsyncError:
    try:
        value = answer.json()
    except ValueError:
        value = None
    return heard(answer.status_code, value, answer.headers.get("retry-after"))


async def _lines(answer: httpx.Response) -> AsyncIterator[str]:
    """Give whole lines; only \\n ends one (what `aiter_lines` takes for an end may stand inside a message)."""
    rest = b""
    async for chunk in answer.aiter_bytes():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")

"""The child process that holds the Anthropic SDK: JSON lines in, JSON lines out.

In:  {"id", "model", "max_tokens", "system", "messages", "tools", "rounds", "attempts", "recorded", "prices",
      "prompt_cache", "api_key_env", "base_url", "timeout"}
     {"cancel": id}
     {"answer": number, …} to what was asked
Out: {"ready": true} once; of each request {"id", "begun": true} before the API is called, and at the end
     {"id", "kind", "reply", "reason", "started", "retry_after", "until", "error", "unserved", "usage"};
     meanwhile {"id", "ask", "number", …}: money to reserve, charge or release, something to look at, progress

It ends when its input ends, so it never outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import anthropic

from gitsync.agents.claude.child.asking import Asking

Json = dict[str, Any]

_LINE = 64 * 1024 * 1024


class Clients:
    """Keep one SDK client for each key and address."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._clients: dict[tuple[str, str], anthropic.AsyncAnthropic] = {}

    def get(self, key_name: str, base_url: str) -> anthropic.AsyncAnthropic:
        """Return the client; its own retries are off, ours say what they wait for."""
        place = (key_name, base_url)
        if place not in self._clients:
            self._clients[place] = anthropic.AsyncAnthropic(
                api_key=self._environ.get(key_name, ""), base_url=base_url or None, max_retries=0
            )
        return self._clients[place]

    async def close(self) -> None:
        """Close all of them."""
        for client in self._clients.values():
            await client.close()


class Desk:
    """Take requests, work on them side by side, hand answers out."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._asked: dict[int, asyncio.Future[Json]] = {}
        self._last = 0

    def take(self, line: bytes) -> None:
        """Begin with a request, drop one, or hear what was asked."""
        request = json.loads(line)
        if "cancel" in request:
            task = self._tasks.get(request["cancel"])
            if task is not None:
                task.cancel()
            return
        if "answer" in request:
            asked = self._asked.get(request["answer"])
            if asked is not None and not asked.done():
                asked.set_result(request)
            return
        number = int(request["id"])
        task = asyncio.create_task(self._work(number, request))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _work(self, number: int, request: Mapping[str, Any]) -> None:
        async def speak(what: str, *, wait: bool = True, **more: Any) -> Json:
            if what == "begun":
                _say({"id": number, "begun": True})
                return {}
            if not wait:
                _say({"id": number, "ask": what, **more})
                return {}
            return await self._ask(number, what, more)

        client = self._clients.get(request["api_key_env"], request["base_url"])
        try:
            document = await Asking(client, request, speak).answer()
        except Exception as error:  # a defect of ours or the SDK's must not take the other requests along
            document = {"kind": "failed", "reason": f"{type(error).__name__}: {error}"}
        _say({"id": number, **document})

    async def _ask(self, number: int, what: str, more: Json) -> Json:
        self._last += 1
        mine = self._last
        self._asked[mine] = asyncio.get_running_loop().create_future()
        try:
            _say({"id": number, "ask": what, "number": mine, **more})
            return await self._asked[mine]
        finally:
            del self._asked[mine]

    async def leave(self) -> None:
        """Drop what is under way: nobody listens any more."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._clients.close()


def _say(document: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(document).encode() + b"\n")
    sys.stdout.buffer.flush()


async def serve() -> None:
    """Work until the input ends."""
    reader = asyncio.StreamReader(limit=_LINE)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin.buffer)
    environ = dict(os.environ)  # noqa: TID251 - a program of its own, whose environment was built for it
    desk = Desk(Clients(environ))
    _say({"ready": True})
    while line := await reader.readline():
        desk.take(line)
    await desk.leave()


if __name__ == "__main__":
    asyncio.run(serve())

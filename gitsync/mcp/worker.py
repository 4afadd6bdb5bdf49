"""The child process behind `/mcp`: HTTP requests as JSON lines in, their answers as JSON lines out.

In:  {"id", "as", "headers", "body"} of a POST, {"cancel": id} when its client has hung up
Out: {"ready": true} once; of each request {"id", "begun": true}, {"id", "status", "headers"}, {"id", "data"}…,
     {"id", "end"}

The parent has looked at host, origin and token. No request depends on an earlier one (stateless), so that a new child
goes on where an old one has ended. It ends when its input ends, so it never outlives the process that started it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from gitsync.api.answers import encode
from gitsync.api.failures import told
from gitsync.config import load
from gitsync.config.settings import Settings
from gitsync.errors import GitsyncError
from gitsync.mcp.desk import Desks
from gitsync.mcp.server import WHO, Speaker
from gitsync.mcp.who import identify

_LINE = 64 * 1024 * 1024
LINGER = 5.0
"""Seconds that what is under way may take when the input has ended."""


class Worker:
    """Answer requests, many at a time."""

    def __init__(self, settings: Settings, manager: StreamableHTTPSessionManager, out: asyncio.StreamWriter) -> None:
        self._settings = settings
        self._manager = manager
        self._out = out
        self._under_way: dict[int, asyncio.Task[None]] = {}

    async def listen(self, lines: asyncio.StreamReader) -> None:
        """Take requests until there are no more."""
        await self.say({"ready": True})
        while line := await lines.readline():
            asked = json.loads(line)
            if "cancel" in asked:
                if (task := self._under_way.get(asked["cancel"])) is not None:
                    task.cancel()
                continue
            number = asked["id"]
            await self.say({"id": number, "begun": True})
            task = self._under_way[number] = asyncio.create_task(self._answer(number, asked))
            task.add_done_callback(partial(self._over, number))
        if self._under_way:
            await asyncio.wait(list(self._under_way.values()), timeout=LINGER)

    def _over(self, number: int, _done: asyncio.Task[None]) -> None:
        self._under_way.pop(number, None)

    async def say(self, document: Mapping[str, Any]) -> None:
        """Write a line."""
        self._out.write(json.dumps(document).encode() + b"\n")
        await self._out.drain()

    async def _answer(self, number: int, asked: Mapping[str, Any]) -> None:
        try:
            await self._serve(number, asked)
        except asyncio.CancelledError:
            pass  # nobody is there to hear the end
        except Exception:
            logging.getLogger(__name__).exception("a request to /mcp failed")
            await self.say({"id": number, "end": True})

    async def _serve(self, number: int, asked: Mapping[str, Any]) -> None:
        try:
            who = identify(self._settings, asked["as"])
        except GitsyncError as error:
            status, document, _headers = told(error)
            await self.say({"id": number, "status": status, "headers": [["content-type", "application/json"]]})
            await self.say({"id": number, "data": encode(document).decode()})
            await self.say({"id": number, "end": True})
            return
        given = [{"type": "http.request", "body": asked["body"].encode("utf-8", "surrogateescape")}]
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if given:
                return given.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in message["headers"]]
                await self.say({"id": number, "status": message["status"], "headers": headers})
                return
            if data := message.get("body", b""):
                await self.say({"id": number, "data": data.decode("utf-8", "surrogateescape")})
            if not message.get("more_body", False):
                await self.say({"id": number, "end": True})

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/mcp",
            "raw_path": b"/mcp",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in asked["headers"]],
            "client": None,
            "server": None,
            WHO: who,
        }
        await self._manager.handle_request(scope, receive, send)


async def _serve(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin.buffer)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout.buffer)
    out = asyncio.StreamWriter(transport, protocol, None, loop)
    desks = Desks(settings)
    manager = StreamableHTTPSessionManager(Speaker(desks, None).server(), stateless=True)
    try:
        async with manager.run():
            with suppress(BrokenPipeError, ConnectionResetError):  # the parent is gone, and with it all that asked
                await Worker(settings, manager, out).listen(lines)
    finally:
        await desks.close()


def main() -> int:
    """Serve the machine that ``--dir`` names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, required=True)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        settings = load(None, args.dir)
    except GitsyncError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    asyncio.run(_serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())

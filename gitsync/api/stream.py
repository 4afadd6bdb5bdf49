"""Server-sent events: keep a connection open, and say what happens."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from gitsync.api.answers import HEADERS
from gitsync.api.control import Stream

HEARTBEAT = 15.0
"""Seconds without news after which a comment keeps the connection, and whatever stands between, from closing it."""
RETRY_MS = 1_000
"""How long a browser waits until it connects again."""
WRITE_TIME = 30.0
"""Seconds in which a reader must take what it was sent; one that does not is dropped."""


class EventAnswer:
    """An answer that goes on until one of the two sides ends it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what there is, and a comment where there is nothing."""
        headers = {**HEADERS, "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        gone = asyncio.create_task(hung_up(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": raw})
            if scope["method"] != "HEAD":
                await self._tell(send, gone)
            await send({"type": "http.response.body", "body": b""})
        except (OSError, TimeoutError):
            return  # the reader has left, or does not read
        finally:
            gone.cancel()
            self._stream.close()

    async def _tell(self, send: Send, gone: asyncio.Task[None]) -> None:
        chunk: bytes | None = f"retry: {RETRY_MS}\n\n".encode()
        while chunk is not None:
            async with asyncio.timeout(WRITE_TIME):
                await send({"type": "http.response.body", "body": chunk or b":\n\n", "more_body": True})
            taking = asyncio.ensure_future(self._stream.take(HEARTBEAT))
            try:
                await asyncio.wait((taking, gone), return_when=asyncio.FIRST_COMPLETED)
                if not taking.done():
                    return
                chunk = taking.result()
            finally:
                taking.cancel()


async def hung_up(receive: Receive) -> None:
    """Return when the other side has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass

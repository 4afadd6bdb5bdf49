"""Pass the answer of another process on, piece by piece as it comes."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from gitsync.api.answers import HEADERS
from gitsync.api.control import Exchange
from gitsync.api.stream import WRITE_TIME, hung_up

ASKED = frozenset({"accept", "content-type", "last-event-id"})
"""What is told of the head of a request, besides the protocol's own fields; host, origin and token stay here."""
_TOLD = frozenset({"content-type"})


class PassedOn:
    """An answer that goes on until one of the two sides ends it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what the other process says; when the reader leaves, tell it so."""
        exchange = self._exchange
        passed = {name: value for name, value in exchange.headers if name in _TOLD or name.startswith("mcp-")}
        headers = [(name.encode(), value.encode("latin-1")) for name, value in {**HEADERS, **passed}.items()]
        left = asyncio.create_task(hung_up(receive))
        try:
            await send({"type": "http.response.start", "status": exchange.status, "headers": headers})
            while True:
                taking = asyncio.ensure_future(exchange.take())
                await asyncio.wait((taking, left), return_when=asyncio.FIRST_COMPLETED)
                if not taking.done():
                    taking.cancel()
                    return
                chunk = taking.result()
                async with asyncio.timeout(WRITE_TIME):
                    await send({"type": "http.response.body", "body": chunk or b"", "more_body": chunk is not None})
                if chunk is None:
                    return
        except (OSError, TimeoutError):
            return  # the reader has left, or does not read
        finally:
            left.cancel()
            exchange.close()

"""One connection of the HTTP surface, bounded in what it may send, how slowly, and how many of them there may be.

What comes before a request is understood is bounded here; what a request may do is decided by `gitsync.api.guard`.
A request that two readers could understand differently (RFC 9112, 6.3 and 11.2) is refused, not guessed at.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from functools import cache
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gitsync.api.answers import HEADERS, encode
from gitsync.api.failures import error_document
from gitsync.api.peers import owner_of

log = logging.getLogger(__name__)

HEAD_TIME = 10.0
"""Seconds in which the head of a request must have arrived; for the first one they begin with the connection."""
READ_TIME = 30.0
"""Seconds in which the other side must take what it was sent."""
MAX_HEAD = 32 * 1024
"""Bytes of the head of a request: its address and all of its fields."""
MAX_FIELDS = 100
MOST = 400
"""Connections at one time; one more ends the one that has been saying nothing for longest."""


class Unfit(Exception):
    """The request cannot be served, whatever it asks for."""


class Connection(HttpToolsProtocol):
    """Speak HTTP/1.1 with one client."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request; make room where there is none."""
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(transport)
        self._since = self.loop.time()
        self._in_head = True
        self._size = self._fields = 0
        self._refusal = (400, "bad_request", "this is no request in HTTP/1.1")
        self._owner: tuple[int | None] | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._late: asyncio.TimerHandle | None = self.loop.call_later(HEAD_TIME, self._give_up)
        if len(self.connections) > most():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._in_time()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what is too long or too slow is ended."""
        if self._in_head:
            self._size += len(data)
            if self._late is None:
                self._late = self.loop.call_later(HEAD_TIME, self._give_up)
        super().data_received(data)
        if self._in_head and self._size > MAX_HEAD and not self.transport.is_closing():
            self._too_large()
            self.send_400_response("")

    def owner(self) -> int | None:
        """Return the user who holds the other end, where this computer knows."""
        if self._owner is None:
            self._owner = (owner_of(self.client, self.server),)
        return self._owner[0]

    # -- what the parser tells -----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._fields = 0
        self._length = 0
        self.scope["gitsync.owner"] = self.owner  # type: ignore[typeddict-unknown-key]

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field, of the head or of what follows a body in chunks."""
        self._fields += 1
        self._count(len(name) + len(value) + 4)
        if b"\r" in value or b"\n" in value or not name or name != name.strip():
            raise self._unfit(400, "bad_request", "a field of a request stands on one line")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Judge the head as a whole, and let the request be answered."""
        fields: dict[bytes, list[bytes]] = {}
        for name, value in self.headers:
            fields.setdefault(name, []).append(value.strip().lower())
        coding, length = fields.get(b"transfer-encoding", []), fields.get(b"content-length", [])
        if not (self.url.startswith(b"/") or (self.url == b"*" and self.parser.get_method() == b"OPTIONS")):
            raise self._unfit(400, "bad_request", "the address of a request begins with '/'")
        if self.parser.get_http_version() not in ("1.0", "1.1"):
            raise self._unfit(505, "bad_request", "this service speaks HTTP/1.1 and nothing else")
        if coding and (coding != [b"chunked"] or length or self.parser.get_http_version() != "1.1"):
            raise self._unfit(400, "bad_request", "how long the body is must be said once, in one way")
        if len(length) > 1 or (length and not (length[0].isascii() and length[0].isdigit())):
            raise self._unfit(400, "bad_request", "how long the body is must be said once, in one way")
        if self.parser.should_upgrade():
            raise self._unfit(400, "bad_request", "this service speaks HTTP/1.1 and nothing else")
        self._in_head = False
        self._in_time()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the next request."""
        super().on_message_complete()
        self._in_head = True
        self._size = 0

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, in the one shape of failures.

        So is a body that is none, while its request has no answer. Whoever waits for the answer to an earlier one gets
        none, and nobody gets two.
        """
        if not self._in_head and self.cycle is not None:
            if self.idle:
                self.transport.close()
                return
            if self.pipeline or self.cycle.response_started:
                self.transport.abort()
                return
            self.cycle.disconnected = True  # so that whoever reads this body learns that there is no more of it
            self.cycle.message_event.set()
        elif not self.idle:
            self.transport.abort()
            return
        status, code, message = self._refusal
        body = encode(error_document(code, message))
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            *(f"{name}: {value}" for name, value in HEADERS.items()),
            "content-type: application/json",
            f"content-length: {len(body)}",
            "connection: close",
        ]
        self.transport.write("\r\n".join((*lines, "", "")).encode() + body)
        self.transport.close()

    # -- the other side is slow ----------------------------------------------------------------------

    def pause_writing(self) -> None:
        """Wait for the other side to take what it was sent, but not for ever."""
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(READ_TIME, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        super().resume_writing()

    def _give_up(self) -> None:
        self._late = None
        if self.transport.is_closing():
            return
        if self._size and self.parser is not None:
            self._refusal = (408, "too_slow", f"the head of a request must arrive within {HEAD_TIME:g} s")
            self.send_400_response("")
        else:
            self.transport.close()

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    # -- too much ------------------------------------------------------------------------------------

    def _count(self, size: int) -> None:
        self._length += size
        if self._length > MAX_HEAD or self._fields > MAX_FIELDS:
            self._too_large()
            raise Unfit

    def _too_large(self) -> None:
        words = f"the head of a request may have {MAX_HEAD} bytes and {MAX_FIELDS} fields"
        self._refusal = (431, "too_large", words)

    def _unfit(self, status: int, code: str, message: str) -> Unfit:
        self._refusal = (status, code, message)
        return Unfit(message)

    def _make_room(self) -> None:
        """End the connection that has been without a request for longest; where all are at work, this one."""
        idle = [one for one in self.connections if isinstance(one, Connection) and one.idle and one is not self]
        oldest = min(idle, key=lambda one: one._since, default=self)
        oldest.transport.abort()
        self.connections.discard(oldest)

    @property
    def idle(self) -> bool:
        """Say whether nobody waits for an answer here."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]


@cache
def most() -> int:
    """Return how many connections there may be: the system's bound on open files is for the stores and git too."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else max(16, min(MOST, soft // 2))

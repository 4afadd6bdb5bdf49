"""One HTTP/1.1 exchange: connect, send, hear the answer, close.

An HTTP library takes a millisecond of processor time for each message, which is what a machine with hundreds of agents
has for all the rest. Nothing is kept alive: a connection that the service closes just as it is used again looks like
work that was begun, and would be uncertain for nothing. A loopback connect costs 0.1 ms.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

import httptools

_HEAD = 64 * 1024
"""How many bytes an answer may take until its body begins."""
_PIECE = 65536
_INFORMATIONAL = range(100, 200)


def unreached(error: Exception, host: str | None, port: int) -> str:
    """Say why no connection was made, without the number of an error where it has plain words."""
    if isinstance(error, ConnectionRefusedError):
        return f"nobody listens on {host}:{port}"
    return str(error) or type(error).__name__


class CannotReach(Exception):
    """Nothing was sent: there is no connection."""


class TooLate(CannotReach):
    """Nothing was sent: nobody answered in time."""


class BadUrl(Exception):
    """Nothing was sent: the address is none."""


class Broken(Exception):
    """The request was on its way and no whole answer came."""


class Garbled(Broken):
    """What came is no answer, or only a part of one: whoever is there was still able to speak."""


class Enough(Exception):
    """The caller wants no more of the body."""


@dataclass(slots=True)
class Answer:
    """Hold status and header of an answer; names in lower case."""

    status: int = 0
    header: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Say where a request goes: `host` and `port` to connect to, `name` as the service is told it."""

    host: str
    port: int
    name: str
    target: str
    tls: bool
    credentials: str = ""

    @classmethod
    def of(cls, url: str) -> Place:
        """Read an address; raise BadUrl."""
        try:
            url.encode()
            parts = urlsplit(url)
            port = parts.port
            host = parts.hostname or ""
            host = host if ":" in host else host.encode("idna").decode()
        except (ValueError, UnicodeError) as error:
            raise BadUrl(str(error)) from error
        if parts.scheme not in ("http", "https") or not host or not host.isprintable() or " " in host:
            raise BadUrl(f"no http address: {url!r}")
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        if parts.query:
            target += "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~")
        name = f"[{host}]" if ":" in host else host
        credentials = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            credentials = base64.b64encode(pair.encode()).decode()
        tls = parts.scheme == "https"
        return cls(host, port or (443 if tls else 80), f"{name}:{port}" if port else name, target, tls, credentials)


async def exchange(
    url: str,
    method: str,
    *,
    header: Mapping[str, str] | None = None,
    body: bytes = b"",
    hear: Callable[[bytes], None] | None,
    connect: float,
) -> Answer:
    """Send a request and give status and header once all of the answer was heard.

    `hear` gets the body piece by piece and may raise Enough, which ends the exchange and comes out here; with None the
    header is all that is waited for. `connect`
    bounds the connecting (s); the rest is bounded by whoever calls. Raises CannotReach, BadUrl, Broken and Garbled.
    """
    place = Place.of(url)
    loop = asyncio.get_running_loop()
    talk = _Talk(_request(place, method, header or {}, body), hear)
    context = _trust() if place.tls else None
    try:
        async with asyncio.timeout(connect):
            transport, _ = await loop.create_connection(lambda: talk, place.host, place.port, ssl=context)
    except TimeoutError:
        raise TooLate(f"no connection within {connect:g} s") from None
    except (OSError, UnicodeError) as error:
        raise CannotReach(unreached(error, place.host, place.port)) from error
    try:
        return await talk.answered
    finally:
        transport.abort()


@functools.cache
def _trust() -> ssl.SSLContext:
    """Make one context for all agents: reading the certificates takes 20 ms and half a megabyte."""
    return ssl.create_default_context()


def _request(place: Place, method: str, header: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {place.target} HTTP/1.1", f"Host: {place.name}", "User-Agent: gitsync", "Accept: */*"]
    lines += ["Accept-Encoding: identity", "Connection: close"]
    if place.credentials:
        lines.append(f"Authorization: Basic {place.credentials}")
    lines += [f"{name}: {value}" for name, value in header.items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


class _Talk(asyncio.Protocol):
    """Hear one answer. The parser calls the methods that begin with `on_`."""

    def __init__(self, request: bytes, hear: Callable[[bytes], None] | None) -> None:
        self._request = request
        self._hear = hear
        self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)
        self._unpack: zlib._Decompress | None = None
        self._seen = 0
        self._waits = False
        self._begun = False
        self._measured = False
        self.answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)
        self._request = b""

    def data_received(self, data: bytes) -> None:
        if self.answered.done():
            return
        self._seen += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end()
        except httptools.HttpParserCallbackError as error:
            self._fail(error.__context__ or error)
        except httptools.HttpParserError as error:
            self._fail(Garbled(f"no HTTP: {error}"))
        if not self._begun and self._seen > _HEAD:
            self._fail(Garbled(f"a header of more than {_HEAD} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._begun and not self._measured and exc is None:
            self._end()  # such a body ends where the connection does
        kind = Garbled if self._spoke else Broken
        self._fail(kind(str(exc) if exc is not None else "closed before the answer was complete"))

    @property
    def _spoke(self) -> bool:
        """Whether some of the answer itself has come, not only that it will follow."""
        return self._seen > 0 and not self._waits

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.answered.done():
            return  # more than was asked for
        self._answer.header[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self.answered.done():
            return
        self._answer.status = self._parser.get_status_code()
        if self._answer.status in _INFORMATIONAL:
            return
        self._waits = False
        header = self._answer.header
        self._begun = True
        self._measured = "content-length" in header or "chunked" in header.get("transfer-encoding", "").lower()
        if header.get("content-encoding", "").lower() in ("gzip", "x-gzip", "deflate"):
            self._unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
        if self._hear is None:
            self._end()

    def on_body(self, body: bytes) -> None:
        if self._hear is None or self.answered.done():
            return
        if self._unpack is None:
            self._hear(body)
            return
        try:
            while body:
                self._hear(self._unpack.decompress(body, _PIECE))
                body = self._unpack.unconsumed_tail
        except zlib.error as error:
            raise Garbled(f"not packed as it says: {error}") from error

    def on_message_complete(self) -> None:
        if self._answer.status in _INFORMATIONAL:
            self._answer = Answer()  # the real one follows
            self._waits = True
        else:
            self._end()

    def _end(self) -> None:
        if not self.answered.done():
            self.answered.set_result(self._answer)

    def _fail(self, error: BaseException) -> None:
        if not self.answered.done():
            self.answered.set_exception(error)

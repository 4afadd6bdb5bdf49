"""Pure ASGI middleware that turns strangers away before anything reads their request.

A page in the user's browser can reach a loopback port, and so can every user of the computer. So: the Host must be ours
(DNS rebinding), an Origin, where there is one, must be ours too (CSRF, foreign pages) and so must be the page for whose
sake a browser says it asks (`Sec-Fetch-Site`), whatever changes something needs the token or a session, reading is for
the user (`[api] reads`), and a body has a limit. A token in the address is refused, since addresses end in logs.
Requests are judged from their head alone; the body is counted while it arrives.

A session counts only with an Origin: a page on another port of this machine is the same site to a browser, which then
sends the cookie along, but it also says truly where the request comes from.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import parse_qsl, unquote, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gitsync.api.answers import HEADERS, encode
from gitsync.api.failures import error_document
from gitsync.api.peers import owner_of, same_user
from gitsync.api.sessions import Sessions, cookie, cookie_name

MAX_BODY = 1 << 20
"""Bytes of a request body."""

MAX_DRAIN = 64 << 20
"""Bytes of a refused body that are still read, so that its sender hears the answer."""

BODY_TIME = 20.0
"""Seconds in which a body must have arrived: who sends it byte by byte must not hold a connection for ever."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
LOG_IN = "/session"
"""The one place that decides itself who may change something: a one-time code is as good as the token there."""
OPEN = (LOG_IN, "/dashboard", "/openapi.json")
"""What anybody may read, with all below it: nothing of this machine is in it."""
PAGE = "/dashboard"
"""Where other pages may lead to, though they may ask for nothing."""
_TOKEN_NAMES = frozenset({"token", "access_token", "authorization", "bearer", "api_key", "apikey", "key", "code"})
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


UNAUTHORIZED = "send the token in .gitsync/token as 'Authorization: Bearer …'"


class BodyTooLarge(Exception):
    """More bytes arrived than a request may have; the application answers 413."""


class BodyTooSlow(Exception):
    """The body did not arrive in time; the application answers 408."""


def host_of(value: str) -> str:
    """Return the host part of a Host header, lower case, without its port; IPv6 keeps its brackets."""
    value = value.strip().lower()
    if value.startswith("["):
        return value.partition("]")[0] + "]"
    return value.partition(":")[0]


def origin_allowed(origin: str, host_header: str) -> bool:
    """Decide whether a page of this origin may call us: only one that we served ourselves (``null`` is foreign)."""
    parts = urlsplit(origin)
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host_header.strip().lower()


class Guard:
    """Refuse foreign hosts and origins, missing tokens, and bodies over the limit."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: Callable[[], str],
        sessions: Sessions,
        hosts: frozenset[str] = frozenset(),
        reads: str = "user",
    ) -> None:
        self._app = app
        self._token = token
        self._sessions = sessions
        self._reads = reads
        self._hosts = frozenset(_LOOPBACK) | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._judge(scope)
        if refusal is not None:
            await _drain(receive)
            await _refuse(send, *refusal)
            return
        await self._counted(scope, receive, send)

    def _judge(self, scope: Scope) -> tuple[int, str, str] | None:
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value.decode("latin-1"))
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or host_of(hosts[0]) not in self._hosts:
            return 403, "foreign_host", "this service answers only to its own name on this machine"
        for origin in headers.get(b"origin", []):
            if not origin_allowed(origin, hosts[0]):
                return 403, "foreign_origin", "requests from other web pages are refused"
        if _from_elsewhere(scope, headers):
            return 403, "foreign_origin", "requests from other web pages are refused"
        if self._holds_token(scope):
            return 400, "token_in_url", f"addresses end in logs, so that a token in one is spent; {UNAUTHORIZED}"
        changing = scope["method"] not in SAFE_METHODS
        logging_in = scope["path"] == LOG_IN
        if changing or logging_in:
            scope["gitsync.cookie"] = cookie_name(hosts[0])
            scope["gitsync.session"] = session = self._session(headers, scope["gitsync.cookie"])
            known = self._bearer(headers) or (bool(session) and (not changing or b"origin" in headers))
            scope["gitsync.known"] = known
            if not known and not logging_in:
                return 401, "unauthorized", UNAUTHORIZED
        elif not self._may_read(scope, headers, hosts[0]):
            return 401, "unauthorized", UNAUTHORIZED
        length = headers.get(b"content-length", ["0"])[-1]
        if length.isdigit() and int(length) > MAX_BODY:
            return 413, "too_large", f"a request body may have {MAX_BODY} bytes"
        return None

    def _may_read(self, scope: Scope, headers: dict[bytes, list[str]], host: str) -> bool:
        """Say whether a request may be told what is going on: everybody's, this user's, or who brings the token."""
        path = scope["path"]
        if self._reads == "open" or any(path == one or path.startswith(f"{one}/") for one in OPEN):
            return True
        if self._bearer(headers) or self._session(headers, cookie_name(host)):
            return True
        if self._reads != "user":
            return False
        owner = scope.get("gitsync.owner")
        client = scope.get("client")
        return same_user(owner() if owner is not None else owner_of(client, scope.get("server")), client)

    def _holds_token(self, scope: Scope) -> bool:
        """Say whether the address holds the token, or something that is called so."""
        query = scope["query_string"].decode("latin-1")
        said = unquote(f"{scope['path']}?{query}")
        ours = self._token() if len(said) > 16 else ""  # a short address, as most are, holds none
        if ours and ours in said:
            return True
        names = (name.lower() for name, _ in parse_qsl(query, keep_blank_values=True))
        return not _TOKEN_NAMES.isdisjoint(names)

    def _bearer(self, headers: dict[bytes, list[str]]) -> bool:
        given = headers.get(b"authorization", [])
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        ours = self._token()
        return scheme.lower() == "bearer" and bool(ours) and hmac.compare_digest(token.strip().encode(), ours.encode())

    def _session(self, headers: dict[bytes, list[str]], name: str) -> str:
        value = cookie("; ".join(headers.get(b"cookie", [])), name)
        return value if self._sessions.valid(value) else ""

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = 0
        due: float | None = asyncio.get_running_loop().time() + BODY_TIME

        async def count() -> Message:
            nonlocal seen, due
            try:
                async with asyncio.timeout_at(due):
                    message = await receive()
            except TimeoutError:
                raise BodyTooSlow from None
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > MAX_BODY:
                    raise BodyTooLarge
                if not message.get("more_body", False):
                    due = None  # what comes now is the end of the connection, whenever that is
            return message

        await self._app(scope, count, send)


def _from_elsewhere(scope: Scope, headers: dict[bytes, list[str]]) -> bool:
    """Say whether a browser asks for another page's sake, also where it sends no Origin: pictures, scripts, frames.

    A link to the dashboard is followed; it carries no session, since the cookie is `SameSite=Strict`.
    """
    sites = headers.get(b"sec-fetch-site", [])
    if all(site in ("same-origin", "none") for site in sites):
        return False
    led = scope["method"] == "GET" and headers.get(b"sec-fetch-mode") == ["navigate"]
    whole = headers.get(b"sec-fetch-dest") == ["document"]
    return not (led and whole and scope["path"] == PAGE)


async def _drain(receive: Receive) -> None:
    """Read a refused body and forget it, within reason: a client that is still writing would miss the answer."""
    seen = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(BODY_TIME):
            while seen <= MAX_DRAIN:
                message = await receive()
                seen += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    body = encode(error_document(code, message))
    headers = [
        *((name.encode(), value.encode()) for name, value in HEADERS.items()),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

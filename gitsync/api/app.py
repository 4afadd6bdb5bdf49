"""The HTTP surface of the running process: also the command line's way to talk to it."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gitsync import errors
from gitsync.api.answers import Answer, failed
from gitsync.api.control import Control
from gitsync.api.failures import told
from gitsync.api.fields import BadRequest, Json, query_values
from gitsync.api.guard import BODY_TIME, MAX_BODY, SAFE_METHODS, BodyTooLarge, BodyTooSlow, Guard
from gitsync.api.operations import Asked, Operation, answered
from gitsync.api.routes import TABLE
from gitsync.api.sessions import Sessions

log = logging.getLogger(__name__)


class Gone(Exception):
    """The other side hung up before its request was complete."""


def create_app(
    control: Control, *, token: Callable[[], str], hosts: frozenset[str] = frozenset(), reads: str = "user"
) -> ASGIApp:
    """Build the ASGI application; ``token`` is asked at each request, so that it can be changed on disk.

    ``reads`` says who may read without it: `open`, `user` or `token`.
    """
    sessions = Sessions(token, control.kept_sessions(), control.keep_sessions)
    return Guard(Application(control, sessions), token=token, sessions=sessions, hosts=hosts, reads=reads)


class Application:
    """Answer by the table of routes; nothing stands between it and the server but the guard."""

    def __init__(self, control: Control, sessions: Sessions) -> None:
        self._control = control
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        answer = await self._answer(scope, receive)
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> ASGIApp:
        try:
            operation, path = _find(scope)
            raw, body = await _body(operation, scope, receive)
            asked = Asked(
                control=self._control,
                sessions=self._sessions,
                scope=scope,
                path=path,
                query=query_values(operation.query, _query(scope)) if operation.query else {},
                body=body,
                raw=raw,
                operations=TABLE.operations,
            )
            return answered(await operation.call(asked))
        except BadRequest as error:
            return failed(error.status, error.code, error.message, field=error.field)
        except MethodNotAllowed as error:
            allow = ", ".join(error.allowed)
            return failed(405, "method_not_allowed", f"this path takes {allow}", {"allow": allow})
        except BodyTooLarge:
            return failed(413, "too_large", f"a request body may have {MAX_BODY} bytes")
        except BodyTooSlow:
            words = f"a request body must arrive within {BODY_TIME:g} s"
            return failed(408, "too_slow", words, {"connection": "close"})
        except Gone:
            return Response(status_code=400)  # nobody is there to read it, and nothing is wrong here
        except errors.GitsyncError as error:
            status, document, headers = told(error)
            return Answer(document, status, headers)
        except Exception as error:
            log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            return failed(500, "internal", "an unexpected failure; the log has the details")


class MethodNotAllowed(Exception):
    """The path is known, and does not take this method."""

    def __init__(self, allowed: list[str]) -> None:
        super().__init__(", ".join(allowed))
        self.allowed = allowed


def _find(scope: Scope) -> tuple[Operation, Mapping[str, str]]:
    path, method = scope["path"], scope["method"]
    methods, holes = TABLE.find(path)
    if not methods:
        near = difflib.get_close_matches(path[:200], TABLE.paths(), n=3)
        raise errors.NotFound(f"there is no {path[:200]!r} here", remedy="GET / lists the endpoints", near=near)
    operation = methods.get("GET" if method == "HEAD" else method)
    if operation is None:
        raise MethodNotAllowed(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))
    return operation, holes


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


async def _body(operation: Operation, scope: Scope, receive: Receive) -> tuple[bytes, Json]:
    if scope["method"] in SAFE_METHODS:
        return b"", {}
    chunks = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    data = b"".join(chunks)
    if operation.body is None and not operation.raw:
        return b"", {}
    if data and not _is_json(scope):
        raise BadRequest(415, "unsupported_media_type", "send JSON, with 'Content-Type: application/json'")
    return (b"", operation.body.read(data)) if operation.body is not None else (data, {})


def _is_json(scope: Scope) -> bool:
    given = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    kind = given.partition(b";")[0].strip().lower()
    return bool(kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json")))

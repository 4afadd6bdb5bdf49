"""The HTTP surface of the running process: also the command line's way to talk to it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gitsync import errors
from gitsync.api.control import Control
from gitsync.api.fields import BadRequest, page, send_ask, sync_ask
from gitsync.api.guard import BODY_TIME, MAX_BODY, BodyTooLarge, BodyTooSlow, Guard

log = logging.getLogger(__name__)

_LONE = re.compile("[\ud800-\udfff]")

Handler = Callable[[Request], Awaitable[Response]]

_STATUS_OF_EXIT = {
    errors.EXIT_USAGE: 422,
    errors.EXIT_REFUSED: 403,
    errors.EXIT_TRY_LATER: 503,
}


class Answer(JSONResponse):
    """A JSON document, whatever bytes people have put into names, pages and messages."""

    def render(self, content: Any) -> bytes:
        """Write UTF-8; a byte that was none travels inside as a lone surrogate, which no encoding can hold."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return _LONE.sub("\N{REPLACEMENT CHARACTER}", text).encode()


def create_app(control: Control, *, token: Callable[[], str], hosts: frozenset[str] = frozenset()) -> ASGIApp:
    """Build the ASGI application; ``token`` is asked at each request, so that it can be changed on disk."""

    async def about(request: Request) -> Response:
        paths = sorted(
            {f"{method} {route.path}" for route in routes for method in (route.methods or ()) if method != "HEAD"}
        )
        return Answer({**control.about(), "endpoints": paths})

    async def health(request: Request) -> Response:
        healthy, facts = control.health()
        return Answer(facts, status_code=200 if healthy else 503)

    async def status(request: Request) -> Response:
        return Answer(await control.status())

    async def computers(request: Request) -> Response:
        return Answer(list(await control.computers()))

    async def messages(request: Request) -> Response:
        limit, before = page(request.query_params)
        return Answer(list(await control.messages(limit, before)))

    async def sync(request: Request) -> Response:
        return Answer(await control.sync(sync_ask(await request.body())))

    async def send(request: Request) -> Response:
        return Answer(await control.send(send_ask(await request.body())))

    async def wake(request: Request) -> Response:
        control.wake()
        return Answer({"status": "awake"})

    async def reload(request: Request) -> Response:
        return Answer(await control.reload())

    async def shutdown(request: Request) -> Response:
        control.shutdown()
        return Answer({"status": "stopping"})

    routes = [
        Route("/", about, methods=["GET"]),
        Route("/health", health, methods=["GET"]),
        Route("/status", status, methods=["GET"]),
        Route("/computers", computers, methods=["GET"]),
        Route("/messages", messages, methods=["GET"]),
        Route("/sync", sync, methods=["POST"]),
        Route("/send", send, methods=["POST"]),
        Route("/wake", wake, methods=["POST"]),
        Route("/reload", reload, methods=["POST"]),
        Route("/shutdown", shutdown, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            BadRequest: _bad_request,
            BodyTooLarge: _too_large,
            BodyTooSlow: _too_slow,
            ClientDisconnect: _gone,
            errors.GitsyncError: _known_failure,
            HTTPException: _http_failure,
            Exception: _unknown_failure,
        },
    )
    return Guard(app, token=token, hosts=hosts)


def _error(status: int, code: str, message: str, **more: Any) -> Answer:
    return Answer({"error": {"code": code, "message": message, **more}}, status_code=status)


async def _bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadRequest)
    return _error(error.status, error.code, error.message)


async def _too_large(request: Request, error: Exception) -> Response:
    return _error(413, "too_large", f"a request body may have {MAX_BODY} bytes")


async def _too_slow(request: Request, error: Exception) -> Response:
    answer = _error(408, "too_slow", f"a request body must arrive within {BODY_TIME:g} s")
    answer.headers["connection"] = "close"
    return answer


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it, and nothing is wrong here


async def _known_failure(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.GitsyncError)
    status = _STATUS_OF_EXIT.get(error.exit_code, 500)
    code = {422: "usage", 403: "refused", 503: "try_later"}.get(status, "error")
    return _error(status, code, error.what, why=error.why, remedy=error.remedy, exit=error.exit_code)


async def _http_failure(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http")
    return Answer(
        {"error": {"code": code, "message": error.detail}},
        status_code=error.status_code,
        headers=error.headers,
    )


async def _unknown_failure(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _error(500, "internal", "an unexpected failure; the log has the details")

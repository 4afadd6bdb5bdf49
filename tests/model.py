"""A scripted Messages API on the loopback that streams, for real coding agents: what it says is said before."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

_BODY = 16 * 1024 * 1024

PROGRAMS = {name: os.environ.get(f"GITSYNC_{name.upper()}") for name in ("claude", "codex", "gemini", "opencode")}
"""Read when the tests are loaded: no test sees the variables of the developer."""


@dataclass(frozen=True)
class Refusal:
    """Answer with an error of this status."""

    status: int
    kind: str
    retry_after: int | None = None


@dataclass
class Model:
    """What the server is to say next, and what it was asked; the last answer is given for ever."""

    answers: list[str | Refusal] = field(default_factory=lambda: ["Done."])
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""
    tool_once: tuple[str, dict[str, Any]] | None = None
    """A tool to use, and with what, before the next answer."""

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The requests of the conversation itself; coding agents ask smaller things besides, without tools."""
        return [request for request in self.requests if request.get("tools")]

    def next(self) -> str | Refusal:
        """Take the next answer."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def said(request: dict[str, Any]) -> str:
    """Return all that a request tells the model, as one text."""
    return json.dumps(request.get("system", ""), ensure_ascii=False) + "".join(
        json.dumps(message["content"], ensure_ascii=False) for message in request["messages"]
    )


@contextmanager
def serving(*answers: str | Refusal) -> Iterator[Model]:
    """Run the server for a while."""
    model = Model(list(answers) or ["Done."])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._send(200, b"", "text/plain")

        def do_GET(self) -> None:
            self._send(404, b"{}", "application/json")

        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("content-length", "0")), _BODY))
            if not self.path.startswith("/v1/messages"):
                self._send(404, b"{}", "application/json")
                return
            request = json.loads(body)
            if self.path.partition("?")[0].endswith("/count_tokens"):
                self._send(200, b'{"input_tokens": 1000}', "application/json")
                return
            model.requests.append(request)
            answer = model.next() if request.get("tools") else "Title"
            if isinstance(answer, Refusal):
                error = {"type": "error", "error": {"type": answer.kind, "message": "as asked for"}}
                after = {} if answer.retry_after is None else {"retry-after": str(answer.retry_after)}
                self._send(answer.status, json.dumps(error).encode(), "application/json", **after)
            else:
                tool = model.tool_once if request.get("tools") else None
                if tool is not None:
                    model.tool_once = None
                    model.answers.insert(0, answer)
                events = _events(request, answer, tool)
                text = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events)
                self._send(200, text.encode(), "text/event-stream", **model.headers)

        def _send(self, status: int, body: bytes, kind: str, **header: str) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            for name, value in header.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    model.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _events(request: dict[str, Any], text: str, tool: tuple[str, dict[str, Any]] | None) -> Sequence[dict[str, Any]]:
    usage = {"input_tokens": 100, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 11, "output_tokens": 1}
    message = {
        "id": "msg_local",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    block: dict[str, Any] = {"type": "text", "text": ""}
    delta = {"type": "text_delta", "text": text}
    if tool is not None:
        block = {"type": "tool_use", "id": "toolu_local", "name": tool[0], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(tool[1])}
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn" if tool is None else "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 20},
        },
        {"type": "message_stop"},
    ]


def program(name: str) -> str:
    """Return a real coding agent, or skip the test and say why."""
    found = PROGRAMS[name] or shutil.which(name)
    if found is None or not Path(found).exists():
        pytest.skip(f"the real program is neither in GITSYNC_{name.upper()} nor, as {name}, on PATH")
    return found


def claude_environment(model: Model, home: Path) -> dict[str, str]:
    """Return the variables that keep Claude Code on this computer, with a home of its own."""
    home.mkdir(exist_ok=True)
    return {
        "HOME": str(home),
        "ANTHROPIC_BASE_URL": model.url,
        "ANTHROPIC_API_KEY": "key-for-nobody",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
    }

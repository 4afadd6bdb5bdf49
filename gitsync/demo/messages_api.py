"""A local server that speaks the Messages API, for demonstrations and tests: no key, no cost, no network.

Its answers are derived from the conversation by rule, so they are the same every time. Run it with
`python -m gitsync.demo.messages_api --port 0`; it prints its address.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_HEAD = 64 * 1024
_BODY = 32 * 1024 * 1024
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Answer a request with an error instead; status 0 closes the connection; `delay` is in seconds."""

    status: int
    retry_after: float | None = None
    delay: float = 0.0


@dataclass
class MessagesServer:
    """Answer POST /v1/messages; the first requests get the faults, in order."""

    faults: list[Fault] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keep: int = 100
    port: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The address for `base_url`."""
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listen on the loopback."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop what is under way."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        except asyncio.CancelledError:
            pass  # close() ends us; the stream's own callback must not see it
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        fields = (line.partition(":") for line in head[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in fields if name}
        length = int(headers.get("content-length", "0"))
        if length > _BODY:
            raise ValueError("body too large")
        body = await reader.readexactly(length)
        extra: dict[str, str] = {}
        if (method, path.partition("?")[0]) != ("POST", "/v1/messages"):
            status, document = _error(404, f"no {method} {path} here")
        elif not _key(headers):
            status, document = _error(401, "no API key: neither x-api-key nor Authorization")
        elif self.faults:
            fault = self.faults.pop(0)
            await asyncio.sleep(fault.delay)
            if fault.status == 0:
                return False
            status, document = _error(fault.status, "as asked for")
            if fault.retry_after is not None:
                extra["retry-after"] = f"{fault.retry_after:g}"
        else:
            status, document = self._answer(body)
        payload = json.dumps(document).encode()
        lines = [
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}",
            "content-type: application/json",
            f"content-length: {len(payload)}",
            *(f"{k}: {v}" for k, v in extra.items()),
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + payload)
        await writer.drain()
        return headers.get("connection", "").lower() != "close"

    def _answer(self, body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            request = json.loads(body)
            problem = _problem(request)
        except ValueError:
            return _error(400, "the body is not JSON")
        if problem:
            return _error(400, problem)
        self.requests = [*self.requests, request][-self.keep :]
        text = reply_to([_text(m["content"]) for m in request["messages"]], _text(request.get("system", "")))
        words = text.split(" ")
        cut = len(words) > request["max_tokens"]
        text = " ".join(words[: request["max_tokens"]])
        given = [m["content"] for m in request["messages"]] + [request.get("system", "")]
        prompt = sum(_tokens(_text(content)) for content in given)
        return 200, {
            "id": f"msg_local_{len(self.requests):06d}",
            "type": "message",
            "role": "assistant",
            "model": request["model"],
            "content": [{"type": "text", "text": text}],
            "stop_reason": "max_tokens" if cut else "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": prompt,
                "output_tokens": _tokens(text),
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
            },
        }


@contextlib.asynccontextmanager
async def serving(faults: Sequence[Fault] = (), port: int = 0) -> AsyncIterator[MessagesServer]:
    """Run the server for a while."""
    server = MessagesServer(list(faults), port=port)
    await server.open()
    try:
        yield server
    finally:
        await server.close()


def reply_to(turns: Sequence[str], system: str = "") -> str:
    """Answer the last turn: acknowledge it, name its points, say which turn of the conversation it is."""
    last = turns[-1]
    sender = re.match(r"From (\S+):\n", last)
    subject = re.search(r"^Subject: (.*)$", last, re.MULTILINE)
    body = last.partition("\n\n")[2] if subject else last
    items = [line for line in body.splitlines() if re.match(r"\s*([-*]|\d+\.)\s", line)]
    points = [item.lstrip("-*0123456789. ") for item in items]
    questions = re.findall(r"[^.?!\n]+\?", body)
    lines = [f"Understood{', ' + sender[1] if sender else ''}: {_sentence(subject[1] if subject else body)}"]
    if points:
        lines += ["", f"I will take the {len(points)} point{'s' * (len(points) > 1)} in this order:", ""]
        lines += [f"{number}. {_short(point)}" for number, point in enumerate(points, 1)]
    for question in questions[:3]:
        said = recall(question, turns[:-1])
        fact = f"You said: {_sentence(said)}" if said else "I have no facts beyond this conversation to answer it with."
        lines += ["", f"You ask “{_short(question.strip())}” {fact}"]
    if not points and not questions:
        words = len(body.split())
        lines += ["", f"I read your message of {words} word{'s' * (words != 1)}: {_sentence(body)}"]
    lines += ["", f"(turn {len(turns)} of this conversation{', with a system prompt' if system else ''})"]
    return "\n".join(lines)


def recall(question: str, turns: Sequence[str]) -> str:
    """Find the sentence that was said earlier and shares most with a question, at least two long words."""
    wanted = _long_words(question)
    best, most = "", 1
    for turn in turns[::2]:  # the user's; the others are our own
        for sentence in re.split(r"(?<=[.!?])\s+|\n", turn.partition("\n\n")[2] or turn):
            shared = len(wanted & _long_words(sentence))
            if shared > most and not sentence.endswith("?"):
                best, most = sentence.strip(), shared
    return best


def _long_words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}


def _key(headers: Mapping[str, str]) -> str:
    """Find the key: the SDK sent it as x-api-key before, and in its newest versions sends it as a bearer token."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return headers.get("x-api-key", "") or (token.strip() if scheme.lower() == "bearer" else "")


def _short(text: str, limit: int = 120) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _sentence(text: str) -> str:
    line = _short(text)
    return line if line.endswith(("?", "!", "…")) else line + "."


def _problem(request: Any) -> str:
    if not isinstance(request, dict):
        return "the body must be an object"
    if not isinstance(request.get("model"), str) or not request["model"]:
        return "model: field required"
    tokens = request.get("max_tokens")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        return "max_tokens: must be a positive integer"
    if request.get("stream"):
        return "stream: this server answers whole messages only"
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages: at least one message is required"
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            return f"messages.{number}.role: must be user or assistant"
        if number and message["role"] == messages[number - 1]["role"]:
            return f"messages.{number}.role: roles must alternate"
        if not isinstance(message.get("content"), str | list):
            return f"messages.{number}.content: field required"
    return "" if messages[0]["role"] == "user" else "messages.0.role: the first message must be the user's"


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    texts = [b for b in blocks if isinstance(b, dict) and b.get("type") == "text"]
    return "\n".join(str(block.get("text", "")) for block in texts)


def _tokens(text: str) -> int:
    return (len(text) + 3) // 4


def _error(status: int, message: str) -> tuple[int, dict[str, Any]]:
    return status, {"type": "error", "error": {"type": _ERRORS.get(status, "api_error"), "message": message}}


async def _main(port: int) -> None:
    done = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    async with serving(port=port) as server:
        print(server.url, flush=True)
        await done.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Answer the Messages API on this computer, by rule.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    asyncio.run(_main(parser.parse_args().port))

"""A local server that speaks the Messages API, for demonstrations and tests: no key, no cost, no network.

Its answers are derived from the conversation by rule, so they are the same every time; a scenario (a file, see
`gitsync.demo.scenario`) may say otherwise: tools to call, errors, pauses. It streams, counts tokens and keeps a prompt
cache as the API does, so that the SDK and coding agents work against it. Run it with
`python -m gitsync.demo.messages_api --port 0`; it prints its address.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitsync.demo.rule_answers import reply_to
from gitsync.demo.scenario import Scenario, Step
from gitsync.demo.tokens import PromptCache, prompt_tokens, tokens

_HEAD = 64 * 1024
_BODY = 32 * 1024 * 1024
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """Answer a request with an error instead; status 0 closes the connection; `delay` is in seconds."""

    status: int
    retry_after: float | None = None
    delay: float = 0.0


@dataclass
class MessagesServer:
    """Answer POST /v1/messages and its count_tokens; the first requests get the faults, in order."""

    faults: list[Fault] = field(default_factory=list)
    scenario: Scenario = field(default_factory=Scenario)
    requests: list[Json] = field(default_factory=list)
    counted: int = 0
    keep: int = 100
    port: int = 0
    cache: PromptCache = field(default_factory=PromptCache)
    _number: int = 0
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
        place = path.partition("?")[0]
        stay = headers.get("connection", "").lower() != "close"
        if method != "POST" or place not in ("/v1/messages", "/v1/messages/count_tokens"):
            return await _whole(writer, _error(404, f"no {method} {path} here")) and stay
        if not _key(headers):
            return await _whole(writer, _error(401, "no API key: neither x-api-key nor Authorization")) and stay
        request, problem = _read(body, counting=place.endswith("count_tokens"))
        if problem:
            return await _whole(writer, _error(400, problem)) and stay
        if place.endswith("count_tokens"):
            self.counted += 1
            return await _whole(writer, (200, {"input_tokens": prompt_tokens(request)})) and stay
        if self.faults:
            fault = self.faults.pop(0)
            step = Step(status=fault.status, retry_after=fault.retry_after, delay=fault.delay)
        else:
            step = self._step(request)
        await asyncio.sleep(step.delay)
        if step.status == 0:
            return False
        more = dict(self.scenario.headers)
        if step.status != 200:
            if step.retry_after is not None:
                more["retry-after"] = f"{step.retry_after:g}"
            return await _whole(writer, _error(step.status, "as asked for"), more) and stay
        self.requests = [*self.requests, request][-self.keep :]
        message = self._message(request, step)
        if request.get("stream"):
            return await _streamed(writer, message, step, more) and stay
        return await _whole(writer, (200, message), more) and stay

    def _step(self, request: Json) -> Step:
        # A coding agent puts words of its own program among the turns; who talks here is the user.
        talk = [message for message in request["messages"] if message["role"] != "system"] or request["messages"]
        turns = [_text(message["content"]) for message in talk]
        system = _text(request.get("system", ""))
        newest = talk[-1]["content"]
        result = isinstance(newest, list) and any(block.get("type") == "tool_result" for block in newest)
        step = self.scenario.step(request, turns[-1], system, result=result) or Step()
        if step.say is None and not step.call:
            step.say = reply_to(turns, system)
        return step

    def _message(self, request: Json, step: Step) -> Json:
        self._number += 1
        words = (step.say or "").split(" ")
        cut = len(words) > request["max_tokens"]
        text = " ".join(words[: request["max_tokens"]])
        content: list[Json] = [{"type": "text", "text": text}] if text else []
        for place, call in enumerate(step.call):
            ident = f"toolu_local_{self._number:06d}{place:02d}"
            content.append({"type": "tool_use", "id": ident, "name": call["name"], "input": call.get("input", {})})
        said = sum(tokens(block.get("text") or json.dumps(block["input"])) for block in content)
        stop = "max_tokens" if cut else "tool_use" if step.call else "end_turn"
        return {
            "id": f"msg_local_{self._number:06d}",
            "type": "message",
            "role": "assistant",
            "model": request["model"],
            "content": content,
            "stop_reason": step.stop or stop,
            "stop_sequence": None,
            "usage": {**self.cache.count(request), "output_tokens": said},
        }


@contextlib.asynccontextmanager
async def serving(faults: Sequence[Fault] = (), port: int = 0, scenario: Any = None) -> AsyncIterator[MessagesServer]:
    """Run the server for a while; a scenario is what its file would hold."""
    server = MessagesServer(list(faults), Scenario.of(scenario or {}), port=port)
    await server.open()
    try:
        yield server
    finally:
        await server.close()


# Saying.


async def _whole(writer: asyncio.StreamWriter, answer: tuple[int, Json], more: Mapping[str, str] | None = None) -> bool:
    status, document = answer
    payload = json.dumps(document).encode()
    fields = {"content-type": "application/json", "content-length": str(len(payload)), **(more or {})}
    writer.write(_head(status, fields) + payload)
    await writer.drain()
    return True


async def _streamed(writer: asyncio.StreamWriter, message: Json, step: Step, more: Mapping[str, str]) -> bool:
    """Send a message as events, in the order and shapes of the API; say whether the connection goes on."""
    fields = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **more}
    writer.write(_head(200, {**fields, "transfer-encoding": "chunked"}))
    parts = 0
    for event in _events(message):
        if event["type"] == "content_block_delta":
            if step.cut is not None and parts >= step.cut:
                if not step.fail:
                    await writer.drain()
                    return False
                _send(writer, {"type": "error", "error": {"type": step.fail, "message": "as asked for"}})
                break
            parts += 1
            await asyncio.sleep(step.pause)
        _send(writer, event)
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _events(message: Json) -> Iterator[Json]:
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty: Json = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": part} for part in _pieces(block["text"])]
        else:
            empty = {**block, "input": {}}
            whole = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": part} for part in ["", *_pieces(whole)]]
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


def _pieces(text: str) -> list[str]:
    return re.findall(r"\S{1,40}\s*|\s+", text)


def _send(writer: asyncio.StreamWriter, event: Json) -> None:
    data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _head(status: int, fields: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}", *(f"{k}: {v}" for k, v in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


# Understanding.


def _key(headers: Mapping[str, str]) -> str:
    """Find the key: the SDK sent it as x-api-key before, and in its newest versions sends it as a bearer token."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return headers.get("x-api-key", "") or (token.strip() if scheme.lower() == "bearer" else "")


def _read(body: bytes, *, counting: bool) -> tuple[Json, str]:
    try:
        request = json.loads(body)
    except ValueError:
        return {}, "the body is not JSON"
    return request, _problem(request, counting=counting)


def _problem(request: Any, *, counting: bool) -> str:
    if not isinstance(request, dict):
        return "the body must be an object"
    if not isinstance(request.get("model"), str) or not request["model"]:
        return "model: field required"
    most = request.get("max_tokens")
    if not counting and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        return "max_tokens: must be a positive integer"
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages: at least one message is required"
    waiting: set[str] = set()
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            return f"messages.{number}.role: must be user or assistant"
        if not isinstance(message.get("content"), str | list):
            return f"messages.{number}.content: field required"
        blocks = [block for block in message["content"] if isinstance(block, dict)]
        answered = {str(block.get("tool_use_id")) for block in blocks if block.get("type") == "tool_result"}
        if waiting - answered and message["role"] == "user":
            return f"messages.{number}: tool_use ids without tool_result: {', '.join(sorted(waiting - answered))}"
        if message["role"] != "system":
            waiting = {str(block.get("id")) for block in blocks if block.get("type") == "tool_use"}
    return "" if messages[0]["role"] == "user" else "messages.0.role: the first message must be the user's"


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    found = []
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and block.get("type") == "text":
            found.append(str(block.get("text", "")))
        elif isinstance(block, dict) and block.get("type") == "tool_result":
            found.append(_text(block.get("content", "")))
    return "\n".join(found)


def _error(status: int, message: str) -> tuple[int, Json]:
    return status, {"type": "error", "error": {"type": _ERRORS.get(status, "api_error"), "message": message}}


async def _main(port: int, scenario: Path | None) -> None:
    done = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    server = MessagesServer(scenario=Scenario.read(scenario) if scenario else Scenario(), port=port)
    await server.open()
    print(server.url, flush=True)
    await done.wait()
    await server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Answer the Messages API on this computer, by rule.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="JSON that says what to answer, see the docs")
    given = parser.parse_args()
    asyncio.run(_main(given.port, given.scenario))

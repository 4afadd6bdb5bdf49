"""The child process that holds the Anthropic SDK: JSON lines in, JSON lines out.

In:  {"id", "model", "max_tokens", "system", "messages", "api_key_env", "base_url", "timeout"}
     {"cancel": id}
Out: {"ready": true} once; of each request {"id", "begun": true} before the API is called, and then
     {"id", "kind", "reply", "reason", "started", "retry_after", "usage"}

It ends when its input ends, so it never outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import anthropic
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, stop_before_delay

from gitsync import clock
from gitsync.agents.prices import cost

ATTEMPTS = 4
PATIENCE = 60.0
"""Longer waits than this (s) are given back: the dispatcher's own retries survive a restart."""

_LINE = 64 * 1024 * 1024
_OVERLOADED = 529


class Clients:
    """Keep one SDK client for each key and address."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._clients: dict[tuple[str, str], anthropic.AsyncAnthropic] = {}

    def get(self, key_name: str, base_url: str) -> anthropic.AsyncAnthropic:
        """Return the client; its own retries are off, ours say what they wait for."""
        place = (key_name, base_url)
        if place not in self._clients:
            self._clients[place] = anthropic.AsyncAnthropic(
                api_key=self._environ.get(key_name, ""), base_url=base_url or None, max_retries=0
            )
        return self._clients[place]

    async def close(self) -> None:
        """Close all of them."""
        for client in self._clients.values():
            await client.close()


async def answer(client: anthropic.AsyncAnthropic, request: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the model, again while the server says so, and turn whatever happens into a document."""
    limit = float(request["timeout"])
    retries = 0
    given: dict[str, Any] = {"system": request["system"]} if request["system"] else {}
    try:
        async with asyncio.timeout(limit):
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(_again),
                wait=_wait,
                stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(min(limit, PATIENCE)),
                reraise=True,
            ):
                with attempt:
                    retries = attempt.retry_state.attempt_number - 1
                    message = await client.messages.create(
                        model=request["model"],
                        max_tokens=request["max_tokens"],
                        messages=request["messages"],
                        timeout=limit,
                        **given,
                    )
    except (TimeoutError, anthropic.APITimeoutError):
        return {"kind": "failed", "reason": f"time-out after {limit:g} s"}
    except anthropic.APIStatusError as error:
        return _refusal(error)
    except anthropic.APIConnectionError as error:
        if _never_connected(error):
            return {"kind": "failed", "started": False, "reason": f"cannot reach the API: {_deepest(error)}"}
        return {"kind": "uncertain", "reason": f"connection to the API broke: {_deepest(error)}"}
    except anthropic.AnthropicError as error:
        return {"kind": "failed", "reason": f"{type(error).__name__}: {error}"}
    return _reply(message, retries, request["max_tokens"])


def _reply(message: anthropic.types.Message, retries: int, max_tokens: int) -> dict[str, Any]:
    text = "\n\n".join(block.text for block in message.content if block.type == "text").strip()
    usage = _usage(message, retries)
    if message.stop_reason == "refusal":
        reason = "the model refused" + (f": {text}" if text else "")
        return {"kind": "failed", "reason": reason, "usage": usage}
    if message.stop_reason == "max_tokens":
        if not text:
            reason = f"the model used up max_tokens ({max_tokens}) before it answered; raise max_tokens"
            return {"kind": "failed", "reason": reason, "usage": usage}
        text += f"\n\n[cut here: the answer reached max_tokens, {max_tokens}]"
    return {"kind": "done", "reply": text, "usage": usage}


def _usage(message: anthropic.types.Message, retries: int) -> dict[str, Any]:
    used = message.usage
    written = used.cache_creation
    counts = {
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cache_creation_input_tokens": used.cache_creation_input_tokens or 0,
        "cache_read_input_tokens": used.cache_read_input_tokens or 0,
        "cache_creation_1h_input_tokens": written.ephemeral_1h_input_tokens if written else 0,
    }
    return {
        **counts,
        "model": message.model,
        "stop_reason": message.stop_reason,
        "retries": retries,
        "cost_usd": cost(message.model, counts),
    }


def _refusal(error: anthropic.APIStatusError) -> dict[str, Any]:
    reason = f"API {error.status_code}: {_message(error)}"
    if error.status_code in (429, 503, _OVERLOADED):
        return {"kind": "failed", "started": False, "retry_after": _retry_after(error), "reason": reason}
    if error.status_code in (401, 403):
        reason += "; check the key that api_key_env names"
    return {"kind": "failed", "reason": reason}


def _message(error: anthropic.APIStatusError) -> str:
    body = error.body
    inner = body.get("error") if isinstance(body, dict) else None
    told = inner.get("message") if isinstance(inner, dict) else None
    return str(told or error.message)[:500]


def _again(error: BaseException) -> bool:
    if isinstance(error, anthropic.APIStatusError):
        return error.status_code == 429 or error.status_code >= 500
    return isinstance(error, anthropic.APIConnectionError) and _never_connected(error)


def _wait(state: RetryCallState) -> float:
    """Wait as long as the server says, else 1, 2, 4 … seconds; and up to a quarter more, out of step."""
    error = state.outcome.exception() if state.outcome is not None else None
    wish = _retry_after(error) if isinstance(error, anthropic.APIStatusError) else None
    base = wish if wish is not None else min(30.0, 2.0 ** (state.attempt_number - 1))
    return base + clock.jitter(0.0, base / 4)


def _retry_after(error: anthropic.APIStatusError) -> float | None:
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = error.response.headers.get(name)
        try:
            if value is not None:
                return max(0.0, float(value) / unit)
        except ValueError:
            continue
    return None


def _never_connected(error: BaseException) -> bool:
    """Say whether the connection failed before anything was sent, by the transport's own word."""
    cause: BaseException | None = error
    while cause is not None:
        if type(cause).__name__ in ("ConnectError", "ConnectTimeout", "ConnectionRefusedError", "gaierror"):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _deepest(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


class Desk:
    """Take requests, work on them side by side, hand answers out."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def take(self, line: bytes) -> None:
        """Begin a request or cancel one."""
        request = json.loads(line)
        if "cancel" in request:
            task = self._tasks.get(request["cancel"])
            if task is not None:
                task.cancel()
            return
        number = int(request["id"])
        task = asyncio.create_task(self._work(number, request))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _work(self, number: int, request: Mapping[str, Any]) -> None:
        _say({"id": number, "begun": True})
        client = self._clients.get(request["api_key_env"], request["base_url"])
        try:
            document = await answer(client, request)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a defect of ours or the SDK's must not take the other requests along
            document = {"kind": "failed", "reason": f"{type(error).__name__}: {error}"}
        _say({"id": number, **document})

    async def leave(self) -> None:
        """Drop what is under way: nobody listens any more."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._clients.close()


def _say(document: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(document).encode() + b"\n")
    sys.stdout.buffer.flush()


async def serve() -> None:
    """Work until the input ends."""
    reader = asyncio.StreamReader(limit=_LINE)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin.buffer)
    environ = dict(os.environ)  # noqa: TID251 - a program of its own, whose environment was built for it
    desk = Desk(Clients(environ))
    _say({"ready": True})
    while line := await reader.readline():
        desk.take(line)
    await desk.leave()


if __name__ == "__main__":
    asyncio.run(serve())

"""Ask a model until it has answered: money first, then the request, then what it wants to look at."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anthropic
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_before_delay

from gitsync import clock
from gitsync.agents.claude.child import failures
from gitsync.agents.claude.child.failures import Broken
from gitsync.agents.claude.conversation import SHORTEST
from gitsync.agents.prices import Price, cost, worst

Json = dict[str, Any]
Speak = Callable[..., Awaitable[Json]]
"""Ask the process that started this one; with `wait=False` only tell it."""

PATIENCE = 60.0
"""Longer waits than this (s) are given back: the dispatcher's own retries survive a restart."""

OVERHEAD = 1500
"""Tokens that the API may add to a prompt: its own words about tools, the frame of each request."""

_EVERY = 1.0
"""Seconds between two words about progress."""

_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "cache_creation_1h_input_tokens",
)
_LIMITS = ("requests", "tokens", "input-tokens", "output-tokens")


class NoMoney(Exception):
    """The request may not be sent: a budget would be passed, or the books cannot be kept."""

    def __init__(self, refused: Json) -> None:
        super().__init__(str(refused.get("refused") or refused.get("error")))
        self.until: float | None = refused.get("until")
        self.books = "refused" not in refused


class Asking:
    """One run: a request to answer, and what it took so far."""

    def __init__(self, client: anthropic.AsyncAnthropic, request: Mapping[str, Any], speak: Speak) -> None:
        self._client = client
        self._request = request
        self._speak = speak
        self._own = {name: Price(**price) for name, price in request.get("prices", {}).items()}
        self._used: Json = dict.fromkeys(_COUNTS, 0)
        self._micros: int | None = 0
        self._retries = 0
        self._looked: list[str] = []
        self._limits: list[Json] = []
        self._model = str(request["model"])
        self._stop: str | None = None
        self._sent = False
        self._told = 0.0
        self._written = 0

    async def answer(self) -> Json:
        """Ask, again while the server says so, and turn whatever happens into a document."""
        limit = float(self._request["timeout"])
        try:
            async with asyncio.timeout(limit):
                message = await self._converse()
        except (TimeoutError, anthropic.APITimeoutError):
            reason = f"time-out after {limit:g} s" + ("" if self._sent else ", waiting for its turn")
            return self._failed({"kind": "failed", "started": self._sent, "reason": reason, "error": "timeout"})
        except NoMoney as error:
            if error.books:
                reason = f"the journal takes nothing: {error}"
                return self._failed({"kind": "failed", "started": False, "reason": reason, "error": "books"})
            found = {"kind": "failed", "started": False, "reason": str(error), "error": "budget"}
            return self._failed({**found, "until": error.until} if error.until else {**found, "kind": "refused"})
        except Exception as error:
            return self._failed(failures.told(error))
        return self._reply(message)

    # The conversation.

    async def _converse(self) -> anthropic.types.Message:
        request = self._request
        prompt = {name: request[name] for name in ("system", "tools", "messages") if request.get(name)}
        rounds = int(request.get("rounds", 0)) if prompt.get("tools") else 0
        for number in range(rounds + 1):
            if number and number == rounds:
                prompt["tool_choice"] = {"type": "none"}  # it has looked enough
            message = await self._served(prompt)
            uses = [block for block in message.content if block.type == "tool_use"]
            if message.stop_reason != "tool_use" or not uses or number == rounds:
                return message
            said = [
                block.model_dump(mode="json", exclude_none=True, exclude={"parsed_output"}) for block in message.content
            ]
            results = [await self._look(use) for use in uses]
            prompt["messages"] = self._kept([*prompt["messages"], {"role": "assistant", "content": said}], results)
        raise AssertionError("the last round returns")

    async def _look(self, use: Any) -> Json:
        self._looked.append(use.name)
        await self._speak("progress", text=f"looks: {use.name}", chars=self._written, wait=False)
        found = await self._speak("tool", name=use.name, input=use.input)
        text = str(found.get("text") or found.get("error") or "nothing")
        return {
            "type": "tool_result",
            "tool_use_id": use.id,
            "content": text,
            **({"is_error": True} if found.get("is_error") or "error" in found else {}),
        }

    def _kept(self, messages: list[Json], results: list[Json]) -> list[Json]:
        """Add what was found, marked for the prompt cache where it is long enough; the mark before goes."""
        if self._request.get("prompt_cache") and len(json.dumps(messages)) >= SHORTEST:
            messages = [_unmarked(message) for message in messages]
            results = [*results[:-1], {**results[-1], "cache_control": {"type": "ephemeral"}}]
        return [*messages, {"role": "user", "content": results}]

    async def _served(self, prompt: Json) -> anthropic.types.Message:
        """Send one request, again while that is worth it; what it took is charged before its answer is used."""
        limit = float(self._request["timeout"])
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(failures.again),
            wait=failures.wait,
            stop=stop_after_attempt(int(self._request.get("attempts", 4))) | stop_before_delay(min(limit, PATIENCE)),
            reraise=True,
        ):
            with attempt:
                self._retries += attempt.retry_state.attempt_number > 1
                held = await self._reserve(prompt)
                try:
                    message = await self._stream(prompt, limit)
                except Exception as error:
                    if held and (over := held - self._at_most(error)) > 0:
                        await self._speak("release", micros=over)
                    raise
                await self._charge(message, held)
        return message

    async def _stream(self, prompt: Json, limit: float) -> anthropic.types.Message:
        self._sent = True
        await self._speak("begun", wait=False)
        counts: dict[str, int] | None = None
        try:
            async with self._client.messages.stream(
                model=self._request["model"], max_tokens=self._request["max_tokens"], timeout=limit, **prompt
            ) as stream:
                self._read_limits(stream.response.headers)
                async for event in stream:
                    if event.type == "message_start":
                        counts = _counts(event.message.usage)
                    elif event.type == "text":
                        await self._progress(len(event.text))
                message: anthropic.types.Message = await stream.get_final_message()
                return message
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if counts is None:
                raise
            raise Broken(error, counts) from error

    async def _progress(self, chars: int) -> None:
        self._written += chars
        now = clock.monotonic()
        if now - self._told >= _EVERY:
            self._told = now
            await self._speak("progress", text="writes", chars=self._written, wait=False)

    # Money.

    async def _reserve(self, prompt: Json) -> int:
        """Have set aside what the request costs at worst; raise NoMoney.

        No token is less than a byte, so the length of the prompt bounds it. Only where that is too much for a budget
        is the API asked to count, which is free and takes a moment; its count is an estimate, so a little is added.
        """
        if not self._request.get("recorded"):
            return 0
        model, most = self._request["model"], int(self._request["max_tokens"])
        length = len(json.dumps(prompt, ensure_ascii=False).encode("utf-8", "surrogatepass")) + OVERHEAD
        micros = worst(model, length, most, self._own)
        told = await self._speak("reserve", micros=micros, patient=False)
        if "refused" in told and micros is not None:
            tokens = await self._counted(prompt)
            if tokens is not None and tokens < length:
                micros = worst(model, tokens, most, self._own)
            told = await self._speak("reserve", micros=micros, patient=True)
        if "refused" in told or "error" in told:
            raise NoMoney(told)
        return micros or 0

    def _at_most(self, error: Exception) -> int:
        """Bound what a request that failed may be charged: nothing, its prompt and the longest answer, or not known."""
        if failures.free(error):
            return 0
        if isinstance(error, Broken):
            longest = {**error.counts, "output_tokens": int(self._request["max_tokens"])}
            micros = cost(self._request["model"], longest, self._own)
            if micros is not None:
                return micros
        return sys.maxsize

    async def _counted(self, prompt: Json) -> int | None:
        try:
            counted = await self._client.messages.count_tokens(model=self._request["model"], timeout=10.0, **prompt)
        except anthropic.AnthropicError:
            return None
        return counted.input_tokens + counted.input_tokens // 50 + 64

    async def _charge(self, message: anthropic.types.Message, held: int) -> None:
        counts = _counts(message.usage)
        micros = cost(message.model, counts, self._own)
        if micros is None and held:
            micros = cost(self._request["model"], counts, self._own)  # it answers under another name
        self._model, self._stop = message.model, message.stop_reason
        self._used = {name: self._used[name] + counts[name] for name in _COUNTS}
        self._micros = None if micros is None or self._micros is None else self._micros + micros
        if self._request.get("recorded"):
            entry = {
                "model": message.model,
                "tokens_in": counts["input_tokens"],
                "tokens_out": counts["output_tokens"],
                "tokens_cached": counts["cache_read_input_tokens"],
                "tokens_cache_write": counts["cache_creation_input_tokens"],
                "cost_micros": micros,
                "release": held,
            }
            await self._speak("charge", used=entry)  # should the journal not take it, all of it stays set aside

    # What is told.

    def _usage(self) -> Json:
        used = self._used
        return {
            **used,
            "tokens_in": used["input_tokens"],
            "tokens_out": used["output_tokens"],
            "tokens_cached": used["cache_read_input_tokens"],
            "tokens_cache_write": used["cache_creation_input_tokens"],
            "model": self._model,
            "stop_reason": self._stop,
            "retries": self._retries,
            "cost_micros": self._micros,
            "cost_usd": None if self._micros is None else self._micros / 1_000_000,
            **({"looked": self._looked} if self._looked else {}),
            **({"limits": self._limits} if self._limits else {}),
        }

    def _failed(self, found: Json) -> Json:
        return {**found, "usage": self._usage()}

    def _reply(self, message: anthropic.types.Message) -> Json:
        text = "\n\n".join(block.text for block in message.content if block.type == "text").strip()
        usage, most = self._usage(), self._request["max_tokens"]
        if message.stop_reason == "refusal":
            reason = "the model refused" + (f": {text}" if text else "")
            return {"kind": "failed", "reason": reason, "usage": usage, "error": "refusal"}
        if message.stop_reason == "max_tokens":
            if not text:
                reason = f"the model used up max_tokens ({most}) before it answered; raise max_tokens"
                return {"kind": "failed", "reason": reason, "usage": usage, "error": "max_tokens"}
            text += f"\n\n[cut here: the answer reached max_tokens, {most}]"
        return {"kind": "done", "reply": text, "usage": usage}

    def _read_limits(self, headers: Mapping[str, str]) -> None:
        """Read what the API says of its rate limits; the newest word counts."""
        found = []
        for name in _LIMITS:
            prefix = f"anthropic-ratelimit-{name}"
            limit, left = headers.get(f"{prefix}-limit", ""), headers.get(f"{prefix}-remaining", "")
            if limit.isdecimal() and left.isdecimal():
                used = max(0, int(limit) - int(left))
                resets = headers.get(f"{prefix}-reset", "")
                found.append({"name": name, "used": used, "limit": int(limit), "resets": resets})
        self._limits = found or self._limits


def _counts(used: anthropic.types.Usage) -> dict[str, int]:
    written = used.cache_creation
    return {
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cache_creation_input_tokens": used.cache_creation_input_tokens or 0,
        "cache_read_input_tokens": used.cache_read_input_tokens or 0,
        "cache_creation_1h_input_tokens": written.ephemeral_1h_input_tokens if written else 0,
    }


def _unmarked(message: Json) -> Json:
    content = message["content"]
    if message["role"] != "user" or not isinstance(content, list) or content[0].get("type") != "tool_result":
        return message
    return {**message, "content": [{k: v for k, v in block.items() if k != "cache_control"} for block in content]}

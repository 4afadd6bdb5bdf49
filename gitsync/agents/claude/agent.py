"""One agent that is a Claude model: which model, in which order, with what it may look at and spend."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gitsync import clock
from gitsync.agents.base import Delivery, Outcome
from gitsync.agents.claude import tools
from gitsync.agents.claude.choice import Choice, choose_model
from gitsync.agents.claude.conversation import marked, system_text, turns
from gitsync.agents.claude.definitions import Definition, Unreadable, read_definition
from gitsync.agents.claude.responses import response_key
from gitsync.agents.claude.surroundings import Surroundings, Used
from gitsync.agents.claude.worker import Worker, WorkerDied
from gitsync.agents.spec import AgentSpec
from gitsync.balancing import Breaker
from gitsync.errors import GitsyncError

Json = dict[str, Any]

_ATTEMPTS = 4
_FEWER = 2
"""Tries with a model while there is another to go on with."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, whichever model answers."""

    definition: Definition
    choice: Choice
    system: str
    messages: list[dict[str, str]]
    tools: list[Json]


class ClaudeAgent:
    """Give each message, with its thread as alternating turns, to a model."""

    kind = "claude"

    def __init__(
        self,
        spec: AgentSpec,
        root: Path,
        environ: Mapping[str, str],
        worker: Worker,
        around: Surroundings | None = None,
    ) -> None:
        self.spec = spec
        self._root = root
        self._environ = environ
        self._worker = worker
        self._around = around or Surroundings()

    @property
    def name(self) -> str:
        return self.spec.name

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Ask the model; its text is the reply, what it cost is in the usage."""
        problem = self._missing()
        if problem:
            return Outcome(kind="failed", started=False, reason=problem)
        try:
            question = await asyncio.to_thread(self._question, delivery)
        except Unreadable as error:
            return Outcome(kind="failed", started=False, reason=str(error))
        if not question.choice.model:
            return Outcome(kind="failed", started=False, reason=self._no_model())
        responses, purse = self._around.responses, self._around.purse
        key = self._response_key(question, delivery) if responses is not None else ""
        kept = await asyncio.to_thread(responses.get, key, self.spec.response_cache) if responses and key else None
        noted: Json = {"why": question.choice.why}
        if purse is not None:
            kind = "cached" if kept is not None else self.kind
            try:
                noted["run"] = await purse.open(self.name, delivery, question.choice.model, kind=kind)
            except GitsyncError as error:
                return Outcome(kind="failed", started=False, reason=f"the journal takes nothing: {error}")
        try:
            if kept is not None:
                usage = {"model": kept["model"], "cost_micros": 0, **noted}
                return Outcome(kind="done", reply=kept["reply"], usage=usage)
            outcome = await self._ask_in_turn(question, delivery, noted.get("run"), noted)
        finally:
            if purse is not None:
                purse.over(noted["run"])
        used = outcome.usage or {}
        if key and responses is not None and outcome.kind == "done" and not used.get("looked"):
            await asyncio.to_thread(responses.put, key, outcome.reply, str(used.get("model", "")))
        return outcome

    async def health(self) -> tuple[str, str]:
        """See whether there is a key and a model; the API itself is not called, since that costs."""
        problem = self._missing()
        if not problem:
            try:
                definition = await asyncio.to_thread(read_definition, self.spec, self._root)
                problem = "" if definition.model or self.spec.models else self._no_model()
            except Unreadable as error:
                problem = str(error)
        return ("error", problem) if problem else ("online", "")

    async def close(self) -> None:
        """End the worker; another agent's next message would start it again."""
        await self._worker.close()

    # What is asked.

    def _missing(self) -> str:
        if self._environ.get(self.spec.api_key_env):
            return ""
        where = "in the environment of `gitsync up`, or name another in api_key_env"
        return f"no API key: set {self.spec.api_key_env} {where}"

    def _no_model(self) -> str:
        return f"no model: set `model` of agent {self.name} in .gitsync/config.toml"

    def _question(self, delivery: Delivery) -> _Question:
        definition = read_definition(self.spec, self._root)
        names = definition.tools if self._around.look is not None else ()
        others = [skill for skill in definition.skills if delivery.type not in skill.types or not delivery.type]
        return _Question(
            definition=definition,
            choice=choose_model(definition.model, self.spec.models, delivery),
            system=system_text(definition.system, definition.skills, delivery.type),
            messages=turns(delivery),
            tools=tools.schemas(names, others),
        )

    def _response_key(self, question: _Question, delivery: Delivery) -> str:
        """Name the question for the response cache; empty where that is off, or not for this type."""
        spec = self.spec
        if not spec.response_cache or delivery.type in spec.response_cache_except:
            return ""
        return response_key(
            {
                "agent": self.name,
                "definition": asdict(question.definition),
                "model": [question.choice.model, *spec.fallback],
                "settings": [spec.base_url, spec.tool_rounds, question.definition.max_tokens],
                "system": question.system,
                "tools": question.tools,
                "messages": question.messages,
            }
        )

    # Asking.

    async def _ask_in_turn(self, question: _Question, delivery: Delivery, number: int | None, noted: Json) -> Outcome:
        """Ask the chosen model, then those to fall back on, until one serves."""
        chain = list(dict.fromkeys([question.choice.model, *self.spec.fallback]))
        passed: list[str] = []
        began = False
        outcome: Outcome | None = None
        for place, model in enumerate(chain):
            breaker = self._breaker(model)
            now = clock.monotonic()
            if not breaker.lets(now):
                passed.append(f"{model}: its breaker is open")
                continue
            trial = breaker.begin(now)
            try:
                answer = await self._ask(question, delivery, model, number, last=place == len(chain) - 1)
            except BaseException:
                breaker.left(trial)
                raise
            if answer.get("unserved") and answer.get("error") != "rate_limit":
                breaker.failed(clock.monotonic(), trial)
            elif answer["kind"] == "done":
                breaker.succeeded()
            else:
                breaker.left(trial)
            why = noted["why"] + (f"; fell back: {'; '.join(passed)}" if passed else "")
            outcome = self._outcome(answer, {**noted, "why": why}, began)
            began = began or outcome.started
            if not answer.get("unserved"):
                return outcome
            passed.append(f"{model}: {outcome.reason}")
        if outcome is not None:
            return outcome
        wait = min((self._breaker(model).until or 0.0) for model in chain) - clock.monotonic()
        reason = "no model serves now: " + "; ".join(passed)
        usage = {**noted, "error_type": "breaker"}
        return Outcome(
            kind="failed", started=False, reason=reason, retry_after=max(1.0, wait), usage=usage, blameless=True
        )

    async def _ask(
        self, question: _Question, delivery: Delivery, model: str, number: int | None, *, last: bool
    ) -> Json:
        spec = self.spec
        request = {
            "model": model,
            "max_tokens": question.definition.max_tokens,
            **self._prompt(question),
            "prompt_cache": spec.prompt_cache,
            "rounds": spec.tool_rounds,
            "attempts": _ATTEMPTS if last else _FEWER,
            "recorded": number is not None,
            "prices": {name: asdict(price) for name, price in self._around.prices.items()},
            "api_key_env": spec.api_key_env,
            "base_url": spec.base_url,
            "timeout": spec.timeout,
            "key": delivery.key,
        }

        async def hear(asked: Json) -> Json:
            return await self._hear(asked, question, delivery, number)

        try:
            async with self._worker.places:
                # The worker keeps the time itself; the margin is for a worker that does not answer at all.
                return await self._worker.ask(request, spec.timeout + spec.grace, hear)
        except TimeoutError:
            return {"kind": "failed", "reason": f"time-out after {spec.timeout:g} s", "error": "timeout"}
        except WorkerDied as error:
            kind = "uncertain" if error.started else "failed"
            return {"kind": kind, "started": error.started, "reason": str(error), "error": "worker"}

    def _prompt(self, question: _Question) -> Json:
        if self.spec.prompt_cache:
            return marked(question.system, question.tools, question.messages)
        plain = {"messages": question.messages, "system": question.system, "tools": question.tools}
        return {name: value for name, value in plain.items() if value}

    async def _hear(self, asked: Json, question: _Question, delivery: Delivery, number: int | None) -> Json:
        """Answer what the worker asks on its way."""
        purse = self._around.purse
        match asked["ask"]:
            case "progress":
                self._around.progress(self.name, delivery, asked["text"], asked["chars"])
            case "tool":
                skills, names = question.definition.skills, question.definition.tools
                name = asked["name"]
                text, bad = await tools.answer(name, asked["input"], delivery, names, skills, self._around.look)
                return {"text": text, "is_error": bad}
            case "reserve" if purse is not None and number is not None:
                refusal = await purse.reserve(number, asked["micros"], patient=asked["patient"])
                if refusal is not None:
                    return {"refused": refusal.reason, "until": refusal.until}
            case "release" if purse is not None and number is not None:
                await purse.release(number, asked["micros"])
            case "charge" if purse is not None and number is not None:
                await purse.charge(number, Used(**asked["used"]))
        return {}

    def _outcome(self, answer: Json, noted: Json, began: bool) -> Outcome:
        usage = {**(answer.get("usage") or {}), **noted}
        if answer.get("error"):
            usage["error_type"] = answer["error"]
        kind = answer.get("kind")
        retry_after = answer.get("retry_after")
        return Outcome(
            kind=kind if kind in ("done", "uncertain", "refused") else "failed",
            reply=str(answer.get("reply", "")).strip(),
            reason=str(answer.get("reason", "")),
            started=bool(answer.get("started", True)) or began,
            retry_after=retry_after,
            until=answer.get("until"),
            usage=usage,
            blameless=retry_after is not None or answer.get("error") == "budget",
        )

    def _breaker(self, model: str) -> Breaker:
        place = (self.spec.base_url, model)
        return self._worker.breakers.setdefault(place, Breaker(self.spec.breaker_failures, self.spec.breaker_pause))

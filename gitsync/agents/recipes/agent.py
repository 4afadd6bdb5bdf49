"""An agent that is a coding agent's program: called by its recipe, in the session in which the conversation goes on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakValueDictionary

from gitsync import clock
from gitsync.agents.answer import FLOOD, Heard
from gitsync.agents.base import Delivery, Outcome
from gitsync.agents.command import CommandAgent, how_ended
from gitsync.agents.environment import BASICS, NETWORK, built
from gitsync.agents.recipes import RECIPES
from gitsync.agents.recipes.prompt import prompt, unknown
from gitsync.agents.recipes.values import LOGIN, RATE, Told
from gitsync.agents.spec import AgentSpec
from gitsync.errors import GitsyncError

log = logging.getLogger(__name__)

_LINE = 8 << 20
"""A line of more bytes is not read: it is some file that a tool has shown."""
_TALK = 16
"""How many times more than an answer the report of a run may be, with all that tools have shown."""
_WAIT = 60.0
"""How long to wait where a program says that a limit is reached, and not until when (s)."""


class Sessions(Protocol):
    """Remember where conversations go on; called on threads, durable when it returns. May raise GitsyncError."""

    def session(self, agent: str, thread: str, place: str) -> tuple[str, str, str] | None: ...
    def keep_session(self, agent: str, thread: str, place: str, session: str, last: str, totals: str = "") -> None: ...
    def forget_session(self, agent: str, thread: str) -> None: ...


class Report(Heard):
    """Read the lines of a run as they come; nothing of them is kept but what the recipe takes."""

    def __init__(self, cap: int, hear: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__(cap)
        self._most = cap * FLOOD * _TALK
        self._hear = hear
        self._rest = bytearray()
        self._skips = False

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        super().add(data)
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._rest += piece
            self._take()
            self._skips = False
        self._rest += rest
        if len(self._rest) > _LINE:
            self._rest.clear()
            self._skips = True

    @property
    def flooded(self) -> bool:
        """Say whether so much came that the agent cannot mean it."""
        return self.total > self._most

    def end(self) -> None:
        """Take what stands behind the last end of a line."""
        self._take()

    def _take(self) -> None:
        line = bytes(self._rest).strip()
        self._rest.clear()
        if self._skips or not line.startswith(b"{"):
            return
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(value, dict):
            self._hear(value)


class RecipeAgent(CommandAgent):
    """Run the program once for each message; messages of one conversation one after the other, in one session."""

    def __init__(
        self, spec: AgentSpec, root: Path, environ: Mapping[str, str], sessions: Sessions | None = None
    ) -> None:
        super().__init__(spec, root, environ)
        self._recipe = RECIPES[spec.recipe]
        self._sessions = sessions
        self._place = f"{spec.recipe} {self._cwd}"
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Go on with the conversation; begin anew, with the thread, where the program has lost it."""
        thread = delivery.thread or delivery.id
        turn = self._turns.setdefault(thread, asyncio.Lock())
        async with turn:
            known = await self._known(thread)
            outcome, told, lost = await self._once(delivery, known)
            if known is not None and lost:
                log.info("agent %s has lost the session of thread %s and begins anew", self.name, thread)
                await self._keep(lambda sessions: sessions.forget_session(self.name, thread))
                outcome, told, _ = await self._once(delivery, None)
            if outcome.kind == "done" and told.session:
                kept = (self.name, thread, self._place, told.session, delivery.id, told.counted)
                await self._keep(lambda sessions: sessions.keep_session(*kept))
            return outcome

    @property
    def _program(self) -> str:
        return self.spec.argv[0] if self.spec.argv else self._recipe.program

    def _base_env(self) -> dict[str, str]:
        return built(self._environ, (*BASICS, *NETWORK, *self.spec.pass_env), {**self._recipe.env, **self.spec.env})

    async def _once(self, delivery: Delivery, known: tuple[str, str, str] | None) -> tuple[Outcome, Told, bool]:
        """Run it; say also whether it had lost the session before it began with anything."""
        session, last, totals = known or ("", "", "")
        before = unknown(delivery.history, last) if session else delivery.history
        given = prompt(delivery, self.name, before, clock.entropy(8).hex())
        told = Told()
        report = Report(self.spec.max_output, lambda line: self._recipe.read(told, line))
        words = ""

        def judge(code: int, _out: Heard, last_words: str) -> Outcome:
            nonlocal words
            words = last_words
            report.end()
            return self._judge(told, code, last_words)

        argv = (self._program, *self._recipe.arguments(self.spec, session))
        outcome = await self._run(delivery, argv, given.encode("utf-8", "replace"), report, judge)
        if self._recipe.adds_up:
            told.counted = json.dumps(told.totals())
            told.subtract(json.loads(totals or "{}"))
        usage = told.usage()
        if usage is not None and outcome.usage is None:
            outcome = replace(outcome, usage=usage)  # what a run that was cut off has said was spent all the same
        said = f"{words}\n{told.error}"
        lost = bool(session) and outcome.kind == "failed" and not told.worked
        return outcome, told, lost and any(one in said for one in self._recipe.lost)

    def _judge(self, told: Told, code: int, words: str) -> Outcome:
        if told.error_type not in (RATE, LOGIN) and not told.error and code == 0 and told.ended:
            return Outcome(kind="done", reply=told.reply)
        said = told.error[-500:] or words
        if not told.error:
            told.error_type = told.error_type or self._recipe.codes.get(code, "")
        if told.error_type == RATE:
            return self._limited(told, said)
        if told.error_type == LOGIN and not told.worked:
            return Outcome(kind="failed", started=False, reason=f"not logged in: {said}; {self._recipe.remedy}")
        if told.error:
            return Outcome(kind="failed", reason=said, blameless=told.ended)
        if code != 0:
            return Outcome(kind="failed", reason=how_ended(code) + (f": {said}" if said else ""))
        return Outcome(kind="failed", reason="it ended without saying how" + (f": {said}" if said else ""))

    def _limited(self, told: Told, said: str) -> Outcome:
        """A limit that yields by itself: not begun, and to be tried again, unless a model had answered already."""
        reason = f"limited: {said}"
        if told.worked:
            return Outcome(kind="failed", reason=reason, blameless=True)
        if told.resets is not None and told.resets > clock.unix():
            until = told.resets
            return Outcome(
                kind="failed",
                started=False,
                reason=reason,
                retry_after=until - clock.unix(),
                until=until,
                blameless=True,
            )
        after = told.retry_after or _WAIT
        return Outcome(kind="failed", started=False, reason=reason, retry_after=after, blameless=True)

    async def _known(self, thread: str) -> tuple[str, str, str] | None:
        if self._sessions is None:
            return None
        try:
            return await asyncio.to_thread(self._sessions.session, self.name, thread, self._place)
        except GitsyncError:
            log.exception("the session of thread %s cannot be looked up", thread)
            return None

    async def _keep(self, write: Callable[[Sessions], None]) -> None:
        """Write where a conversation goes on; where that fails the next message begins anew, with the thread."""
        if self._sessions is None:
            return
        try:
            await asyncio.to_thread(write, self._sessions)
        except GitsyncError:
            log.exception("where conversations go on cannot be written")

"""Look at each agent when it is time, and judge what was seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from gitsync import clock
from gitsync.agents.base import Agent
from gitsync.agents.spec import AgentSpec
from gitsync.supervisor.checks import SOONEST, Rounds, look
from gitsync.supervisor.documents import Json, response_times
from gitsync.supervisor.health import Seen, Window, counts, judge, next_look
from gitsync.supervisor.supervise import Place, Supervised

log = logging.getLogger(__name__)

STARTING_LOOK = 0.25
STARTING_SLOW = 10.0
STARTING_LIMIT = 60.0
"""A program that starts is asked every 0.25 s, after 10 s every second; after 60 s its silence counts (s)."""
BUSY_LOOK = 5.0
"""Seconds until an agent is asked again that did not answer because it works."""


@dataclass(slots=True)
class Instance:
    """One agent and what is known of it."""

    spec: AgentSpec
    agent: Agent
    origin: str = "settings"
    """`settings`, or `run time` for one that was added while gitsync runs."""
    state: str = "starting"
    word: str = ""
    since: float = 0.0
    last_check: float | None = None
    bad: int = 0
    window: Window = field(default_factory=Window)
    times: Json = field(default_factory=lambda: response_times(Window()))
    supervised: Supervised | None = None

    def forget(self) -> None:
        """Know nothing of earlier checks: it is another service now."""
        self.window = Window()
        self.times = response_times(self.window)


class Watch:
    """Own the rounds of checks; what was judged is told."""

    def __init__(
        self,
        place: Place,
        *,
        find: Callable[[str], Instance | None],
        every: Callable[[], float],
        full: Callable[[str], bool],
        tell: Callable[[Instance, str, str], None],
    ) -> None:
        """Take what is needed; `full` says whether an agent works on all it may, `tell` takes state and word."""
        self.rounds = Rounds(self._check)
        self._place = place
        self._find = find
        self._every = every
        self._full = full
        self._tell = tell

    async def serve(self) -> None:
        """Check for ever; cancel to stop."""
        while True:
            try:
                await self.rounds.serve()
            except Exception:
                log.exception("checking the agents failed")
                await asyncio.sleep(1.0)

    async def _check(self, name: str) -> float:
        """Check one agent; return the seconds until the next check."""
        one = self._find(name)
        if one is None:
            return 0.0
        spec, program = one.spec, one.supervised
        every = spec.health_every if spec.health_every is not None else self._every()
        if spec.start and (program is None or program.phase not in ("starting", "up")):
            return every  # its next start asks for a check
        if program is not None and not (spec.health_command or spec.kind == "http"):
            return every  # nobody to ask: it lives, or its end is told
        pid = program.pid if program is not None else None
        full = self._full(name)
        agent = one.agent
        seen = await look(agent, self._place.root, self._place.environ)
        if one.agent is not agent or (program is not None and program.pid != pid):
            return SOONEST  # what was seen is no more
        one.last_check = clock.unix()
        if program is not None and program.phase == "starting":
            pause = _starting(one, program, seen)
            if pause is not None:
                self._tell(one, one.state, seen.word)
                return pause
        if not counts(seen, full=full or self._full(name)):
            return min(every, BUSY_LOOK)
        one.window.add(seen)
        one.times = response_times(one.window)
        one.bad = 0 if seen.state == "online" else one.bad + 1
        self._tell(one, *judge(one.window))
        return next_look(every, one.bad)


def _starting(one: Instance, program: Supervised, seen: Seen) -> float | None:
    """Look at a program that starts; None when what was seen counts."""
    if seen.state == "online":
        one.window.forget()
        one.bad = 0
        program.answered()
        return None
    if program.age > STARTING_LIMIT:
        return None
    return STARTING_LOOK if program.age < STARTING_SLOW else 1.0

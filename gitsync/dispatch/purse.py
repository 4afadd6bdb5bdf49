"""Keep the money of this machine's models in its journal: set aside before it is spent, on disk before it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gitsync import clock
from gitsync.agents.base import Delivery
from gitsync.agents.claude.surroundings import Refusal, Used
from gitsync.agents.spec import AgentSpec
from gitsync.dispatch.budget import Budget, bounds, crossing
from gitsync.ledger.journal import Journal
from gitsync.ledger.runs import Bound, Run

_AGAIN = 5.0
"""Seconds until another look at what others have set aside, should nobody say that they are done."""


class JournalPurse:
    """Grant money for requests; lives on one event loop, and asks the journal on threads."""

    def __init__(self, journal: Journal, specs: Sequence[AgentSpec] = (), budget: Budget | None = None) -> None:
        self._journal = journal
        self.configure(specs, budget or Budget())
        self._runs: dict[int, tuple[str, list[Bound]]] = {}
        self._held: dict[int, int] = {}
        self._news = asyncio.Event()

    def configure(self, specs: Sequence[AgentSpec], budget: Budget) -> None:
        """Take other budgets, for the runs that begin from now on."""
        self._specs = {spec.name: spec for spec in specs}
        self._budget = budget

    async def open(self, agent: str, delivery: Delivery, model: str, *, kind: str) -> int:
        """Begin the record of a run; it counts for the day on which it begins."""
        at = clock.unix()
        run = Run(
            at=at,
            agent=agent,
            kind=kind,
            model=model,
            thread=delivery.thread or delivery.id,
            message_key=delivery.key.removesuffix(f"/{agent}"),
        )
        number = await asyncio.to_thread(self._journal.add_run, run)
        self._runs[number] = model, bounds(self._specs.get(agent), self._budget, at)
        return number

    async def reserve(self, number: int, micros: int | None, *, patient: bool) -> Refusal | None:
        """Set aside what a request costs at worst (M1 to M6).

        A patient one waits where only what others have set aside is in the way (M3): they settle soon.
        """
        model, given = self._runs.get(number, ("", []))
        while True:
            self._news.clear()
            crossed = await asyncio.to_thread(self._journal.reserve, number, micros, given)
            if crossed is None and number not in self._runs:  # whoever asked has gone
                await asyncio.to_thread(self._journal.unreserve, number, micros or 0)
                return Refusal("budget: the run is over", None)
            if crossed is None:
                self._held[number] = self._held.get(number, 0) + (micros or 0)
                return None
            fits = micros is not None and crossed.spent + micros <= crossed.bound.micros
            if not (patient and fits and any(held for other, held in self._held.items() if other != number)):
                return Refusal(*crossing(crossed, micros, model))
            try:
                async with asyncio.timeout(_AGAIN):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def charge(self, number: int, used: Used) -> None:
        """Write what a request took, and let the rest go."""
        run = Run(
            at=0.0,
            agent="",
            kind="",
            model=used.model,
            tokens_in=used.tokens_in,
            tokens_out=used.tokens_out,
            tokens_cached=used.tokens_cached,
            tokens_cache_write=used.tokens_cache_write,
            cost_micros=used.cost_micros,
        )
        await asyncio.to_thread(self._journal.charge, number, run, release=used.release)
        self._settled(number, used.release)

    async def release(self, number: int, micros: int) -> None:
        """Let go what was set aside for a request that was not served."""
        await asyncio.to_thread(self._journal.unreserve, number, micros)
        self._settled(number, micros)

    def over(self, number: int) -> None:
        """Note that a run has ended: what it still holds stays reserved in the journal, and nobody waits for it."""
        self._runs.pop(number, None)
        self._held.pop(number, None)
        self._news.set()

    def _settled(self, number: int, micros: int) -> None:
        left = self._held.get(number, 0) - micros
        if left > 0:
            self._held[number] = left
        else:
            self._held.pop(number, None)
        self._news.set()

"""Keep a program within a budget: what one run of it may cost is set aside before it is begun."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gitsync.agents.base import Agent, Delivery, Outcome
from gitsync.agents.claude.surroundings import Purse, Used
from gitsync.agents.spec import AgentSpec
from gitsync.agents.usage import stated_cost, tokens
from gitsync.errors import GitsyncError

log = logging.getLogger(__name__)


class Metered:
    """Ask the purse before a program is begun; that it takes no more than its `run_budget` is the program's part.

    A run that does not say what it cost keeps all that was set aside for it: it may have been charged.
    """

    def __init__(self, agent: Agent, purse: Purse) -> None:
        self._agent = agent
        self._purse = purse

    @property
    def name(self) -> str:
        return self._agent.name

    @property
    def kind(self) -> str:
        return self._agent.kind

    @property
    def spec(self) -> AgentSpec:
        return self._agent.spec

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Set money aside, have the program work, write down what it took."""
        most = self.spec.run_budget
        try:
            number = await self._purse.open(self.name, delivery, self.spec.model, kind=self.kind)
        except GitsyncError as error:
            return Outcome(kind="failed", started=False, reason=f"the journal takes nothing: {error}")
        try:
            try:
                refusal = await self._purse.reserve(number, most, patient=True)
            except GitsyncError as error:
                return Outcome(kind="failed", started=False, reason=f"the journal takes nothing: {error}")
            if refusal is not None:
                return Outcome(
                    kind="failed" if refusal.until else "refused",
                    started=False,
                    reason=refusal.reason,
                    until=refusal.until,
                    blameless=True,
                    usage={"run": number, "error_type": "budget"},
                )
            outcome = await self._agent.deliver(delivery)
            await self._settle(number, outcome)
            return replace(outcome, usage={**(outcome.usage or {}), "run": number})
        finally:
            self._purse.over(number)

    async def _settle(self, number: int, outcome: Outcome) -> None:
        usage = outcome.usage or {}
        cost, most = stated_cost(usage), self.spec.run_budget
        try:
            if cost is not None:
                await self._purse.charge(number, _used(usage, cost, most))
            elif not outcome.started:
                await self._purse.release(number, most)
        except GitsyncError:
            log.exception("what was set aside for agent %s stays so", self.name)

    async def health(self) -> tuple[str, str]:
        """Ask the program's own."""
        return await self._agent.health()

    async def close(self) -> None:
        """Close the program's own."""
        await self._agent.close()


def _used(usage: Mapping[str, Any], cost: int, release: int) -> Used:
    return Used(
        model=str(usage.get("model") or ""),
        **tokens(usage),
        cost_micros=cost,
        release=release,
    )

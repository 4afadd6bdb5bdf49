"""An agent that comes and takes its messages itself."""

from __future__ import annotations

from gitsync.agents.base import Delivery, Outcome
from gitsync.agents.spec import AgentSpec


class InboxAgent:
    """Start nothing: the message waits until it is taken, and stays open until it is acked."""

    kind = "inbox"

    def __init__(self, spec: AgentSpec) -> None:
        self.spec = spec

    @property
    def name(self) -> str:
        return self.spec.name

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Leave the message where it is."""
        return Outcome(kind="waiting")

    async def health(self) -> tuple[str, str]:
        """An inbox is always there."""
        return "online", ""

    async def close(self) -> None:
        """Hold nothing."""

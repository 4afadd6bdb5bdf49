"""Hand messages to agents: intent first, then the agent, then receipt and reply in one go (I2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from gitsync.agents.base import Agent
from gitsync.dispatch.settings import DispatchSettings

Claim = Literal["won", "lost", "unsupported", "away"]


class Dispatcher:
    """Own the queues and the running deliveries of this machine's agents."""

    def __init__(
        self,
        journal: Any,
        ledger: Any,
        agents: Mapping[str, Agent],
        settings: DispatchSettings,
        candidates: Callable[[], Sequence[Any]],
        *,
        claim: Callable[[str], Awaitable[Claim]],
        release: Callable[[str], Awaitable[object]] | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        raise NotImplementedError

    async def recover(self) -> None:
        """Settle what a former process left behind; call once, before the first `consider`."""
        raise NotImplementedError

    async def consider(self) -> None:
        """Start whatever may start; safe to call often."""
        raise NotImplementedError

    async def drain(self, limit: float) -> None:
        """Start nothing more, let running deliveries end, and end them at the limit (seconds)."""
        raise NotImplementedError

    def busy(self) -> dict[str, int]:
        """Return how many messages each agent has, running and queued."""
        raise NotImplementedError

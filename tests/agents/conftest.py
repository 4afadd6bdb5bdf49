"""One worker process and one loop for all tests of Claude agents: its start is what takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gitsync.agents.base import Delivery, Outcome
from gitsync.agents.claude.agent import ClaudeAgent
from gitsync.agents.claude.surroundings import Surroundings
from gitsync.agents.claude.worker import Worker
from gitsync.agents.spec import AgentSpec
from gitsync.demo.messages_api import MessagesServer, serving
from tests.agents.benches import ENVIRON, parcel

T = TypeVar("T")


class Office:
    """Agents that share a worker, for tests that say what the API does."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self.worker = Worker(ENVIRON, [AgentSpec(name="any", kind="claude", api_key_env="TEST_KEY")], 64)

    def run(self, play: Coroutine[Any, Any, T]) -> T:
        """Run a play on the loop on which the worker lives."""
        return self._runner.run(play)

    def close(self) -> None:
        """End the worker."""
        self._runner.run(self.worker.close())
        self._runner.close()

    def agent(self, server: MessagesServer, root: Path, around: Surroundings | None = None, **more: Any) -> ClaudeAgent:
        """Make an agent whose API is this server."""
        given = {"name": "mechanic", "model": "claude-haiku-4-5", "worker_idle": 30.0, **more}
        spec = AgentSpec(kind="claude", api_key_env="TEST_KEY", base_url=server.url, **given)
        return ClaudeAgent(spec, root, ENVIRON, self.worker, around)

    def ask(
        self,
        root: Path,
        *deliveries: Delivery,
        scenario: Any = None,
        around: Surroundings | None = None,
        **spec: Any,
    ) -> tuple[list[Outcome], MessagesServer]:
        """Deliver one after the other to one agent; give the outcomes, and the server with what it was asked."""

        async def play() -> tuple[list[Outcome], MessagesServer]:
            async with serving(scenario=scenario) as server:
                agent = self.agent(server, root, around, **spec)
                return [await agent.deliver(one) for one in deliveries or (parcel(),)], server

        return self.run(play())


@pytest.fixture(scope="session")
def office() -> Iterator[Office]:
    found = Office()
    yield found
    found.close()

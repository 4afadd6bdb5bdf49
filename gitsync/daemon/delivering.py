"""Keep the agents and the dispatcher of a running machine, also while the settings change under them."""

from __future__ import annotations

import asyncio
import logging

from gitsync import clock
from gitsync.agents.base import Agent
from gitsync.agents.opening import open_agents
from gitsync.config.faults import fault
from gitsync.config.settings import Settings
from gitsync.daemon.syncing import Syncing
from gitsync.dispatch.dispatcher import Dispatcher
from gitsync.dispatch.settings import DispatchSettings
from gitsync.errors import GitsyncError
from gitsync.sync.engine import Claim, Request

log = logging.getLogger(__name__)

FIRST_LOOK = 10.0
"""Seconds that deliveries wait at the start for the first look at the remote."""
HEALTH_LIMIT = 10.0
"""Seconds an agent may take to answer a health check."""


class Delivering:
    """Hand messages over whenever something has changed."""

    def __init__(self, settings: Settings, syncing: Syncing) -> None:
        self._syncing = syncing
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._begun = clock.monotonic()
        self.health: dict[str, tuple[str, str]] = {}
        self._take(settings)

    def _take(self, settings: Settings) -> None:
        for spec in settings.agents:
            if spec.start:
                log.warning("agent %s: 'start' is not acted upon yet; start the service yourself", spec.name)
        opened = self._syncing.opened
        self._settings = settings
        self._agents = open_agents(settings.agents, settings.root)
        self._dispatcher = Dispatcher(
            opened.journal,
            opened.ledger,
            self._agents,
            DispatchSettings(
                machine=settings.machine,
                routes=settings.routes,
                policies=settings.policies,
                turn_budget=settings.dispatch.turn_budget,
            ),
            opened.candidates,
            claim=self._claim,
            release=self._release,
            refresh=self._refresh,
            changed=self._syncing.pending,
            allowed=self._may_act,
            fault=fault(),
        )

    # -- life --------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Settle what a former process left behind; before anything is handed over."""
        await self._dispatcher.recover()

    def start(self) -> None:
        """Begin to hand over."""
        self._task = asyncio.create_task(self._serve(), name="delivery")
        self._begun = clock.monotonic()
        asyncio.get_running_loop().call_later(FIRST_LOOK, self.look)
        self.look()

    async def stop(self) -> None:
        """Let running deliveries end within the limit of the settings; start nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._dispatcher.drain(self._settings.dispatch.drain)
        await _close(self._agents)

    async def reconfigure(self, settings: Settings) -> None:
        """Go on with the agents and rules of new settings; what runs under the old ones ends there."""
        former, agents = self._dispatcher, self._agents
        self._take(settings)
        self._syncing.keep(asyncio.create_task(_retire(former, agents)))
        self._syncing.keep(asyncio.create_task(self.check()))
        self.look()

    @property
    def fallen(self) -> tuple[str, ...]:
        """Name the parts that should run and do not."""
        return ("delivery",) if self._task is not None and self._task.done() else ()

    # -- handing over ------------------------------------------------------------------------------

    def look(self) -> None:
        """Look soon at what waits."""
        self._changed.set()

    async def _serve(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._dispatcher.consider()
            except GitsyncError as error:
                log.error("delivering failed: %s", error)
            except Exception:
                log.exception("delivering failed")

    def _may_act(self) -> bool:
        """Say whether this machine may hand over: not before it knows whether it is alone, and not while it is not.

        A copy of a whole clone finds the same messages in its journal. Where the remote does not answer, what is
        here goes on after a moment; two copies without a remote cannot be told apart. Which of two machines with one
        id shall act, a person must say.
        """
        if self._syncing.last is None and clock.monotonic() - self._begun < FIRST_LOOK:
            return False
        return not self._syncing.engine.doubled

    async def _claim(self, message_id: str) -> Claim:
        return await self._syncing.on_git_thread(lambda: self._syncing.engine.claim(message_id))

    async def _release(self, message_id: str) -> None:
        await self._syncing.on_git_thread(lambda: self._syncing.engine.release(message_id))

    async def _refresh(self) -> bool:
        """Bring the ledger up to the remote's tip; false when the remote is away."""
        result = await self._syncing.sync(Request())
        return result.remote_contact and result.state != "halted"

    # -- agents ------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Ask each agent how it is."""

        async def ask(agent: Agent) -> tuple[str, tuple[str, str]]:
            try:
                async with asyncio.timeout(HEALTH_LIMIT):
                    return agent.name, await agent.health()
            except TimeoutError:
                return agent.name, ("timeout", f"no answer to the health check within {HEALTH_LIMIT:.0f} s")
            except Exception as error:
                return agent.name, ("error", str(error))

        before = self.health
        self.health = dict(await asyncio.gather(*(ask(agent) for agent in self._agents.values())))
        self._dispatcher.health = self.health
        for name, (state, word) in self.health.items():
            if word and before.get(name, ("", ""))[0] != state:
                log.log(logging.INFO if state == "online" else logging.WARNING, "agent %s: %s, %s", name, state, word)

    def states(self) -> dict[str, tuple[str, int]]:
        """Return state and queue length of each agent."""
        busy = self._dispatcher.busy()
        return {name: (self.health.get(name, ("starting", ""))[0], busy.get(name, 0)) for name in self._agents}

    def words(self) -> dict[str, str]:
        """Return what each agent said about its state when it was asked last."""
        return {name: word for name, (_, word) in self.health.items()}

    def names(self) -> frozenset[str]:
        """Return the names of the agents that the settings give now."""
        return frozenset(self._agents)


async def _retire(dispatcher: Dispatcher, agents: dict[str, Agent]) -> None:
    await dispatcher.drain(max((agent.spec.timeout for agent in agents.values()), default=0.0))
    await _close(agents)


async def _close(agents: dict[str, Agent]) -> None:
    await asyncio.gather(*(agent.close() for agent in agents.values()), return_exceptions=True)

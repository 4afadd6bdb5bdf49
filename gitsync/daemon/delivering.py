"""Keep agents, registry and dispatcher of a running machine, also while the settings change under them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gitsync import clock
from gitsync.agents.base import Agent, Delivery
from gitsync.agents.environment import process_environment
from gitsync.agents.opening import open_agents
from gitsync.config.read import read_agent
from gitsync.config.settings import Settings
from gitsync.daemon.syncing import Syncing
from gitsync.daemon.window import Window
from gitsync.dispatch.dispatcher import Dispatcher
from gitsync.dispatch.events import Event
from gitsync.dispatch.purse import JournalPurse
from gitsync.dispatch.settings import DispatchSettings
from gitsync.documents import own_state
from gitsync.errors import GitsyncError
from gitsync.outbox import send
from gitsync.secrets.redact import know, know_environment
from gitsync.supervisor.registry import Registry
from gitsync.supervisor.supervise import Place
from gitsync.sync.engine import Claim, Request

if TYPE_CHECKING:
    from gitsync.agents.claude.surroundings import Surroundings

log = logging.getLogger(__name__)

FIRST_LOOK = 10.0
"""Seconds that deliveries wait at the start for the first look at the remote."""
SUPERVISOR_AGAIN = 5.0
"""Seconds until the supervisor is begun anew, should it fail: neither syncing nor handing over waits for that."""
BEGINNING = 15.0
"""Seconds that the stop waits for a supervisor that has only just begun."""


class Delivering:
    """Hand messages over whenever something has changed; `registry` says who there is to take them."""

    def __init__(
        self,
        settings: Settings,
        syncing: Syncing,
        *,
        on_event: Callable[[Event], None] = lambda _event: None,
        on_progress: Callable[[str, Delivery, str, int], None] = lambda _agent, _delivery, _text, _chars: None,
    ) -> None:
        """Take what is needed; `on_event` is told on the loop what happens to messages, and must be quick.

        So must `on_progress`, which is told agent, delivery, what it does and the characters of its answer so far.
        """
        know_environment(process_environment())
        self._syncing = syncing
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._begun = clock.monotonic()
        self._on_event = on_event
        self._on_progress = on_progress
        opened = syncing.opened
        self._purse = JournalPurse(opened.journal)
        self._window = Window(opened, lambda: own_state(self.states()))
        place = Place(settings.root, settings.state_dir / "agents", process_environment())
        self.registry = Registry(
            opened.journal,
            place,
            settings.supervise,
            work=lambda: self.dispatcher,
            parse=read_agent,
            recompose=self._recompose,
            turned=self.look,
            gave_up=self._gave_up,
            blocked=syncing.nudge,
        )
        opened.waiting = self.registry.blockers
        self._take(settings)

    def _take(self, settings: Settings) -> None:
        opened, registry = self._syncing.opened, self.registry
        specs = registry.specs(settings.agents)
        for spec in specs:
            know(f"agent {spec.name}", spec.env)
            environ = process_environment()
            know(f"key of {spec.name}", environ.get(spec.api_key_env))
            know(f"passed to {spec.name}", {name: environ[name] for name in spec.pass_env if name in environ})
        self._settings = settings
        opened.ledger.rules = settings.verification
        opened.settings = replace(settings, agents=tuple(specs))  # what is told of this machine is told of all of them
        self._purse.configure(specs, settings.budget)
        self._agents = open_agents(specs, settings.root, around=self._around(settings), sessions=opened.journal)
        self.dispatcher = Dispatcher(
            opened.journal,
            opened.ledger,
            self._agents,
            DispatchSettings(
                machine=settings.machine,
                routes=settings.routes,
                policies=settings.policies,
                rules=settings.verification,
                limits=settings.limits,
                prices=settings.prices,
                turn_budget=settings.dispatch.turn_budget,
                ageing=settings.tasks.ageing,
            ),
            opened.candidates,
            claim=self._claim,
            release=self._release,
            refresh=self._refresh,
            changed=self._syncing.pending,
            allowed=self._may_act,
            fault=opened.fault,
            observe=self._on_event,
            failed=registry.failed,
        )
        self.dispatcher.health, self.dispatcher.draining = registry.health, registry.draining
        registry.take(specs, self._agents, settings.supervise)

    def _around(self, settings: Settings) -> Surroundings | None:
        if not any(spec.kind == "claude" or spec.run_budget for spec in settings.agents):
            return None
        # Here, so that a machine without them does not pay for it.
        from gitsync.agents.claude.responses import Responses
        from gitsync.agents.claude.surroundings import Surroundings

        return Surroundings(
            purse=self._purse,
            look=self._window,
            prices=settings.prices,
            responses=Responses(settings.responses_dir, settings.claude.response_cache_size),
            progress=self._on_progress,
            concurrency=settings.claude.concurrency,
        )

    # -- life --------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Settle what a former process left behind; before anything is handed over."""
        await asyncio.to_thread(self._syncing.opened.journal.recover_runs)
        await self.dispatcher.recover()

    def start(self) -> None:
        """Begin to hand over."""
        self._task = asyncio.create_task(self._serve(), name="delivery")
        self._supervisor = asyncio.create_task(self._supervise(), name="supervisor")
        self._begun = clock.monotonic()
        asyncio.get_running_loop().call_later(FIRST_LOOK, self.look)
        self.look()

    async def stop(self) -> None:
        """Let running deliveries end within the limit of the settings, then the programs; start nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.dispatcher.drain(self._settings.dispatch.drain)
        if self._supervisor is not None:
            await asyncio.wait({self._supervisor}, timeout=BEGINNING)  # what it is just adopting must be ended too
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        await self.registry.close()
        await _close(self._agents)

    async def reconfigure(self, settings: Settings) -> None:
        """Go on with the agents and rules of new settings; what runs under the old ones ends there."""
        self._settings = settings
        await self._recompose()

    async def _recompose(self) -> None:
        """Put agents and rules into force as they are now said."""
        former, agents = self.dispatcher, self._agents
        self._take(self._settings)
        self._syncing.keep(asyncio.create_task(_retire(former, agents, self.look)))
        await self.registry.apply()
        self.look()

    @property
    def fallen(self) -> tuple[str, ...]:
        """Name the parts that should run and do not."""
        delivery = ("delivery",) if self._task is not None and self._task.done() else ()
        return (*delivery, *self.registry.fallen)

    # -- handing over ------------------------------------------------------------------------------

    def look(self) -> None:
        """Look soon at what waits."""
        self._changed.set()

    async def _serve(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.dispatcher.consider()
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

    async def _supervise(self) -> None:
        """Begin to look after the agents; a failure of that is no reason to hand over nothing."""
        while True:
            try:
                await self.registry.begin()
                return
            except Exception:
                log.exception("looking after the agents failed")
                await asyncio.sleep(SUPERVISOR_AGAIN)

    def _gave_up(self, name: str, reason: str) -> None:
        self._syncing.keep(asyncio.create_task(self._call_people(name, reason), name="the call for a person"))

    async def _call_people(self, name: str, reason: str) -> None:
        """Send an urgent message to those whom the settings name."""
        opened, settings = self._syncing.opened, self._settings
        machine = settings.machine
        subject = f"Agent {name} on computer {machine.id} is given up"
        body = (
            f"{reason}\n\nIt is not started again until somebody says go on computer {machine.id}:\n\n"
            f"    gitsync agents start {name}\n\nWhat it said last is in .gitsync/agents/{name}.log there.\n"
        )
        names = self.names()

        def call(to: str) -> None:
            fleet = opened.fleet()
            send(opened.journal, machine, fleet, names, to, subject, body, ledger=opened.ledger, priority="urgent")

        for to in settings.supervise.notify:
            try:
                await asyncio.to_thread(call, to)
            except GitsyncError as error:
                log.error("nobody at %s was told that agent %s is given up: %s", to, name, error)
        self._syncing.active()
        self._syncing.nudge()
        self.look()

    def states(self) -> dict[str, tuple[str, int]]:
        """Return state and queue length of each agent."""
        return self.registry.states()

    def words(self) -> dict[str, str]:
        """Return what is known about the state of each agent."""
        return self.registry.words()

    def names(self) -> frozenset[str]:
        """Return the names of the agents that there are now."""
        return self.registry.names()


async def _retire(dispatcher: Dispatcher, agents: dict[str, Agent], look: Callable[[], None]) -> None:
    """Let what runs end; its replies and its next tries are for the one that goes on, which must look for them."""
    await dispatcher.drain(max((agent.spec.timeout for agent in agents.values()), default=0.0), ended=look)
    await _close(agents)


async def _close(agents: dict[str, Agent]) -> None:
    await asyncio.gather(*(agent.close() for agent in agents.values()), return_exceptions=True)

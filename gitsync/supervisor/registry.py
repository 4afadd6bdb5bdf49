"""The agents of a machine while it runs: who they are, how they are, what may be done with them."""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from gitsync import clock
from gitsync.agents.base import Agent
from gitsync.agents.http import HttpAgent
from gitsync.agents.spec import AgentSpec
from gitsync.balancing import UNABLE, Load
from gitsync.errors import NotFound, UsageError
from gitsync.ledger.journal import Journal
from gitsync.supervisor.added import Added
from gitsync.supervisor.checks import APART
from gitsync.supervisor.documents import Json, Running, document
from gitsync.supervisor.health import judge, shown
from gitsync.supervisor.leftovers import end_former, same_program
from gitsync.supervisor.records import Records
from gitsync.supervisor.settings import SuperviseSettings
from gitsync.supervisor.supervise import Place, Supervised
from gitsync.supervisor.watch import Instance, Watch

log = logging.getLogger(__name__)


class Work(Protocol):
    """What the registry is told about work: the dispatcher, whichever is in force."""

    def loads(self) -> Mapping[str, Load]: ...
    def running(self) -> Mapping[str, Sequence[Running]]: ...


class Registry:
    """Hold one instance for each agent. Lives on the loop; `blockers` and `states` may be called on any thread."""

    def __init__(
        self,
        journal: Journal,
        place: Place,
        settings: SuperviseSettings,
        *,
        work: Callable[[], Work],
        parse: Callable[[Mapping[str, Any]], AgentSpec],
        recompose: Callable[[], Coroutine[Any, Any, None]],
        turned: Callable[[], None] = lambda: None,
        gave_up: Callable[[str, str], None] = lambda _name, _reason: None,
        blocked: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what is needed.

        `work` gives the dispatcher in force; `parse` reads the description of an agent or raises ConfigError;
        `recompose` puts a changed set of agents into force and calls `take`; `turned` is called when an agent can take
        work again or no more, `gave_up` with name and reason when one was given up, `blocked` when `blockers` changed.
        """
        self.settings = settings
        self.changes: Callable[[Json], None] = lambda _document: None
        """Called with the instance's document whenever state, process or membership has changed."""
        self.revision = 0
        """Grows with each change of what `instances` says about health, processes and membership (not of queues)."""
        self.health: dict[str, tuple[str, str]] = {}
        """State and word of each agent for the dispatcher; a program that only starts counts as away there."""
        self.draining: set[str] = set()
        self._place = place
        self._work = work
        self._recompose = recompose
        self._turned = turned
        self._gave_up = gave_up
        self._blocked = blocked
        self._instances: dict[str, Instance] = {}
        self._leaving: list[Supervised] = []
        self._records = Records(journal)
        self._added = Added(journal, parse)
        self._watch = Watch(
            place,
            find=self._known,
            every=lambda: self.settings.health_every,
            full=lambda name: _full(self._work().loads().get(name)),
            tell=self._tell,
        )
        self._blockers: tuple[str, ...] = ()
        self._checking: asyncio.Task[None] | None = None
        self._applying = asyncio.Lock()
        self._adding = asyncio.Lock()
        self._open = False

    # -- life --------------------------------------------------------------------------------------

    def specs(self, settled: Sequence[AgentSpec]) -> list[AgentSpec]:
        """Return the agents of the settings and behind them those added at run time; the settings win a name."""
        return self._added.behind(settled)

    def take(self, specs: Sequence[AgentSpec], agents: Mapping[str, Agent], settings: SuperviseSettings) -> None:
        """Go on with these agents; what is known of those that stay is kept. `apply` does the rest."""
        self.settings = settings
        former, taken = dict(self._instances), dict[str, Instance]()
        for number, spec in enumerate(specs):
            found = former.pop(spec.name, None)
            if found is None:
                found = Instance(spec, agents[spec.name], since=clock.unix())
                self._watch.rounds.plan(spec.name, number * APART)
            elif (found.spec.kind, found.spec.url, found.spec.health) != (spec.kind, spec.url, spec.health):
                found.forget()
                self._watch.rounds.plan(spec.name, number * APART)
            found.spec, found.agent = spec, agents[spec.name]
            found.origin = "run time" if spec.name in self._added else "settings"
            taken[spec.name] = found
            self._point(found)
        self._instances = taken  # in one step: the git thread asks for states
        for name, gone in former.items():
            self._watch.rounds.drop(name)
            self.draining.discard(name)
            if gone.supervised is not None:
                self._leaving.append(gone.supervised)
        self.health.clear()
        for found in self._instances.values():
            self._note_health(found)
        self.revision += 1

    async def begin(self) -> None:
        """Begin to check, and to run the programs; adopt or end what a killed process left. Safe to call again."""
        self._open = True
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._watch.serve(), name="health")
        for name in self._records.names():
            if name not in self._instances:
                await end_former(self._records, name)
        await self.apply()

    async def apply(self) -> None:
        """Run the programs that the agents now say; what is unchanged goes on undisturbed."""
        async with self._applying:
            leaving, self._leaving = self._leaving, []
            await asyncio.gather(*(self._leave(one) for one in leaving))
            if self._open:
                await asyncio.gather(*(self._supervise(one) for one in list(self._instances.values())))
            self._tell_blockers()

    async def close(self) -> None:
        """End all programs and checks."""
        self._open = False
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        async with self._applying:
            running = [one.supervised for one in self._instances.values() if one.supervised is not None]
            await asyncio.gather(*(one.close() for one in [*running, *self._leaving]), return_exceptions=True)

    @property
    def fallen(self) -> tuple[str, ...]:
        """Name the parts that should run and do not."""
        names = [f"agent {name}" for name, one in self._instances.items() if one.supervised and one.supervised.fallen]
        return (*(("health",) if self._checking is not None and self._checking.done() else ()), *names)

    # -- what is asked -----------------------------------------------------------------------------

    def names(self) -> frozenset[str]:
        """Return the names of all instances."""
        return frozenset(self._instances)

    def instances(self) -> list[Json]:
        """Return the document of each instance, in the order of the settings, then those added at run time."""
        loads, running = self._work().loads(), self._work().running()
        return [self._document(one, loads, running) for one in self._instances.values()]

    def instance(self, name: str) -> Json:
        """Return one document; raise NotFound with near names."""
        return self._document(self._found(name), self._work().loads(), self._work().running())

    def states(self) -> dict[str, tuple[str, int]]:
        """Return state and queue length, what is being worked on included, of each instance."""
        loads = self._work().loads()
        found = {}
        for name, one in self._instances.items():
            load = loads.get(name)
            count = load.running + load.queued if load is not None else 0
            found[name] = (shown(one.state, full=_full(load)), count)
        return found

    def words(self) -> dict[str, str]:
        """Return a word about the state of each instance."""
        return {name: one.word for name, one in self._instances.items()}

    def blockers(self) -> tuple[str, ...]:
        """Say what waits for a person: agents that were given up, ports that others hold. Safe from any thread."""
        return self._blockers

    async def start(self, name: str) -> Json:
        """Run an agent's program: a person says go, whatever went wrong before. Fine where it runs already.

        Raise NotFound, or UsageError where the agent has no `start`: gitsync does not run it.
        """
        await self._program(name).start()
        return self.instance(name)

    async def stop(self, name: str) -> Json:
        """End an agent's program, gracefully first; it stays ended, also when gitsync starts anew, until `start`."""
        await self._program(name).stop()
        return self.instance(name)

    async def restart(self, name: str) -> Json:
        """End an agent's program and start it."""
        await self._program(name).restart()
        return self.instance(name)

    def drain(self, name: str) -> Json:
        """Give an agent nothing new; what it has begun ends. Forgotten when gitsync starts anew."""
        one = self._found(name)
        self.draining.add(one.spec.name)
        self._turned()
        return self._changed(one)

    def resume(self, name: str) -> Json:
        """Give an agent work again."""
        one = self._found(name)
        self.draining.discard(one.spec.name)
        self._turned()
        return self._changed(one)

    async def add(self, document: Mapping[str, Any]) -> Json:
        """Add an agent at run time, kept across restarts: of kind http or inbox, one that starts no program.

        Raise Conflict for a name that is taken, ConfigError (a UsageError that names the field) or Refused.
        """
        async with self._adding:
            spec = await self._added.put(document, [one.spec for one in self._instances.values()])
            await self._recompose()
            return self._changed(self._found(spec.name))

    async def remove(self, name: str) -> None:
        """Remove an agent that was added at run time; raise NotFound, or Refused for one of the settings."""
        async with self._adding:
            told = self.instance(name)
            await self._added.drop(name)
            await self._recompose()
            self._announce({**told, "state": "offline", "word": "removed"})

    def failed(self, name: str) -> None:
        """Be told that a hand-over failed, or the first one after that did not: the agent is looked at right away."""
        self._watch.rounds.soon(name)
        if (one := self._known(name)) is not None:
            self._changed(one)

    # -- programs ----------------------------------------------------------------------------------

    async def _supervise(self, one: Instance) -> None:
        former = one.supervised
        if former is not None and one.spec.start and same_program(former.spec, one.spec):
            former.spec, former.settings = one.spec, self.settings
            return
        if former is not None:
            one.supervised = None
            await former.close()
        if not one.spec.start:
            if former is not None or one.spec.name in self._records.names():
                await end_former(self._records, one.spec.name)
            return
        if former is not None:
            await self._records.forget(one.spec.name)  # another program: what was wrong with the former is over
        one.supervised = Supervised(
            one.spec, self._place, self.settings, self._records, changed=self._phase, gave_up=self._gave_up
        )
        await one.supervised.begin()

    async def _leave(self, one: Supervised) -> None:
        await one.close()
        await self._records.forget(one.spec.name)

    def _phase(self, name: str) -> None:
        """Be told that a program is in another phase."""
        one = self._instances.get(name)
        if one is None or one.supervised is None:
            return
        program = one.supervised
        self._point(one)
        match program.phase:
            case "starting":
                one.window.forget()
                self._tell(one, "starting", program.word)
                self._watch.rounds.now(name)
            case "up":
                self._tell(one, *judge(one.window) if one.window.recent else ("online", ""))
            case "taken":
                self._tell(one, "error", program.word)
            case "waiting" if not program.word:
                self._tell(one, "starting", "")  # somebody said go just now
            case "crashed":
                self._tell(one, "crashed", program.word)
            case _:
                self._tell(one, "offline", program.word)
        self._tell_blockers()

    def _point(self, one: Instance) -> None:
        """Let an HTTP agent's hand-overs go where its program listens now, and nowhere while it does not run."""
        if isinstance(one.agent, HttpAgent) and one.spec.start:
            program = one.supervised
            one.agent.url = program.url if program is not None and program.pid is not None else ""

    def _tell_blockers(self) -> None:
        found = [one.supervised.blocker for one in self._instances.values() if one.supervised is not None]
        blockers = tuple(line for line in found if line is not None)
        if blockers != self._blockers:
            self._blockers = blockers
            self._blocked()

    def _program(self, name: str) -> Supervised:
        one = self._found(name)
        if one.supervised is None:
            raise UsageError(
                f"gitsync does not run agent {name}",
                "its settings have no start",
                f"start it yourself; gitsync agents drain {name} takes it out of work",
            )
        return one.supervised

    # -- states ------------------------------------------------------------------------------------

    def _tell(self, one: Instance, state: str, word: str) -> None:
        former = one.state
        one.word = word
        one.state = state
        was, _ = self.health.get(one.spec.name, ("", ""))
        self._note_health(one)
        self.revision += 1
        if state == former:
            return
        one.since = clock.unix()
        bad = state == "degraded" or (state in UNABLE and word and self._open)
        level = logging.WARNING if bad else logging.INFO
        log.log(level, "agent %s: %s%s", one.spec.name, state, f", {word}" if word else "")
        self._changed(one)
        if (was in UNABLE) != (self.health[one.spec.name][0] in UNABLE):
            self._turned()

    def _note_health(self, one: Instance) -> None:
        away = one.state == "starting" and bool(one.spec.start)
        self.health[one.spec.name] = ("offline", "it starts") if away else (one.state, one.word)

    # -- documents ---------------------------------------------------------------------------------

    def _changed(self, one: Instance) -> Json:
        self.revision += 1
        told = self._document(one, self._work().loads(), self._work().running())
        self._announce(told)
        return told

    def _announce(self, told: Json) -> None:
        try:
            self.changes(told)
        except Exception:  # whoever watches must not hold up what is watched
            log.exception("a change of agent %s could not be told", told["name"])

    def _document(self, one: Instance, loads: Mapping[str, Load], running: Mapping[str, Sequence[Running]]) -> Json:
        load = loads.get(one.spec.name)
        program = one.supervised
        failing = load.failing if load is not None else ""
        return document(
            one.spec,
            load,
            running.get(one.spec.name, ()),
            one.times,
            state=shown(one.state, full=_full(load), failing=failing),
            word=f"the last hand-over failed: {failing}"
            if failing and one.state in ("online", "degraded")
            else one.word,
            draining=one.spec.name in self.draining,
            restarts=program.restarts if program is not None else 0,
            pid=program.pid if program is not None else None,
            port=program.port if program is not None else None,
            last_check=one.last_check,
            since=one.since,
            managed=bool(one.spec.start),
            origin=one.origin,
        )

    def _known(self, name: str) -> Instance | None:
        return self._instances.get(name)

    def _found(self, name: str) -> Instance:
        one = self._instances.get(name)
        if one is None:
            near = difflib.get_close_matches(name.lower(), self._instances, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else ""
            raise NotFound(f"no agent {name} on this machine", hint, "see: gitsync agents", near=near)
        return one


def _full(load: Load | None) -> bool:
    return load is not None and load.running >= load.concurrency

"""Replicas in one process: real clones, journals, ledgers and dispatchers on a clock that a test moves.

A replica is opened as `gitsync.machine` opens one, and handed over from as the background process does it; what is
played is only time, the agents (callables that write to a log of their own), and death (`Killed` at a fault point: what
is in memory is dropped, and nothing is closed in order).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import gitsync.git.index  # the rooms of git take their clock when they are imported: the real one
import gitsync.git.refs
import gitsync.git.run
import gitsync.git.store
import gitsync.machine
import gitsync.sync.folder
from gitsync import clock, outbox
from gitsync.agents.base import Delivery, Outcome
from gitsync.agents.inbox import InboxAgent
from gitsync.agents.spec import AgentSpec
from gitsync.config.settings import Settings
from gitsync.daemon.schedule import Facts, unhealthy
from gitsync.dispatch.dispatcher import Dispatcher
from gitsync.dispatch.settings import DispatchSettings
from gitsync.errors import GitsyncError
from gitsync.inbox import ack, take
from gitsync.machine import Opened
from gitsync.protocol.identity import Machine
from gitsync.protocol.ids import make_ulid
from gitsync.protocol.message import Message
from gitsync.sync.engine import CycleResult, Engine, Request
from gitsync.sync.settings import SyncSettings

FIRST_LOOK = 10.0
"""Seconds after which a replica hands over although the remote never answered, as the background process does."""
MINUTE = 60.0

Hook = Callable[[str], None]


class Killed(BaseException):
    """The process is gone."""


async def _in_turn(work: Callable[..., Any], *args: Any, **more: Any) -> Any:
    """Do what would be done on another thread, here: one order of events for each seed."""
    await asyncio.sleep(0)
    return work(*args, **more)


class SimClock:
    """A clock that moves when it is told to, and dice that a seed throws."""

    def __init__(self, seed: int) -> None:
        self.now = 1_000.0
        self._wall = 1_795_000_000.0
        self._dice = random.Random(seed)

    def pass_time(self, seconds: float) -> None:
        """Let time go by."""
        self.now += seconds

    def unix(self) -> float:
        """Give the wall clock."""
        return self._wall + self.now

    def utcnow(self) -> datetime:
        """Give the wall clock as a date."""
        return datetime.fromtimestamp(self.unix(), UTC)

    def new_id(self) -> str:
        """Make a ULID."""
        return make_ulid(int(self.unix() * 1000), self._dice.randbytes(10))

    @contextlib.contextmanager
    def installed(self) -> Iterator[SimClock]:
        """Be the clock of everything in this process; files keep their real times, so scans keep the real clock."""
        with contextlib.ExitStack() as stack:
            for name, value in {
                "monotonic": lambda: self.now,
                "unix": self.unix,
                "utcnow": self.utcnow,
                "sleep": self.pass_time,
                "jitter": self._dice.uniform,
                "new_id": self.new_id,
            }.items():
                stack.enter_context(patch.object(clock, name, value))
            stack.enter_context(patch.object(asyncio, "to_thread", _in_turn))
            stack.enter_context(patch.object(gitsync.sync.folder, "clock", SimpleNamespace(unix=time.time)))
            yield self


@dataclass
class Called:
    """An agent in this process: it notes in its own log what it was called with, then does as it was last told."""

    spec: AgentSpec
    log: Path
    machine: str
    now: Callable[[], float]
    answer: Callable[[], str]

    kind = "command"

    @property
    def name(self) -> str:
        return self.spec.name

    def note(self, event: str, delivery: Delivery) -> None:
        """Write a line and see it on its way to the disk."""
        line: dict[str, Any] = {"machine": self.machine, "agent": self.name, "id": delivery.id, "event": event}
        line |= {"key": delivery.key, "attempt": delivery.attempt, "at": self.now()}
        if self.spec.idempotent:
            line["idempotent"] = True
        with self.log.open("a") as log:
            log.write(json.dumps(line) + "\n")

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Work."""
        self.note("begun", delivery)
        match self.answer():
            case "reply":
                return Outcome(kind="done", reply=f"done with {delivery.id}")
            case "untouched":
                self.note("untouched", delivery)
                return Outcome(kind="failed", started=False, reason="not now")
            case "failed":
                return Outcome(kind="failed", reason="it broke")
            case "vanished":
                return Outcome(kind="uncertain", reason="the line went dead")
            case _:
                return Outcome(kind="done")

    async def health(self) -> tuple[str, str]:
        return "online", ""

    async def close(self) -> None:
        return None


class Replica:
    """One computer: a person's repository with a mailbox clone in it, and the process when it runs."""

    def __init__(self, ident: str, root: Path, logs: Path, sim: SimClock, **settings: Any) -> None:
        self.id = ident
        self.root = root
        self.clone = root / "coordination"
        self.log = logs / f"{root.name}.jsonl"
        self.sim = sim
        self.hook: Hook = lambda _point: None
        self.answer = "done"
        self.alive = False
        self._closing = False
        self.passed: list[str] = []
        self.unlooked: set[str] = set()
        """Files saved over what had just been placed, which no cycle has looked at since."""
        """The fault points of the last cycle, in order."""
        self.last: CycleResult | None = None
        self._known: str | None = None
        self.reached = float("-inf")
        """When a cycle last came through to a remote that was really there."""
        specs = (
            AgentSpec(name="worker", kind="command", argv=("true",), default=True),
            AgentSpec(name="steady", kind="command", argv=("true",), idempotent=True, types=("steady",)),
            AgentSpec(name="pull", kind="inbox"),
        )
        sync = {"settle": 2.0, "wrap_delay": 1.0, "machine_ref_every": 900.0, "slowest": 60.0, **settings}
        self.settings = Settings(
            root=root,
            mailbox=self.clone,
            machine=Machine(ident, f"Computer {ident}"),
            sync=SyncSettings(**sync),
            agents=specs,
        )

    # -- life --------------------------------------------------------------------------------------

    def start(self) -> Replica:
        """Be a new process."""
        assert not self.alive
        self.settings.state_dir.mkdir(exist_ok=True)
        self.settings.private_dir.mkdir(exist_ok=True, parents=True)
        self.alive = True
        with patch.object(gitsync.machine, "fault", lambda *_a, **_k: self._pass):
            self.opened = Opened(self.settings)
            self.engine: Engine = self.opened.engine(agents=self._states)
        self.last, self._begun = None, self.sim.now
        self._loop = asyncio.new_event_loop()
        agents: dict[str, Any] = {
            spec.name: InboxAgent(spec)
            if spec.kind == "inbox"
            else Called(spec, self.log, self.id, lambda: self.sim.now, lambda: self.answer)
            for spec in self.settings.agents
        }
        self.dispatcher = Dispatcher(
            self.opened.journal,
            self.opened.ledger,
            agents,
            DispatchSettings(machine=self.settings.machine, claim_wait=(0.0, 0.0), claim_wait_worse=(0.0, 0.0)),
            self.opened.candidates,
            claim=self._claim,
            release=self._release,
            refresh=self._refresh,
            allowed=self._may_act,
            fault=self._pass,
        )
        self._loop.set_exception_handler(lambda _loop, _context: None)  # tasks of the dead are nobody's business
        try:
            self._loop.run_until_complete(self._through(self.dispatcher.recover()))
        except (Killed, GitsyncError):
            self.drop()
        return self

    def drop(self) -> None:
        """End without a word, as kill -9 does: no last push, no draining, no note of the last cycle."""
        if not self.alive:
            return
        self.known_tip()
        self.alive = False
        self.opened._last = None
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        with contextlib.suppress(Killed):
            self._loop.run_until_complete(self._gone())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self._closing = True
        self.opened.close()
        self._closing = False

    async def _gone(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.gather(*others, return_exceptions=True)
        if self.dispatcher._timer is not None:
            self.dispatcher._timer.cancel()

    def stop(self) -> None:
        """End in order."""
        if not self.alive:
            return
        with contextlib.suppress(Killed):
            self._loop.run_until_complete(self.dispatcher.drain(0.0))
        self.drop()

    def _pass(self, point: str) -> None:
        self.passed.append(point)
        if not self.alive and not self._closing:
            raise Killed(point)  # of what the dead process had begun, nothing more happens
        self.hook(point)

    # -- work --------------------------------------------------------------------------------------

    def cycle(self, **request: bool) -> CycleResult | None:
        """Run one cycle, then hand over what waits; None when the process died of it."""
        if not self.alive:
            return None
        self.passed.clear()
        self.unlooked.clear()
        try:
            result = self.engine.cycle(Request(**request))
            self._note(result)
            self.deliver()
        except Killed:
            self.drop()
            return None
        return result

    def known_tip(self) -> str | None:
        """Give the tip of the branch that this replica has taken note of."""
        if self.alive:
            self._known = self.engine._known.tip
        return self._known

    def _note(self, result: CycleResult) -> None:
        self.last = result
        if result.remote_contact:
            self.reached = self.sim.now

    def deliver(self) -> None:
        """Hand over until nothing more can be."""
        if self.alive:
            self._loop.run_until_complete(self._deliver())

    async def _deliver(self) -> None:
        await self._through(self.dispatcher.consider())

    async def _through(self, work: Coroutine[Any, Any, None]) -> None:
        """See this work, and all that it begins, to the end; or to the death of the process."""
        begun = asyncio.create_task(work)
        me = asyncio.current_task()
        while others := [task for task in asyncio.all_tasks() if task is not me]:
            done, _ = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled() and isinstance(task.exception(), Killed):
                    raise Killed
        begun.result()

    def _states(self) -> dict[str, tuple[str, int]]:
        """Tell the page how the agents stand."""
        return {name: ("online", queued) for name, queued in self.dispatcher.busy().items()}

    def _may_act(self) -> bool:
        if not self.alive or (self.last is None and self.sim.now - self._begun < FIRST_LOOK):
            return False
        return not self.engine.doubled

    async def _claim(self, ident: str) -> Any:
        return self.engine.claim(ident)

    async def _release(self, ident: str) -> None:
        self.engine.release(ident)

    async def _refresh(self) -> bool:
        result = self.engine.cycle(Request())
        self._note(result)
        return result.remote_contact and result.state != "halted"

    # -- what its person does ------------------------------------------------------------------------

    def send(self, to: str, body: str, **more: Any) -> Message:
        """Send, as the command does."""
        opened = self.opened
        names = frozenset(spec.name for spec in self.settings.agents)
        return outbox.send(
            opened.journal,
            self.settings.machine,
            {*opened.fleet(), "1", "2", "3"},
            names,
            to,
            "A word",
            body,
            ledger=opened.ledger,
            **more,
        )

    def reply(self, ident: str, body: str) -> Message:
        """Answer a message."""
        opened = self.opened
        names = frozenset(spec.name for spec in self.settings.agents)
        return outbox.reply(opened.journal, self.settings.machine, opened.fleet(), names, opened.ledger, ident, body)

    def withdraw(self, ident: str) -> str:
        """Take a message back."""
        return outbox.withdraw(self.opened.journal, self.settings.machine, self.opened.ledger, ident)

    def take(self, ident: str) -> None:
        """Take a message as the agent that pulls; it notes so in its own log."""
        took = take(self.opened.ledger, self.opened.journal, self.id, ident, "pull")
        line = {"machine": self.id, "agent": "pull", "id": took.message.id, "event": "begun", "at": self.sim.now}
        with self.log.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def ack(self, ident: str, outcome: str = "done") -> None:
        """Say what became of a message."""
        ack(self.opened.ledger, self.opened.journal, self.id, ident, outcome)

    def healthy(self) -> bool:
        """Judge as the background process does (I8)."""
        last, engine = self.last, self.engine
        stuck = last is not None and last.state in ("halted", "refused", "error")
        facts = Facts(
            interval=self.settings.sync.slowest,
            contact_age=None if engine.contact is None else clock.monotonic() - engine.contact,
            pending_age=engine.oldest_pending_age,
            halted=last.error if last is not None and stuck else None,
            trouble=last.error if last is not None and not stuck else None,
        )
        return not unhealthy(facts)

    # -- accidents -----------------------------------------------------------------------------------

    def wipe_ledger(self) -> None:
        """Be ``git clean -fdx`` in the person's repository."""
        for file in self.settings.state_dir.glob("ledger.sqlite3*"):
            file.unlink()

    def copied(self, root: Path, logs: Path) -> Replica:
        """Copy everything with ``cp -r`` and be another computer with the same id (row 18)."""
        subprocess.run(["cp", "-r", str(self.root), str(root)], check=True)
        copy = Replica(self.id, root, logs, self.sim)
        copy.settings = replace(self.settings, root=root, mailbox=root / "coordination")
        return copy

    def remove(self) -> None:
        """Throw the computer away."""
        self.drop()
        shutil.rmtree(self.root)


def age_locks(clone: Path) -> None:
    """Let the time pass after which a lock that nobody holds counts as left behind (row 1)."""
    for lock in (clone / ".git").rglob("*.lock"):
        os.utime(lock, (1, 1))

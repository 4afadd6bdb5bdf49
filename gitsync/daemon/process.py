"""The background process of one machine: what it consists of, and the order of starting and stopping.

Side by side run cycles on the git thread (one at a time), and in the loop deliveries, tasks, the care for the agents
and the HTTP surface; what is to last they find in the two stores. A failure of one is reported by health and does not
stop the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial

from gitsync import clock
from gitsync.api.app import create_app
from gitsync.api.control import Control
from gitsync.config.load import reload
from gitsync.config.settings import Settings
from gitsync.daemon import presence
from gitsync.daemon.delivering import Delivering
from gitsync.daemon.events import (
    Feed,
    tell_arrivals,
    tell_cycle,
    tell_delivery,
    tell_instance,
    tell_progress,
    tell_task,
)
from gitsync.daemon.metrics import Metrics
from gitsync.daemon.schedule import Facts, unhealthy
from gitsync.daemon.server import Server, listen
from gitsync.daemon.syncing import Syncing
from gitsync.daemon.tasking import Tasking
from gitsync.daemon.tools import Tools
from gitsync.dispatch.events import Event
from gitsync.errors import ConfigError, GitsyncError
from gitsync.machine import Opened, open_machine
from gitsync.protocol.message import Message
from gitsync.secrets.redact import know
from gitsync.sync.engine import CycleResult
from gitsync.sync.lock import CloneLock, LockHeld

log = logging.getLogger(__name__)

COMMANDS_END = 10.0
"""Seconds to wait for a command that works on the clone, such as `gitsync sync` without a process."""
AFTER_WAKE = 0.05
"""Seconds from a wake until a look at what waits here: the fetch goes first, which often brings the same look."""
LOCK_EVERY = 3.0
"""Seconds between two looks whether the clone is still the one that was locked."""


class Process:
    """Run one machine until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.started = clock.monotonic()
        self.since = clock.stamp()
        self.pid = os.getpid()
        self.port = settings.api.port
        self.opened: Opened
        self.syncing: Syncing
        self.delivering: Delivering
        self.tasking: Tasking
        self.tools = Tools(settings)
        self.feed = Feed()
        self.metrics = Metrics()
        self._cycle: CycleResult | None = None
        self._stop = asyncio.Event()
        self._told_token = ""

    async def run(self, control: Callable[[Process], Control], ready: Callable[[], None] = lambda: None) -> None:
        """Start everything in order, serve until `stop`, and stop in the reverse order.

        ``control`` makes what the HTTP surface talks to. Raises `GitsyncError` where the start is impossible; nothing
        is left running or half written then.
        """
        settings = self.settings
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            lock = CloneLock(settings.clone_lock_file)
            await self._take(lock)
            stack.callback(lock.release)
            sock = listen(settings.api.host, settings.api.port)
            stack.callback(sock.close)
            self.port = sock.getsockname()[1]

            syncing = self.syncing = Syncing(settings.sync, after=self._cycle_done)
            stack.callback(syncing.close)
            self.opened = await syncing.on_git_thread(lambda: open_machine(settings))
            stack.push_async_callback(lambda: syncing.on_git_thread(self.opened.close))
            await syncing.on_git_thread(self.opened.make_key)
            engine = await syncing.on_git_thread(
                lambda: self.opened.engine(on_ingest=partial(self._arrived, loop), agents=self.agent_states)
            )
            syncing.open(self.opened, engine)
            self._token()  # so that it is known, and kept out of all texts, from here on
            self.delivering = Delivering(
                settings, syncing, on_event=self._happened, on_progress=partial(tell_progress, self.feed)
            )
            self.delivering.registry.changes = partial(tell_instance, self.feed)
            self.tasking = Tasking(
                settings,
                self.opened,
                look=self.delivering.look,
                nudge=syncing.nudge,
                publish=partial(tell_task, self.feed),
            )
            await self.delivering.recover()

            hosts, reads = frozenset({settings.api.host}), settings.api.reads
            server = Server(create_app(control(self), token=self._token, hosts=hosts, reads=reads), sock)
            await server.start()
            stack.push_async_callback(server.stop)
            stack.push_async_callback(self.tools.close)
            stack.callback(self.feed.close)
            stack.callback(presence.remove, settings.daemon_file, pid=self.pid)
            stack.push_async_callback(syncing.last_push)
            stack.push_async_callback(self.tasking.stop)
            stack.push_async_callback(self.delivering.stop)
            self.delivering.start()
            self.tasking.start()
            stack.push_async_callback(syncing.stop)
            syncing.start()
            syncing.every(LOCK_EVERY, partial(self._look_at, lock))
            presence.write(settings.daemon_file, pid=self.pid, port=self.port, since=self.since)
            log.info("machine %s is up, port %d", settings.machine.id, self.port)
            self.feed.publish("process", "success", f"machine {settings.machine.id} is up", port=self.port)
            ready()
            await self._stop.wait()
            log.info("stopping")
            self.feed.publish("process", "warning", f"machine {settings.machine.id} stops")
            if lock.lost():
                raise GitsyncError(
                    f"the mailbox {settings.mailbox} was removed or replaced",
                    "this process can do nothing without it, and would stand in the way of the next",
                    "put it back, or run: gitsync init; then: gitsync up",
                )
        log.info("stopped")

    async def _take(self, lock: CloneLock) -> None:
        """Take the clone; a command that works on it is over soon, another process is not (row 19)."""
        until = clock.monotonic() + COMMANDS_END
        while True:
            try:
                lock.acquire()
                return
            except LockHeld as held:
                other = presence.pid_in(self.settings.daemon_file)
                if (held.owner is not None and held.owner.pid == other) or clock.monotonic() > until:
                    raise
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        """Begin the clean stop; safe to call twice."""
        self._stop.set()

    def _look_at(self, lock: CloneLock) -> None:
        """Stop when the clone is gone: no command finds this process without the lock in it."""
        if lock.lost():
            log.error("the mailbox was removed or replaced")
            self.stop()

    def sent(self, *, local: Sequence[Message], leaves: bool) -> None:
        """Be told what was accepted: these messages are delivered here or become tasks, what leaves is pushed."""
        self.syncing.active()
        if any(message.type.lower() == "task" for message in local):
            self._look()
        elif local:
            self.delivering.look()
        if leaves:
            self.syncing.nudge()

    def woken(self) -> None:
        """Take a hint from another machine, or from a command: something is there to be fetched or pushed."""
        self.syncing.active()
        self.syncing.nudge()
        asyncio.get_running_loop().call_later(AFTER_WAKE, self._look)

    def agent_states(self) -> dict[str, tuple[str, int]]:
        """Return state and queue length of each agent."""
        return self.delivering.states()

    async def reload(self) -> list[str]:
        """Read the settings again and put them into force; return what needs a restart to take effect.

        A mistake in the file leaves everything as it was and is raised as `ConfigError`.
        """
        try:
            new = reload(self.settings)
        except ConfigError:
            log.exception("the settings were not taken")
            raise
        old = self.settings
        later = [
            name
            for name, was, now in (
                ("machine.id", old.machine.id, new.machine.id),
                ("sync.branch", old.sync.branch, new.sync.branch),
                ("sync.remote", old.sync.remote, new.sync.remote),
                ("api", old.api, new.api),
                ("sync.mailbox", old.mailbox, new.mailbox),
            )
            if was != now
        ]
        if later:
            log.warning("settings not taken, %s can only change with a restart", ", ".join(later))
            return later
        self.settings = self.opened.settings = new
        self.opened.journal.secrets = new.secrets
        self.syncing.settings = new.sync
        logging.getLogger().setLevel(new.log.level.upper())
        await self.delivering.reconfigure(new)
        self.tasking.configure(new)
        self.tools.configure(new)
        await self.syncing.on_git_thread(lambda: self.syncing.engine.configure(new.sync, new.machine))
        log.info("settings reread")
        return []

    def facts(self) -> Facts:
        """Return what health is judged by."""
        now = clock.monotonic()
        engine, last = self.syncing.engine, self.syncing.last
        stuck = last is not None and last.state in ("halted", "refused", "error")
        return Facts(
            interval=self.syncing.pace(),
            contact_age=None if engine.contact is None else now - engine.contact,
            pending_age=engine.oldest_pending_age,
            halted=last.error if last is not None and stuck else None,
            trouble=last.error if last is not None and not stuck else None,
            fallen=(*self.syncing.fallen, *self.delivering.fallen, *self.tasking.fallen),
        )

    def unhealthy(self) -> tuple[str, ...]:
        """Return the reasons why this machine is not healthy; empty means green (I8)."""
        return unhealthy(self.facts())

    def _arrived(self, loop: asyncio.AbstractEventLoop) -> None:
        """Be told on the git thread, in the middle of a cycle, that the ledger has something new.

        What asks for a task is looked for when the cycle has ended: two looks at once keep each other waiting.
        """
        loop.call_soon_threadsafe(self.delivering.look)

    def _cycle_done(self, result: CycleResult) -> None:
        self.metrics.cycle(result)
        tell_cycle(self.feed, result, self._cycle)
        if result.received:
            told = partial(tell_arrivals, self.feed, self.opened.ledger, self.settings.machine.id, result.received)
            self.syncing.keep(asyncio.create_task(asyncio.to_thread(told), name="news"))
        self._cycle = result
        self.delivering.look()
        if result.received:
            self.tasking.arrived()

    def _look(self) -> None:
        """Look at what waits here, for agents and among the tasks."""
        self.delivering.look()
        self.tasking.arrived()

    def _happened(self, event: Event) -> None:
        """Be told what the dispatcher did; tasks first, they depend on it."""
        self.tasking.note(event)
        self.metrics.delivery(event)
        tell_delivery(self.feed, event)

    def _token(self) -> str:
        try:
            token = self.settings.token_file.read_text().strip()
        except OSError:
            return ""
        if token != self._told_token:
            self._told_token = token
            know("token", token)
        return token

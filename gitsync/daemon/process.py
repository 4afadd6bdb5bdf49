"""The background process of one machine: it owns the loop, the threads and the order of starting and stopping.

Three things run side by side and meet only in the two stores: cycles on the git thread (one at a time), deliveries in
the loop, and the HTTP surface. A failure of one is reported by health and does not stop the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import tenacity
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from gitsync import clock
from gitsync.agents.base import Agent, open_agents
from gitsync.api.app import create_app
from gitsync.api.control import Control
from gitsync.config.load import reload
from gitsync.config.settings import Settings
from gitsync.daemon import presence
from gitsync.daemon.cycles import Cycles
from gitsync.daemon.schedule import Facts, Pace, clock_jump, interval, spread, unhealthy
from gitsync.daemon.server import Server, listen
from gitsync.daemon.watch import FolderWatch
from gitsync.dispatch.dispatcher import Dispatcher
from gitsync.dispatch.settings import DispatchSettings
from gitsync.errors import ConfigError, GitsyncError
from gitsync.machine import Opened, open_machine
from gitsync.sync.engine import Claim, CycleResult, Request
from gitsync.sync.lock import CloneLock

log = logging.getLogger(__name__)

T = TypeVar("T")

HEARTBEAT = 5.0
"""Seconds between two looks at both clocks and at the parts that should be running."""
HEALTH_EVERY = 30
"""Seconds between two checks of the agents."""
MAINTENANCE_EVERY = 3600
"""Seconds between two looks at the clone's object store."""
SHORT_RETRIES = 5
"""A cycle and its repetitions after 2, 4, 8 and 16 s; then the next tick."""
RECEIPTS_WAIT = 2.0
"""Seconds a finished delivery waits for others, so that one push takes them all."""
LAST_PUSH = 5.0
"""Seconds the last push may take when the process stops."""


class Process:
    """Run one machine until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.started = clock.monotonic()
        self.since = clock.stamp()
        self.pid = os.getpid()
        self.port = settings.api.port
        self.last: CycleResult | None = None
        self.health_of: dict[str, tuple[str, str]] = {}
        self.cycles_run = 0
        self.opened: Opened
        self.dispatcher: Dispatcher
        self._agents: dict[str, Agent] = {}
        self._git = ThreadPoolExecutor(1, thread_name_prefix="git")
        self._cycles = Cycles(self._cycle)
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._activity = self.started
        self._stop = asyncio.Event()
        self._deliver = asyncio.Event()
        self._hurry = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._small: set[asyncio.Future[Any]] = set()
        self._settling: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[CycleResult] | None = None
        self._watch: FolderWatch | None = None
        self._loop: asyncio.AbstractEventLoop

    # -- life ---------------------------------------------------------------------------------------------------

    async def run(self, control: Callable[[Process], Control], ready: Callable[[], None] = lambda: None) -> None:
        """Start everything in order, serve until `stop`, and stop in the reverse order.

        ``control`` makes what the HTTP surface talks to. Raises `GitsyncError` where the start is impossible; nothing
        is left running or half written then.
        """
        self._loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._git.shutdown)
            lock = CloneLock(self.settings.clone_lock_file)
            lock.acquire()
            stack.callback(lock.release)
            sock = listen(self.settings.api.host, self.settings.api.port)
            stack.callback(sock.close)
            self.port = sock.getsockname()[1]
            self.opened = await self.on_git_thread(lambda: open_machine(self.settings))
            stack.push_async_callback(lambda: self.on_git_thread(self.opened.close))
            self.engine = await self.on_git_thread(
                lambda: self.opened.engine(on_ingest=self._arrived, agents=self.agent_states)
            )
            self._agents = self._open_agents(self.settings)
            self.dispatcher = self._make_dispatcher(self.settings, self._agents)
            await self.dispatcher.recover()
            app = create_app(control(self), token=self._token, hosts=frozenset({self.settings.api.host}))
            self._server = Server(app, sock)
            await self._server.start()
            stack.push_async_callback(self._server.stop)
            stack.callback(lambda: presence.remove(self.settings.daemon_file, pid=self.pid))
            stack.push_async_callback(self._stop_delivering)
            self._watch = FolderWatch(self.settings.mailbox, self._edited_on_disk)
            self._watch.start()
            stack.callback(self._watch.stop)
            self._start_clock()
            stack.push_async_callback(self._stop_clock)
            presence.write(self.settings.daemon_file, pid=self.pid, port=self.port, since=self.since)
            log.info("machine %s is up, port %d", self.settings.machine.id, self.port)
            ready()
            self.nudge()
            self._deliver.set()
            await self._stop.wait()
            log.info("stopping")
        log.info("stopped")

    def stop(self) -> None:
        """Begin the clean stop; safe to call twice."""
        self._stop.set()

    def _start_clock(self) -> None:
        self._tasks = {
            "cycles": asyncio.create_task(self._cycles.serve(), name="cycles"),
            "delivery": asyncio.create_task(self._deliveries(), name="delivery"),
            "heartbeat": asyncio.create_task(self._heartbeat(), name="heartbeat"),
        }
        self._scheduler.add_job(
            self._check_agents, "interval", seconds=HEALTH_EVERY, next_run_time=_now(), max_instances=1
        )
        self._scheduler.add_job(
            self._maintain, "interval", seconds=MAINTENANCE_EVERY, jitter=300, max_instances=1, coalesce=True
        )
        self._scheduler.start()

    async def _stop_clock(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        others = [task for task in (*self._tasks.values(), *self._small, self._round) if task is not None]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _stop_delivering(self) -> None:
        await self.dispatcher.drain(self.settings.dispatch.drain)
        await self._close_agents(self._agents)
        if self.opened.journal.pending_count() and self.last is not None and self.last.state == "ok":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.on_git_thread(lambda: self.engine.cycle(Request(retry=False))), LAST_PUSH)

    # -- syncing ------------------------------------------------------------------------------------------------

    async def on_git_thread(self, work: Callable[[], T]) -> T:
        """Run something that uses the clone, after what is already waiting for it."""
        return await self._loop.run_in_executor(self._git, work)

    async def _cycle(self, request: Request) -> CycleResult:
        result = await self.on_git_thread(lambda: self.engine.cycle(request))
        self.cycles_run += 1
        if result.error and (self.last is None or self.last.error != result.error):
            log.warning("%s: %s", result.state, " - ".join(x for x in (result.error, result.remedy) if x))
        if result.received or result.sent or result.pulled or result.pushed:
            self._activity = clock.monotonic()
            log.info(
                "%d commits in, %d out; %d messages received, %d sent",
                result.pulled, result.pushed, result.received, result.sent,
            )  # fmt: skip
        told = self.last.troubles if self.last is not None else ()
        for trouble in result.troubles:
            if trouble not in told:
                log.warning("%s: %s", trouble.path, trouble.text)
        self.last = result
        self.opened.note(result)
        self._deliver.set()
        self._arm(result.retry_after)
        return result

    async def sync(self, request: Request) -> CycleResult:
        """Run one cycle now, for somebody who waits for it."""
        return await self._cycles.ask(request)

    def nudge(self) -> None:
        """Ask for a cycle soon; a running backoff is cut short. Safe to call often."""
        self._hurry.set()
        if self._round is None or self._round.done():
            self._hurry.clear()
            self._round = asyncio.create_task(self._cycle_with_retries(), name="round")
            self._round.add_done_callback(_look_at)
        else:
            self._keep(asyncio.ensure_future(self._cycles.ask(Request())))

    def woken(self) -> None:
        """Take a hint from another machine: somebody pushed."""
        self._activity = clock.monotonic()
        self.nudge()

    async def _cycle_with_retries(self) -> CycleResult:
        async def attempt() -> CycleResult:
            return await self._cycles.ask(Request())

        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(SHORT_RETRIES),
            wait=tenacity.wait_exponential(multiplier=2, max=16) + tenacity.wait_random(0, 1),
            retry=tenacity.retry_if_result(lambda result: result.state == "offline"),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
            sleep=self._backoff,
        )
        result: CycleResult = await retrying(attempt)
        return result

    async def _backoff(self, seconds: float) -> None:
        self._hurry.clear()
        # Not wait_for: before 3.12 it may swallow a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    def pace(self) -> float:
        """Return the delay in seconds between two looks at the remote, as things are now."""
        sync = self.settings.sync
        pace = Pace(fastest=sync.fastest, slowest=sync.slowest, hot=sync.hot)
        return interval(pace, clock.monotonic() - self._activity)

    def _arm(self, sooner: float | None = None) -> None:
        if self._stop.is_set() or not self._scheduler.running:
            return
        delay = spread(self.pace(), clock.jitter(0.0, 1.0))
        if sooner is not None:
            delay = min(delay, sooner)
        self._scheduler.add_job(
            self.nudge_from_clock,
            "date",
            run_date=_now() + timedelta(seconds=delay),
            id="tick",
            replace_existing=True,
            misfire_grace_time=None,
        )

    async def nudge_from_clock(self) -> None:
        """Take the clock's turn."""
        self.nudge()

    async def _heartbeat(self) -> None:
        """See what a scheduler on the wall clock cannot see: that somebody moved it, or that the machine slept."""
        wall, steady = clock.unix(), clock.monotonic()
        while True:
            await asyncio.sleep(HEARTBEAT)
            now_wall, now_steady = clock.unix(), clock.monotonic()
            if clock_jump(now_wall - wall, now_steady - steady):
                log.warning(
                    "the wall clock jumped by %.0f s; looking at the remote now",
                    now_wall - wall - (now_steady - steady),
                )
                self._scheduler.wakeup()
                self.nudge()
            wall, steady = now_wall, now_steady
            if self._watch is not None and not self._watch.alive:
                self._watch.stop()
                self._watch.start()

    def _edited_on_disk(self) -> None:
        """Take a hint from the watcher's thread; what really changed is for the scan of the cycle to say."""
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
        self._settling = self._loop.call_later(self.settings.sync.settle + 0.05, self._settled)

    def _settled(self) -> None:
        self._settling = None
        self._keep(asyncio.create_task(self._cycle_if_edited()))

    async def _cycle_if_edited(self) -> None:
        if await self.on_git_thread(self.engine.edited):
            self.nudge()

    async def _maintain(self) -> None:
        try:
            await self.on_git_thread(self.opened.mailbox.maintain)
        except GitsyncError as error:
            log.warning("maintenance of the clone failed: %s", error)

    # -- delivering ---------------------------------------------------------------------------------------------

    def _arrived(self) -> None:
        """Be told on the git thread that the ledger has something new."""
        self._loop.call_soon_threadsafe(self._deliver.set)

    def sent(self, *, local: bool) -> None:
        """Be told that a message was accepted: deliver it here, or push it."""
        self._activity = clock.monotonic()
        self._deliver.set()
        if not local:
            self.nudge()

    async def _deliveries(self) -> None:
        while True:
            await self._deliver.wait()
            self._deliver.clear()
            if self.last is not None and self.last.kind == "double-id":
                continue  # another machine speaks under this id: whoever of the two should act, a person must say
            try:
                await self.dispatcher.consider()
            except GitsyncError as error:
                log.error("delivering failed: %s", error)
            except Exception:
                log.exception("delivering failed")

    async def _claim(self, message_id: str) -> Claim:
        return await self.on_git_thread(lambda: self.engine.claim(message_id))

    async def _refresh(self) -> bool:
        """Bring the ledger up to the remote's tip; False when the remote is away."""
        result = await self._cycles.ask(Request())
        return result.remote_contact and result.state != "halted"

    async def _release(self, message_id: str) -> None:
        await self.on_git_thread(lambda: self.engine.release(message_id))

    def _finished(self) -> None:
        """Be told by the dispatcher that receipts or replies wait to be pushed."""
        self._activity = clock.monotonic()
        self.nudge()

    def _make_dispatcher(self, settings: Settings, agents: dict[str, Agent]) -> Dispatcher:
        return Dispatcher(
            self.opened.journal,
            self.opened.ledger,
            agents,
            DispatchSettings(
                machine=settings.machine,
                routes=settings.routes,
                policies=settings.policies,
                turn_budget=settings.dispatch.turn_budget,
            ),
            self.opened.candidates,
            claim=self._claim,
            release=self._release,
            refresh=self._refresh,
            changed=self._finished,
        )

    def _open_agents(self, settings: Settings) -> dict[str, Agent]:
        return open_agents(settings.agents, settings.root)

    async def _close_agents(self, agents: dict[str, Agent]) -> None:
        await asyncio.gather(*(agent.close() for agent in agents.values()), return_exceptions=True)

    async def _check_agents(self) -> None:
        async def check(agent: Agent) -> tuple[str, tuple[str, str]]:
            try:
                return agent.name, await asyncio.wait_for(agent.health(), 10)
            except TimeoutError:
                return agent.name, ("timeout", "no answer to the health check within 10 s")
            except Exception as error:
                return agent.name, ("error", str(error))

        self.health_of = dict(await asyncio.gather(*(check(agent) for agent in self._agents.values())))
        self.dispatcher.health = self.health_of

    def agent_states(self) -> dict[str, tuple[str, int]]:
        """Return state and queue length of each agent."""
        busy = self.dispatcher.busy() if hasattr(self, "dispatcher") else {}
        return {name: (self.health_of.get(name, ("starting", ""))[0], busy.get(name, 0)) for name in self._agents}

    def agent_names(self) -> frozenset[str]:
        """Return the names of the agents that the settings give now."""
        return frozenset(self._agents)

    # -- settings, health ---------------------------------------------------------------------------------------

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
                ("mailbox", old.mailbox, new.mailbox),
            )
            if was != now
        ]
        former, former_agents = self.dispatcher, self._agents
        self.settings = self.opened.settings = new
        self._agents = self._open_agents(new)
        self.dispatcher = self._make_dispatcher(new, self._agents)
        self._keep(asyncio.create_task(self._retire(former, former_agents)))
        await self.on_git_thread(lambda: self.engine.configure(new.sync, new.machine) if not later else None)
        self._keep(asyncio.create_task(self._check_agents()))
        self._deliver.set()
        log.info("settings reread%s", f"; after a restart: {', '.join(later)}" if later else "")
        return later

    async def _retire(self, dispatcher: Dispatcher, agents: dict[str, Agent]) -> None:
        await dispatcher.drain(max((agent.spec.timeout for agent in agents.values()), default=0.0))
        await self._close_agents(agents)

    def facts(self) -> Facts:
        """Return what health is judged by."""
        now = clock.monotonic()
        contact = self.engine.contact
        fallen = tuple(name for name, task in self._tasks.items() if task.done())
        return Facts(
            uptime=now - self.started,
            interval=self.pace(),
            contact_age=None if contact is None else now - contact,
            pending_age=self.engine.oldest_pending_age,
            halted=self.last.error
            if self.last is not None and self.last.state in ("halted", "refused", "error")
            else None,
            fallen=fallen,
        )

    def unhealthy(self) -> tuple[str, ...]:
        """Return the reasons why this machine is not healthy; empty means green (I8)."""
        return unhealthy(self.facts())

    def _token(self) -> str:
        try:
            return self.settings.token_file.read_text().strip()
        except OSError:
            return ""

    def _keep(self, task: asyncio.Future[Any]) -> None:
        """Hold on to a small task until it is done, and look at how it ended."""
        self._small.add(task)
        task.add_done_callback(self._small.discard)
        task.add_done_callback(_look_at)


def _look_at(task: asyncio.Future[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s failed", getattr(task, "get_name", lambda: "a cycle")(), exc_info=error)


def _now() -> datetime:
    return clock.utcnow()

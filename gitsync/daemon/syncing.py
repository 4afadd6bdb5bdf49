"""Decide when cycles run: hints from outside, the clock, hand edits, short retries while the remote is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from typing import Any, TypeVar

import tenacity
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from gitsync import clock
from gitsync.daemon.cycles import Cycles
from gitsync.daemon.schedule import BURST_WINDOW, Pace, clock_jump, gather, interval, spread
from gitsync.daemon.watch import FolderWatch
from gitsync.errors import GitsyncError
from gitsync.machine import Opened
from gitsync.sync.engine import CycleResult, Engine, Request
from gitsync.sync.settings import SyncSettings

log = logging.getLogger(__name__)

T = TypeVar("T")

HEARTBEAT = 5.0
"""Seconds between two looks at both clocks and at the watcher."""
MAINTENANCE_EVERY = 3600
"""Seconds between two looks at the clone's object store."""
SHORT_RETRIES = 5
"""A cycle and its repetitions after 2, 4, 8 and 16 s; then the next tick."""
RECEIPTS_WAIT = 1.0
"""Seconds a receipt without a reply waits for others, so that one push takes them all."""
LAST_PUSH = 5.0
"""Seconds the last push may take when the process stops."""
_TICK = "tick"


class Syncing:
    """Run the cycles of one machine on a thread of their own."""

    def __init__(self, settings: SyncSettings, *, after: Callable[[CycleResult], None]) -> None:
        self.settings = settings
        self.last: CycleResult | None = None
        self.cycles_run = 0
        self.opened: Opened
        self.engine: Engine
        self._after = after
        self._git = ThreadPoolExecutor(1, thread_name_prefix="git")
        self._cycles = Cycles(self._cycle)
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._active = clock.monotonic()
        self._pushed: list[tuple[float, int]] = []
        self._gathered = 0.0
        self._hurry = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._small: set[asyncio.Future[Any]] = set()
        self._settling: asyncio.TimerHandle | None = None
        self._receipts: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[CycleResult] | None = None
        self._watch: FolderWatch | None = None
        self._stopped = False
        self._loop = asyncio.get_running_loop()

    # -- life --------------------------------------------------------------------------------------

    def open(self, opened: Opened, engine: Engine) -> None:
        """Take what the git thread has opened."""
        self.opened, self.engine = opened, engine
        self._watch = FolderWatch(opened.settings.mailbox, self._edited_on_disk)

    def start(self) -> None:
        """Start the clock, the watcher and the first cycle."""
        assert self._watch is not None
        self._watch.start()
        self._tasks = {
            "cycles": asyncio.create_task(self._cycles.serve(), name="cycles"),
            "heartbeat": asyncio.create_task(self._heartbeat(), name="heartbeat"),
        }
        self._scheduler.add_job(
            self._maintain, "interval", seconds=MAINTENANCE_EVERY, jitter=300, max_instances=1, coalesce=True
        )
        self._scheduler.start()
        self.nudge()

    async def stop(self) -> None:
        """Stop clock and watcher; a cycle that runs ends on its thread."""
        self._stopped = True
        for timer in (self._settling, self._receipts):
            if timer is not None:
                timer.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        if self._watch is not None:
            self._watch.stop()
        others = [task for task in (*self._tasks.values(), *self._small, self._round) if task is not None]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def last_push(self) -> None:
        """Push what is pending on the way down, where that can work and quickly."""
        if self.opened.journal.pending_count() and self.last is not None and self.last.state == "ok":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_PUSH):
                    await self.on_git_thread(lambda: self.engine.cycle(Request(retry=False)))

    def close(self) -> None:
        """End the git thread, after what it still has to do."""
        self._git.shutdown()

    def every(self, seconds: float, job: Callable[[], object]) -> None:
        """Have something done now and again at an interval."""
        self._scheduler.add_job(job, "interval", seconds=seconds, next_run_time=clock.utcnow(), max_instances=1)

    @property
    def fallen(self) -> tuple[str, ...]:
        """Name the parts that should run and do not."""
        return tuple(name for name, task in self._tasks.items() if task.done())

    # -- asking ------------------------------------------------------------------------------------

    async def on_git_thread(self, work: Callable[[], T]) -> T:
        """Run something that uses the clone, after what is already waiting for it."""
        return await self._loop.run_in_executor(self._git, work)

    async def sync(self, request: Request) -> CycleResult:
        """Run one cycle now, for somebody who waits for it."""
        return await self._cycles.ask(request)

    def nudge(self) -> None:
        """Ask for a cycle soon; a running backoff is cut short. Safe to call often."""
        if self._round is None or self._round.done():
            self._hurry.clear()
            self._round = asyncio.create_task(self._cycle_with_retries(), name="round")
            self._round.add_done_callback(look_at)
        else:
            self._hurry.set()
            self.keep(self._cycles.ask(Request()))

    def active(self) -> None:
        """Note that a conversation is going on: the next looks come at the fastest pace."""
        self._active = clock.monotonic()

    def pending(self) -> None:
        """Be told that receipts or replies wait: a reply goes at once, receipts wait a moment for each other."""
        self.active()
        if not self._stopped:  # on the way down `last_push` takes them
            self.keep(asyncio.create_task(self._push_soon(), name="pending"))

    async def _push_soon(self) -> None:
        if await asyncio.to_thread(self.opened.journal.message_pending):
            self.nudge()
        elif self._receipts is None:
            self._receipts = self._loop.call_later(RECEIPTS_WAIT, self._push_receipts)

    def _push_receipts(self) -> None:
        self._receipts = None
        self.nudge()

    def pace(self) -> float:
        """Return the delay in seconds between two looks at the remote, as things are now."""
        pace = Pace(fastest=self.settings.fastest, slowest=self.settings.slowest, hot=self.settings.hot)
        return interval(pace, clock.monotonic() - self._active)

    def keep(self, task: asyncio.Future[Any]) -> None:
        """Hold on to a small task until it is done, and look at how it ended."""
        self._small.add(task)
        task.add_done_callback(self._small.discard)
        task.add_done_callback(look_at)

    # -- cycles ------------------------------------------------------------------------------------

    async def _cycle(self, request: Request) -> CycleResult:
        await self._gather(request)
        try:
            result = await self.on_git_thread(lambda: self._with_trust(request))
        except Exception:
            # Not expected, and no reason to stop: the next tick tries again, and health turns red meanwhile.
            log.exception("a cycle failed")
            result = CycleResult(state="error", error="an unexpected failure", remedy="see .gitsync/gitsync.log")
        self.cycles_run += 1
        if result.sent:
            self._pushed.append((clock.monotonic(), result.sent))
        self._report(result)
        self.last = result
        self.opened.note(result)
        self._after(result)
        self._arm(result.retry_after)
        return result

    def _with_trust(self, request: Request) -> CycleResult:
        """Run a cycle, after what a change of trust asks for; that may be the only reason why it was asked for."""
        try:
            self.opened.keep_trust()
        except GitsyncError as error:
            log.error("what is known was not judged anew: %s", error)
        return self.engine.cycle(request)

    async def _gather(self, request: Request) -> None:
        """Let a burst of messages gather for one push; nobody who asked for a cycle in person waits for that."""
        now = clock.monotonic()
        self._pushed = [(when, count) for when, count in self._pushed if now - when < BURST_WINDOW + self._gathered]
        self._gathered = gather(sum(count for _, count in self._pushed), self._gathered)
        if self._gathered and not request.settle_now:
            await asyncio.sleep(self._gathered)

    def _report(self, result: CycleResult) -> None:
        if result.error and (self.last is None or self.last.error != result.error):
            log.warning("%s: %s", result.state, " - ".join(x for x in (result.error, result.remedy) if x))
        if result.received or result.sent or result.pulled or result.pushed:
            self.active()
            log.info(
                "%d commits in, %d out; %d messages received, %d sent",
                *(result.pulled, result.pushed, result.received, result.sent),
            )
        told = self.last.troubles if self.last is not None else ()
        for trouble in result.troubles:
            if trouble not in told:
                log.warning("%s: %s", trouble.path, trouble.text)

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

    # -- the clock ---------------------------------------------------------------------------------

    def _arm(self, sooner: float | None = None) -> None:
        if not self._scheduler.running:
            return
        delay = spread(self.pace(), clock.jitter(0.0, 1.0))
        if sooner is not None:
            delay = min(delay, sooner)
        self._scheduler.add_job(
            self._tick,
            "date",
            run_date=clock.utcnow() + timedelta(seconds=delay),
            id=_TICK,
            replace_existing=True,
            misfire_grace_time=None,
        )

    async def _tick(self) -> None:
        self.nudge()

    async def _heartbeat(self) -> None:
        """See what a scheduler on the wall clock cannot see: that somebody moved it, or that the machine slept."""
        wall, steady = clock.unix(), clock.monotonic()
        while True:
            await asyncio.sleep(HEARTBEAT)
            now_wall, now_steady = clock.unix(), clock.monotonic()
            jump = (now_wall - wall) - (now_steady - steady)
            if clock_jump(now_wall - wall, now_steady - steady):
                log.warning("the wall clock jumped by %.0f s; looking at the remote now", jump)
                self._rearm()
                self.nudge()
            wall, steady = now_wall, now_steady
            if self._watch is not None and not self._watch.alive:
                self._watch.stop()
                if self._watch.start():
                    self._settle()  # for what was saved while nobody watched

    def _rearm(self) -> None:
        """Begin the waits at an interval anew: their dates may have moved days away (row 20)."""
        for job in self._scheduler.get_jobs():
            if job.id != _TICK:  # the cycle that follows sets this one
                job.modify(next_run_time=clock.utcnow())

    async def _maintain(self) -> None:
        try:
            await self.on_git_thread(self.opened.mailbox.maintain)
        except GitsyncError as error:
            log.warning("maintenance of the clone failed: %s", error)

    # -- hand edits --------------------------------------------------------------------------------

    def _edited_on_disk(self) -> None:
        """Take a hint from the watcher's thread; what really changed is for the scan of the cycle to say."""
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if self._settling is None:
            self._settling = self._loop.call_later(self.settings.settle + 0.05, self._settled)

    def _settled(self) -> None:
        self._settling = None
        self.keep(asyncio.create_task(self._cycle_if_edited()))

    async def _cycle_if_edited(self) -> None:
        if await self.on_git_thread(self.engine.edited):
            self.nudge()


def look_at(task: asyncio.Future[Any]) -> None:
    """Log how a task ended that nobody waits for."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s failed", getattr(task, "get_name", lambda: "a cycle")(), exc_info=error)

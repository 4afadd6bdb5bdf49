"""Keep the tasks of a running machine going."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from gitsync import clock
from gitsync.config.settings import Settings
from gitsync.errors import GitsyncError
from gitsync.inbox import fleet_view
from gitsync.machine import Opened
from gitsync.tasks.tasks import Tasks
from gitsync.tasks.values import Event, Json, TaskAsk

log = logging.getLogger(__name__)

AFTER_FAILURE = 5.0
"""Seconds until the next try when the disk takes nothing."""
GATHER = 0.03
"""Seconds for which news of the dispatcher is gathered: one transaction for all of it."""
GATHER_ASKED = 0.003
"""The same while somebody waits to hear who has got a task."""
STANDS = 0.25
"""Seconds that the answer to whoever asks for a task waits until an agent is named, where one can take it."""
IDLE = 30.0
"""Seconds between two looks when nothing is open: also at what a command wrote whose wake was lost."""


class Tasking:
    """Hold the tasks inside the process: called on the loop, at work on threads, one thing at a time."""

    def __init__(
        self,
        settings: Settings,
        opened: Opened,
        *,
        look: Callable[[], None],
        nudge: Callable[[], None],
        publish: Callable[[Json], None] = lambda _task: None,
    ) -> None:
        """Take what is needed.

        `look` lets the dispatcher look at what waits here, `nudge` asks for a sync soon, `publish` is told of each
        change of a task: all of them on the loop.
        """
        self._opened = opened
        self._settings = opened.settings
        self._look = look
        self._nudge = nudge
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._events: list[Event] = []
        self._news = asyncio.Event()
        self._fresh = True
        self._idle = True
        self._waiting = False
        self._asked: dict[str, asyncio.Future[Json]] = {}
        self._task: asyncio.Task[None] | None = None
        self.tasks = Tasks(
            opened.journal,
            opened.ledger,
            settings.machine,
            opened.settings.rules,
            settings.tasks,
            fleet=lambda: fleet_view(
                opened.ledger, opened.journal, settings.machine.id, now=clock.utcnow(), seen=opened.seen
            ),
            changed=lambda task: self._on_loop(lambda: self._tell(task)),
            sent=lambda local: self._on_loop(self._look if local else self._nudge),
        )

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._serve(), name="tasks")

    async def stop(self) -> None:
        """Take in what the dispatcher said last, and end; what is under way stands in the journal."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._say()
        except GitsyncError as error:
            log.warning("tasks: %s; the next start finds it in the journal", error)

    def configure(self, _settings: Settings) -> None:
        """Go on with other settings, once the machine was given them (`Opened.settings`)."""
        self._keep_up()
        self.arrived()

    @property
    def fallen(self) -> tuple[str, ...]:
        """Name the parts that should run and do not."""
        return ("tasks",) if self._task is not None and self._task.done() else ()

    def note(self, event: Event) -> None:
        """Be told by the dispatcher what it did."""
        if event.key.startswith("local/"):  # only such messages carry tasks to agents
            self._events.append(event)
            self._news.set()

    def arrived(self) -> None:
        """Be told that something came from the branch, or was written by a command."""
        self._fresh = True
        self._news.set()

    async def submit(self, ask: TaskAsk) -> Json:
        """Take a task; see `Tasks.submit`. The answer names the agent, where one can take it now."""
        self._keep_up()
        found = await asyncio.to_thread(self.tasks.submit, ask)
        if self._idle:
            self.arrived()
        if found["status"] != "QUEUED":
            return found
        stands: asyncio.Future[Json] = self._loop.create_future()
        self._asked[found["task_id"]] = stands
        try:
            async with asyncio.timeout(STANDS):
                return await stands
        except TimeoutError:
            return found
        finally:
            del self._asked[found["task_id"]]

    def _tell(self, task: Json) -> None:
        stands = self._asked.get(task["task_id"])
        if stands is not None and not stands.done() and task["status"] != "QUEUED":
            stands.set_result(task)
        self._publish(task)

    async def get(self, ident: str) -> Json | None:
        """Give one task; see `Tasks.get`."""
        return await asyncio.to_thread(self.tasks.get, ident)

    async def list(self, limit: int = 50, before: str | None = None, status: str | None = None) -> list[Json]:
        """Give tasks; see `Tasks.list`."""
        return await asyncio.to_thread(self.tasks.list, limit, before, status)

    async def cancel(self, ident: str) -> Json:
        """End a task; see `Tasks.cancel`."""
        return await asyncio.to_thread(self.tasks.cancel, ident)

    async def _serve(self) -> None:
        resumed, due = False, 0.0
        while True:
            await self._wait(due - clock.monotonic())
            self._keep_up()
            try:
                if not resumed:
                    await asyncio.to_thread(self.tasks.resume)
                    resumed = True
                await self._say()
                if self._fresh:
                    self._fresh, due = False, 0.0
                    self.tasks.arrived()
                    self._waiting = True
                if clock.monotonic() >= due:
                    if self._waiting:  # what found no room is tried again at each tick
                        self._waiting = not await asyncio.to_thread(self._ingest)
                    pause = await asyncio.to_thread(self.tasks.tick, clock.unix())
                    self._idle = pause is None
                    due = clock.monotonic() + (IDLE if pause is None else pause)
            except GitsyncError as error:
                log.error("tasks wait: %s", error)
                due, self._fresh = clock.monotonic() + AFTER_FAILURE, True
                await asyncio.sleep(AFTER_FAILURE)
            except Exception:
                log.exception("tasks wait")
                due, self._fresh = clock.monotonic() + AFTER_FAILURE, True
                await asyncio.sleep(AFTER_FAILURE)

    async def _wait(self, pause: float) -> None:
        """Wait until something is due or new; what the dispatcher tells in a flood is gathered for a moment."""
        if pause <= 0:
            return
        try:
            async with asyncio.timeout(pause):
                await self._news.wait()
        except TimeoutError:
            self._fresh |= self._idle
            return
        self._news.clear()
        if not self._fresh:
            await asyncio.sleep(GATHER_ASKED if self._asked else GATHER)
            self._news.clear()

    def _keep_up(self) -> None:
        """Take the agents that there are now: some come and go while the process runs."""
        if self._opened.settings is not self._settings:
            self._settings = self._opened.settings
            self.tasks.configure(self._settings.rules, self._settings.tasks)

    async def _say(self) -> None:
        """Take in what the dispatcher did; what the journal does not take now is taken in later.

        What cannot be understood at all is not held on to: the next tick finds in the journal how things stand.
        """
        events, self._events = self._events, []
        if not events:
            return
        try:
            await asyncio.to_thread(self.tasks.note, events)
        except (GitsyncError, asyncio.CancelledError):
            self._events = events + self._events
            raise

    def _ingest(self) -> bool:
        return self.tasks.take(self._opened.asked())

    def _on_loop(self, call: Callable[[], None]) -> None:
        """Call from whatever thread; nobody listens any more once the loop is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

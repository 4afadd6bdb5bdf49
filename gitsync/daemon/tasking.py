"""Keep the tasks of a running machine going."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gitsync.config.settings import Settings
from gitsync.machine import Opened
from gitsync.tasks.values import Event, Json, TaskAsk


class Tasking:
    """Hold the tasks inside the process: called on the loop, at work on threads."""

    def __init__(
        self,
        settings: Settings,
        opened: Opened,
        *,
        look: Callable[[], None],
        nudge: Callable[[], None],
        unable: Callable[[], Mapping[str, str]] = dict,
        publish: Callable[[Json], None] = lambda _task: None,
    ) -> None:
        """Take what is needed.

        `look` lets the dispatcher look at what waits here, `nudge` asks for a sync soon, `unable` gives the agents that
        can take nothing now with the reason, `publish` is told of each change of a task, on the loop.
        """
        raise NotImplementedError

    def start(self) -> None:
        """Begin."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End; what is under way stands in the journal."""
        raise NotImplementedError

    def configure(self, settings: Settings) -> None:
        """Go on with other settings."""
        raise NotImplementedError

    @property
    def fallen(self) -> tuple[str, ...]:
        """Name the parts that should run and do not."""
        raise NotImplementedError

    def note(self, event: Event) -> None:
        """Be told by the dispatcher what it did."""
        raise NotImplementedError

    def arrived(self) -> None:
        """Be told that something came from the branch, or was written by a command."""
        raise NotImplementedError

    async def submit(self, ask: TaskAsk) -> Json:
        """Take a task; see `Tasks.submit`."""
        raise NotImplementedError

    async def get(self, ident: str) -> Json | None:
        """Give one task; see `Tasks.get`."""
        raise NotImplementedError

    async def list(self, limit: int = 50, before: str | None = None, status: str | None = None) -> list[Json]:
        """Give tasks; see `Tasks.list`."""
        raise NotImplementedError

    async def cancel(self, ident: str) -> Json:
        """End a task; see `Tasks.cancel`."""
        raise NotImplementedError

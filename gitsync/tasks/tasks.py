"""The tasks of a machine: taken, given to agents or to another machine, followed to their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.protocol.identity import Machine
from gitsync.tasks.values import Event, Json, Rules, TaskAsk, TaskSettings


class Tasks:
    """Hold the tasks of this machine in its journal.

    All methods may be called from any thread and from several processes; they wait for the disk. A task's JSON:

        task_id type subject content priority sender to    as it was asked
        status assigned_to agents reason machine           how it stands, with whom, who could, why these, where
        created deadline                                   UTC to the second; deadline None: none
        attempts retries                                   how often given out, how often it may be again
        result error                                       what came of it, None while nothing did
        times                                              {STATE: when it was last entered}
        history                                            [{at, status, agent, note}], only from `get`
        parts                                              [{agent, status, machine, attempts, result, error}], only
                                                           from `get`: one for each agent that is to do it
    """

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        machine: Machine,
        rules: Rules,
        settings: TaskSettings,
        *,
        fleet: Callable[[], Sequence[Mapping[str, object]]] = list,
        changed: Callable[[Json], None] = lambda _task: None,
    ) -> None:
        """Take what is needed: `fleet` gives the machines (`inbox.fleet_view`), `changed` is told of each change."""
        raise NotImplementedError

    def configure(self, rules: Rules, settings: TaskSettings) -> None:
        """Go on with other settings."""
        raise NotImplementedError

    def submit(self, ask: TaskAsk) -> Json:
        """Take a task durably; give its JSON, of which `task_id`, `status` and `assigned_to` are the news.

        Raise UsageError where it cannot be carried out as asked, Refused where the policy says no, and Busy
        (with `retry_after`) where the queue is full: then nothing was taken.
        """
        raise NotImplementedError

    def get(self, ident: str) -> Json | None:
        """Give one task with history and parts, by its id or its beginning (4 characters); None where there is none."""
        raise NotImplementedError

    def list(self, limit: int = 50, before: str | None = None, status: str | None = None) -> list[Json]:
        """Give tasks, newest first; `before` is a task's id, `status` one state."""
        raise NotImplementedError

    def cancel(self, ident: str) -> Json:
        """End a task that has not ended: FAILED with the error `cancelled`; give its JSON as `get` does.

        Raise NotFound where there is none, Conflict where it has ended in another way.
        """
        raise NotImplementedError

    def counts(self) -> dict[str, int]:
        """Count the tasks in each state."""
        raise NotImplementedError

    def note(self, events: Iterable[Event]) -> None:
        """Take in what the dispatcher did."""
        raise NotImplementedError

    def tick(self, now: float, unable: Mapping[str, str] | None = None) -> float | None:
        """Do what is due at `now` (Unix time): see what became of what was given out, deadlines, retries, pruning.

        `unable` maps the agents that can take nothing now to the reason. Give when to come again (seconds), None where
        there is nothing to do.
        """
        raise NotImplementedError

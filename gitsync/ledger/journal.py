"""The journal: the one store of this machine that is not a cache."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from gitsync.ledger import doubts, folder, handed, held, intents, local, quarantine, queue, runs, sessions, tasks
from gitsync.ledger.db import Database
from gitsync.ledger.faults import FaultPoint, nothing

MIGRATIONS = (
    queue.SCHEMA + folder.SCHEMA + intents.SCHEMA + local.SCHEMA,
    tasks.SCHEMA,
    handed.SCHEMA,
    held.SCHEMA,
    doubts.SCHEMA,
    runs.SCHEMA,
    sessions.SCHEMA,
)


class Journal(
    queue.Queue,
    folder.Folder,
    intents.Intents,
    local.LocalRows,
    quarantine.Quarantine,
    tasks.TaskRows,
    handed.HandedRows,
    doubts.Doubts,
    runs.RunRows,
    sessions.SessionRows,
):
    """Hold what is under way: outbox, attempts, base versions, hand-overs, local messages, tasks, what is kept back.

    And what models cost, and in which session of a coding agent a conversation goes on.

    Lives in `<clone>/.git/gitsync/journal.sqlite3`. Durable: every method is one transaction, on disk when it
    returns. The background process and the command line have it open at the same time. Raises StoreFailed with a
    remedy, and then nothing was written.
    """

    def __init__(self, path: Path, *, fault: FaultPoint = nothing) -> None:
        self.db = Database(path, MIGRATIONS, durable=True, fault=fault, name="8-journal")
        self.path = path
        self.fresh = self.db.created

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

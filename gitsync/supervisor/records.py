"""Remember, across the life of one gitsync process, which programs it started and which of them it gave up."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gitsync.ledger.journal import Journal
from gitsync.supervisor.restart import Past

log = logging.getLogger(__name__)

KEY = "supervised"
ADDED = "instances"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Recognise a program that was started: by number, start time and boot, or by what its environment holds.

    `made` is what it was made from: a program of other settings is ended, not adopted. `pid` is 0 until it is known:
    the mark is written before the program is started, so that none can be forgotten.
    """

    token: str
    made: str
    boot: str = ""
    pid: int = 0
    start: str = ""
    port: int | None = None
    since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of one agent's program; `held` is why it must not be started: stopped, crashed, or nothing.

    `made` is what a held program was made from: other settings are a new chance.
    """

    held: str = ""
    made: str = ""
    reason: str = ""
    past: Past = field(default_factory=Past)
    mark: Mark | None = None


class Records:
    """Keep the records in the journal, one document for all; read once, written whole on a thread."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = asyncio.Lock()
        self._records = _read(journal.meta(KEY))

    def of(self, name: str) -> Record:
        """Return what is known of an agent's program."""
        return self._records.get(name, Record())

    def names(self) -> list[str]:
        """Return the agents of which something is known."""
        return list(self._records)

    async def change(self, name: str, **changes: Any) -> Record:
        """Change some facts; on disk when it returns. Raise StoreFailed, and then what is in memory holds."""
        record = replace(self.of(name), **changes)
        self._records[name] = record
        await self._write()
        return record

    async def forget(self, name: str) -> None:
        """Know nothing of an agent any more."""
        if self._records.pop(name, None) is not None:
            await self._write()

    async def _write(self) -> None:
        async with self._lock:
            known = {name: asdict(record) for name, record in self._records.items() if record != Record()}
            await asyncio.to_thread(self._journal.set_meta, KEY, json.dumps(known) if known else None)


def read_added(journal: Journal) -> list[dict[str, Any]]:
    """Return the agents that were added at run time, as they were described."""
    try:
        found = json.loads(journal.meta(ADDED) or "[]")
    except ValueError:
        log.exception("the agents that were added at run time cannot be read, and are forgotten")
        return []
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def write_added(journal: Journal, documents: list[Mapping[str, Any]]) -> None:
    """Keep the agents that were added at run time."""
    journal.set_meta(ADDED, json.dumps(documents) if documents else None)


def _read(text: str | None) -> dict[str, Record]:
    """Read the document; one that cannot be understood is no reason to start nothing."""
    found: dict[str, Record] = {}
    try:
        rows = json.loads(text or "{}")
        for name, row in rows.items():
            mark = Mark(**row["mark"]) if row["mark"] else None
            past = Past(**row["past"])
            found[name] = Record(held=row["held"], made=row["made"], reason=row["reason"], past=past, mark=mark)
    except (ValueError, KeyError, TypeError, AttributeError):
        log.exception("what is known of the agents' programs cannot be read, and is forgotten")
        return {}
    return found

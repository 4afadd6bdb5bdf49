"""Look at a store without opening it for work: nothing is created, migrated, repaired or thrown away."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gitsync.clock import monotonic
from gitsync.ledger import journal, rows
from gitsync.ledger.db import text_path
from gitsync.ledger.values import Op

SQLITE = sqlite3.sqlite_version

Condition = Literal["ok", "missing", "broken", "newer", "older", "closed", "busy"]

_STEPS = 20_000
"""Virtual machine instructions between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Health:
    """Tell how a store is. `closed`: it cannot be read, for want of permission; `why` is SQLite's or the system's word.

    `complete` is false where the time was up before every page was looked at.
    """

    condition: Condition
    why: str = ""
    version: int = 0
    complete: bool = True


def journal_health(path: Path, seconds: float) -> Health:
    """Examine a journal for so many seconds at most."""
    return _examine(path, len(journal.MIGRATIONS), seconds)


def ledger_health(path: Path, seconds: float) -> Health:
    """Examine a ledger; one of another layout counts as older, since it would be built again."""
    found = _examine(path, 1, seconds)
    if found.condition != "ok":
        return found
    try:
        with _reading(path, seconds) as conn:
            row = conn.execute("SELECT value FROM meta WHERE key = 'layout'").fetchone()
    except sqlite3.Error as error:
        return Health("broken", str(error))
    return found if row is None or row[0] == rows.LAYOUT else Health("older", f"layout {row[0]}", found.version)


def counts(path: Path, seconds: float) -> dict[str, int]:
    """Count the rows of each table; nothing of what is in them. Empty where the file cannot be read."""
    if not path.is_file():
        return {}
    try:
        with _reading(path, seconds) as conn:
            names = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
            plain = [name for name in names if name.isidentifier()]
            return {name: int(conn.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name in plain}
    except (sqlite3.Error, OSError):
        return {}


@dataclass(frozen=True, slots=True)
class JournalFacts:
    """What a journal says of what is under way; dates are as it wrote them, ``intents`` counts by state.

    ``refused`` and ``displaced`` are lines for a person: names and reasons, no message text.
    """

    meta: dict[str, str] = field(default_factory=dict)
    pending: int = 0
    oldest: str | None = None
    refused: tuple[str, ...] = ()
    displaced: tuple[str, ...] = ()
    displaced_since: str | None = None
    intents: dict[str, int] = field(default_factory=dict)
    quarantined: int = 0


def journal_facts(path: Path, seconds: float) -> JournalFacts | None:
    """Read what is under way; None where the journal cannot be read."""
    try:
        if not path.is_file():
            return None
        with _reading(path, seconds) as conn:
            meta = {row[0]: row[1] for row in conn.execute("SELECT key, value FROM meta")}
            pending = conn.execute("SELECT count(*), min(created) FROM ops WHERE state = 'pending'").fetchone()
            refused = conn.execute("SELECT kind, ident, reason FROM ops WHERE state = 'refused' ORDER BY seq")
            displaced = conn.execute("SELECT path, file, since FROM displaced ORDER BY since").fetchall()
            intents = conn.execute("SELECT state, count(*) FROM intents GROUP BY state").fetchall()
            held = 0
            if conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'quarantine'").fetchone() is not None:
                held = conn.execute("SELECT count(*) FROM quarantine WHERE state = 'held'").fetchone()[0]
            return JournalFacts(
                meta,
                pending[0],
                pending[1],
                tuple(f"{kind} {ident}: {reason}" for kind, ident, reason in refused),
                tuple(f"{text_path(row[0])}: kept as {text_path(row[1])} since {row[2]}" for row in displaced),
                displaced[0][2] if displaced else None,
                {row[0]: row[1] for row in intents},
                held,
            )
    except (sqlite3.Error, OSError, ValueError):
        return None


def salvage(path: Path) -> list[Op]:
    """Read those unsent operations of a damaged journal that can still be read, in order (I1)."""
    found: dict[int, Op] = {}
    if not path.is_file():
        return []
    columns = "seq, kind, ident, to_place, payload, urgent, created"
    for order in ("ASC", "DESC"):  # a damaged page stops a walk: the other end may be whole
        try:
            with _reading(path, 10.0) as conn:
                for row in conn.execute(f"SELECT {columns} FROM ops WHERE state = 'pending' ORDER BY seq {order}"):
                    seq, kind, ident, to, payload, urgent, created = row
                    found[seq] = Op(kind, ident, to, bytes(payload), bool(urgent), seq, created)
        except (sqlite3.Error, OSError, TypeError, ValueError):
            continue
    return [found[seq] for seq in sorted(found)]


def _examine(path: Path, newest: int, seconds: float) -> Health:
    try:
        if not path.exists():
            return Health("missing")
        if not path.is_file():
            return Health("broken", "it is not a file")
        if not os.access(path, os.R_OK):
            return Health("closed", "permission denied")
        if path.stat().st_size == 0:
            return Health("broken", "the file is empty")
        with _reading(path, seconds) as conn:
            version = int(conn.execute("PRAGMA user_version").fetchone()[0])
            if version > newest:
                return Health("newer", f"layout {version}, this program knows {newest}", version)
            try:
                said = [str(row[0]) for row in conn.execute("PRAGMA quick_check(3)")]
            except sqlite3.OperationalError as error:
                if "interrupted" in str(error):
                    return Health("ok", "", version, complete=False)
                raise
            if said != ["ok"]:
                return Health("broken", said[0].replace("\n", " "), version)
            if version == 0:
                return Health("broken", "it holds no tables of gitsync", version)
            return Health("ok" if version == newest else "older", f"layout {version}", version)
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Health("busy", str(error))
        if code in (sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            return Health("closed", str(error))
        return Health("broken", str(error))
    except OSError as error:
        return Health("closed", error.strerror or str(error))


@contextmanager
def _reading(path: Path, seconds: float) -> Iterator[sqlite3.Connection]:
    """Give a connection that cannot write, and that gives up when its time is over."""
    until = monotonic() + seconds
    name = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    with closing(sqlite3.connect(f"file:{name}?mode=ro", uri=True, timeout=min(seconds, 1.0))) as conn:
        conn.set_progress_handler(lambda: int(monotonic() > until), _STEPS)
        yield conn

"""Count hand-overs, so that no restart forgives what was used up; note what waits, and what a person lets go.

`handed` has one row for each hand-over that began, kept for two days: limits look no further back. `waits` has one row
for each message that a limit keeps waiting; it is gone when the message is handed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from gitsync.ledger.db import Connection, Database, in_chunks, marks, text

KEPT = 2 * 86400.0
"""Seconds for which a hand-over is counted."""

SCHEMA = """
CREATE TABLE handed (
    at REAL NOT NULL,
    agent TEXT NOT NULL,
    sender TEXT NOT NULL,
    first INTEGER NOT NULL
);
CREATE INDEX handed_at ON handed (at);
CREATE TABLE waits (
    message_key TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    let_go INTEGER NOT NULL DEFAULT 0
);
"""


@dataclass(frozen=True, slots=True)
class Handed:
    """One hand-over that began: Unix time, the agent, the machine or person it came from; `first` is no repetition."""

    at: float
    agent: str
    sender: str
    first: bool


class HandedRows:
    """The rows of the journal about limits."""

    db: Database

    def handed_since(self, at: float) -> list[Handed]:
        """Give what was handed over since a moment (Unix time), oldest first."""
        with self.db.read() as conn:
            rows = conn.execute("SELECT * FROM handed WHERE at >= ? ORDER BY at", (at,)).fetchall()
        return [Handed(row["at"], row["agent"], row["sender"], bool(row["first"])) for row in rows]

    def put_waits(self, reasons: Mapping[str, str]) -> bool:
        """Note why messages wait; what a person let go is left alone."""
        with self.db.write() as conn:
            conn.executemany(
                "INSERT INTO waits (message_key, reason) VALUES (?, ?)"
                " ON CONFLICT (message_key) DO UPDATE SET reason = excluded.reason WHERE let_go = 0",
                [(key, text(reason)) for key, reason in reasons.items()],
            )
        return True

    def drop_waits(self, keys: Collection[str]) -> bool:
        """Forget messages that wait no more."""
        with self.db.write() as conn:
            conn.executemany("DELETE FROM waits WHERE message_key = ?", [(key,) for key in keys])
        return True

    def pass_limit(self, key: str) -> bool:
        """Let a message pass that a limit keeps waiting; False where none does."""
        with self.db.write() as conn:
            return conn.execute("UPDATE waits SET let_go = 1 WHERE message_key = ?", (key,)).rowcount == 1

    def waits(self, keys: Iterable[str] | None = None) -> dict[str, tuple[str, bool]]:
        """Give reason, and whether a person let it go, of what waits; of all, or of these messages."""
        found: dict[str, tuple[str, bool]] = {}
        with self.db.read() as conn:
            if keys is None:
                rows = conn.execute("SELECT * FROM waits ORDER BY message_key").fetchall()
                return {row["message_key"]: (row["reason"], bool(row["let_go"])) for row in rows}

            def collect(part: Iterable[str]) -> None:
                wanted = list(part)
                query = f"SELECT * FROM waits WHERE message_key IN ({marks(len(wanted))})"
                for row in conn.execute(query, wanted):
                    found[row["message_key"]] = (row["reason"], bool(row["let_go"]))

            in_chunks(list(keys), collect)
        return found


def count(conn: Connection, key: str, handed: Handed) -> None:
    """Count a hand-over inside the transaction that notes its beginning."""
    conn.execute("DELETE FROM handed WHERE at < ?", (handed.at - KEPT,))
    conn.execute(
        "INSERT INTO handed (at, agent, sender, first) VALUES (?, ?, ?, ?)",
        (handed.at, handed.agent, text(handed.sender), handed.first),
    )
    conn.execute("DELETE FROM waits WHERE message_key = ?", (key,))

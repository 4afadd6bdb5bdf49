"""Keep the messages between agents of one machine: they never enter the branch. Rows of the journal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gitsync import clock
from gitsync.ledger.db import Connection, Database, Record, in_chunks, marks
from gitsync.ledger.values import Intent, Local, local_key
from gitsync.protocol.message import Message, read

SCHEMA = """
CREATE TABLE locals (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    thread TEXT NOT NULL,
    block BLOB NOT NULL,
    created TEXT NOT NULL,
    open INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX locals_thread ON locals (thread);
CREATE INDEX locals_open ON locals (open, number);
"""


class LocalRows:
    """The rows of the journal about messages that never leave this machine; what becomes of them is an intent's."""

    db: Database

    def put_local(self, message: Message, block: bytes) -> None:
        """Keep a message between agents of this machine; it never enters the branch."""
        with self.db.write() as conn:
            add(conn, message, block)

    def open_locals(self, known: Collection[str] = ()) -> tuple[list[str], list[Local]]:
        """Give the keys of the local messages about which nothing was decided, and those of them not `known`."""
        with self.db.read() as conn:
            idents = [row[0] for row in conn.execute("SELECT id FROM locals WHERE open = 1 ORDER BY number")]
            found: list[Local] = []

            def collect(part: Sequence[str]) -> None:
                query = f"SELECT * FROM locals WHERE id IN ({marks(len(part))}) ORDER BY number"
                found.extend(_local(row) for row in conn.execute(query, part))

            in_chunks([ident for ident in idents if local_key(ident) not in known], collect)
        return [local_key(ident) for ident in idents], found

    def local(self, ident: str) -> Local | None:
        """Give a local message by its id."""
        with self.db.read() as conn:
            row = conn.execute("SELECT * FROM locals WHERE id = ?", (ident,)).fetchone()
        return None if row is None else _local(row)

    def locals(
        self,
        *,
        open_only: bool = False,
        thread: str | None = None,
        prefix: str | None = None,
        before: str | None = None,
        newest: int | None = None,
    ) -> list[Local]:
        """Give local messages, oldest first; `before` is a date, `newest` keeps the last so many."""
        where, values = ["1"], list[object]()
        if open_only:
            where.append("open = 1")
        if thread is not None:
            where.append("thread = ?")
            values.append(thread)
        if prefix is not None:
            where.append("id >= ? AND id < ?")
            values += [prefix, prefix + "\U0010ffff"]
        if before is not None:
            where.append("created < ?")
            values.append(before)
        query = f"SELECT * FROM locals WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?"
        with self.db.read() as conn:
            rows = conn.execute(query, (*values, -1 if newest is None else newest)).fetchall()
        return [_local(row) for row in reversed(rows)]


def add(conn: Connection, message: Message, block: bytes) -> None:
    """Keep a message inside the transaction around it."""
    conn.execute(
        "INSERT OR IGNORE INTO locals (id, thread, block, created) VALUES (?, ?, ?, ?)",
        (message.id, message.conversation, block, clock.stamp()),
    )


def close(conn: Connection, intent: Intent) -> None:
    """Note that something was decided about a message, where it is a local one."""
    if intent.message_key == local_key(intent.message_id):
        conn.execute("UPDATE locals SET open = 0 WHERE id = ?", (intent.message_id,))


def cancelled(conn: Connection, intent: Intent) -> bool:
    """Tell whether a local message was taken back before anything was decided about this pair."""
    if intent.message_key != local_key(intent.message_id):
        return False
    row = conn.execute("SELECT cancelled FROM locals WHERE id = ?", (intent.message_id,)).fetchone()
    return row is not None and bool(row[0])


def _local(row: Record) -> Local:
    return Local(local_key(row["id"]), read(row["block"]), row["block"], row["created"], bool(row["open"]))

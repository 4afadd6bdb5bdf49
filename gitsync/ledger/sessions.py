"""Remember in which session of a coding agent's program a conversation goes on.

One row for each agent and thread. `place` is recipe and folder: a program knows its sessions by where it ran. `last` is
the message that the session heard last, `totals` what the program had counted for the session by then (JSON). A row
that was not used for `KEPT` is forgotten; the program keeps its sessions as long as it likes, and one that it does not
have any more is begun anew.
"""

from __future__ import annotations

from gitsync import clock
from gitsync.ledger.db import Database, text

KEPT = 90 * 86400.0

SCHEMA = """
CREATE TABLE sessions (
    agent TEXT NOT NULL,
    thread TEXT NOT NULL,
    place TEXT NOT NULL,
    session TEXT NOT NULL,
    last TEXT NOT NULL,
    totals TEXT NOT NULL,
    used REAL NOT NULL,
    PRIMARY KEY (agent, thread)
) WITHOUT ROWID;
"""


class SessionRows:
    """The rows of the journal about sessions. Each method is one transaction."""

    db: Database

    def session(self, agent: str, thread: str, place: str) -> tuple[str, str, str] | None:
        """Give the session of a conversation, the message that it heard last, and its totals; None for none."""
        with self.db.read() as conn:
            row = conn.execute(
                "SELECT session, last, totals FROM sessions WHERE agent = ? AND thread = ? AND place = ?",
                (text(agent), text(thread), text(place)),
            ).fetchone()
        return None if row is None else (str(row[0]), str(row[1]), str(row[2]))

    def keep_session(self, agent: str, thread: str, place: str, session: str, last: str, totals: str = "") -> None:
        """Note where a conversation goes on."""
        now = clock.unix()
        with self.db.write() as conn:
            conn.execute("DELETE FROM sessions WHERE used < ?", (now - KEPT,))
            conn.execute(
                "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)",
                (text(agent), text(thread), text(place), text(session), text(last), text(totals), now),
            )

    def forget_session(self, agent: str, thread: str) -> None:
        """Forget where a conversation went on: the program has lost it."""
        with self.db.write() as conn:
            conn.execute("DELETE FROM sessions WHERE agent = ? AND thread = ?", (text(agent), text(thread)))

"""Note what is held only because its sender is not verified, and what of it a person let go all the same.

A row belongs to a message (its key). It outlives the hold, and says nothing any more once that has ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gitsync.ledger.db import Database, in_chunks, marks, text
from gitsync.ledger.intents import SETTLED

SCHEMA = """
CREATE TABLE doubts (
    message_key TEXT PRIMARY KEY,
    let_go INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE doubtful_claims (
    message_id TEXT PRIMARY KEY,
    said TEXT NOT NULL
) WITHOUT ROWID;
"""
"""`said` is machine, outcome (always `claimed`) and standing of the claim."""


class Doubts:
    """The rows of the journal about senders that were not verified."""

    db: Database

    def doubt(self, key: str) -> None:
        """Note that a message is held until its sender is verified."""
        with self.db.write() as conn:
            conn.execute("INSERT OR IGNORE INTO doubts (message_key) VALUES (?)", (key,))

    def doubt_claim(self, ident: str, said: str) -> None:
        """Note that a message to ANY is claimed elsewhere, in a way that does not count."""
        with self.db.write() as conn:
            conn.execute("INSERT OR REPLACE INTO doubtful_claims VALUES (?, ?)", (ident, text(said)))

    def doubtful_claims(self) -> dict[str, str]:
        """Give what is claimed in a way that does not count: the message's id, and what is said."""
        with self.db.read() as conn:
            return dict(conn.execute("SELECT message_id, said FROM doubtful_claims").fetchall())

    def drop_claims(self) -> None:
        """Forget the claims that did not count: whoever asks again is told by the remote how they stand."""
        with self.db.write() as conn:
            conn.execute("DELETE FROM doubtful_claims")

    def trust_anyway(self, key: str) -> None:
        """Note that a person wants a message to be acted on as it is."""
        with self.db.write() as conn:
            conn.execute("INSERT OR REPLACE INTO doubts (message_key, let_go) VALUES (?, 1)", (key,))

    def doubted(self) -> list[tuple[str, str]]:
        """Give message and agent of what is held for this reason alone."""
        query = (
            "SELECT intents.message_key, agent FROM intents JOIN doubts USING (message_key)"
            " WHERE state = 'held' AND let_go = 0 ORDER BY intents.number"
        )
        with self.db.read() as conn:
            return [(row[0], row[1]) for row in conn.execute(query)]

    def gone(self, keys: Collection[str]) -> set[str]:
        """Give those of these messages that a person let go."""
        found: set[str] = set()
        with self.db.read() as conn:

            def collect(part: Sequence[str]) -> None:
                query = f"SELECT message_key FROM doubts WHERE let_go = 1 AND message_key IN ({marks(len(part))})"
                found.update(row[0] for row in conn.execute(query, part))

            in_chunks(list(keys), collect)
        return found

    def settled(self, idents: Iterable[str]) -> set[str]:
        """Give those of these message ids of which this journal knows that they were dealt with here."""
        found: set[str] = set()
        states = sorted(SETTLED | {"started", "taken"})
        with self.db.read() as conn:

            def collect(part: Sequence[str]) -> None:
                query = (
                    f"SELECT DISTINCT message_id FROM intents WHERE message_id IN ({marks(len(part))})"
                    f" AND state IN ({marks(len(states))})"
                )
                found.update(row[0] for row in conn.execute(query, [*part, *states]))

            in_chunks(sorted(set(idents)), collect)
        return found

"""The outbox in the journal: what must reach the branch, what was tried, what became of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

from gitsync import clock
from gitsync.ledger.db import Connection, Database, Record, in_chunks, marks, text
from gitsync.ledger.held import hold, in_text
from gitsync.ledger.values import Attempt, Op, Parked, seal
from gitsync.secrets.scan import Secrets, fingerprint, named
from gitsync.signing.signer import Signer

KEPT_LANDED = 256
"""Landed operations stay visible until the ledger has read their commit; this many are plenty."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ops (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    ident TEXT NOT NULL,
    to_place TEXT NOT NULL,
    payload BLOB NOT NULL,
    urgent INTEGER NOT NULL,
    created TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'landed', 'refused')),
    commit_id TEXT,
    reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX ops_state ON ops (state, seq);
CREATE INDEX ops_ident ON ops (ident);
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_id TEXT NOT NULL UNIQUE,
    parent TEXT NOT NULL,
    seqs TEXT NOT NULL
);
"""


class Queue:
    """The rows of the journal that wait for the branch. Each method is one transaction."""

    db: Database
    secrets: Secrets
    signer: Signer | None = None
    """What signs as this machine; without it messages and receipts go out unsigned."""

    def together(self, deeds: Sequence[Callable[[], bool]]) -> list[bool]:
        """Do several writes in one transaction, which waits for the disk once; all of them are written or none."""
        with self.db.write():
            return [deed() for deed in deeds]

    def meta(self, key: str) -> str | None:
        """Read a fact that some room keeps about this machine; each names its own keys."""
        with self.db.read() as conn:
            row = conn.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str | None) -> None:
        """Write a fact, or forget it."""
        with self.db.write() as conn:
            if value is None:
                conn.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                conn.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def enqueue(self, op: Op) -> int:
        """Queue one operation; durable when it returns. Give its number."""
        return self.enqueue_many([op])[0]

    def enqueue_many(self, ops: Sequence[Op], *, scanned: bool = False) -> list[int]:
        """Queue operations in this order in one transaction; those with a secret in them are held (number 0)."""
        with self.db.write() as conn:
            return add_ops(conn, ops, self.signer, None if scanned else self.secrets)

    def pending(self) -> list[Op]:
        """Give what waits for the branch, in order."""
        with self.db.read() as conn:
            rows = conn.execute("SELECT * FROM ops WHERE state = 'pending' ORDER BY seq").fetchall()
        return [_op(row) for row in rows]

    def pending_count(self, *, urgent: bool | None = None) -> int:
        """Count what waits; `urgent` restricts it to what causes a push, or to what does not."""
        with self.db.read() as conn:
            row = conn.execute(
                "SELECT count(*) FROM ops WHERE state = 'pending' AND (? IS NULL OR urgent = ?)", (urgent, urgent)
            ).fetchone()
        return int(row[0])

    def message_pending(self) -> bool:
        """Say whether a message waits for the branch."""
        with self.db.read() as conn:
            found = conn.execute("SELECT 1 FROM ops WHERE state = 'pending' AND kind = 'message' LIMIT 1").fetchone()
        return found is not None

    def landed(self, seqs: Iterable[int], commit: str) -> None:
        """Take operations off the queue: they are in this commit, and the remote has it."""
        self._settle(list(seqs), "landed", commit, "")

    def refuse(self, seq: int, reason: str) -> None:
        """Take an operation off the queue that can never reach the branch; the sender sees the reason (I1)."""
        self._settle([seq], "refused", None, reason)

    def cancel(self, seq: int) -> bool:
        """Remove a waiting operation that no attempt contains; say whether it was possible."""
        with self.db.write() as conn:
            for row in conn.execute("SELECT seqs FROM attempts"):
                if seq in json.loads(row[0]):
                    return False
            return conn.execute("DELETE FROM ops WHERE seq = ? AND state = 'pending'", (seq,)).rowcount == 1

    def operations(self, ident: str, *, kind: str = "message") -> list[Parked]:
        """Give the operations about one message in whatever state, oldest first."""
        with self.db.read() as conn:
            rows = conn.execute("SELECT * FROM ops WHERE ident = ? AND kind = ? ORDER BY seq", (ident, kind)).fetchall()
        return [_parked(row) for row in rows]

    def recent_messages(self, *, prefix: str = "") -> list[Parked]:
        """Give sent messages that are pending, landed a moment ago, or refused, oldest first."""
        with self.db.read() as conn:
            rows = conn.execute(
                "SELECT * FROM ops WHERE kind = 'message' AND ident >= ? AND ident < ? ORDER BY seq",
                (prefix, prefix + "\U0010ffff"),
            ).fetchall()
        return [_parked(row) for row in rows]

    def refused_ops(self) -> list[Parked]:
        """Give what the branch would not take, oldest first."""
        with self.db.read() as conn:
            rows = conn.execute("SELECT * FROM ops WHERE state = 'refused' ORDER BY seq").fetchall()
        return [_parked(row) for row in rows]

    def attempted(self, commit: str, parent: str, seqs: Iterable[int]) -> None:
        """Note a commit before it is pushed, so that a lost answer can be looked up in the history."""
        with self.db.write() as conn:
            conn.execute(
                "INSERT OR REPLACE INTO attempts (commit_id, parent, seqs) VALUES (?, ?, ?)",
                (commit, parent, json.dumps(sorted(seqs))),
            )

    def attempts(self) -> list[Attempt]:
        """Give the commits whose fate is not settled, oldest first."""
        with self.db.read() as conn:
            rows = conn.execute("SELECT commit_id, parent, seqs FROM attempts ORDER BY number").fetchall()
        return [Attempt(row[0], row[1], tuple(json.loads(row[2]))) for row in rows]

    def forget_attempts(self, commits: Iterable[str]) -> None:
        """Forget commits whose fate is known."""
        with self.db.write() as conn:
            conn.executemany("DELETE FROM attempts WHERE commit_id = ?", [(commit,) for commit in commits])

    def used(self) -> bool:
        """Tell whether anything from here ever reached the branch or an agent; what only waits does not count."""
        with self.db.read() as conn:
            row = conn.execute(
                "SELECT EXISTS (SELECT 1 FROM ops WHERE state = 'landed') OR EXISTS (SELECT 1 FROM attempts)"
                " OR EXISTS (SELECT 1 FROM intents) OR EXISTS (SELECT 1 FROM locals)"
            ).fetchone()
        return bool(row[0])

    def _settle(self, seqs: Sequence[int], state: str, commit: str | None, reason: str) -> None:
        with self.db.write() as conn:
            in_chunks(
                seqs,
                lambda part: conn.execute(
                    "UPDATE ops SET state = ?, commit_id = ?, reason = ?"
                    f" WHERE state = 'pending' AND seq IN ({marks(len(part))})",
                    (state, commit, text(reason), *part),
                ),
            )
            conn.execute(
                "DELETE FROM ops WHERE state = 'landed' AND seq <= coalesce((SELECT seq FROM ops WHERE state = 'landed'"
                " ORDER BY seq DESC LIMIT 1 OFFSET ?), 0)",
                (KEPT_LANDED,),
            )


def add_ops(conn: Connection, ops: Sequence[Op], signer: Signer | None, secrets: Secrets | None = None) -> list[int]:
    """Insert operations inside a transaction; give their numbers, 0 where one is held for a secret in it.

    Every room's way to the branch leads through here, so nothing with a key in it gets past, whoever wrote it; and here
    it is signed.
    """
    now = clock.stamp()
    numbers = []
    for op in ops:
        found = secrets.find(op.payload) if secrets is not None and op.kind in ("message", "import") else []
        if secrets is not None and op.kind == "import":
            found = secrets.find_in_name(op.ident) + found
        if found:
            message = op.kind == "message"
            found = in_text(op.payload, found) if message else found
            ident = op.ident if message else clock.new_id()
            same = "" if message else f"import:{op.ident}:{fingerprint(op.payload)}"
            hold(conn, ident, op.kind, op.to or named(op.ident), found, op.payload, same=same, ops=[op])
            numbers.append(0)
            continue
        op = seal(op, signer)
        done = conn.execute(
            "INSERT INTO ops (kind, ident, to_place, payload, urgent, created) VALUES (?, ?, ?, ?, ?, ?)",
            (op.kind, op.ident, op.to, op.payload, op.urgent, op.created or now),
        )
        numbers.append(done.lastrowid or 0)
    return numbers


def _op(row: Record) -> Op:
    return Op(
        row["kind"], row["ident"], row["to_place"], row["payload"], bool(row["urgent"]), row["seq"], row["created"]
    )


def _parked(row: Record) -> Parked:
    return Parked(_op(row), row["state"], row["commit_id"], row["reason"])

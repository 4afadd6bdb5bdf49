"""The ledger: a cache of what the branch says.

It may be deleted or damaged at any moment, also while it is open: it then starts empty (`head` is None), and the next
ingest builds it again from the branch (I7). Nothing here is the only copy of anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from gitsync.ledger import rows
from gitsync.ledger.apply import apply_batch
from gitsync.ledger.db import Database, Record, StoreBroken, StoreNewer, in_chunks, marks, path_text, text
from gitsync.ledger.faults import FaultPoint, nothing
from gitsync.ledger.judging import Judged, rejudge
from gitsync.ledger.values import Amendment, Batch, KnownText, MachinePage, Row, Told, Trouble
from gitsync.protocol.receipts import FINAL, Receipt
from gitsync.verifying import Rules

COUNTED = ("messages", "mine", "open", "receipts", "machines", "troubles")


class _MoreDepends(Exception):
    """A transaction is to leave everything as it was."""


class Ledger:
    """Index messages, threads, receipts and pages of the branch. All methods may be called from any thread."""

    def __init__(self, path: Path, *, fault: FaultPoint = nothing) -> None:
        self.path = path
        self._fault = fault
        self.rebuilds = 0
        self.rules = Rules()
        """How senders are to be verified, for those who show what is in here; whoever opens it sets them."""
        self._db = self._open()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # what was read so far

    def head(self) -> str | None:
        """Give the commit up to which the ledger has read; None when it is empty."""
        return self._meta("head")

    def basis(self) -> str | None:
        """Give what the flags of the rows were computed for: the machine and its horizon."""
        return self._meta("basis")

    def start_over(self, basis: str, trust: str = "") -> None:
        """Forget everything; the next batch begins with nothing, judged by this trust."""
        if self.head() is not None:  # without one it is empty: batches are atomic
            self._db.discard()
        with self._db.write() as conn:
            conn.executemany(
                "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
                [("layout", rows.LAYOUT), ("basis", basis), ("trust", trust)],
            )

    def apply(self, batch: Batch, machine_id: str) -> bool:
        """Write what some commits brought, in one transaction; give False when another process was faster."""
        with self._db.write() as conn:
            return apply_batch(conn, batch, machine_id)

    def passed(self) -> str | None:
        """Give the basis whose marks (horizon, loss of the journal) the ledger has read past."""
        return self._meta("passed")

    def pass_marks(self, basis: str) -> None:
        """Note that no commit to come lies at or before the marks of this basis."""
        with self._db.write() as conn:
            conn.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('passed', ?)", (basis,))

    def trust(self) -> str:
        """Give the mark of the trust by which the standings were judged."""
        return self._meta("trust") or ""

    def judge(self, mark: str, judge: Callable[[str, str], str], *, watchful: bool) -> Judged:
        """Judge anew what is known, by (sender, evidence); the evidence itself never changes. One transaction.

        Where more depends on it and the rules are `watchful` nothing is written: the ledger is to be built again.
        """
        with suppress(_MoreDepends), self._db.write() as conn:
            changed = rejudge(conn, judge)
            conn.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('trust', ?)", (mark,))
            if changed.deeper and watchful:
                raise _MoreDepends
        return changed

    def history_keys(self) -> frozenset[str]:
        """Give the keys of what is history for this machine."""
        return frozenset(row[0] for row in self._query("SELECT key FROM messages WHERE history = 1", ()))

    def ended_elsewhere(self, machine_id: str) -> frozenset[str]:
        """Give the keys of messages to ANY of which another machine has said that it is through with them."""
        query = (
            "SELECT DISTINCT m.key FROM messages m JOIN receipts r ON r.id = m.id AND r.sender = m.sender "
            "WHERE m.to_place = 'ANY' AND r.counts = 1 AND r.machine <> ? "
            "AND r.outcome IN ('done', 'failed', 'refused', 'dead', 'uncertain')"
        )
        return frozenset(row[0] for row in self._query(query, (machine_id,)))

    def renew(self) -> None:
        """Replace a broken file by an empty one."""
        self.rebuilds += 1
        self._db.discard()

    def file(self, path: str) -> tuple[str, bool] | None:
        """Give (blob, clean) of a file as it was read last."""
        for row in self._query("SELECT blob_id, clean FROM files WHERE path = ?", (path_text(path),)):
            return row[0], bool(row[1])
        return None

    def known(self, keys: Sequence[str]) -> dict[str, KnownText]:
        """Give what is known of those messages that are, by key."""
        found: dict[str, KnownText] = {}

        def collect(part: Sequence[str]) -> None:
            query = (
                "SELECT key, content, path, withdrawn, evidence, standing FROM messages"
                f" WHERE key IN ({marks(len(part))})"
            )
            for row in self._query(query, part):
                found[row[0]] = KnownText(row[1], row[2], bool(row[3]), row[4], row[5])

        in_chunks(keys, collect)
        return found

    # messages

    def message(self, ident: str) -> list[Row]:
        """Give the messages with this id (one for each file it stands in), oldest first."""
        return self._rows("WHERE id = ? ORDER BY seq", (ident,))

    def by_keys(self, keys: Sequence[str]) -> list[Row]:
        """Give messages by key, oldest first."""
        found: list[Row] = []
        in_chunks(keys, lambda part: found.extend(self._rows(f"WHERE key IN ({marks(len(part))})", part)))
        return sorted(found, key=lambda row: row.seq)

    def with_prefix(self, prefix: str, limit: int = 10) -> list[Row]:
        """Give messages whose id begins so, oldest first."""
        return self._rows("WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", (prefix, prefix + "\U0010ffff", limit))

    def inbox(
        self,
        *,
        agent: str | None = None,
        sender: str | None = None,
        open_only: bool = False,
        limit: int = 50,
        before: int | None = None,
    ) -> list[Row]:
        """Give messages to this machine, newest first; `agent`: those whose header names it; `before`: a `seq`."""
        where, values = ["mine = 1"], list[object]()
        for clause, value in (("agent = ?", agent), ("sender = ?", sender), ("seq < ?", before)):
            if value is not None:
                where.append(clause)
                values.append(value)
        if agent is not None:
            where.append("agent <> ''")
        if open_only:
            where.append("open = 1")
        return self._rows(f"WHERE {' AND '.join(where)} ORDER BY seq DESC LIMIT ?", (*values, limit))

    def newest(self, *, limit: int = 50, before: int | None = None) -> list[Row]:
        """Give messages of the whole branch, newest first."""
        if before is None:
            return self._rows("ORDER BY seq DESC LIMIT ?", (limit,))
        return self._rows("WHERE seq < ? ORDER BY seq DESC LIMIT ?", (before, limit))

    def thread(self, ident: str) -> list[Row]:
        """Give the messages of a thread, oldest first."""
        return self._rows("WHERE thread = ? ORDER BY seq", (ident,))

    def search(self, words: str, limit: int = 50) -> list[Row]:
        """Find messages with all these words in subject, body or sender, best first."""
        wanted = " ".join(f'"{word.replace(chr(34), chr(34) * 2)}"' for word in words.replace("\0", " ").split())
        if not wanted:
            return []
        return self._rows(
            "JOIN words ON words.rowid = messages.seq WHERE words MATCH ? ORDER BY rank, seq DESC LIMIT ?",
            (wanted, limit),
        )

    def doubted(self) -> list[Row]:
        """Give what is open here and not verified, or said to be done elsewhere in a way that does not count."""
        return self._rows(
            "WHERE open = 1 AND withdrawn = 0 AND (standing <> 'verified' OR contested <> '') ORDER BY seq", ()
        )

    def open_for_me(self) -> list[Row]:
        """Give the messages to this machine that nothing on the branch settles, in the order of the branch."""
        return self._rows("WHERE open = 1 ORDER BY seq", ())

    def open_keys(self) -> list[str]:
        """Give the keys of these messages alone: many of them may wait for a person."""
        return [row[0] for row in self._query("SELECT key FROM messages WHERE open = 1 ORDER BY seq", ())]

    def amended_for_me(self) -> list[Row]:
        """Give the messages to this machine of which the branch has had more than one text."""
        return self._rows(
            "WHERE amended > 0 AND mine = 1 AND history = 0 AND withdrawn = 0 AND quarantined = '' ORDER BY seq", ()
        )

    def amendments(self, key: str) -> list[Amendment]:
        """Give the other texts of a message, oldest first."""
        return [
            Amendment(*row)
            for row in self._query(
                "SELECT key, variant, content, subject, body, commit_id, date, standing FROM amendments"
                " WHERE key = ? ORDER BY rowid",
                (key,),
            )
        ]

    # receipts and machines

    def receipts(self, ident: str, sender: str | None = None) -> list[Told]:
        """Give the receipts of a message that count, oldest first as the branch has them."""
        return [
            _told(row)
            for row in self._query(
                "SELECT * FROM receipts WHERE id = ? AND (? IS NULL OR sender = ?) AND counts = 1 ORDER BY number",
                (ident, sender, sender),
            )
        ]

    def receipts_for(self, idents: Iterable[str]) -> dict[str, list[Told]]:
        """Give the receipts of several messages, by id, also those that do not count."""
        found: dict[str, list[Told]] = {}

        def collect(part: Sequence[str]) -> None:
            query = f"SELECT * FROM receipts WHERE id IN ({marks(len(part))}) ORDER BY number"
            for row in self._query(query, part):
                found.setdefault(row["id"], []).append(_told(row))

        in_chunks(sorted(set(idents)), collect)
        return found

    def final(self, ident: str) -> bool:
        """Tell whether a message has a final receipt by its recipient: it may be moved to the archive."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM receipts JOIN messages USING (id, sender)"
            " WHERE id = ? AND counts = 1 AND (to_place = receipts.machine OR to_place IN ('', 'ALL', 'ANY'))"
            f" AND outcome IN ({marks(len(FINAL))}))"
        )
        return bool(self._one(query, (ident, *sorted(FINAL)), 0))

    def statuses(self) -> list[MachinePage]:
        """Give the machines that have a page, by id."""
        return [
            MachinePage(row["id"], row["name"], row["state"], row["date"], json.loads(row["page"]))
            for row in self._query("SELECT * FROM machines WHERE page IS NOT NULL ORDER BY id", ())
        ]

    def machines(self) -> set[str]:
        """Give the ids of the machines that have a page or have committed."""
        return {row[0] for row in self._query("SELECT id FROM machines", ())}

    def seen(self) -> dict[str, str]:
        """Give the date of the last commit that each machine's gitsync made."""
        return {row[0]: row[1] for row in self._query("SELECT id, seen FROM machines WHERE seen IS NOT NULL", ())}

    def has_lived(self, machine_id: str) -> bool:
        """Tell whether a gitsync of this id has written to the branch."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM machines WHERE id = ? AND seen IS NOT NULL)"
            " OR EXISTS (SELECT 1 FROM receipts WHERE machine = ?)"
        )
        return bool(self._one(query, (machine_id, machine_id), 0))

    def unanswered(self) -> dict[str, str]:
        """Give for each machine the commit date of the oldest message to it without any receipt by it."""
        query = (
            "SELECT to_place, min(commit_date) FROM messages"
            " WHERE answered = 0 AND withdrawn = 0 AND quarantined = '' AND history = 0"
            " AND to_place NOT IN ('', 'ALL', 'ANY') GROUP BY to_place"
        )
        return {row[0]: row[1] for row in self._query(query, ())}

    def troubles(self) -> list[Trouble]:
        """Give what was not taken as it stands, in the order it was met."""
        return [
            Trouble(*row)
            for row in self._query("SELECT path, line, rule, text, commit_id FROM troubles ORDER BY rowid", ())
        ]

    def counters(self) -> dict[str, int]:
        """Count what the ledger holds."""
        query = (
            "SELECT (SELECT count(*) FROM messages) AS messages,"
            " (SELECT count(*) FROM messages WHERE mine = 1) AS mine,"
            " (SELECT count(*) FROM messages WHERE open = 1) AS open, (SELECT count(*) FROM receipts) AS receipts,"
            " (SELECT count(*) FROM machines WHERE page IS NOT NULL) AS machines,"
            " (SELECT count(*) FROM troubles) AS troubles"
        )
        for row in self._query(query, ()):
            return {**{name: int(row[name]) for name in COUNTED}, "rebuilds": self.rebuilds}
        return {**dict.fromkeys(COUNTED, 0), "rebuilds": self.rebuilds}

    # the file

    def _open(self) -> Database:
        try:
            found = Database(self.path, (rows.SCHEMA,), durable=False, fault=self._fault, name="9-ledger")
        except (StoreBroken, StoreNewer):
            self.rebuilds += 1
            for suffix in ("", "-wal", "-shm", "-journal"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            return Database(self.path, (rows.SCHEMA,), durable=False, fault=self._fault, name="9-ledger")
        self._db = found
        if not found.created and self._meta("layout") not in (None, rows.LAYOUT):
            self.rebuilds += 1
            found.discard()
        return found

    def _query(self, query: str, values: Sequence[object]) -> list[Record]:
        values = [text(value) if isinstance(value, str) else value for value in values]  # an argument may be any bytes
        for _ in range(2):
            try:
                with self._db.read() as conn:
                    return conn.execute(query, values).fetchall()
            except StoreBroken:
                self.renew()  # when another process has put a new file there, that one has the answer
        return []

    def _rows(self, rest: str, values: Sequence[object]) -> list[Row]:
        return [rows.row_of(record) for record in self._query(f"SELECT messages.* FROM messages {rest}", values)]

    def _one(self, query: str, values: Sequence[object], otherwise: object) -> object:
        for row in self._query(query, values):
            return row[0]
        return otherwise

    def _meta(self, key: str) -> str | None:
        found = self._one("SELECT value FROM meta WHERE key = ?", (key,), None)
        return None if found is None else str(found)


def _told(row: Record) -> Told:
    return Told(
        row["machine"],
        Receipt(
            date=row["date"],
            id=row["id"],
            sender=row["sender"],
            agent=row["agent"],
            outcome=row["outcome"],
            attempt=row["attempt"],
            seconds=row["seconds"],
            reply=row["reply"],
            reason=row["reason"],
        ),
        row["evidence"],
        row["standing"],
        bool(row["counts"]),
    )

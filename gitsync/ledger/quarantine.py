"""What may not leave this machine before a person says so: text that a secret was found in. Rows of the journal."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gitsync import clock
from gitsync.ledger.db import Connection, Database, Record, path_text, text, text_path
from gitsync.ledger.values import Op
from gitsync.protocol.message import read
from gitsync.secrets.scan import Finding, Secrets
from gitsync.signing.signer import Signer

SCHEMA = """
CREATE TABLE quarantine (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    place TEXT NOT NULL,
    findings TEXT NOT NULL,
    payload BLOB NOT NULL,
    parcel TEXT NOT NULL,
    same TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'released', 'dropped', 'gone')),
    reason TEXT NOT NULL DEFAULT '',
    created TEXT NOT NULL,
    settled TEXT,
    commit_id TEXT
);
CREATE INDEX quarantine_state ON quarantine (state, number);
CREATE INDEX quarantine_owed ON quarantine (number) WHERE state = 'released' AND commit_id IS NULL;
"""

SETTLED_KEPT = 1000
"""Overrides and drops that stay on record; what is held, or released and not yet on the branch, is never forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Something that is kept back.

    kind      id                   place                  payload
    message   the message's        '2', 'ALL' or 'ANY'    its block
    import    an id of its own     path in the mailbox    the file's bytes
    edit      an id of its own     path in the mailbox    the lines around what was found
    commit    an id of its own     path in the mailbox    the lines around what was found

    state: held, released (by a person, with the reason), dropped (taken back), gone (the file has it no more).
    """

    id: str
    kind: str
    place: str
    findings: tuple[Finding, ...]
    payload: bytes
    state: str = "held"
    reason: str = ""
    created: str = ""
    settled: str | None = None
    commit: str | None = None

    @property
    def why(self) -> str:
        """Say in one line where what was found stands."""
        more = f" and {len(self.findings) - 1} more" if len(self.findings) > 1 else ""
        return f"{self.findings[0]}{more}"

    @property
    def rules(self) -> str:
        """Name the rules that found something, each once."""
        return ", ".join(dict.fromkeys(one.rule for one in self.findings))


class Quarantine:
    """The rows of the journal that are kept back. Each method is one transaction."""

    db: Database
    signer: Signer | None
    secrets: Secrets = Secrets()
    """How text is looked at before it is queued; the settings may change it at any time."""

    def hold(
        self,
        ident: str,
        kind: str,
        place: str,
        findings: Sequence[Finding],
        payload: bytes,
        *,
        same: str = "",
        ops: Sequence[Op] = (),
        local: Sequence[bytes] = (),
    ) -> str:
        """Keep something back; give its id, or that of what is held already and is the `same`.

        `ops` and `local` (blocks of messages to agents of this machine) are carried out when it is released.
        """
        with self.db.write() as conn:
            return hold(conn, ident, kind, place, findings, payload, same=same, ops=ops, local=local)

    def would_hold(self, op: Op) -> str:
        """Say why the queue would keep a message back, in words for whoever waits for it; empty where it would not.

        The queue does that by itself (`add_ops`), for whatever room the message comes from.
        """
        found = in_text(op.payload, self.secrets.find(op.payload))
        if not found:
            return ""
        return f"is kept back there: {found[0].place} looks like a secret ({found[0].rule}); a person can let it go"

    def held(self, *states: str, newest: int | None = None) -> list[Held]:
        """Give what is kept back, or what is in one of the states, oldest first."""
        wanted = states or ("held",)
        query = f"SELECT * FROM quarantine WHERE state IN ({', '.join('?' * len(wanted))}) ORDER BY number DESC"
        with self.db.read() as conn:
            rows = conn.execute(
                query + (" LIMIT ?" if newest else ""), (*wanted, *([newest] if newest else []))
            ).fetchall()
        return [_held(row) for row in rows[::-1]]

    def held_by_prefix(self, prefix: str) -> list[Held]:
        """Give what was ever kept back whose id begins so, oldest first."""
        prefix = text(prefix)  # an argument may be any bytes
        with self.db.read() as conn:
            rows = conn.execute(
                "SELECT * FROM quarantine WHERE id >= ? AND id < ? ORDER BY number", (prefix, prefix + "\U0010ffff")
            ).fetchall()
        return [_held(row) for row in rows]

    def let_go(self, ident: str, reason: str) -> bool:
        """Release what is held, with the reason on record: its operations are queued. False where it is not held."""
        with self.db.write() as conn:
            row = conn.execute("SELECT * FROM quarantine WHERE id = ? AND state = 'held'", (ident,)).fetchone()
            if row is None:
                return False
            parcel = json.loads(row["parcel"])
            from gitsync.ledger.intents import _add_local
            from gitsync.ledger.queue import add_ops

            add_ops(conn, [_op(one) for one in parcel["ops"]], self.signer)
            for block in map(base64.b64decode, parcel["local"]):
                _add_local(conn, read(block), block)
            _settle(conn, ident, "released", reason)
        return True

    def drop(self, ident: str, *, state: str = "dropped") -> bool:
        """Forget the text of what is held: taken back, or `gone` from its file. False where it is not held."""
        with self.db.write() as conn:
            if conn.execute("SELECT 1 FROM quarantine WHERE id = ? AND state = 'held'", (ident,)).fetchone() is None:
                return False
            conn.execute(
                "UPDATE quarantine SET payload = x'', parcel = '{\"ops\":[],\"local\":[]}' WHERE id = ?", (ident,)
            )
            _settle(conn, ident, state, "")
        return True

    def overrides(self) -> list[Held]:
        """Give what was released and is named in no commit yet, oldest first."""
        with self.db.read() as conn:
            rows = conn.execute(
                "SELECT * FROM quarantine WHERE state = 'released' AND commit_id IS NULL ORDER BY number"
            ).fetchall()
        return [_held(row) for row in rows]

    def recorded(self, idents: Iterable[str], commit: str) -> None:
        """Note the commit whose trailers name these overrides; the text itself is on the branch now."""
        with self.db.write() as conn:
            conn.executemany(
                "UPDATE quarantine SET commit_id = ?, payload = x'', parcel = '{\"ops\":[],\"local\":[]}' WHERE id = ?",
                [(commit, ident) for ident in idents],
            )


def in_text(block: bytes, findings: Sequence[Finding]) -> list[Finding]:
    """Count the lines of a message's own text, as its author wrote it; 0 is its head."""
    head = block.find(b"- **From:**")
    body = block.find(b"\n\n", head)
    above = block.count(b"\n", 0, body) + 2 if head >= 0 and body >= 0 else 0
    return [replace(one, line=max(0, one.line - above)) for one in findings]


def hold(
    conn: Connection,
    ident: str,
    kind: str,
    place: str,
    findings: Sequence[Finding],
    payload: bytes,
    *,
    same: str = "",
    ops: Sequence[Op] = (),
    local: Sequence[bytes] = (),
) -> str:
    """Keep something back, inside a transaction."""
    if same:
        row = conn.execute("SELECT id FROM quarantine WHERE same = ? AND state = 'held'", (same,)).fetchone()
        if row is not None:
            return str(row[0])
    parcel = {"ops": [_dict(op) for op in ops], "local": [base64.b64encode(block).decode() for block in local]}
    found = [[one.line, one.rule, one.masked, one.fingerprint] for one in findings]
    conn.execute(
        "INSERT OR IGNORE INTO quarantine (id, kind, place, findings, payload, parcel, same, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (ident, kind, path_text(place), json.dumps(found), payload, json.dumps(parcel), same, clock.stamp()),
    )
    return ident


def _settle(conn: Connection, ident: str, state: str, reason: str) -> None:
    conn.execute(
        "UPDATE quarantine SET state = ?, reason = ?, settled = ? WHERE id = ?",
        (state, text(reason), clock.stamp(), ident),
    )
    conn.execute(
        "DELETE FROM quarantine WHERE (state IN ('dropped', 'gone') OR commit_id IS NOT NULL) AND number <="
        " coalesce((SELECT number FROM quarantine WHERE state <> 'held' ORDER BY number DESC LIMIT 1 OFFSET ?), 0)",
        (SETTLED_KEPT,),
    )


def _dict(op: Op) -> dict[str, object]:
    payload = base64.b64encode(op.payload).decode()
    return {"kind": op.kind, "ident": op.ident, "to": op.to, "payload": payload, "urgent": op.urgent}


def _op(stored: dict[str, object]) -> Op:
    return Op(
        str(stored["kind"]),
        str(stored["ident"]),
        str(stored["to"]),
        base64.b64decode(str(stored["payload"])),
        bool(stored["urgent"]),
    )


def _held(row: Record) -> Held:
    return Held(
        id=row["id"],
        kind=row["kind"],
        place=text_path(row["place"]),
        findings=tuple(Finding(*one) for one in json.loads(row["findings"])),
        payload=row["payload"],
        state=row["state"],
        reason=row["reason"],
        created=row["created"],
        settled=row["settled"],
        commit=row["commit_id"],
    )

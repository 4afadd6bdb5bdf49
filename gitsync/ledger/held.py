"""Text that a secret was found in, as the journal keeps it: rows and what is in them.

The queue holds text back by itself (`ledger.queue.add_ops`); what a person does with it is in `ledger.quarantine`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitsync import clock
from gitsync.ledger.db import Connection, Record, path_text, text, text_path
from gitsync.ledger.values import Op
from gitsync.secrets.scan import Finding

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

NOTHING = '{"ops":[],"local":[]}'
"""The parcel of what is dropped, or let go and on the branch: its text is forgotten."""

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


def settle(conn: Connection, ident: str, state: str, reason: str) -> None:
    """Write how it ended, inside a transaction, and forget the oldest that need not stay on record."""
    conn.execute(
        "UPDATE quarantine SET state = ?, reason = ?, settled = ? WHERE id = ?",
        (state, text(reason), clock.stamp(), ident),
    )
    conn.execute(
        "DELETE FROM quarantine WHERE (state IN ('dropped', 'gone') OR commit_id IS NOT NULL) AND number <="
        " coalesce((SELECT number FROM quarantine WHERE state <> 'held' ORDER BY number DESC LIMIT 1 OFFSET ?), 0)",
        (SETTLED_KEPT,),
    )


def unpacked(parcel: str) -> tuple[list[Op], list[bytes]]:
    """Read operations and local blocks that are carried out when it is let go."""
    found = json.loads(parcel)
    return [_op(one) for one in found["ops"]], [base64.b64decode(block) for block in found["local"]]


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


def held_of(row: Record) -> Held:
    """Read a row."""
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

"""Write what some commits brought into the ledger's tables, inside one transaction."""

from __future__ import annotations

import json

from gitsync.ledger.db import Connection, path_text, text
from gitsync.ledger.intents import SETTLED
from gitsync.ledger.rows import INSERT, header_of, values_of
from gitsync.ledger.values import Batch, Row, Told
from gitsync.protocol.receipts import FINAL
from gitsync.verifying import VERIFIED

_TAKEN_ELSEWHERE = FINAL | {"claimed"}
_TO_ANY = "(to_place = 'ANY' OR recipients = '[\"ANY\"]')"


def apply_batch(conn: Connection, batch: Batch, machine_id: str) -> bool:
    """Write the batch; give False, and write nothing, when the ledger is not where the batch begins."""
    found = conn.execute("SELECT value FROM meta WHERE key = 'head'").fetchone()
    if (None if found is None else found[0]) != batch.base:
        return False
    _arrive(conn, batch, machine_id)
    for row, variant in batch.changed:
        _amend(conn, row, variant)
    conn.executemany(
        "UPDATE messages SET path = ?, archived = ?, withdrawn = 0 WHERE key = ?",
        [(path_text(path), archived, key) for key, (path, archived) in batch.moved.items()],
    )
    conn.executemany(
        "UPDATE messages SET withdrawn = 1, open = 0 WHERE key = ?", [(key,) for key in sorted(batch.withdrawn)]
    )
    conn.executemany(
        "UPDATE messages SET evidence = ?, standing = ? WHERE key = ? AND content = ?",
        [(evidence, standing, key, content) for key, (content, evidence, standing) in batch.proved.items()],
    )
    for told in batch.receipts:
        _receive(conn, told, machine_id)
    _note_machines(conn, batch)
    _note_files(conn, batch)
    conn.executemany(
        "INSERT OR IGNORE INTO troubles (path, line, rule, text, commit_id) VALUES (?, ?, ?, ?, ?)",
        [(path_text(t.path), t.line, t.rule, text(t.text), t.commit) for t in batch.troubles],
    )
    conn.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('head', ?)", (batch.head,))
    return True


def _arrive(conn: Connection, batch: Batch, machine_id: str) -> None:
    for row in batch.arrived.values():
        cursor = conn.execute(INSERT, values_of(row))
        if cursor.rowcount != 1:
            continue
        conn.execute(
            "INSERT INTO words (rowid, subject, body, author) VALUES (?, ?, ?, ?)",
            (cursor.lastrowid, text(row.message.subject), text(row.message.body), text(row.message.sender)),
        )
        # A receipt may stand on the branch before its message: a file restored from the archive, a rewritten history.
        for earlier in conn.execute(
            "SELECT machine, outcome, standing, counts FROM receipts WHERE id = ? AND sender = ?",
            (row.message.id, row.sender),
        ).fetchall():
            _tell(conn, tuple(earlier), row.message.id, row.sender, machine_id)


def _amend(conn: Connection, row: Row, variant: bool) -> None:
    """Record another text of a known message; a later edit also becomes the text that is shown."""
    message = row.message
    conn.execute(
        "INSERT OR IGNORE INTO amendments"
        " (key, variant, content, subject, body, commit_id, date, evidence, standing)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.key,
            message.id if variant else "",
            row.content,
            text(message.subject),
            text(message.body),
            row.commit,
            row.commit_date,
            row.evidence,
            row.standing,
        ),
    )
    old = conn.execute("SELECT seq, subject, body, author, standing FROM messages WHERE key = ?", (row.key,)).fetchone()
    if old is None:
        return
    conn.execute(
        "UPDATE messages SET amended = (SELECT count(*) FROM amendments WHERE amendments.key = messages.key)"
        " WHERE seq = ?",
        (old["seq"],),
    )
    if variant:
        return
    conn.execute(
        "INSERT INTO words (words, rowid, subject, body, author) VALUES ('delete', ?, ?, ?, ?)", tuple(old)[:4]
    )
    conn.execute(
        "UPDATE messages SET subject = ?, body = ?, author = ?, priority = ?, type = ?, content = ?, evidence = ?,"
        " standing = ? WHERE seq = ?",
        (
            text(message.subject),
            text(message.body),
            text(message.sender),
            message.priority,
            text(message.type),
            row.content,
            row.evidence,
            row.standing,
            old["seq"],
        ),
    )
    if row.standing == VERIFIED != old["standing"]:
        # The text that counts takes the place of one that somebody put there: its header counts too.
        conn.execute(
            "UPDATE messages SET recipients = ?, agent = ?, date = ?, date_raw = ?, thread = ?, in_reply_to = ?,"
            " fields = ? WHERE seq = ?",
            (*header_of(row), old["seq"]),
        )
    conn.execute(
        "INSERT INTO words (rowid, subject, body, author)"
        " SELECT seq, subject, body, author FROM messages WHERE seq = ?",
        (old["seq"],),
    )


def _receive(conn: Connection, told: Told, machine_id: str) -> None:
    receipt = told.receipt
    sender = receipt.sender.partition("/")[0].lower()
    new = conn.execute(
        "INSERT INTO receipts (machine, date, id, sender, agent, outcome, attempt, seconds, reply, reason,"
        " evidence, standing, counts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        # The same line once more, now in a form that counts: a copy without its signature must not keep it out.
        " ON CONFLICT DO UPDATE SET evidence = excluded.evidence, standing = excluded.standing,"
        " counts = excluded.counts WHERE excluded.counts > receipts.counts",
        (
            told.machine,
            receipt.date,
            text(receipt.id),
            text(sender),
            text(receipt.agent),
            receipt.outcome,
            receipt.attempt,
            receipt.seconds,
            None if receipt.reply is None else text(receipt.reply),
            text(receipt.reason),
            told.evidence,
            told.standing,
            told.counts,
        ),
    ).rowcount
    if new:
        said = (told.machine, receipt.outcome, told.standing, told.counts)
        _tell(conn, said, receipt.id, sender, machine_id)


def _tell(conn: Connection, said: tuple[str, str, str, bool], ident: str, sender: str, machine_id: str) -> None:
    """Let a receipt do what it says, or, where it does not count, leave a mark on the work that it speaks of."""
    machine, outcome, standing, counts = said
    if counts:
        _settle(conn, machine, ident, sender, outcome, machine_id)
    elif machine != machine_id and outcome in _TAKEN_ELSEWHERE:
        conn.execute(
            f"UPDATE messages SET contested = ? WHERE id = ? AND sender = ? AND contested = '' AND {_TO_ANY}",
            (f"{machine} {outcome} {standing}", ident, sender),
        )


def _settle(conn: Connection, machine: str, ident: str, sender: str, outcome: str, machine_id: str) -> None:
    """Let one receipt close what it settles for this machine, and answer what it answers."""
    conn.execute(
        "UPDATE messages SET answered = 1 WHERE id = ? AND sender = ? AND to_place = ? AND answered = 0",
        (ident, sender, machine),
    )
    if machine == machine_id:
        if outcome in SETTLED:
            conn.execute("UPDATE messages SET open = 0 WHERE id = ? AND sender = ? AND open = 1", (ident, sender))
    elif outcome in _TAKEN_ELSEWHERE:
        # To ANY: somebody else has it, unless this machine's own claim stands earlier on the branch.
        conn.execute(
            "UPDATE messages SET open = 0 WHERE id = ? AND sender = ? AND open = 1"
            f" AND {_TO_ANY}"
            " AND (? <> 'claimed' OR NOT EXISTS (SELECT 1 FROM receipts"
            " WHERE receipts.id = messages.id AND machine = ? AND outcome = 'claimed'))",
            (ident, sender, outcome, machine_id),
        )


def _note_machines(conn: Connection, batch: Batch) -> None:
    for ident, date in batch.seen.items():
        conn.execute(
            "INSERT INTO machines (id, seen) VALUES (?, ?) ON CONFLICT (id)"
            " DO UPDATE SET seen = max(coalesce(seen, ''), excluded.seen)",
            (ident, date),
        )
    for page in batch.pages.values():
        conn.execute(
            "INSERT INTO machines (id, name, state, page, date) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id)"
            " DO UPDATE SET name = excluded.name, state = excluded.state, page = excluded.page, date = excluded.date",
            (page.id, text(page.name), text(page.state), json.dumps(page.data), page.date),
        )


def _note_files(conn: Connection, batch: Batch) -> None:
    for path, state in batch.files.items():
        if state is None:
            conn.execute("DELETE FROM files WHERE path = ?", (path_text(path),))
        else:
            conn.execute(
                "INSERT OR REPLACE INTO files (path, blob_id, clean) VALUES (?, ?, ?)", (path_text(path), *state)
            )

"""How messages lie in the ledger's tables."""

from __future__ import annotations

import json

from gitsync.ledger.db import Record, path_text, text, text_path
from gitsync.ledger.values import Row
from gitsync.protocol.message import Message

LAYOUT = "3"
"""Raise it with every change of the tables: a ledger of another layout is built again."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (path TEXT PRIMARY KEY, blob_id TEXT NOT NULL, clean INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    id TEXT NOT NULL,
    sender TEXT NOT NULL,
    to_place TEXT NOT NULL,
    author TEXT NOT NULL,
    recipients TEXT NOT NULL,
    agent TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    date TEXT NOT NULL,
    date_raw TEXT,
    priority TEXT NOT NULL,
    type TEXT NOT NULL,
    thread TEXT NOT NULL,
    in_reply_to TEXT,
    fields TEXT NOT NULL,
    path TEXT NOT NULL,
    line INTEGER NOT NULL,
    content TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    commit_date TEXT NOT NULL,
    mine INTEGER NOT NULL,
    open INTEGER NOT NULL,
    history INTEGER NOT NULL,
    suspect INTEGER NOT NULL,
    archived INTEGER NOT NULL,
    withdrawn INTEGER NOT NULL DEFAULT 0,
    quarantined TEXT NOT NULL,
    evidence TEXT NOT NULL,
    standing TEXT NOT NULL,
    contested TEXT NOT NULL DEFAULT '',
    amended INTEGER NOT NULL DEFAULT 0,
    answered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX messages_id ON messages (id);
CREATE INDEX messages_thread ON messages (thread);
CREATE INDEX messages_open ON messages (seq) WHERE open = 1;
CREATE INDEX messages_unanswered ON messages (to_place, commit_date)
    WHERE answered = 0 AND withdrawn = 0 AND quarantined = '' AND history = 0
    AND to_place NOT IN ('', 'ALL', 'ANY');
CREATE INDEX messages_amended ON messages (seq)
    WHERE amended > 0 AND mine = 1 AND history = 0 AND withdrawn = 0 AND quarantined = '';
CREATE INDEX messages_mine ON messages (mine, seq);
CREATE INDEX messages_agent ON messages (agent, seq) WHERE mine = 1 AND agent <> '';
CREATE INDEX messages_sender ON messages (sender, mine, seq);
CREATE VIRTUAL TABLE words USING fts5(subject, body, author, content='messages', content_rowid='seq');
CREATE TABLE amendments (
    key TEXT NOT NULL,
    variant TEXT NOT NULL,
    content TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    date TEXT NOT NULL,
    evidence TEXT NOT NULL,
    standing TEXT NOT NULL,
    PRIMARY KEY (key, content)
);
CREATE TABLE receipts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    machine TEXT NOT NULL,
    date TEXT NOT NULL,
    id TEXT NOT NULL,
    sender TEXT NOT NULL,
    agent TEXT NOT NULL,
    outcome TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    seconds REAL,
    reply TEXT,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    standing TEXT NOT NULL,
    counts INTEGER NOT NULL,
    UNIQUE (id, machine, date, sender, agent, outcome, attempt, reason)
);
CREATE INDEX receipts_machine ON receipts (machine);
CREATE TABLE machines (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT '',
    page TEXT,
    date TEXT NOT NULL DEFAULT '',
    seen TEXT
) WITHOUT ROWID;
CREATE TABLE troubles (
    path TEXT NOT NULL,
    line INTEGER NOT NULL,
    rule TEXT NOT NULL,
    text TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    UNIQUE (path, rule, text)
);
"""

_COLUMNS = (
    "key, id, sender, to_place, author, recipients, agent, subject, body, date, date_raw, priority, type, thread,"
    " in_reply_to, fields, path, line, content, commit_id, commit_date, mine, open, history, suspect, archived,"
    " quarantined, evidence, standing"
)
INSERT = f"INSERT OR IGNORE INTO messages ({_COLUMNS}) VALUES ({','.join('?' * len(_COLUMNS.split(',')))})"


def values_of(row: Row) -> tuple[object, ...]:
    """Give the values of a message in the order of INSERT."""
    message = row.message
    return (
        row.key,
        message.id,
        row.sender,
        row.to,
        text(message.sender),
        json.dumps(message.to),
        text(named_agent(message)),
        text(message.subject),
        text(message.body),
        message.date,
        None if row.date_raw is None else text(row.date_raw),
        message.priority,
        text(message.type),
        text(message.conversation),
        None if message.in_reply_to is None else text(message.in_reply_to),
        json.dumps(message.fields),
        path_text(row.path),
        row.line,
        row.content,
        row.commit,
        row.commit_date,
        row.mine,
        row.open,
        row.history,
        row.suspect,
        row.archived,
        row.quarantined,
        row.evidence,
        row.standing,
    )


def header_of(row: Row) -> tuple[object, ...]:
    """Give what the header says besides subject, author, priority and type."""
    message = row.message
    return (
        json.dumps(message.to),
        text(named_agent(message)),
        message.date,
        None if row.date_raw is None else text(row.date_raw),
        text(message.conversation),
        None if message.in_reply_to is None else text(message.in_reply_to),
        json.dumps(message.fields),
    )


def row_of(record: Record) -> Row:
    """Read a message out of a record of all columns."""
    return Row(
        seq=record["seq"],
        key=record["key"],
        sender=record["sender"],
        to=record["to_place"],
        message=Message(
            id=record["id"],
            sender=record["author"],
            to=tuple(json.loads(record["recipients"])),
            subject=record["subject"],
            body=record["body"],
            date=record["date"],
            priority=record["priority"],
            type=record["type"],
            thread=record["thread"],
            in_reply_to=record["in_reply_to"],
            fields=tuple((name, value) for name, value in json.loads(record["fields"])),
        ),
        date_raw=record["date_raw"],
        path=text_path(record["path"]),
        line=record["line"],
        content=record["content"],
        commit=record["commit_id"],
        commit_date=record["commit_date"],
        mine=bool(record["mine"]),
        open=bool(record["open"]),
        history=bool(record["history"]),
        suspect=bool(record["suspect"]),
        archived=bool(record["archived"]),
        withdrawn=bool(record["withdrawn"]),
        quarantined=record["quarantined"],
        evidence=record["evidence"],
        standing=record["standing"],
        contested=record["contested"],
        amended=record["amended"],
    )


def named_agent(message: Message) -> str:
    """Give the agent that the first recipient names, '' when it names none."""
    return message.to[0].partition("/")[2] if message.to else ""

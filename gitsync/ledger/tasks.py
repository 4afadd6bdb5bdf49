"""The tasks in the journal: what was asked, which agents are to do it, what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields

from gitsync.ledger.db import Database, Record, in_chunks, marks, text

STATES = ("QUEUED", "ASSIGNED", "IN_PROGRESS", "COMPLETED", "FAILED", "BLOCKED")
ENDED = frozenset({"COMPLETED", "FAILED"})
_OPEN = ", ".join(f"'{state}'" for state in STATES if state not in ENDED)

SCHEMA = f"""
ALTER TABLE locals ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;
CREATE TABLE tasks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    content TEXT NOT NULL,
    priority TEXT NOT NULL,
    sender TEXT NOT NULL,
    to_agent TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ({", ".join(f"'{state}'" for state in STATES)})),
    agents TEXT NOT NULL,
    reason TEXT NOT NULL,
    created TEXT NOT NULL,
    deadline REAL,
    retries INTEGER NOT NULL,
    result TEXT,
    error TEXT,
    times TEXT NOT NULL,
    ended REAL,
    origin_key TEXT UNIQUE,
    origin TEXT NOT NULL
);
CREATE INDEX tasks_status ON tasks (status, number);
CREATE INDEX tasks_ended ON tasks (ended) WHERE ended IS NOT NULL;
CREATE TABLE task_parts (
    task TEXT NOT NULL,
    slot TEXT NOT NULL,
    status TEXT NOT NULL,
    agent TEXT NOT NULL,
    machine TEXT NOT NULL,
    message_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    not_before REAL NOT NULL,
    reason TEXT NOT NULL,
    result TEXT,
    error TEXT,
    PRIMARY KEY (task, slot)
);
CREATE INDEX task_parts_message ON task_parts (message_id) WHERE message_id <> '';
CREATE INDEX task_parts_open ON task_parts (status) WHERE status IN ({_OPEN});
CREATE TABLE task_history (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    task TEXT NOT NULL,
    at TEXT NOT NULL,
    status TEXT NOT NULL,
    agent TEXT NOT NULL,
    note TEXT NOT NULL
);
CREATE INDEX task_history_task ON task_history (task, number);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task. `deadline` and `ended` are Unix time, `times` the date at which each state was last entered.

    `origin_key` names the message that asked for it, `origin` holds what an answer to that needs; empty: nobody waits.
    """

    id: str
    type: str
    subject: str
    content: str
    priority: str
    sender: str
    created: str
    to_agent: str = ""
    status: str = "QUEUED"
    agents: tuple[str, ...] = ()
    reason: str = ""
    deadline: float | None = None
    retries: int = 0
    result: str | None = None
    error: str | None = None
    times: Mapping[str, str] = field(default_factory=dict)
    ended: float | None = None
    origin_key: str | None = None
    origin: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """What one agent has to do with a task: `slot` names it, '' is whichever is free first.

    `agent` is where it stands, `machine` whose agent that is, `message_id` the message that carries it, '' while none
    does: then it is given out at `not_before` (Unix time).
    """

    task: str
    slot: str
    machine: str
    status: str = "QUEUED"
    agent: str = ""
    message_id: str = ""
    attempt: int = 0
    not_before: float = 0.0
    reason: str = ""
    result: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a task's history."""

    at: str
    status: str
    agent: str
    note: str


_JSON = ("agents", "times", "origin")
_TASK = [one.name for one in fields(TaskRow)]
_PART = [one.name for one in fields(PartRow)]


class TaskRows:
    """The rows of the journal about tasks. Each method is one transaction, or part of the one around it."""

    db: Database

    def put_task(self, task: TaskRow) -> None:
        """Write a task as it now is."""
        values = [_stored(name, getattr(task, name)) for name in _TASK]
        changes = ", ".join(f"{name} = excluded.{name}" for name in _TASK if name != "id")
        with self.db.write() as conn:
            conn.execute(
                f"INSERT INTO tasks ({', '.join(_TASK)}) VALUES ({marks(len(_TASK))})"
                f" ON CONFLICT (id) DO UPDATE SET {changes}",
                values,
            )

    def put_part(self, part: PartRow) -> None:
        """Write a part as it now is."""
        with self.db.write() as conn:
            conn.execute(
                f"INSERT OR REPLACE INTO task_parts ({', '.join(_PART)}) VALUES ({marks(len(_PART))})",
                [text(value) if isinstance(value, str) else value for value in astuple(part)],
            )

    def drop_part(self, part: PartRow) -> None:
        """Forget a part, because others take its place."""
        with self.db.write() as conn:
            conn.execute("DELETE FROM task_parts WHERE task = ? AND slot = ?", (part.task, part.slot))

    def add_entry(self, task: str, entry: Entry) -> None:
        """Add a line to a task's history."""
        with self.db.write() as conn:
            conn.execute(
                "INSERT INTO task_history (task, at, status, agent, note) VALUES (?, ?, ?, ?, ?)",
                (task, entry.at, entry.status, text(entry.agent), text(entry.note)),
            )

    def task(self, ident: str) -> TaskRow | None:
        """Give a task by its id."""
        return next(iter(self._tasks("WHERE id = ?", (ident,))), None)

    def tasks_with_prefix(self, prefix: str, limit: int = 10) -> list[TaskRow]:
        """Give tasks whose id begins so."""
        return self._tasks("WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", (prefix, prefix + "\U0010ffff", limit))

    def task_from(self, origin_key: str) -> TaskRow | None:
        """Give the task that a message asked for."""
        return next(iter(self._tasks("WHERE origin_key = ?", (origin_key,))), None)

    def tasks(self, *, limit: int, before: str | None = None, status: str | None = None) -> list[TaskRow]:
        """Give tasks, newest first; `before` is a task's id."""
        where, values = ["1"], list[object]()
        if before is not None:
            where.append("number < (SELECT number FROM tasks WHERE id = ?)")
            values.append(before)
        if status is not None:
            where.append("status = ?")
            values.append(status)
        return self._tasks(f"WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?", (*values, limit))

    def asked_tasks(self) -> list[TaskRow]:
        """Give the open tasks that messages of the branch asked for."""
        return self._tasks(f"WHERE status IN ({_OPEN}) AND origin_key NOT LIKE 'local/%' ORDER BY number", ())

    def overdue_tasks(self, now: float) -> list[TaskRow]:
        """Give the open tasks whose deadline has passed."""
        return self._tasks(f"WHERE status IN ({_OPEN}) AND deadline <= ? ORDER BY number", (now,))

    def count_tasks(self) -> dict[str, int]:
        """Count the tasks in each state."""
        with self.db.read() as conn:
            found = dict(conn.execute("SELECT status, count(*) FROM tasks GROUP BY status").fetchall())
        return {state: int(found.get(state, 0)) for state in STATES}

    def count_open_tasks(self) -> int:
        """Count the tasks that have not ended."""
        with self.db.read() as conn:
            return int(conn.execute(f"SELECT count(*) FROM tasks WHERE status IN ({_OPEN})").fetchone()[0])

    def count_ended_tasks(self, since: float) -> int:
        """Count the tasks that have ended since a moment (Unix time)."""
        with self.db.read() as conn:
            return int(conn.execute("SELECT count(*) FROM tasks WHERE ended >= ?", (since,)).fetchone()[0])

    def parts(self, task: str) -> list[PartRow]:
        """Give the parts of a task, in the order of their slots."""
        return self._parts("WHERE task = ? ORDER BY slot", (task,))

    def open_parts(self) -> list[PartRow]:
        """Give the parts that have not ended, oldest task first."""
        return self._parts(f"WHERE status IN ({_OPEN}) ORDER BY task, slot", ())

    def decided_parts(self) -> list[PartRow]:
        """Give the open parts whose message an agent here was given, or somebody decided about."""
        return self._parts(
            f"WHERE status IN ({_OPEN}) AND message_id <> '' AND EXISTS (SELECT 1 FROM intents"
            " WHERE intents.message_id = task_parts.message_id) ORDER BY task, slot",
            (),
        )

    def parts_away(self, machine: str) -> list[PartRow]:
        """Give the open parts that were sent to other machines than this one."""
        return self._parts(
            f"WHERE status IN ({_OPEN}) AND message_id <> '' AND machine <> ? ORDER BY task, slot", (machine,)
        )

    def parts_given_up_away(self, machine: str, errors: Iterable[str], since: float) -> list[PartRow]:
        """Give the parts at other machines of tasks that ended with these errors `since`; not those heard of."""
        words = sorted(errors)
        return self._parts(
            "WHERE status = 'FAILED' AND reason = '' AND message_id <> '' AND machine <> ? AND task IN"
            f" (SELECT id FROM tasks WHERE ended >= ? AND error IN ({marks(len(words))})) ORDER BY task, slot",
            (machine, since, *words),
        )

    def idle_parts(self) -> list[PartRow]:
        """Give the open parts that no message carries, and those that are blocked."""
        return self._parts(
            f"WHERE status IN ({_OPEN}) AND (message_id = '' OR status = 'BLOCKED') ORDER BY task, slot", ()
        )

    def parts_of(self, message_ids: Iterable[str]) -> dict[str, PartRow]:
        """Give the parts that these messages carry, by message id."""
        found: dict[str, PartRow] = {}

        def collect(part: Sequence[str]) -> None:
            for row in self._parts(f"WHERE message_id IN ({marks(len(part))})", part):
                found[row.message_id] = row

        in_chunks(sorted({ident for ident in message_ids if ident}), collect)
        return found

    def entries(self, task: str) -> list[Entry]:
        """Give the history of a task, oldest first."""
        with self.db.read() as conn:
            rows = conn.execute(
                "SELECT at, status, agent, note FROM task_history WHERE task = ? ORDER BY number", (task,)
            ).fetchall()
        return [Entry(*row) for row in rows]

    def prune_tasks(self, before: float) -> int:
        """Forget the tasks that ended before a moment (Unix time), with what carried them; say how many.

        Their messages exist nowhere but here, so none can be handed over again without its row (I2).
        """
        with self.db.write() as conn:
            old = "SELECT id FROM tasks WHERE ended < ?"
            carried = f"FROM locals WHERE open = 0 AND thread IN ({old})"
            conn.execute(f"DELETE FROM intents WHERE message_key IN (SELECT 'local/' || id {carried})", (before,))
            conn.execute(f"DELETE {carried}", (before,))
            conn.execute(f"DELETE FROM task_parts WHERE task IN ({old})", (before,))
            conn.execute(f"DELETE FROM task_history WHERE task IN ({old})", (before,))
            return conn.execute("DELETE FROM tasks WHERE ended < ?", (before,)).rowcount

    def _tasks(self, rest: str, values: Sequence[object]) -> list[TaskRow]:
        with self.db.read() as conn:
            rows = conn.execute(f"SELECT {', '.join(_TASK)} FROM tasks {rest}", values).fetchall()
        return [_task(row) for row in rows]

    def _parts(self, rest: str, values: Sequence[object]) -> list[PartRow]:
        with self.db.read() as conn:
            rows = conn.execute(f"SELECT {', '.join(_PART)} FROM task_parts {rest}", values).fetchall()
        return [PartRow(**dict(row)) for row in rows]


def _stored(name: str, value: object) -> object:
    if name in _JSON:
        return json.dumps(dict(value) if isinstance(value, Mapping) else value)
    return text(value) if isinstance(value, str) else value


def _task(row: Record) -> TaskRow:
    values = dict(row)
    for name in _JSON:
        values[name] = json.loads(values[name])
    return TaskRow(**{**values, "agents": tuple(values["agents"])})

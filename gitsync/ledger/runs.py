"""Record what each run of a model cost, and set money aside before it is spent.

One row for each run: one hand-over to an agent that is a model, or whose program reports what it used. A run that is
under way holds its worst case in `reserved_micros`; what it really cost moves to `cost_micros` with each answer, in the
same transaction that lets the rest go. So at every moment, also after a kill, the two together are at least what was
spent, and a budget that counts both is never passed. What was under way when the process ended stays reserved: nobody
can know how much of it was charged.

Money is whole millionths of a dollar. `cost_micros` is None where no price is known, never 0. The whole prompt is
`tokens_in` + `tokens_cached` + `tokens_cache_write`. A run counts for the day (UTC) on which it began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from gitsync.ledger.db import Connection, Database, Record, text
from gitsync.ledger.values import base_key

RUNNING = "running"
UNCERTAIN = "uncertain"
KEPT = 400 * 86400.0
"""Seconds for which a run is kept."""

SCHEMA = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    agent TEXT NOT NULL,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    tokens_cached INTEGER NOT NULL,
    tokens_cache_write INTEGER NOT NULL,
    cost_micros INTEGER,
    reserved_micros INTEGER NOT NULL,
    seconds REAL,
    outcome TEXT NOT NULL,
    error_type TEXT NOT NULL,
    thread TEXT NOT NULL,
    task TEXT NOT NULL,
    message_key TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX runs_at ON runs (at);
CREATE INDEX runs_agent ON runs (agent, at);
CREATE INDEX runs_running ON runs (outcome) WHERE outcome = 'running';
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run; `at` is Unix time, `detail` JSON: why this model, retries, tools, limits. `number` 0: not kept yet."""

    at: float
    agent: str
    kind: str
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    tokens_cache_write: int = 0
    cost_micros: int | None = 0
    reserved_micros: int = 0
    seconds: float | None = None
    outcome: str = RUNNING
    error_type: str = ""
    thread: str = ""
    task: str = ""
    message_key: str = ""
    detail: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit of money: so many micros for runs that began in [since, until); `agent` empty: of all agents."""

    name: str
    agent: str
    since: float
    until: float
    micros: int


@dataclass(frozen=True, slots=True)
class Crossed:
    """The bound that would be passed, what of it is spent, and what runs under way have set aside."""

    bound: Bound
    spent: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Sum:
    """The runs of one model, day or agent; `unknown` of them have no price, `reserved` is what may have been spent."""

    name: str
    runs: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    tokens_cache_write: int
    cost_micros: int
    unknown: int
    reserved_micros: int
    failed: int


_COLUMNS = [one.name for one in fields(Run) if one.name != "number"]
_BY = {"model": "model", "agent": "agent", "day": "strftime('%Y-%m-%d', at, 'unixepoch')", "all": "''"}


class RunRows:
    """The rows of the journal about runs. Each method is one transaction, or part of the one around it."""

    db: Database

    def add_run(self, run: Run) -> int:
        """Keep a run; give its number."""
        with self.db.write() as conn:
            return put(conn, run)

    def reserve(self, number: int, micros: int | None, bounds: Sequence[Bound]) -> Crossed | None:
        """Set aside what a run's next request costs at worst; give the first bound that this would pass instead.

        None for `micros` is a price that is not known: it passes every bound.
        """
        with self.db.write() as conn:
            row = conn.execute("SELECT * FROM runs WHERE number = ?", (number,)).fetchone()
            for bound in bounds:
                spent, reserved = _used(conn, bound.agent, bound.since, bound.until)
                if micros is None or spent + reserved + micros > bound.micros:
                    return Crossed(bound, spent, reserved)
            if row is not None:
                conn.execute(
                    "UPDATE runs SET reserved_micros = reserved_micros + ? WHERE number = ?", (micros or 0, number)
                )
        return None

    def charge(self, number: int, run: Run, *, release: int) -> None:
        """Add what a request took to its run (model, tokens, cost), and let go what was set aside for it."""
        with self.db.write() as conn:
            conn.execute(
                "UPDATE runs SET model = ?, tokens_in = tokens_in + ?, tokens_out = tokens_out + ?,"
                " tokens_cached = tokens_cached + ?, tokens_cache_write = tokens_cache_write + ?,"
                " cost_micros = cost_micros + ?, reserved_micros = max(0, reserved_micros - ?) WHERE number = ?",
                (
                    text(run.model),
                    run.tokens_in,
                    run.tokens_out,
                    run.tokens_cached,
                    run.tokens_cache_write,
                    run.cost_micros,
                    release,
                    number,
                ),
            )

    def unreserve(self, number: int, micros: int) -> None:
        """Let go what was set aside for a request that was not served."""
        with self.db.write() as conn:
            conn.execute(
                "UPDATE runs SET reserved_micros = max(0, reserved_micros - ?) WHERE number = ?", (micros, number)
            )

    def cut_runs(self, message_key: str, agent: str, outcome: str = UNCERTAIN) -> None:
        """Say of a run that was cut off with its hand-over that it ended so."""
        with self.db.write() as conn:
            conn.execute(
                "UPDATE runs SET outcome = ?, error_type = 'cut off'"
                " WHERE outcome = 'running' AND message_key = ? AND agent = ?",
                (outcome, message_key, agent),
            )

    def finish_run(
        self, number: int, outcome: str, *, error_type: str = "", seconds: float | None = None, detail: str = ""
    ) -> None:
        """Write how a run ended; what is still reserved then stays so, since it may have been charged."""
        with self.db.write() as conn:
            conn.execute(
                "UPDATE runs SET outcome = ?, error_type = ?, seconds = ?, detail = ? WHERE number = ?",
                (outcome, text(error_type), seconds, text(detail), number),
            )

    def recover_runs(self) -> int:
        """Say of what a former process had under way that its end is not known; give how many."""
        with self.db.write() as conn:
            return conn.execute(
                "UPDATE runs SET outcome = ?, error_type = 'cut off' WHERE outcome = ?", (UNCERTAIN, RUNNING)
            ).rowcount

    def runs(
        self, *, since: float = 0.0, agent: str | None = None, newest: int | None = None, until: float | None = None
    ) -> list[Run]:
        """Give runs that began since a moment (Unix time), oldest first; `newest` keeps the last so many."""
        where, values = ["at >= ?"], list[object]([since])
        if agent is not None:
            where.append("agent = ?")
            values.append(agent)
        if until is not None:
            where.append("at < ?")
            values.append(until)
        query = f"SELECT * FROM runs WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?"
        with self.db.read() as conn:
            rows = conn.execute(query, (*values, -1 if newest is None else newest)).fetchall()
        return [_run(row) for row in reversed(rows)]

    def spent(self, since: float, until: float | None = None, agent: str = "") -> tuple[int, int]:
        """Give what runs of a time cost, and what those under way or cut off have set aside (micros)."""
        with self.db.read() as conn:
            return _used(conn, agent, since, until)

    def run_sums(
        self, by: str = "all", *, since: float = 0.0, agent: str | None = None, kind: str | None = None
    ) -> list[Sum]:
        """Sum runs up by `model`, `day`, `agent` or `all`; sorted by that. Kind `cached`: answered without a model."""
        query = (
            f"SELECT {_BY[by]} AS name, count(*) AS runs, sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out,"
            " sum(tokens_cached) AS tokens_cached, sum(tokens_cache_write) AS tokens_cache_write,"
            " coalesce(sum(cost_micros), 0) AS cost_micros, sum(cost_micros IS NULL) AS unknown,"
            " sum(reserved_micros) AS reserved_micros, sum(outcome NOT IN ('done', 'running')) AS failed"
            " FROM runs WHERE at >= ? AND (? IS NULL OR agent = ?) AND (? IS NULL OR kind = ?) GROUP BY 1 ORDER BY 1"
        )
        with self.db.read() as conn:
            rows = conn.execute(query, (since, agent, agent, kind, kind)).fetchall()
        return [Sum(**dict(row)) for row in rows]


def put(conn: Connection, run: Run) -> int:
    """Keep a run inside the transaction around it; the task is that of its message, where none is named."""
    task = run.task or _task(conn, run.message_key)
    conn.execute("DELETE FROM runs WHERE at < ?", (run.at - KEPT,))
    values = [task if name == "task" else _plain(getattr(run, name)) for name in _COLUMNS]
    cursor = conn.execute(f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})", values)
    return int(cursor.lastrowid or 0)


def _plain(value: object) -> object:
    return text(value) if isinstance(value, str) else value


def _task(conn: Connection, message_key: str) -> str:
    ident = base_key(message_key).rpartition("/")[2]
    if not ident:
        return ""
    row = conn.execute("SELECT task FROM task_parts WHERE message_id = ?", (ident,)).fetchone()
    return "" if row is None else str(row[0])


def _used(conn: Connection, agent: str, since: float, until: float | None) -> tuple[int, int]:
    row = conn.execute(
        "SELECT coalesce(sum(cost_micros), 0), coalesce(sum(reserved_micros), 0) FROM runs"
        " WHERE at >= ? AND (? IS NULL OR at < ?) AND (? = '' OR agent = ?)",
        (since, until, until, agent, agent),
    ).fetchone()
    return int(row[0]), int(row[1])


def _run(row: Record) -> Run:
    return Run(**dict(row))

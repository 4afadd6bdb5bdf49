"""Decide who may be handed a message: the state machine that I2 rests on.

One row for each (message, agent), and one more for each later text where the agent asks for amendments. A hand-over
is what leads to `started` or `taken`: from then on the agent may act.

    case  from                    to                                          when
    I1    (none)                  started waiting held retry or any end       the first word about this pair
    I2    retry                   started waiting held or any end             known not to have begun
    I3    waiting                 taken started retry held or any end         in the inbox, nobody has it yet
    I4    started                 any end, uncertain held, waiting retry      the hand-over told what became of it;
                                                                              waiting, retry: known not to have begun
    I5    taken                   done failed refused dead uncertain          the agent that took it says so
    I6    held uncertain          done failed refused dead                    a person settles it (ack)
    I7    held uncertain taken    retry                                       a person releases it
    I8    started taken           started waiting retry                       only for an idempotent agent
          uncertain
    I9    done failed             (nothing)                                   final
          refused dead
    I10   retry                   started, under another agent's name         for what any one of several may have

`uncertain` never leaves by itself (I6, I7 and I8 are a person's word or the agent's declaration), and `started` never
becomes `started` again without I8: so no second hand-over can begin while the first may have run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitsync import clock
from gitsync.ledger.db import Connection, Database, Record, in_chunks, marks, text
from gitsync.ledger.handed import Handed, count
from gitsync.ledger.local import add, cancelled, close
from gitsync.ledger.queue import add_ops
from gitsync.ledger.values import INTENT_STATES, Intent, Op, base_key, local_key
from gitsync.protocol.message import Message
from gitsync.secrets.scan import Secrets
from gitsync.signing.signer import Signer

FINAL = frozenset({"done", "failed", "refused", "dead"})
SETTLED = FINAL | {"uncertain", "held"}
ACKS = frozenset({"done", "failed", "refused"})

_ALLOWED: dict[str | None, frozenset[str]] = {
    None: frozenset(INTENT_STATES) - {"taken"},
    "retry": FINAL | {"started", "waiting", "held", "uncertain", "retry"},
    "waiting": FINAL | {"taken", "started", "held", "retry", "uncertain"},
    "started": SETTLED | {"waiting", "retry"},
    "taken": FINAL | {"uncertain"},
    "held": FINAL,
    "uncertain": FINAL,
}
_RELEASABLE = frozenset({"held", "uncertain", "taken"})
_REPEATABLE = frozenset({"started", "taken", "uncertain"})

SCHEMA = f"""
CREATE TABLE intents (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message_key TEXT NOT NULL,
    message_id TEXT NOT NULL,
    agent TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ({", ".join(f"'{state}'" for state in INTENT_STATES)})),
    attempt INTEGER NOT NULL,
    key TEXT NOT NULL,
    content TEXT NOT NULL,
    sender TEXT NOT NULL,
    started TEXT NOT NULL,
    finished TEXT,
    not_before REAL,
    reason TEXT NOT NULL,
    reply TEXT,
    seconds REAL,
    usage TEXT,
    UNIQUE (message_key, agent)
);
CREATE INDEX intents_state ON intents (state, number);
CREATE INDEX intents_agent ON intents (agent, number);
CREATE INDEX intents_message ON intents (message_id);
"""


def allowed(old: str | None, new: str, *, idempotent: bool = False, person: bool = False) -> bool:
    """Tell whether a pair in state `old` (None: never seen) may go to `new`; the table above."""
    if new in _ALLOWED.get(old, frozenset()):
        return True
    if person and new == "retry" and old in _RELEASABLE:
        return True
    return idempotent and old in _REPEATABLE and new in ("started", "waiting", "retry")


class Intents:
    """The rows of the journal about hand-overs."""

    db: Database
    secrets: Secrets
    signer: Signer | None

    def intent(self, message_key: str, agent: str) -> Intent | None:
        """Give what was decided about a message and an agent."""
        with self.db.read() as conn:
            return _find(conn, message_key, agent)

    def intents(
        self, states: Iterable[str] | None = None, *, agent: str | None = None, newest: int | None = None
    ) -> list[Intent]:
        """Give the intents in some states and of one agent, oldest first; `newest` keeps the last so many."""
        wanted = tuple(INTENT_STATES if states is None else states)
        order = "ORDER BY number" if newest is None else "ORDER BY number DESC LIMIT ?"
        arguments = [*wanted, *([agent] if agent is not None else []), *([newest] if newest is not None else [])]
        where = f"state IN ({marks(len(wanted))})" + (" AND agent = ?" if agent is not None else "")
        with self.db.read() as conn:
            rows = conn.execute(f"SELECT * FROM intents WHERE {where} {order}", arguments).fetchall()
        found = [_intent(row) for row in rows]
        return found if newest is None else found[::-1]

    def intents_for(self, keys: Iterable[str]) -> dict[str, list[Intent]]:
        """Give the intents of these messages, those of later texts too, by the message's own key; oldest first."""
        wanted = set(keys)
        found: dict[str, list[Intent]] = {}
        with self.db.read() as conn:

            def collect(part: Sequence[str]) -> None:
                query = f"SELECT * FROM intents WHERE message_id IN ({marks(len(part))}) ORDER BY number"
                for row in conn.execute(query, part):
                    if (key := base_key(row["message_key"])) in wanted:
                        found.setdefault(key, []).append(_intent(row))

            in_chunks(sorted({key.rpartition("/")[2] for key in wanted}), collect)
        return found

    def decided(self, keys: Iterable[str]) -> set[str]:
        """Give those of these messages that have intents, none of them due for another try."""
        found: set[str] = set()
        with self.db.read() as conn:

            def collect(part: Sequence[str]) -> None:
                query = (
                    f"SELECT message_key FROM intents WHERE message_key IN ({marks(len(part))})"
                    " GROUP BY message_key HAVING sum(state = 'retry') = 0"
                )
                found.update(row[0] for row in conn.execute(query, part))

            in_chunks(list(keys), collect)
        return found

    def begin(
        self,
        intent: Intent,
        *,
        idempotent: bool = False,
        alone: bool = False,
        instead_of: str = "",
        handed: Handed | None = None,
        ops: Sequence[Op] = (),
    ) -> bool:
        """Note a decision before it is carried out; give False where the table forbids it, and write nothing.

        Usually `started` or `waiting`; a message that is not handed over at all may begin with its end (I1). The
        operations are queued in the same transaction. `alone`: one agent is to have it, so that nothing may have been
        decided for another (I2). `instead_of`: what that agent was to be tried with again, known not to have begun,
        is this one's now. `handed`: the agent gets it now, which counts.
        """
        with self.db.write() as conn:
            if instead_of and not _move(conn, intent, instead_of):
                return False
            if alone and _others(conn, intent):
                return False
            old = _find(conn, intent.message_key, intent.agent)
            if not allowed(old.state if old else None, intent.state, idempotent=idempotent):
                return False
            if intent.state not in FINAL and cancelled(conn, intent):
                return False
            _put(conn, intent)
            close(conn, intent)
            if handed is not None:
                count(conn, intent.message_key, handed)
            add_ops(conn, ops, self.signer)
            return True

    def finish(
        self,
        message_key: str,
        agent: str,
        state: str,
        *,
        reason: str = "",
        reply_id: str | None = None,
        seconds: float | None = None,
        usage: str | None = None,
        not_before: float | None = None,
        ops: Sequence[Op] = (),
        local: Sequence[tuple[Message, bytes]] = (),
        person: bool = False,
    ) -> bool:
        """Write what became of it, with its receipt, its reply and its local reply, in one transaction.

        Give False, and write nothing, where the table forbids it: it is final already.
        """
        with self.db.write() as conn:
            old = _find(conn, message_key, agent)
            if old is None or not allowed(old.state, state, person=person):
                return False
            conn.execute(
                "UPDATE intents SET state = ?, finished = ?, not_before = ?, reason = ?, reply = coalesce(?, reply),"
                " seconds = coalesce(?, seconds), usage = coalesce(?, usage) WHERE message_key = ? AND agent = ?",
                (
                    state,
                    clock.stamp() if state in SETTLED else None,
                    not_before,
                    text(reason),
                    reply_id,
                    seconds,
                    usage,
                    message_key,
                    agent,
                ),
            )
            add_ops(conn, ops, self.signer, self.secrets)
            for message, block in local:
                add(conn, message, block)
            return True

    def take(self, message_key: str, agent: str) -> bool:
        """Hand a waiting message to the agent that asks for it; only one caller can win."""
        return self.finish(message_key, agent, "taken")

    def release(self, message_key: str, agent: str, *, reason: str = "") -> bool:
        """Let a person decide that a held, uncertain or taken message may be tried again (I7)."""
        with self.db.write():
            old = self.intent(message_key, agent)
            if old is None or old.state not in _RELEASABLE:
                return False
            return self.finish(message_key, agent, "retry", reason=reason, person=True)

    def cancel_local(self, ident: str) -> bool:
        """Take a local message back: no agent gets it any more. False when one may have begun, or has ended it.

        Where it only waits (in an inbox, for another try, for a person) it is refused.
        """
        with self.db.write() as conn:
            key = local_key(ident)
            rows = conn.execute("SELECT agent, state FROM intents WHERE message_key = ?", (key,)).fetchall()
            if any(row["state"] in FINAL or row["state"] in ("started", "taken") for row in rows):
                return False
            conn.execute("UPDATE locals SET open = 0, cancelled = 1 WHERE id = ?", (ident,))
            for row in rows:
                self.finish(key, row["agent"], "refused", reason="cancelled")
            return True


def _find(conn: Connection, message_key: str, agent: str) -> Intent | None:
    row = conn.execute("SELECT * FROM intents WHERE message_key = ? AND agent = ?", (message_key, agent)).fetchone()
    return None if row is None else _intent(row)


def _put(conn: Connection, intent: Intent) -> None:
    values = (
        intent.message_id,
        intent.state,
        intent.attempt,
        intent.key,
        intent.content,
        intent.sender,
        intent.started or clock.stamp(),
        intent.finished or (clock.stamp() if intent.state in SETTLED else None),
        intent.not_before,
        text(intent.reason),
        intent.reply,
        intent.seconds,
        intent.usage,
        intent.message_key,
        intent.agent,
    )
    changed = conn.execute(
        "UPDATE intents SET message_id = ?, state = ?, attempt = ?, key = ?, content = ?, sender = ?, started = ?,"
        " finished = ?, not_before = ?, reason = ?, reply = ?, seconds = ?, usage = ?"
        " WHERE message_key = ? AND agent = ?",
        values,
    ).rowcount
    if not changed:
        conn.execute(
            "INSERT INTO intents (message_id, state, attempt, key, content, sender, started, finished, not_before,"
            " reason, reply, seconds, usage, message_key, agent) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            values,
        )


def _move(conn: Connection, intent: Intent, former: str) -> bool:
    """Let another agent have what is due for another try; False when it is not due any more."""
    changed = conn.execute(
        "UPDATE intents SET agent = ? WHERE message_key = ? AND agent = ? AND state = 'retry'"
        " AND NOT EXISTS (SELECT 1 FROM intents WHERE message_key = ? AND agent = ?)",
        (intent.agent, intent.message_key, former, intent.message_key, intent.agent),
    )
    return changed.rowcount == 1


def _others(conn: Connection, intent: Intent) -> bool:
    query = "SELECT 1 FROM intents WHERE message_key = ? AND agent <> ?"
    return conn.execute(query, (intent.message_key, intent.agent)).fetchone() is not None


def _intent(row: Record) -> Intent:
    return Intent(
        message_key=row["message_key"],
        message_id=row["message_id"],
        agent=row["agent"],
        state=row["state"],
        attempt=row["attempt"],
        key=row["key"],
        content=row["content"],
        sender=row["sender"],
        started=row["started"],
        finished=row["finished"],
        not_before=row["not_before"],
        reason=row["reason"],
        reply=row["reply"],
        seconds=row["seconds"],
        usage=row["usage"],
    )

"""What command line and background process tell of a machine: status, fleet, agents, the outcome of a cycle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gitsync import clock
from gitsync.errors import EXIT_ERROR, EXIT_OK, EXIT_REFUSED, EXIT_TRY_LATER
from gitsync.inbox import fleet_view, undecided
from gitsync.ledger.held import Held
from gitsync.machine import Opened, problems
from gitsync.page import AgentStates
from gitsync.signing import told
from gitsync.sync.values import CycleResult

Json = dict[str, Any]

_EXIT = {"ok": EXIT_OK, "offline": EXIT_TRY_LATER, "refused": EXIT_REFUSED}


def status_document(
    opened: Opened,
    *,
    last: CycleResult | None,
    contact: float | None,
    agents: AgentStates | None,
    process: Json | None,
    words: Mapping[str, str] | None = None,
) -> Json:
    """Return the document of ``gitsync status --json``.

    ``contact`` is a monotonic second; ``agents`` is None without a process; ``words`` say why an agent is as it is.
    """
    machine = opened.settings.machine
    former = opened.last_sync() if last is None and contact is None else {}
    age = clock.monotonic() - contact if contact is not None else clock.age(former.get("contact"))
    own = own_state(agents)
    return {
        "machine": {"id": machine.id, "name": machine.name, "role": machine.role, "state": own},
        "process": process,
        "sync": {
            "state": last.state if last is not None else former.get("state", "unknown"),
            "head": opened.ledger.head(),
            "last_contact": clock.stamp(clock.unix() - age) if age is not None else None,
            "age_s": round(age, 1) if age is not None else None,
            "pending": opened.journal.pending_count(),
            "pending_quiet": opened.journal.pending_count(urgent=False),
            "error": last.error if last is not None else former.get("error"),
            "remedy": last.remedy if last is not None else None,
            "folder": last.folder if last is not None else None,
        },
        "computers": computers_document(opened, own),
        "agents": agents_document(opened, agents, words or {}),
        "blockers": blockers(opened),
        "keys": told.document(opened.keys),
        "problems": problems(last) if last is not None else former.get("problems", []),
        "counters": opened.ledger.counters(),
    }


def computers_document(opened: Opened, own_state: str) -> list[Json]:
    """Return the fleet as this machine knows it; what it does itself it knows best."""
    return fleet_view(
        opened.ledger,
        opened.journal,
        opened.settings.machine.id,
        now=clock.utcnow(),
        seen=opened.seen,
        own_state=own_state,
    )


def agents_document(opened: Opened, agents: AgentStates | None, words: Mapping[str, str]) -> list[Json]:
    """Return the agents of this machine; without a process nobody works, and only what waits is known."""
    rows = []
    for spec in opened.settings.agents:
        waiting = len(opened.journal.intents(("waiting",), agent=spec.name))
        state, queue = (agents or {}).get(spec.name, ("offline", 0))
        rows.append(
            {
                "name": spec.name,
                "kind": spec.kind,
                "state": state,
                "detail": words.get(spec.name) or None,
                "queue": queue + waiting,
                "types": list(spec.types),
                "specialty": spec.specialty,
                "default": spec.default,
            }
        )
    return rows


def blockers(opened: Opened) -> list[str]:
    """Say what waits for a person: messages that cannot leave, hand-overs that nobody can know the end of."""
    found = [f"{one.op.kind} {one.op.ident} cannot be sent: {one.reason}" for one in opened.journal.refused_ops()]
    found += [kept_back(one) for one in opened.journal.held()]
    limited = Counter(reason for reason, let_go in opened.journal.waits().values() if not let_go)
    found += [f"{count} {_messages(count)} by a {reason}" for reason, count in sorted(limited.items())]
    for intent in opened.journal.intents(("uncertain", "held")):
        why = f": {intent.reason}" if intent.reason else ""
        found.append(f"message {intent.message_id} for {intent.agent or 'the inbox'} is {intent.state}{why}")
    doubts = undecided(opened.ledger, opened.journal)
    found += [f"message {row.message.id} is held: {why}" for row, why in doubts]
    return [*opened.waiting(), *found]


def kept_back(one: Held) -> str:
    """Say in one line what is kept back for a secret in it, where, and what a person can do."""
    what = f"{one.kind} {one.id}" if one.kind == "message" else f"{_KEPT[one.kind]} {one.place} ({one.id})"
    return f"{what} is kept back, {one.why}: gitsync quarantine show {one.id}"


_KEPT = {"edit": "the edit of", "commit": "a commit to", "import": "the import of"}


def _messages(count: int) -> str:
    return "message is kept waiting" if count == 1 else "messages are kept waiting"


def own_state(agents: AgentStates | None) -> str:
    """Say what this machine is doing; None for ``agents`` means that no process runs."""
    if agents is None:
        return "OFFLINE"
    return "WORKING" if any(queue for _, queue in agents.values()) else "ACTIVE"


def sync_document(result: CycleResult) -> Json:
    """Return the document of ``gitsync sync --json``, with the exit code that belongs to it."""
    return {
        "state": result.state,
        "head": result.head,
        "pulled": result.pulled,
        "pushed": result.pushed,
        "received": result.received,
        "sent": result.sent,
        "pending": result.pending,
        "error": result.error,
        "remedy": result.remedy,
        "folder": result.folder,
        "kind": result.kind or None,
        "troubles": [{"path": trouble.path, "text": trouble.text} for trouble in result.troubles],
        "exit": _EXIT.get(result.state, EXIT_ERROR),
    }

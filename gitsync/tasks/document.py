"""Show tasks as JSON; pure but for how a moment is written."""

from __future__ import annotations

from collections.abc import Sequence

from gitsync import clock
from gitsync.ledger.tasks import Entry, PartRow, TaskRow
from gitsync.tasks.values import Json

SHOWN = 2_000
"""Characters of content and result in a list; `get` gives all of both."""


def brief(task: TaskRow, parts: Sequence[PartRow], machine: str) -> Json:
    """Give a task for a list or an event; long texts are cut."""
    found = _document(task, parts, machine)
    for key in ("content", "result"):
        if found[key] is not None and len(found[key]) > SHOWN:
            found[key] = found[key][: SHOWN - 1] + "…"
    return found


def full(task: TaskRow, parts: Sequence[PartRow], history: Sequence[Entry], machine: str) -> Json:
    """Give a task with everything."""
    return {
        **_document(task, parts, machine),
        "history": [
            {"at": entry.at, "status": entry.status, "agent": entry.agent or None, "note": entry.note}
            for entry in history
        ],
        "parts": [
            {
                "agent": part.agent or part.slot or None,
                "status": part.status,
                "machine": part.machine,
                "message_id": part.message_id or None,
                "attempts": part.attempt,
                "reason": part.reason,
                "result": part.result,
                "error": part.error,
            }
            for part in parts
        ],
    }


def _document(task: TaskRow, parts: Sequence[PartRow], machine: str) -> Json:
    machines = [part.machine for part in parts]
    return {
        "task_id": task.id,
        "type": task.type,
        "subject": task.subject,
        "content": task.content,
        "priority": task.priority,
        "sender": task.sender,
        "status": task.status,
        "assigned_to": ", ".join(dict.fromkeys(part.agent for part in parts if part.agent)) or None,
        "agents": list(task.agents),
        "reason": task.reason,
        "created": task.created,
        "deadline": None if task.deadline is None else clock.stamp(task.deadline),
        "attempts": max((part.attempt for part in parts), default=0),
        "retries": task.retries,
        "result": task.result,
        "error": task.error,
        "machine": machines[0] if machines else machine,
        "times": dict(task.times),
    }

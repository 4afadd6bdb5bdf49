"""Write what a task sends: the message that carries it, the answer to who asked; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitsync.ledger.tasks import PartRow, TaskRow
from gitsync.ledger.values import ASKED_BY, ASKED_STANDING, TASK, Op, receipt_op
from gitsync.protocol.message import Message
from gitsync.protocol.receipts import Receipt
from gitsync.tasks.asks import Envelope, carries
from gitsync.verifying import VERIFIED

_AUTOMATIC = ("Auto", "replied")


def carrier(task: TaskRow, to: str, machine: str, ident: str, date: str) -> Message:
    """Make the message that carries a task to `to`: this machine, an agent of it, or another machine."""
    asked = [] if task.sender == machine or to.partition("/")[0] != machine else [(ASKED_BY, task.sender)]
    return Message(
        id=ident,
        sender=machine,
        to=(to,),
        subject=task.subject,
        body=task.content,
        date=date,
        priority=task.priority,
        type=task.type,
        thread=task.id,
        fields=((TASK, task.id), *asked, *_standing(task, asked)),
    )


def _standing(task: TaskRow, asked: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Give the standing of what asked for the task, where it was not verified: an agent must not take it for ours."""
    standing = task.origin.get("standing", "")
    return [(ASKED_STANDING, standing)] if asked and standing else []


def origin(envelope: Envelope) -> dict[str, str]:
    """Keep what an answer to a message needs."""
    message = envelope.message
    kept = {
        "id": message.id,
        "machine": envelope.sender,
        "sender": message.sender,
        "subject": message.reply_subject,
        "thread": message.conversation,
    }
    if envelope.standing != VERIFIED:
        kept["standing"] = envelope.standing
    return {**kept, **({"local": "yes"} if envelope.local else {}), **({"carried": "yes"} if carries(message) else {})}


def answer(task: TaskRow, parts: list[PartRow], machine: str, ident: str, date: str) -> Message:
    """Make the reply to who asked for a task."""
    agents = {part.agent for part in parts if part.machine == machine and part.agent}
    return Message(
        id=ident,
        sender=f"{machine}/{agents.pop()}" if len(agents) == 1 else machine,
        to=(task.origin["sender"],),
        subject=task.origin["subject"],
        body=task.result or "",
        date=date,
        thread=task.origin["thread"],
        in_reply_to=task.origin["id"],
        fields=(_AUTOMATIC,),
    )


def told(
    origin: Mapping[str, str], outcome: str, date: str, *, agent: str = "", reason: str = "", reply: str | None = None
) -> list[Op]:
    """Make the receipt for who asked; what never was on the branch leaves none there."""
    if origin.get("local"):
        return []
    return [
        receipt_op(
            Receipt(
                date=date,
                id=origin["id"],
                sender=origin["machine"],
                agent=agent,
                outcome=outcome,
                reply=reply,
                reason=reason,
            )
        )
    ]

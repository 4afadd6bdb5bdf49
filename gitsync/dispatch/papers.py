"""Write the papers of a hand-over: what the agent gets, the receipt, the reply; pure."""

from __future__ import annotations

from collections.abc import Iterable

from gitsync.agents.base import Delivery, Turn
from gitsync.dispatch.decide import AUTO, REPLIED, Envelope, automatic
from gitsync.ledger.values import Intent, Op, local_key, message_op, receipt_op
from gitsync.protocol.address import parse_address
from gitsync.protocol.message import Message, write
from gitsync.protocol.receipts import Receipt

_HISTORY_CHARS = 200_000
"""How much of a thread an agent is given at most, the newest part of it."""


def idempotency_key(envelope: Envelope, agent: str) -> str:
    """Name a hand-over the same way in every attempt, also after the journal was lost."""
    return f"{envelope.key}/{agent}"


def count_automatic(thread: Iterable[Message], current: Message) -> int:
    """Count the automatic replies of a thread, the current message included."""
    return len({message.id for message in (*thread, current) if automatic(message)})


def delivery(
    envelope: Envelope, agent: str, attempt: int, machine: str, thread: Iterable[Message], turns: int
) -> Delivery:
    """Make what the agent gets; `turns` bounds how much of the thread comes along."""
    message = envelope.message
    return Delivery(
        id=message.id,
        sender=message.sender,
        to=message.to,
        subject=message.subject,
        body=message.body,
        date=message.date,
        priority=message.priority,
        type=message.type,
        thread=message.thread,
        in_reply_to=message.in_reply_to,
        key=idempotency_key(envelope, agent),
        attempt=attempt,
        standing=envelope.standing,
        history=_history(message, f"{machine}/{agent}", thread, turns),
    )


def receipt(
    envelope: Envelope,
    agent: str,
    outcome: str,
    date: str,
    *,
    attempt: int = 1,
    seconds: float | None = None,
    reply: str | None = None,
    reason: str = "",
) -> list[Op]:
    """Make the operation that records an outcome; a message that never entered the branch leaves no receipt there."""
    if envelope.local:
        return []
    return [
        receipt_op(
            Receipt(
                date=date,
                id=envelope.message.id,
                sender=envelope.sender,
                agent=agent,
                outcome=outcome,
                attempt=attempt,
                seconds=None if seconds is None else round(seconds, 1),
                reply=reply,
                reason=reason,
            )
        )
    ]


def receipt_for(intent: Intent, outcome: str, date: str, reason: str) -> list[Op]:
    """Make the operation that records what became of an intent whose message is not at hand."""
    if intent.message_key == local_key(intent.message_id):
        return []
    told = Receipt(
        date=date,
        id=intent.message_id,
        sender=intent.sender.partition("/")[0],
        agent=intent.agent,
        outcome=outcome,
        attempt=intent.attempt,
        reason=reason,
    )
    return [receipt_op(told)]


def reply_message(envelope: Envelope, agent: str, machine: str, text: str, ident: str, date: str) -> Message:
    """Make the reply to the sender, marked as automatic."""
    message = envelope.message
    return Message(
        id=ident,
        sender=f"{machine}/{agent}",
        to=(message.sender,),
        subject=message.reply_subject,
        body=text,
        date=date,
        thread=message.conversation,
        in_reply_to=message.id,
        fields=((AUTO, REPLIED),),
    )


def posted(message: Message, machine: str) -> tuple[list[Op], list[tuple[Message, bytes]]]:
    """Decide where a reply goes: to the branch, or to this machine's own journal."""
    to = parse_address(message.to[0]).machine
    if to is None or to == machine:
        return [], [(message, write(message))]
    return [message_op(message, to)], []


def _history(message: Message, own: str, thread: Iterable[Message], turns: int) -> tuple[Turn, ...]:
    said: list[Turn] = []
    room = _HISTORY_CHARS
    earlier = [other for other in thread if other.id != message.id]
    for other in earlier[::-1][:turns]:
        mine = other.sender == own
        text = other.body if mine else f"Subject: {other.subject}\n\n{other.body}"
        room -= len(text)
        if room < 0:
            break
        said.append(Turn(own=mine, sender=other.sender, text=text, id=other.id))
    return tuple(said[::-1])

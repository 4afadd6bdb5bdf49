"""Messages that ask for a task; pure.

A message of type `task` to this machine (or to one agent of it) becomes a task. Its type stands in a first line
`type: WORD`, or is the first word of the subject where that is a type that anybody here knows, else it is `general`.
The answer goes back as a reply, the failure as a receipt.

Left to the dispatcher, as any other message: what is to ANY (one machine must win it first), to several agents, later
texts of a message, automatic replies, and what some agent has had already. A message that carries one of this machine's
own tasks (it has the field `Task`) is not asked for again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Protocol

from gitsync.ledger.values import TASK, Intent, base_key
from gitsync.protocol.message import Message
from gitsync.tasks.values import GENERAL, TAKER, TaskAsk

_TYPE = re.compile(r"\s*type:[ \t]*(\S+)[ \t]*(?:\n|\Z)", re.IGNORECASE)


class Envelope(Protocol):
    """A message on its way, as the inbox gives it."""

    @property
    def key(self) -> str: ...
    @property
    def message(self) -> Message: ...
    @property
    def sender(self) -> str: ...
    @property
    def agents(self) -> Sequence[str]: ...
    @property
    def content(self) -> str: ...
    @property
    def local(self) -> bool: ...
    @property
    def claim(self) -> bool: ...
    @property
    def history(self) -> bool: ...
    @property
    def suspect(self) -> bool: ...
    @property
    def standing(self) -> str: ...
    @property
    def let_go(self) -> bool: ...
    @property
    def intents(self) -> Sequence[Intent]: ...


def carries(message: Message) -> str | None:
    """Give the id of the task that a message carries."""
    return next((value for name, value in message.fields if name == TASK), None)


def asks(envelope: Envelope) -> bool:
    """Say whether a message asks for a task; the dispatcher must not be given those."""
    message = envelope.message
    return (
        message.type.lower() == "task"
        and not envelope.claim
        and not envelope.history
        and envelope.key == base_key(envelope.key)
        and len(envelope.agents) <= 1
        and not (envelope.local and carries(message))
        and not any(name.lower() == "auto" for name, _ in message.fields)
        and all(intent.agent == TAKER for intent in envelope.intents)
    )


def ask_of(message: Message, agents: Sequence[str], known: Collection[str]) -> TaskAsk:
    """Read what a message asks for; `known` are the types that somebody takes."""
    kind, content = GENERAL, message.body
    first = message.subject.split(maxsplit=1)[0].strip(":,.") if message.subject.strip() else ""
    if found := _TYPE.match(content):
        kind, content = found[1], content[found.end() :]
    elif match := next((one for one in known if one.lower() == first.lower()), None):
        kind = match
    return TaskAsk(
        type=kind,
        content=content,
        priority=message.priority,
        sender=message.sender,
        subject=message.subject,
        to=agents[0] if agents else None,
    )

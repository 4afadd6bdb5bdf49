"""What every agent is given, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gitsync.agents.spec import AgentSpec
from gitsync.verifying import UNSIGNED, VERIFIED

OutcomeKind = Literal["done", "failed", "refused", "waiting", "uncertain"]


@dataclass(frozen=True, slots=True)
class Turn:
    """Say one thing said earlier in the thread, and by whom: the agent itself, or somebody else."""

    own: bool
    sender: str
    text: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Hand one message to one agent; `json` is the document that the agent sees."""

    id: str
    sender: str
    to: tuple[str, ...]
    subject: str
    body: str
    date: str = ""
    priority: str = "normal"
    type: str = ""
    thread: str | None = None
    in_reply_to: str | None = None
    key: str = ""
    attempt: int = 1
    standing: str = UNSIGNED
    """What the signature of its sender is worth here (`gitsync.verifying`)."""
    history: tuple[Turn, ...] = ()
    """The thread before this message, oldest first; not part of the document."""

    @property
    def verified(self) -> bool:
        """Whether it is known here that its sender wrote it."""
        return self.standing == VERIFIED

    def json(self) -> dict[str, Any]:
        """Return the document, with the names that agents rely on."""
        return {
            "id": self.id,
            "thread": self.thread,
            "in_reply_to": self.in_reply_to,
            "from": self.sender,
            "to": list(self.to),
            "date": self.date,
            "priority": self.priority,
            "type": self.type,
            "subject": self.subject,
            "body": self.body,
            "key": self.key,
            "attempt": self.attempt,
            "verified": self.verified,
            "standing": self.standing,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Say what became of a delivery.

    `started` is False only where the work is known not to have begun: then it may be given again (I2).
    `uncertain` is for what nobody can know: the other side vanished with the request in its hands. `blameless` says
    of a failure that the agent itself is well: it answered that it will not have this, or not now.
    """

    kind: OutcomeKind
    reply: str = ""
    reason: str = ""
    started: bool = True
    retry_after: float | None = None
    until: float | None = None
    """When a limit yields that keeps the agent from more (Unix time): until then it gets nothing."""
    usage: dict[str, Any] | None = None
    blameless: bool = False


class Agent(Protocol):
    """Take deliveries; failures are outcomes, never exceptions."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def spec(self) -> AgentSpec: ...

    async def deliver(self, delivery: Delivery) -> Outcome: ...
    async def health(self) -> tuple[str, str]:
        """Return one of the instance states (online, offline, error, timeout …) and a word about it."""
        ...

    async def close(self) -> None: ...

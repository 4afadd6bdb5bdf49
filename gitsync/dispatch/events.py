"""What the dispatcher tells those who watch it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

What = Literal["assigned", "unassigned", "begun", "retry", "concluded", "settled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Say what happened with a message and an agent; `at` is Unix time, `seconds` how long the agent took.

    assigned    it stands in the queue of `agent` now; again when it moves to another
    unassigned  none of those who may have it can take it now; `reason` says why
    begun       the agent is given it
    retry       the hand-over failed before the agent began (or it is idempotent); it will be tried again
    concluded   `state` is the end: done, failed, refused, dead, waiting or uncertain
    settled     decided without handing it over: waiting, refused, uncertain or held

    After a crash `recover` tells of hand-overs whose message is not at hand: then `subject` and `type` are empty.
    """

    at: float
    what: What
    key: str
    message_id: str
    subject: str = ""
    sender: str = ""
    type: str = ""
    agent: str = ""
    attempt: int = 0
    state: str = ""
    reason: str = ""
    reply_id: str | None = None
    reply: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """Name a hand-over that is under way; `since` is Unix time in seconds."""

    message_id: str
    subject: str
    since: float

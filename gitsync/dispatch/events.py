"""What the dispatcher tells those who watch it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from gitsync import clock
from gitsync.dispatch.decide import Envelope, Settle
from gitsync.dispatch.lanes import Job
from gitsync.ledger.values import Intent

log = logging.getLogger(__name__)

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


class Teller:
    """Tell the watcher what happens; what goes wrong there is left to the log."""

    def __init__(self, observe: Callable[[Event], None]) -> None:
        self._observe = observe

    def tell(self, what: What, job: Job, *, state: str = "", reason: str = "") -> None:
        """Tell about a job as it stands."""
        self._say(replace(_of(job.envelope, what), agent=job.agent, attempt=job.attempt, state=state, reason=reason))

    def concluded(
        self, job: Job, state: str, reason: str, seconds: float, reply_id: str | None, reply: str | None
    ) -> None:
        """Tell the end of a hand-over."""
        self._say(
            replace(
                _of(job.envelope, "concluded"),
                agent=job.agent,
                attempt=job.attempt,
                state=state,
                reason=reason,
                seconds=seconds,
                reply_id=reply_id,
                reply=reply or None,
            )
        )

    def settled(self, envelope: Envelope, settle: Settle) -> None:
        """Tell of a decision that hands over nothing."""
        event = _of(envelope, "settled")
        self._say(replace(event, agent=settle.agent, state=settle.state, reason=settle.reason))

    def abandoned(self, intent: Intent, again: bool, reason: str) -> None:
        """Tell of a hand-over that was cut off."""
        self._say(
            Event(
                at=clock.unix(),
                what="retry" if again else "concluded",
                key=intent.message_key,
                message_id=intent.message_id,
                sender=intent.sender,
                agent=intent.agent,
                attempt=intent.attempt,
                state="retry" if again else "uncertain",
                reason=reason,
            )
        )

    def _say(self, event: Event) -> None:
        try:
            self._observe(event)
        except Exception:  # who watches must not stop what is watched
            log.exception("nobody heard: %s of message %s", event.what, event.message_id)


def _of(envelope: Envelope, what: What) -> Event:
    message = envelope.message
    return Event(
        at=clock.unix(),
        what=what,
        key=envelope.key,
        message_id=message.id,
        subject=message.subject,
        sender=message.sender,
        type=message.type,
    )

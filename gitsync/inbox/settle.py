"""What a person, or an agent that pulls, decides about a message."""

from __future__ import annotations

from gitsync.inbox.waiting import Envelope
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger


def take(ledger: Ledger, journal: Journal, machine_id: str, ident: str, agent: str) -> Envelope:
    """Hand a waiting message to its agent; raise Refused when it does not wait for this agent any more."""
    raise NotImplementedError


def ack(
    ledger: Ledger,
    journal: Journal,
    machine_id: str,
    ident: str,
    outcome: str,
    *,
    agent: str | None = None,
    reason: str = "",
    reply_id: str | None = None,
) -> None:
    """Settle a message as done, failed or refused, with its receipt, in one transaction."""
    raise NotImplementedError


def release(ledger: Ledger, journal: Journal, machine_id: str, ident: str, *, agent: str | None = None) -> None:
    """Let a held or uncertain message be tried again."""
    raise NotImplementedError

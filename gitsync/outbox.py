"""What is sent from here: make the message, keep it durably, let the engine carry it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.protocol.identity import Machine
from gitsync.protocol.message import Message

MAX_BODY = 1024 * 1024
"""Bytes of a body; the size of a whole mailbox file is limited too (PROTOCOL 1)."""


def compose(
    machine: Machine,
    to: str,
    subject: str,
    body: str,
    *,
    ident: str,
    date: str,
    sender_agent: str | None = None,
    type: str = "",
    priority: str = "normal",
    thread: str | None = None,
    in_reply_to: str | None = None,
    fields: Sequence[tuple[str, str]] = (),
) -> Message:
    """Make a message; raise UsageError where a value cannot be sent."""
    raise NotImplementedError


def send(
    journal: Journal,
    machine: Machine,
    fleet: Collection[str],
    agents: Collection[str],
    to: str,
    subject: str,
    body: str,
    *,
    ledger: Ledger | None = None,
    sender_agent: str | None = None,
    type: str = "",
    priority: str = "normal",
    thread: str | None = None,
    in_reply_to: str | None = None,
    fields: Sequence[tuple[str, str]] = (),
) -> Message:
    """Accept a message; it is durable when this returns. `fleet` holds the known machine ids, `agents` the local names."""
    raise NotImplementedError


def reply(
    journal: Journal,
    machine: Machine,
    fleet: Collection[str],
    agents: Collection[str],
    ledger: Ledger,
    ident: str,
    body: str,
    *,
    subject: str | None = None,
    sender_agent: str | None = None,
    type: str = "",
    priority: str | None = None,
) -> Message:
    """Answer a message, to the one who sent it, in its thread."""
    raise NotImplementedError


def withdraw(journal: Journal, machine: Machine, ledger: Ledger, ident: str) -> str:
    """Take back an own message; say 'cancelled' (never left this machine) or 'withdrawn' (the branch will say so)."""
    raise NotImplementedError

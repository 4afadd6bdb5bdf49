"""Show the hand-overs that wait for a person: nobody else can know how they ended, or whether they may begin."""

from __future__ import annotations

from gitsync.errors import UsageError
from gitsync.inbox.views import undecided
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.lookup import find
from gitsync.ledger.values import base_key
from gitsync.protocol.message import Message

Json = dict[str, object]

SHOWN = 200
"""How many are listed, the newest of them."""


def approvals_view(ledger: Ledger, journal: Journal) -> list[Json]:
    """List held and uncertain hand-overs, oldest first; `ack` settles one, `release` lets it be tried again."""
    found: list[Json] = [*_limited(ledger, journal), *_doubted(ledger, journal)]
    for intent in journal.intents(("uncertain", "held"), newest=SHOWN):
        message: Message | None
        try:
            message = find(ledger, journal, intent.message_id).message
        except UsageError:
            message = None  # the branch was rewritten without it; what was begun here still has no end
        entry = _entry(message, reason=intent.reason or None, since=intent.finished or intent.started or None)
        entry |= {"id": intent.message_id, "agent": intent.agent or None, "state": intent.state}
        entry |= {"attempt": intent.attempt, "from": entry["from"] or intent.sender or None}
        found.append(entry)
    return found


def _limited(ledger: Ledger, journal: Journal) -> list[Json]:
    """List what a limit keeps waiting, as held: it goes on by itself, or at once when it is released."""
    found: list[Json] = []
    for key, (reason, let_go) in list(journal.waits().items())[:SHOWN]:
        if let_go:
            continue
        try:
            message = find(ledger, journal, base_key(key).rpartition("/")[2]).message
        except UsageError:
            continue  # withdrawn with the history that brought it
        found.append(_entry(message, reason=reason, since=message.date or None))
    return found


def _doubted(ledger: Ledger, journal: Journal) -> list[Json]:
    """List what nobody here gets because it is not verified: it goes on when its sender is, or when it is released."""
    return [_entry(row.message, reason=why, since=row.commit_date) for row, why in undecided(ledger, journal)[-SHOWN:]]


def _entry(message: Message | None, *, reason: str | None, since: str | None) -> Json:
    """Write one that no hand-over says anything of; None for a message that is not known any more."""
    return {
        "id": message.id if message else None,
        "agent": None,
        "state": "held",
        "reason": reason,
        "attempt": 0,
        "since": since,
        "from": message.sender if message else None,
        "subject": message.subject if message else None,
        "type": (message.type or None) if message else None,
        "priority": message.priority if message else None,
        "thread": message.conversation if message else None,
    }

"""Show the hand-overs that wait for a person: nobody else can know how they ended, or whether they may begin."""

from __future__ import annotations

from gitsync.errors import UsageError
from gitsync.inbox.views import undecided
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.lookup import find
from gitsync.ledger.values import base_key

Json = dict[str, object]

SHOWN = 200
"""How many are listed, the newest of them."""


def approvals_view(ledger: Ledger, journal: Journal) -> list[Json]:
    """List held and uncertain hand-overs, oldest first; `ack` settles one, `release` lets it be tried again."""
    found: list[Json] = [*_limited(ledger, journal), *_doubted(ledger, journal)]
    for intent in journal.intents(("uncertain", "held"), newest=SHOWN):
        entry: Json = {
            "id": intent.message_id,
            "agent": intent.agent or None,
            "state": intent.state,
            "reason": intent.reason or None,
            "attempt": intent.attempt,
            "since": intent.finished or intent.started or None,
            "from": intent.sender or None,
            "subject": None,
            "type": None,
            "priority": None,
            "thread": None,
        }
        try:
            message = find(ledger, journal, intent.message_id).message
        except UsageError:
            found.append(entry)  # the branch was rewritten without it; what was begun here still has no end
            continue
        found.append(
            {
                **entry,
                "from": message.sender,
                "subject": message.subject,
                "type": message.type or None,
                "priority": message.priority,
                "thread": message.conversation,
            }
        )
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
        found.append(
            {
                "id": message.id,
                "agent": None,
                "state": "held",
                "reason": reason,
                "attempt": 0,
                "since": message.date or None,
                "from": message.sender,
                "subject": message.subject,
                "type": message.type or None,
                "priority": message.priority,
                "thread": message.conversation,
            }
        )
    return found


def _doubted(ledger: Ledger, journal: Journal) -> list[Json]:
    """List what nobody here gets because it is not verified: it goes on when its sender is, or when it is released."""
    return [
        {
            "id": row.message.id,
            "agent": None,
            "state": "held",
            "reason": why,
            "attempt": 0,
            "since": row.commit_date,
            "from": row.message.sender,
            "subject": row.message.subject,
            "type": row.message.type or None,
            "priority": row.message.priority,
            "thread": row.message.conversation,
        }
        for row, why in undecided(ledger, journal)[-SHOWN:]
    ]

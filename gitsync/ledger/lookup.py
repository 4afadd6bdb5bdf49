"""Find one message wherever it is: on the branch, on its way there, or only on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from gitsync.errors import NotFound, UsageError
from gitsync.ledger.db import text
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import Local, Parked, Row
from gitsync.protocol.message import Message, read

SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Known:
    """A message and where it was found; exactly one of the three is not None."""

    message: Message
    row: Row | None = None
    local: Local | None = None
    parked: Parked | None = None

    @property
    def key(self) -> str | None:
        """The key that intents go by; None for what is not on the branch yet."""
        return self.row.key if self.row else self.local.key if self.local else None


def find(ledger: Ledger, journal: Journal, ident: str) -> Known:
    """Give the message with this id, or the only one whose id begins so; raise UsageError otherwise
    (NotFound, where nothing begins so).

    Where the same id stands in several files, the one addressed to this machine is meant, else the oldest.
    """
    wanted = text(ident.strip().upper())
    if len(wanted) < SHORTEST:
        raise UsageError(
            f"{ident!r} is too short for a message id", remedy=f"give at least {SHORTEST} characters of it"
        )
    found: dict[str, Known] = {}
    for row in sorted(ledger.with_prefix(wanted), key=lambda row: (not row.mine, row.seq)):
        found.setdefault(row.message.id, Known(row.message, row=row))
    for local in journal.locals(prefix=wanted, newest=10):
        found.setdefault(local.message.id, Known(local.message, local=local))
    for parked in journal.recent_messages(prefix=wanted):
        found.setdefault(parked.op.ident, Known(read(parked.op.payload), parked=parked))
    if wanted in found:
        return found[wanted]
    if not found:
        raise NotFound(f"no message {ident!r}", "no id on the branch or in the outbox begins so", "see `gitsync inbox`")
    if len(found) > 1:
        raise UsageError(
            f"{ident!r} is the beginning of several ids", ", ".join(sorted(found)[:5]), "give more characters of it"
        )
    return next(iter(found.values()))

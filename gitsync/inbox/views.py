"""Show the inbox, a message, a thread, the fleet: the JSON that scripts rely on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger

Json = dict[str, object]


def inbox_view(
    ledger: Ledger,
    journal: Journal,
    machine_id: str,
    *,
    agent: str | None = None,
    unread: bool = False,
    sender: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> list[Json]:
    """List messages to this machine, newest first; `before` is the id after which to go on."""
    raise NotImplementedError


def messages_view(ledger: Ledger, journal: Journal, machine_id: str, *, limit: int = 50, before: str | None = None) -> list[Json]:
    """List all messages of the branch and of this machine, newest first."""
    raise NotImplementedError


def show_view(ledger: Ledger, journal: Journal, machine_id: str, ident: str) -> Json:
    """Show one message, by its id or the beginning of it."""
    raise NotImplementedError


def thread_view(ledger: Ledger, journal: Journal, machine_id: str, ident: str) -> list[Json]:
    """Show the thread of a message, oldest first, as `show` does."""
    raise NotImplementedError


def search_view(ledger: Ledger, journal: Journal, machine_id: str, words: str, *, limit: int = 50) -> list[Json]:
    """Find messages that hold all these words, best first."""
    raise NotImplementedError


def fleet_view(
    ledger: Ledger,
    journal: Journal,
    machine_id: str,
    *,
    now: datetime,
    seen: Mapping[str, str] | None = None,
    own_state: str | None = None,
    offline_after: float = 2700.0,
) -> list[Json]:
    """List the computers; `seen` gives the last sign of life of each by its machine ref."""
    raise NotImplementedError

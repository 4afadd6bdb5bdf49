"""Follow the commits of the branch and tell the ledger what they brought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitsync.git.repo import Mailbox
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import Trouble


@dataclass(frozen=True, slots=True)
class Ingest:
    """What the new commits brought: messages by others, the keys of those to this machine, what was passed over."""

    messages: int
    arrivals: tuple[str, ...]
    problems: tuple[Trouble, ...]
    commits: int = 0
    rebuilt: bool = False


def ingest(
    mailbox: Mailbox,
    ledger: Ledger,
    journal: Journal,
    machine_id: str,
    tip: str,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Ingest:
    """Bring the ledger up to `tip`; `progress` is called with (commits read, commits in all)."""
    raise NotImplementedError

"""Open everything that one machine consists of: clone, journal, ledger, engine.

The command line (without a process) and the background process both come through here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsync.config.settings import Settings

if TYPE_CHECKING:
    from gitsync.git.repo import Mailbox
    from gitsync.ledger.journal import Journal
    from gitsync.ledger.ledger import Ledger
    from gitsync.sync.engine import Engine


@dataclass
class Opened:
    """One machine, opened; close it on the thread that uses the mailbox."""

    settings: Settings
    mailbox: Mailbox
    journal: Journal
    ledger: Ledger

    def engine(self) -> Engine:
        """Make the sync engine, wired to the ledger."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of processes and files."""
        raise NotImplementedError


def open_machine(settings: Settings) -> Opened:
    """Open clone, journal and ledger of these settings."""
    raise NotImplementedError

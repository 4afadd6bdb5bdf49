"""The sync cycle."""

from __future__ import annotations

from collections.abc import Callable

from gitsync.git.repo import Mailbox
from gitsync.ledger.journal import Journal
from gitsync.protocol.identity import Machine
from gitsync.sync.faults import FaultPoint, nothing
from gitsync.sync.settings import SyncSettings
from gitsync.sync.values import Claim, CycleResult, Facts, Request, Trouble

__all__ = ["Claim", "CycleResult", "Engine", "Facts", "Request", "Trouble"]


def _ignore(_tip: str) -> int:
    return 0


class Engine:
    """Run cycles; synchronous, one thread."""

    def __init__(
        self,
        mailbox: Mailbox,
        journal: Journal,
        settings: SyncSettings,
        machine: Machine,
        *,
        facts: Facts | None = None,
        on_tip: Callable[[str], int] = _ignore,
        fault: FaultPoint = nothing,
    ) -> None:
        raise NotImplementedError

    @property
    def contact(self) -> float | None:
        """Give the monotonic second of the last confirmed contact with the remote (I8)."""
        raise NotImplementedError

    def cycle(self, request: Request) -> CycleResult:
        raise NotImplementedError

    def claim(self, message_id: str) -> Claim:
        raise NotImplementedError

    def release(self, message_id: str) -> None:
        raise NotImplementedError

    def take_over(self) -> None:
        raise NotImplementedError

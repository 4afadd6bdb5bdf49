"""Follow the commits of the branch and tell the ledger what they brought.

Readers follow commits, not tree differences: a message that was added and archived while this machine was away is still
delivered. Of a changed file only what was appended is split, and of that only new blocks are read as messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitsync import clock
from gitsync.git.repo import Commit, Mailbox
from gitsync.inbox.scan import Scan
from gitsync.inbox.waiting import lost
from gitsync.ledger.db import StoreBroken
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import Batch, Trouble

COMMITS_AT_ONCE = 500
WEIGHT_AT_ONCE = 1_000
"""Messages and receipts of one transaction: the store is not locked for longer than some 50 ms."""


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
    """Bring the ledger up to `tip`; `progress` is called with (commits read, commits in all).

    Begins anew when the ledger is empty, of another machine, or no ancestor of the tip. When the ledger breaks, or
    another process brings it forward meanwhile, goes on from where it then is.
    """
    follower = _Follower(mailbox, ledger, journal, machine_id, tip, progress)
    for _ in range(20):
        try:
            if follower.advance():
                break
        except StoreBroken:
            ledger.renew()
            follower.restart()
    if _remember_birth(ledger, journal, machine_id, tip):
        return ingest(mailbox, ledger, journal, machine_id, tip, progress=progress)
    return follower.result()


class _Follower:
    """One walk from where the ledger is to the tip."""

    def __init__(
        self,
        mailbox: Mailbox,
        ledger: Ledger,
        journal: Journal,
        machine_id: str,
        tip: str,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.mailbox = mailbox
        self.ledger = ledger
        self.journal = journal
        self.machine_id = machine_id
        self.tip = tip
        self.progress = progress
        self.restart()

    def restart(self) -> None:
        """Forget what was counted."""
        self.messages = 0
        self.commits = 0
        self.arrivals: list[str] = []
        self.troubles: list[Trouble] = []
        self.rebuilt = False

    def result(self) -> Ingest:
        """Say what came."""
        return Ingest(self.messages, tuple(self.arrivals), tuple(self.troubles), self.commits, self.rebuilt)

    def advance(self) -> bool:
        """Go to the tip; give False where the ledger was moved by somebody else on the way."""
        horizon, lost_at = self.journal.meta("horizon"), self.journal.meta("lost")
        basis = f"{self.machine_id}|{horizon or ''}|{lost_at or ''}"
        head = self.ledger.head()
        if head == self.tip and self.ledger.basis() == basis:
            return True
        known = head is not None and self.ledger.basis() == basis and self.mailbox.has(head)
        if head is None or not known or not self.mailbox.is_ancestor(head, self.tip):
            self.ledger.start_over(basis)
            self.restart()
            self.rebuilt = True
            head = self.ledger.head()
            if head is not None:
                return False
        commits = self.mailbox.between([head] if head else [], self.tip)
        scan = Scan(
            self.mailbox,
            self.ledger,
            self.machine_id,
            history=self._until(horizon, head, commits),
            suspect=self._until(lost_at, head, commits),
        )
        done = 0
        batch = Batch(head, head or "")
        for number, commit in enumerate(commits, 1):
            scan.commit(commit, batch)
            if batch.commits >= COMMITS_AT_ONCE or batch.weight >= WEIGHT_AT_ONCE or number == len(commits):
                if not self.ledger.apply(batch, self.machine_id):
                    return False
                self._count(batch)
                done += batch.commits
                if self.progress is not None:
                    self.progress(done, len(commits))
                batch = Batch(batch.head, batch.head)
        return True

    def _count(self, batch: Batch) -> None:
        self.commits += batch.commits
        self.troubles += batch.troubles
        for row in batch.arrived.values():
            self.messages += row.sender != self.machine_id
            if row.mine and row.open and not row.quarantined:
                self.arrivals.append(row.key)

    def _until(self, mark: str | None, head: str | None, commits: list[Commit]) -> frozenset[str]:
        """Give those of the commits that are the mark or lie before it."""
        if not mark or not self.mailbox.has(mark) or (head is not None and self.mailbox.is_ancestor(mark, head)):
            return frozenset()
        if mark == self.tip:
            return frozenset(commit.sha for commit in commits)
        return frozenset(commit.sha for commit in self.mailbox.between([head] if head else [], mark))


def _remember_birth(ledger: Ledger, journal: Journal, machine_id: str, tip: str) -> bool:
    """At the first ingest note that this journal lives; say whether a former one was lost (I7).

    What is on the branch then may have been handed over already; broadcasts of that time are history if the horizon
    went with the journal.
    """
    if journal.meta("born") is not None:
        return False
    gone = lost(ledger, journal, machine_id)
    if gone:
        journal.set_meta("lost", tip)
        if journal.meta("horizon") is None:
            journal.set_meta("horizon", tip)
    journal.set_meta("born", clock.stamp())
    return gone

"""Follow the commits of the branch and tell the ledger what they brought.

Readers follow commits, not tree differences: a message that was added and archived while this machine was away is still
delivered. Of a changed file only what was appended is split, and of that only new blocks are read as messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from gitsync import clock
from gitsync.git.repo import Mailbox
from gitsync.inbox.review import review
from gitsync.inbox.scan import Scan
from gitsync.inbox.waiting import keep_ended, lost
from gitsync.ledger.db import StoreBroken
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import Batch, Told, Trouble
from gitsync.verifying import REVOKED, Book

_REVOKED = "revoked"
"""The journal's note of revoked keys: JSON of evidence and the last commit at which it counted."""
_REQUIRED = "required"
"""Its note of the last commit that was read before verified senders were required."""

COMMITS_AT_ONCE = 500
AHEAD = 128
"""Commits whose trees and files are read in one go; their files should fit into the mailbox's memory (12 MB)."""
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
    pages: frozenset[str] = frozenset()
    """The machines whose pages changed."""


def ingest(
    mailbox: Mailbox,
    ledger: Ledger,
    journal: Journal,
    machine_id: str,
    tip: str,
    *,
    book: Book = Book(),  # noqa: B008 - a value
    progress: Callable[[int, int], None] | None = None,
) -> Ingest:
    """Bring the ledger up to `tip`, judged by `book`; `progress` is called with (commits read, commits in all).

    Begins anew when the ledger is empty, of another machine, or no ancestor of the tip. When the ledger breaks, or
    another process brings it forward meanwhile, goes on from where it then is.
    """
    follower = _Follower(mailbox, ledger, journal, machine_id, tip, book, progress)
    for _ in range(20):
        try:
            if follower.advance():
                break
        except StoreBroken:
            ledger.renew()
            follower.restart()
    if _remember_birth(ledger, journal, machine_id, tip):
        return ingest(mailbox, ledger, journal, machine_id, tip, book=book, progress=progress)
    review(ledger, journal, book.rules, follower.lost, changed=follower.retrusted)
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
        book: Book,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.mailbox = mailbox
        self.ledger = ledger
        self.journal = journal
        self.machine_id = machine_id
        self.tip = tip
        self.book = book
        self.progress = progress
        self.lost: tuple[str, ...] = ()
        """The keys of messages to this machine that were verified, and are not any more."""
        self.retrusted = False
        self.restart()

    def restart(self) -> None:
        """Forget what was counted."""
        self.messages = 0
        self.commits = 0
        self.arrivals: list[str] = []
        self.troubles: list[Trouble] = []
        self.rebuilt = False
        self.pages: set[str] = set()

    def result(self) -> Ingest:
        """Say what came."""
        pages = frozenset(self.pages)
        return Ingest(self.messages, tuple(self.arrivals), tuple(self.troubles), self.commits, self.rebuilt, pages)

    def advance(self) -> bool:
        """Go to the tip; give False where the ledger was moved by somebody else on the way."""
        self._note_required()
        basis = self._basis()
        head = self.ledger.head()
        known = head is not None and self.ledger.basis() == basis and not self._trust_changed()
        if known and head == self.tip:
            return True
        past: frozenset[str] | None = None
        if head is None or not known or not self.mailbox.has(head) or not self.mailbox.is_ancestor(head, self.tip):
            if head is not None and not (self.mailbox.has(head) and self.mailbox.is_ancestor(head, self.tip)):
                keep_ended(self.journal, self.ledger.ended_elsewhere(self.machine_id))
            past = self._move_horizon(head)
            basis = self._basis()
            self.ledger.start_over(basis, self.book.mark)
            self.restart()
            self.rebuilt = True
            head = self.ledger.head()
            if head is not None:
                return False
        self._from = head
        self._before: dict[str, Container[str]] = {}
        names = self.mailbox.names_between([head] if head else [], self.tip)
        passed = self.ledger.passed() == basis
        scan = Scan(
            self.mailbox,
            self.ledger,
            self.machine_id,
            history=frozenset() if passed or past is not None else self._until("horizon", head),
            suspect=frozenset() if passed else self._until("lost", head),
            past=past or frozenset(),
            book=self.book,
            settled=self.journal.settled,
            counted_then=self._counted_then,
            names=names,
        )
        done = 0
        batch = Batch(head, head or "")
        for first in range(0, len(names), AHEAD):
            for commit, changes in scan.ahead(names[first : first + AHEAD]):
                scan.commit(commit, changes, batch)
                last = done + batch.commits == len(names)
                if batch.commits >= COMMITS_AT_ONCE or batch.weight >= WEIGHT_AT_ONCE or last:
                    if not self.ledger.apply(batch, self.machine_id):
                        return False
                    self._count(batch)
                    done += batch.commits
                    if self.progress is not None:
                        self.progress(done, len(names))
                    batch = Batch(batch.head, batch.head)
        if not passed and all(self._behind(mark, self.tip) for mark in ("horizon", "lost")):
            self.ledger.pass_marks(basis)
        return True

    def _basis(self) -> str:
        marks = f"{self.machine_id}|{self.journal.meta('horizon') or ''}|{self.journal.meta('lost') or ''}"
        rules = self.book.rules.mark
        return f"{marks}|{rules}" if rules else marks

    def _trust_changed(self) -> bool:
        """Judge anew where somebody was trusted or revoked; tell whether all must be read again because of that.

        It must where it has changed which text of a message counts, or which receipt, and the rules look at that.
        """
        if self.ledger.trust() == self.book.mark:
            return False
        watchful = self.book.rules.watchful
        judged = self.ledger.judge(self.book.mark, self.book.judge, watchful=watchful)
        self.lost += judged.lost
        self._note_revoked(judged.revoked)
        self.retrusted = True
        return judged.deeper and watchful

    def _note_revoked(self, evidence: Sequence[str]) -> None:
        """Remember up to which commit a key counted here: receipts of that time stay what they were (I2).

        A thief of the key chooses the dates that he writes, but not what this machine had read by then.
        """
        head = self.ledger.head()
        if evidence and head is not None:
            marks = self._revoked()
            self.journal.set_meta(_REVOKED, json.dumps({**dict.fromkeys(evidence, head), **marks}))

    def _revoked(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.journal.meta(_REVOKED) or "{}")
        return found

    def _note_required(self) -> None:
        """Remember what had been read when verified senders were first required: receipts of then stay receipts.

        Nothing was signed before there were keys. To open again all that others did since then would be to ask a
        person about each piece of it.
        """
        mark = self.journal.meta(_REQUIRED)
        if self.book.rules.demanding and mark is None:
            self.journal.set_meta(_REQUIRED, self.ledger.head() or "")
        elif not self.book.rules.demanding and mark is not None:
            self.journal.set_meta(_REQUIRED, None)

    def _counted_then(self, told: Told, commit: str) -> bool:
        """Say whether a receipt had been read, and counted, before this machine was told that it does not."""
        marks = [self.journal.meta(_REQUIRED)]
        if told.standing == REVOKED:
            marks.append(self._revoked().get(told.evidence))
        return any(commit in self._up_to(mark) for mark in marks if mark)

    def _up_to(self, sha: str) -> Container[str]:
        if sha not in self._before:
            self._before[sha] = self._names_until(sha, self._from)
        return self._before[sha]

    def _move_horizon(self, head: str | None) -> frozenset[str] | None:
        """Take the horizon over into a rewritten history: give what was history, None where the commits tell.

        The commits have new names, the messages have not. Without a ledger that knows them, all that is on the
        rewritten branch is history: rather that than deliver the broadcasts of years.
        """
        horizon = self._mark("horizon")
        if horizon is None or self._behind("horizon", self.tip):
            return None
        if self.mailbox.has(horizon) and self.mailbox.is_ancestor(self.tip, horizon):
            return None
        past = None if head is None else self.ledger.history_keys()
        self.journal.set_meta("horizon", self.tip)
        return past

    def _mark(self, name: str) -> str | None:
        """Give a commit that the journal remembers; a branch that had none yet is remembered as ''."""
        return self.journal.meta(name) or None

    def _behind(self, mark: str, commit: str) -> bool:
        """Tell whether a mark (if there is one) is this commit or lies before it."""
        sha = self._mark(mark)
        return sha is None or sha == commit or (self.mailbox.has(sha) and self.mailbox.is_ancestor(sha, commit))

    def _count(self, batch: Batch) -> None:
        self.commits += batch.commits
        self.troubles += batch.troubles
        self.pages |= batch.pages.keys()
        for row in batch.arrived.values():
            self.messages += row.sender != self.machine_id
            if row.mine and row.open and not row.quarantined:
                self.arrivals.append(row.key)

    def _until(self, mark: str, head: str | None) -> Container[str]:
        """Give those of the commits to come that are the mark or lie before it."""
        sha = self._mark(mark)
        return frozenset() if sha is None else self._names_until(sha, head)

    def _names_until(self, sha: str, head: str | None) -> Container[str]:
        if not self.mailbox.has(sha):
            return frozenset()
        if self.mailbox.is_ancestor(self.tip, sha):
            return _All()
        return frozenset(self.mailbox.names_between([head] if head else [], sha))


class _All:
    """Contain whatever is asked for: at the first reading of a long branch, all of it is history."""

    def __contains__(self, _name: object) -> bool:
        return True


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

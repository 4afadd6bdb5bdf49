"""Steps 2 and 3: fetch, find out what became of our pushes, and plan."""

from __future__ import annotations

from contextlib import suppress

from gitsync.errors import GitsyncError, Halted
from gitsync.git.repo import Commit, Fetched, Mailbox
from gitsync.ledger.journal import Journal
from gitsync.planning import Case, Plan, View, plan
from gitsync.protocol.paths import classify
from gitsync.sync.attempts import Attempts
from gitsync.sync.bases import mass_deletion
from gitsync.sync.build import Builder
from gitsync.sync.capture import Capture
from gitsync.sync.contents import Contents
from gitsync.sync.cycle import Cycle, give_way
from gitsync.sync.faults import FaultPoint
from gitsync.sync.known import Known
from gitsync.sync.presence import Presence


class Incoming:
    """Take what the remote has, unless a person has to decide first."""

    def __init__(
        self,
        mailbox: Mailbox,
        journal: Journal,
        known: Known,
        *,
        capture: Capture,
        contents: Contents,
        builder: Builder,
        presence: Presence,
        attempts: Attempts,
        fault: FaultPoint,
    ) -> None:
        self._mailbox = mailbox
        self._journal = journal
        self._known = known
        self._capture = capture
        self._contents = contents
        self._builder = builder
        self._presence = presence
        self._attempts = attempts
        self._fault = fault

    def pull(self, run: Cycle) -> None:
        """Fetch and plan; raises Halted where a person must decide, RemoteAway, AuthFailed, GitFailed."""
        self._fault("2-asking")
        fetched = self._mailbox.fetch()
        self._known.reached(run)
        self._fault("2-fetched")
        if self._attempts.settle(fetched.tip):
            run.ops = self._journal.pending()
        self._fault("3-settled")
        self._plan(run, fetched)
        self._fault("3-planned")
        doubled = self._presence.look(fetched.machine, self._builder.page(run.tip))
        if run.tip is not None:
            received = self._known.tell(run.tip)
            run.received += received
            self._fault("3-told")
            if received and not self._has_work(run):
                give_way(run)
            self._known.record()
        if doubled is not None:
            if (update := self._presence.contest()) is not None:
                with suppress(GitsyncError):
                    self._mailbox.push([update])
            run.problem = doubled

    def _has_work(self, run: Cycle) -> bool:
        return bool(run.own or any(op.urgent for op in run.ops) or self._capture.differs)

    def _plan(self, run: Cycle, fetched: Fetched) -> None:
        known, remote = self._known.tip, fetched.tip
        work = self._has_work(run)
        if known == remote:
            run.plan = plan(View(known=known, remote=remote, work=work, contained=True, recorded=self._known.recorded))
            run.tip = run.plan.base
            self._horizon(remote)
            return
        contained = related = True
        backwards = False
        if known is not None and remote is not None:
            contained = self._mailbox.is_ancestor(known, remote)
            backwards = not contained and self._mailbox.is_ancestor(remote, known)
            related = contained or backwards or self._related(known, remote)
        run.plan = plan(
            View(
                known=known,
                remote=remote,
                work=work,
                contained=contained,
                reversed=backwards,
                related=related,
                recorded=self._known.recorded,
                accept_rewrite=run.request.accept_rewrite,
            )
        )
        if run.plan.halt:
            raise _halt(run.plan, self._known.settings.branch, known)
        if run.plan.rescue and known is not None:
            self._known.rescue("rewritten", known)
        if run.plan.take and remote is not None:
            if contained and known is not None and self._known.recorded and not run.request.accept_deletions:
                self._guard(known, remote)
            if contained and known is not None:
                run.pulled = len(self._mailbox.names_between([known], remote))
            run.changed = True
        run.tip = run.plan.base
        if remote is not None:
            self._known.know(remote)
            if not contained:
                self._known.record()  # a person has accepted it, and is not asked again
        elif run.plan.case is Case.GONE:
            self._known.tip, self._known.recorded = None, False
            run.tip = None
            run.own = self._everything(run.local or known)
        else:
            run.tip = None
        self._horizon(remote)

    def _related(self, one: str, other: str) -> bool:
        if self._mailbox.merge_base(one, other) is not None:
            return True
        if not self._mailbox.is_shallow():
            return False
        self._mailbox.unshallow()  # row 11: never judged, and never merged, without a base
        return self._mailbox.merge_base(one, other) is not None

    def _everything(self, local: str | None) -> list[Commit]:
        """Give the whole branch, for a remote that has lost it: its commits are pushed as they are."""
        own: list[Commit] = []
        sha = local
        while sha is not None:
            commit = self._mailbox.commit(sha)
            own.append(commit)
            sha = commit.parents[0] if commit.parents else None
        return own[::-1]

    def _guard(self, known: str, remote: str) -> None:
        """Stop where most messages would go with what arrives (row 13)."""
        before: set[str] = set()
        after: set[str] = set()
        old, new = self._mailbox.commit(known).tree, self._mailbox.commit(remote).tree
        for change in self._mailbox.changed(old, new):
            if classify(change.path).kind in ("messages", "archive", "status"):
                before |= self._contents.ids(change.old.sha) if change.old and change.old.is_file else set()
                after |= self._contents.ids(change.new.sha) if change.new and change.new.is_file else set()
        gone = before - after
        if len(gone) < 5:
            return
        gone -= self._contents.all_ids(self._owned_blobs(new))
        total = len(self._contents.all_ids(self._owned_blobs(old)))
        if mass_deletion(len(gone), total):
            raise Halted(
                f"{len(gone)} of {total} messages were deleted on the remote",
                "that looks like an accident, so nothing was taken over",
                "look at the branch's history, then: gitsync sync --accept-deletions",
                kind="mass-deletion",
            )

    def _owned_blobs(self, tree: str) -> list[str]:
        return [
            entry.sha
            for path, entry in self._mailbox.files(tree).items()
            if entry.is_file and classify(path).kind in ("messages", "archive", "status")
        ]

    def _horizon(self, remote: str | None) -> None:
        """Without a record of it, what is there at the first contact is history (PROTOCOL 4)."""
        if self._journal.meta("horizon") is None:
            self._journal.set_meta("horizon", remote or "")
            if remote is not None:
                self._mailbox.pin("horizon", remote)


def _halt(chosen: Plan, branch: str, known: str | None) -> Halted:
    accept = "gitsync sync --accept-rewrite"
    match chosen.case:
        case Case.REWRITTEN:
            return Halted(
                f"the branch {branch} was rewritten on the remote",
                f"{(known or '')[:10]} is no longer in its history",
                f"if that was meant: {accept} (our side is kept under refs/gitsync/rescue/)",
                kind="rewritten",
            )
        case Case.UNRELATED:
            return Halted(
                f"the branch {branch} on the remote shares no history with this mailbox",
                "it belongs to something else, or was made anew",
                f"use another branch name, or take it as it is: {accept}",
                kind="unrelated",
            )
        case _:
            return Halted(
                f"the branch {branch} was deleted on the remote",
                "somebody removed or renamed it",
                f"create it again from here: {accept}",
                kind="gone",
            )

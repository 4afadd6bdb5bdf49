"""Step 1 as the cycle runs it: the state of the folder, a person's commits, and the edits to take."""

from __future__ import annotations

from gitsync import clock
from gitsync.errors import Halted
from gitsync.git.repo import Commit, Mailbox
from gitsync.ledger.journal import Journal
from gitsync.sync.capture import Capture, Captured
from gitsync.sync.cycle import Cycle
from gitsync.sync.home import Home
from gitsync.sync.known import Known
from gitsync.sync.materialise import Materialise


class Looking:
    """Look at the folder, and judge what was seen against a tip."""

    def __init__(
        self, mailbox: Mailbox, journal: Journal, known: Known, capture: Capture, materialise: Materialise
    ) -> None:
        self._mailbox = mailbox
        self._journal = journal
        self._known = known
        self._capture = capture
        self._materialise = materialise
        self._home = Home(mailbox, journal)

    def look(self, run: Cycle) -> None:
        """Take note of queue, folder and local branch as they are when the cycle begins."""
        head = self._mailbox.head()
        busy = self._mailbox.in_progress()
        if busy:
            run.folder = f"in the middle of a {busy}"
        elif head.branch != self._known.settings.branch:
            run.folder = f"on branch {head.branch}" if head.branch else "HEAD is detached"
        run.local = self._mailbox.ref(self._mailbox.local_ref)
        self._known.brought(run.local)
        run.ops = self._journal.pending()
        if run.folder == "ok":
            tree = self._mailbox.commit(run.local).tree if run.local else None
            self._capture.look(tree, closely=run.request.settle_now)
        # What a rebase works on is about to be replaced by its outcome, so it is not pushed before.
        run.own = [] if busy == "rebase" else self._own_commits(run.local)
        if run.own and (why := self._home.commits(run.own, self._known.tree(self._known.tip))):
            run.own, run.folder = [], why

    def _own_commits(self, local: str | None) -> list[Commit]:
        """Give what a person committed on the local branch, oldest first, along first parents (row 3)."""
        if local is None or local == self._known.materialised or local == self._known.tip:
            return []
        known = [
            sha
            for sha in (self._known.materialised, self._known.tip if self._known.recorded else None)
            if sha is not None
        ]
        fresh = set(self._mailbox.names_between(known, local))
        own: list[Commit] = []
        sha: str | None = local
        while sha is not None and sha in fresh:
            commit = self._mailbox.commit(sha)
            own.append(commit)
            sha = commit.parents[0] if commit.parents else None
        return own[::-1]

    def judge(self, run: Cycle) -> None:
        """Judge the folder against the tip that will be built on."""
        run.judged = True
        if run.folder != "ok":
            run.captured = Captured()
            return
        run.captured = self._capture.take(
            self._known.tree(run.tip),
            own_commits=run.local != self._known.materialised,
            settle_now=run.request.settle_now,
            unplaced=self._materialise.unplaced,
        )
        run.captured.edits += self._materialise.saved_late(clock.monotonic())
        self._home.edits(run.captured, self._known.tree(run.tip))
        if run.captured.gone and not run.request.accept_deletions:
            gone, total = run.captured.gone, run.captured.total
            run.problem = Halted(
                f"{gone} of {total} messages are gone from the mailbox folder",
                "an emptied folder or a failed mount looks like this, so nothing was deleted",
                # Not `git checkout -- .`, which also takes away what was written by hand and has not left this machine.
                "put back the files that are gone with: git ls-files -dz | xargs -0 git checkout --   in the folder; "
                "or, if it was meant: gitsync sync --accept-deletions",
                kind="mass-deletion",
            )
            run.captured.edits = [edit for edit in run.captured.edits if edit.displaced is not None]
            run.folder = "messages are missing on disk"

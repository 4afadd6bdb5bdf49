"""What the engine knows of the branch between two cycles; written to the journal when it changes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from gitsync import clock
from gitsync.errors import GitsyncError
from gitsync.git.repo import Mailbox
from gitsync.ledger.journal import Journal
from gitsync.sync.cycle import Cycle
from gitsync.sync.settings import SyncSettings

log = logging.getLogger(__name__)


class Known:
    """Hold the remote's tip, the commit that is on disk, and when the remote was last heard of."""

    def __init__(
        self, mailbox: Mailbox, journal: Journal, settings: SyncSettings, on_tip: Callable[[str], int]
    ) -> None:
        self._mailbox = mailbox
        self._journal = journal
        self.settings = settings
        self._on_tip = on_tip
        self._told: str | None = None
        self.contact: float | None = None
        self.tip = self._written = journal.meta("tip")
        self.recorded = self.tip is not None
        """Whether `tip` was really seen on the remote; else it is only our local branch."""
        if self.tip is None or not mailbox.has(self.tip):
            tracked = mailbox.ref(mailbox.tracking_ref)
            self.recorded = tracked is not None
            self.tip = tracked or mailbox.ref(mailbox.local_ref)
        self.materialised = journal.meta("materialised")
        if self.materialised is not None and not mailbox.has(self.materialised):
            self.materialised = None

    def tree(self, commit: str | None) -> str | None:
        """Give the tree of a commit; None for no commit, which is the empty tree."""
        return self._mailbox.commit(commit).tree if commit else None

    def reached(self, run: Cycle) -> None:
        """Note that the remote has answered just now (I8)."""
        self.contact = clock.monotonic()
        run.contact = True

    def know(self, tip: str) -> None:
        """Note where the remote's branch is; `record` makes that durable."""
        self.tip, self.recorded = tip, True

    def record(self) -> None:
        """Make durable where the remote's branch is. Lost before that, it is found out again by the next fetch."""
        if self.recorded and self.tip is not None and self.tip != self._written:
            self._journal.set_meta("tip", self.tip)
            self._written = self.tip

    def set_materialised(self, commit: str) -> None:
        """Note which commit the folder stands for; durable when it returns."""
        if commit != self.materialised:
            self.materialised = commit
            self._journal.set_meta("materialised", commit)

    def bringing(self, local: str | None, commit: str) -> None:
        """Note that the index and the local branch are about to be moved there by us; FolderPaused.

        Where that was cut off before, the index may have gone ahead of the branch: it is brought back first. Else what
        it holds looks as if a person had staged it, stays behind for good, and their next commit takes back messages.
        """
        ahead = self._journal.meta("bringing")
        if ahead is not None and ahead not in (local, self.materialised) and self._mailbox.has(ahead):
            self._mailbox.move_index(self.tree(ahead), self.tree(local))
        self._journal.set_meta("bringing", commit)

    def brought(self, local: str | None) -> None:
        """Let the folder stand for a commit to which we moved the branch, though we never came to note that.

        Else a person's git seems to have done it, and to have put on disk what was passed over because it was being
        edited: the edit would then take away what arrived (I3).
        """
        if local is not None and local != self.materialised and self._journal.meta("bringing") == local:
            self.set_materialised(local)

    def came_by_git(self, commit: str) -> None:
        """Note what a person's own git has put on disk since the last materialisation: later edits start from it."""
        if commit == self.materialised:
            return
        changes = self._mailbox.changed(self.tree(self.materialised), self.tree(commit))
        self._journal.add_bases([(change.path, change.new.sha) for change in changes if change.new is not None])

    def tell(self, tip: str) -> int:
        """Hand the tip on as early as possible: what is in it may be dispatched while we go on."""
        if tip == self._told:
            return 0
        received = self._on_tip(tip)
        self._told = tip
        return received

    def rescue(self, what: str, commit: str) -> None:
        """Keep a commit that is about to lose its last name, under `refs/gitsync/rescue/`."""
        name = f"refs/gitsync/rescue/{what}-{commit[:10]}"
        if self._mailbox.ref(name) is None:
            self._mailbox.move_ref(name, commit, None)
            log.warning("kept %s as %s", commit[:10], name)

    def preflight(self) -> None:
        """Refuse to begin what a full disk would cut short (row 12)."""
        info = os.statvfs(self._mailbox.path)
        if info.f_bavail * info.f_frsize < self.settings.free_space:
            raise GitsyncError(
                "the disk is almost full",
                f"less than {self.settings.free_space >> 20} MiB are free at {self._mailbox.path}",
                "make space; syncing goes on by itself",
            )

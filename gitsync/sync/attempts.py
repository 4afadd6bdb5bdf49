"""Pushes and their fate: what a commit held, in the journal before it leaves (step 5)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress

from gitsync.errors import GitFailed
from gitsync.git.repo import Mailbox
from gitsync.ledger.journal import Journal
from gitsync.sync.cycle import Cycle
from gitsync.sync.known import Known


class Attempts:
    """Note commits before they are pushed; find out later which of them landed."""

    def __init__(self, mailbox: Mailbox, journal: Journal, known: Known) -> None:
        self._mailbox = mailbox
        self._journal = journal
        self._known = known

    def settle(self, tip: str | None) -> bool:
        """Find out what became of pushes whose answer was lost: what is in the history has landed."""
        done = []
        for attempt in self._journal.attempts():
            if tip is not None and self._mailbox.has(attempt.commit) and self._mailbox.is_ancestor(attempt.commit, tip):
                self._journal.landed(attempt.seqs, attempt.commit)
                self.promote(attempt.commit)
                done.append(attempt.commit)
            elif (attempt.parent or None) != tip:
                done.append(attempt.commit)  # its lease can never hold again
        if done:
            self._journal.forget_attempts(done)
        return bool(done)

    def note_captured(self, run: Cycle, commit: str) -> None:
        """Note which bytes of the folder a commit contains: once it landed, the next edit starts from them."""
        edits = [(edit.path, edit.blob) for edit in run.captured.edits if edit.displaced is None and edit.blob]
        own = run.local if run.own else None
        if not edits and own is None and self._journal.meta("captured") is None:
            return
        noted = json.loads(self._journal.meta("captured") or "{}")
        open_attempts = {attempt.commit for attempt in self._journal.attempts()}
        noted = {key: value for key, value in noted.items() if key in open_attempts}
        if edits or own:
            for edit in run.captured.edits:
                if edit.data is not None:
                    self._mailbox.write_blob(edit.data)
            noted[commit] = {"edits": edits, "local": own}
        self._journal.set_meta("captured", json.dumps(noted) if noted else None)

    def promote(self, commit: str) -> None:
        """Let what `note_captured` noted of a commit that has landed count as put on disk."""
        text = self._journal.meta("captured")
        if text is None:
            return
        noted = json.loads(text)
        mine = noted.pop(commit, None)
        if mine is not None:
            if mine["edits"]:
                self._journal.add_bases([(path, blob) for path, blob in mine["edits"]])
                self._pin(commit, mine["edits"])
            if mine["local"]:
                self._known.came_by_git(mine["local"])
                self._known.set_materialised(mine["local"])
            self._journal.set_meta("captured", json.dumps(noted) if noted else None)

    def _pin(self, commit: str, edits: Iterable[tuple[str, str]]) -> None:
        """Keep what was on disk and is not in the commit made from it; let go of what is no base of anything now."""
        tree = self._mailbox.commit(commit).tree
        for path, blob in edits:
            entry = self._mailbox.lookup(tree, path)
            if entry is None or entry.sha != blob:
                # Where somebody's `gc --prune=now` was faster, an older version is the base of the next edit.
                with suppress(GitFailed):
                    name = self._mailbox.hash_blob(path.encode("utf-8", "surrogateescape"))
                    self._mailbox.pin(f"base/{name}", blob)
        pinned = self._mailbox.refs("refs/gitsync/local/base/")
        needed = self._journal.are_bases(pinned.values())
        for name, blob in pinned.items():
            if blob not in needed:
                self._mailbox.delete_ref(name, blob)

"""What people wrote in the folder and must not leave it: text with a secret in it that nobody has released."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from gitsync import clock
from gitsync.git.repo import Commit, Mailbox
from gitsync.ledger.held import Held
from gitsync.ledger.journal import Journal
from gitsync.secrets import own as own_secrets
from gitsync.secrets.scan import Finding, named
from gitsync.sync.capture import Captured, Edit
from gitsync.sync.quiet import divided
from gitsync.sync.values import Trouble

AGAIN = 300.0
"""Seconds after which a file with something kept back in it is looked at again; a release or an edit comes sooner."""

AROUND = 6
"""Lines before and after what was found that are kept for `gitsync quarantine show`."""

_LONGEST = 16 * 1024


class Home:
    """Keep back what is new in the folder and has a secret in it; the folder itself stays as it is (I3).

    Of a file that can be divided the rest goes on. A person who committed with `--no-verify`, or in a clone without our
    hook, may not have meant to publish a key: such commits wait for a release as well, whole, since their history is
    what would be pushed.
    """

    def __init__(self, mailbox: Mailbox, journal: Journal) -> None:
        self._mailbox = mailbox
        self._journal = journal
        self._seen: dict[tuple[object, ...], list[Finding]] = {}

    # -- hand edits --------------------------------------------------------------------------------

    def edits(self, captured: Captured, tree: str | None) -> None:
        """Take out of the edits what is kept back; those files are not written to meanwhile."""
        if not self._journal.secrets.scan:
            return
        rows = self._journal.held("held", "released")
        places = {row.place for row in rows if row.kind == "edit" and row.state == "held"}
        going: list[Edit] = []
        held: dict[str, list[Finding]] = {}
        for edit in captured.edits:
            at_tip = self._mailbox.lookup(tree, edit.path) if tree else None
            tip = at_tip.sha if at_tip is not None and at_tip.is_file else None
            in_name = self._in_name(edit.path, tree, rows) if edit.data is not None else []
            found = in_name + self._new(edit.path, edit.data, (edit.base, tip), rows)
            if not found:
                going.append(edit)
                continue
            held.setdefault(named(edit.path), []).extend(found)
            self._keep("edit", edit.path, edit.data or b"", found, rows)
            if edit.displaced is None:
                captured.waiting[edit.path] = AGAIN
            if in_name:
                continue
            part = self._part(edit, found, _passed(edit.path, rows))
            if part is not None and part.blob != tip:
                going.append(part)
        captured.edits = going
        for path in places - set(held) - {named(path) for path in captured.waiting}:
            self._gone("edit", path, rows)
        self._tell(captured.troubles)

    def _part(self, edit: Edit, found: Sequence[Finding], passed: frozenset[str]) -> Edit | None:
        """Give the edit without what is kept back, where the file can be divided so."""
        if edit.data is None or edit.displaced is not None or not all(one.end for one in found):
            return None
        base = self._mailbox.blob(edit.base) if edit.base is not None else None
        places = [edit.data.rfind(b"\n", 0, one.start) + 1 for one in found]
        for one in found:  # a key of many lines: each of them
            places += [at.end() for at in re.compile(rb"\n").finditer(edit.data, one.start, one.end)]
        part = divided(edit.data, edit.path, base, sorted(set(places)))
        if part is None or self._journal.secrets.find(part, known=(base,), passed=passed):
            return None
        return replace(edit, data=part, blob=self._mailbox.hash_blob(part))

    # -- a person's commits ------------------------------------------------------------------------

    def commits(self, own: Sequence[Commit], tip: str | None) -> str:
        """Say what keeps a person's commits from being pushed; empty where nothing does."""
        if not self._journal.secrets.scan:
            return ""
        rows = self._journal.held("held", "released")
        found: dict[str, list[Finding]] = {}
        data: dict[str, bytes] = {}
        for commit in own:
            said = commit.message.encode("utf-8", "surrogateescape")
            words = f"the message of commit {commit.sha[:10]}"
            if news := self._new(words, said, (None, None), rows):
                found[words], data[words] = news, said
            old = self._mailbox.commit(commit.parents[0]).tree if commit.parents else None
            for change in self._mailbox.changed(old, commit.tree):
                if change.new is None or not change.new.is_file:
                    continue
                at_tip = self._mailbox.lookup(tip, change.path) if tip else None
                before = change.old.sha if change.old is not None and change.old.is_file else None
                there = at_tip.sha if at_tip is not None and at_tip.is_file else None
                text = self._mailbox.blob(change.new.sha)
                news = self._in_name(change.path, tip, rows) if before is None else []
                news += self._new(change.path, text, (before, there), rows)
                if news:
                    place = named(change.path)
                    known = {one.fingerprint for one in found.get(place, ())}
                    found.setdefault(place, []).extend(one for one in news if one.fingerprint not in known)
                    data[place] = text
        for path, findings in found.items():
            self._keep("commit", path, data[path], findings, rows)
        for path in {row.place for row in rows if row.kind == "commit" and row.state == "held"} - set(found):
            self._gone("commit", path, rows)
        if not found:
            return ""
        path, [first, *_] = next(iter(found.items()))
        return f"a commit made here has what looks like a secret in {path}, {first}: gitsync quarantine"

    # -- both --------------------------------------------------------------------------------------

    def _in_name(self, path: str, tree: str | None, rows: Sequence[Held]) -> list[Finding]:
        """Find secrets in a path, beyond the part of it that the tree has."""
        secrets = self._journal.secrets
        passed = _passed(path, rows)
        if not secrets.find_in_name(path, passed=passed):
            return []  # nearly always, and then nothing is looked up
        there = path
        while there and (tree is None or self._mailbox.lookup(tree, there) is None):
            there = there.rpartition("/")[0]
        return secrets.find_in_name(path, known=there, passed=passed)

    def _new(
        self, path: str, data: bytes | None, before: tuple[str | None, str | None], rows: Sequence[Held]
    ) -> list[Finding]:
        """Find secrets that the versions before do not have, and that nobody has released for this file."""
        if data is None:
            return []
        secrets = self._journal.secrets
        passed = _passed(path, rows)
        key = (path, self._mailbox.hash_blob(data), before, passed, secrets, own_secrets.known())
        if key not in self._seen:
            known = [self._mailbox.blob(sha) for sha in before if sha is not None]
            if len(self._seen) > 256:
                self._seen.clear()
            self._seen[key] = secrets.find(data, known=known, passed=passed)
        return list(self._seen[key])

    def _keep(self, kind: str, path: str, data: bytes, found: Sequence[Finding], rows: Sequence[Held]) -> None:
        marks = {one.fingerprint for one in found}
        path = named(path)
        for row in rows:
            if row.kind == kind and row.place == path and row.state == "held":
                if {one.fingerprint for one in row.findings} == marks:
                    return
                self._journal.drop(row.id, state="gone")
        same = f"{kind}:{path}:{','.join(sorted(marks))}"
        self._journal.hold(clock.new_id(), kind, path, found, _around(data, found), same=same)

    def _gone(self, kind: str, path: str, rows: Sequence[Held]) -> None:
        for row in rows:
            if row.kind == kind and row.place == path and row.state == "held":
                self._journal.drop(row.id, state="gone")

    def _tell(self, troubles: list[Trouble]) -> None:
        troubles += [
            Trouble(path=row.place, text=f"kept back, {row.why} (gitsync quarantine show {row.id})")
            for row in self._journal.held()
            if row.kind == "edit"
        ]


def _passed(path: str, rows: Sequence[Held]) -> frozenset[str]:
    """Give the fingerprints that were released for a file."""
    released = (row for row in rows if row.state == "released" and row.place == named(path))
    return frozenset(one.fingerprint for row in released for one in row.findings)


def _around(data: bytes, found: Sequence[Finding]) -> bytes:
    """Give the lines of what was found, with a few around them."""
    lines = data.splitlines(keepends=True)
    wanted: set[int] = set()
    for one in found:
        last = one.line + data.count(b"\n", one.start, one.end)
        wanted |= set(range(max(0, one.line - 1 - AROUND), min(len(lines), last + AROUND)))
    return b"".join(lines[number] for number in sorted(wanted))[:_LONGEST]

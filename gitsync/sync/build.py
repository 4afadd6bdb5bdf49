"""Step 4: put a person's commits, hand edits, wraps and our own operations on top of the remote's tip.

Nothing here is kept between two attempts: after a lost race all of it is derived again from the new tip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gitsync import clock
from gitsync.git.objects import inside
from gitsync.git.repo import Commit, Entry, Mailbox, Person
from gitsync.git.values import EXECUTABLE
from gitsync.ledger.held import Held
from gitsync.ledger.values import Op, receipt_of, receipt_signature
from gitsync.protocol import commits, edit
from gitsync.protocol.identity import Machine
from gitsync.protocol.merge import merge_path
from gitsync.protocol.paths import archive_path, classify, messages_path, receipts_path, status_path
from gitsync.protocol.status import Status, read_status, same_but_time, set_block
from gitsync.secrets.scan import named
from gitsync.sync.adopt import adopt
from gitsync.sync.capture import Capture, Edit
from gitsync.sync.contents import Contents, block_ids
from gitsync.sync.draft import Draft
from gitsync.sync.settings import SyncSettings
from gitsync.sync.values import Facts, Trouble, author
from gitsync.sync.wraps import Wraps


@dataclass(kw_only=True)
class Work:
    """Everything that waits to become commits."""

    ops: Sequence[Op] = ()
    edits: Sequence[Edit] = ()
    own: Sequence[Commit] = ()
    """A person's commits, oldest first, along first parents."""
    status: Status | None = None
    overrides: Sequence[Held] = ()
    """What a person released though it has a secret in it, and no commit names yet."""
    retried: frozenset[int] = frozenset()
    """Operations that an unsettled attempt contains: they may be on the branch, and archived since."""


@dataclass(kw_only=True)
class Built:
    """What one attempt would push."""

    draft: Draft
    seqs: tuple[int, ...] = ()
    sent: int = 0
    overrides: tuple[str, ...] = ()
    """Those releases that the commits name."""
    rebuilt: bool = False
    """Whether a person's commits were made anew, so that the old ones need a rescue ref."""
    refused: list[tuple[int, str]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)


class BlockedError(Exception):
    """Something on the branch stands where a file of ours belongs; it may hold what a person wrote."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


class Builder:
    """Build on a tip; holds only what every build needs."""

    def __init__(
        self,
        mailbox: Mailbox,
        machine: Machine,
        settings: SyncSettings,
        facts: Facts,
        capture: Capture,
        contents: Contents,
        wraps: Wraps,
    ) -> None:
        self._mailbox = mailbox
        self.machine = machine
        self.settings = settings
        self._facts = facts
        self._capture = capture
        self._contents = contents
        self._wraps = wraps
        self._page: tuple[str | None, Status | None] | None = None

    def build(self, tip: str | None, work: Work) -> Built:
        """Make the commits for all the work on `tip`; the draft holds none when the tip has it all."""
        built = Built(draft=Draft(self._mailbox, tip))
        if work.own:
            self._own_commits(built, work.own)
        if work.edits:
            self._edits(built, work)
        self._operations(built, work)
        return built

    def person(self) -> Person:
        """Name this machine as the author of what is committed now."""
        return author(self.machine, clock.unix())

    # -- a person's commits ---------------------------------------------------------------------------------------

    def _own_commits(self, built: Built, own: Sequence[Commit]) -> None:
        draft = built.draft
        if self._fast_forwards(draft, own):
            for commit in own:
                draft.adopt(commit)
            return
        built.rebuilt = True
        committer = self.person()
        for commit in own:
            old = self._mailbox.commit(commit.parents[0]).tree if commit.parents else None
            for change in self._mailbox.changed(old, commit.tree):
                self._merge_entry(built, change.path, change.old, change.new)
            draft.commit(commit.message, commit.author, committer)

    def _fast_forwards(self, draft: Draft, own: Sequence[Commit]) -> bool:
        """Say whether they can be pushed as they are: on the tip, linear, deleting no open message."""
        parent = draft.tip
        for commit in own:
            if commit.parents != ((parent,) if parent else ()):
                return False
            parent = commit.sha
        before: set[str] = set()
        after: set[str] = set()
        for change in self._mailbox.changed(draft.tree, own[-1].tree):
            if self._refused_entry(change.path, change.new):
                return False
            before |= self._ids(change.old)
            after |= self._ids(change.new)
        return all(self._facts.final(ident) for ident in before - after)

    def _merge_entry(self, built: Built, path: str, old: Entry | None, new: Entry | None) -> None:
        draft = built.draft
        if why := self._refused_entry(path, new):
            built.troubles.append(Trouble(path=path, text=f"{why}: not taken from the commit"))
            return
        theirs = draft.entry(path)
        if any(entry is not None and not entry.is_file for entry in (old, new, theirs)):
            if theirs == old:
                draft.put(path, new)
            return
        data = self._mailbox.blob(new.sha) if new else None
        base = old.sha if old else None
        lost = self._ids(old) - block_ids(data)
        if lost and not all(self._facts.final(ident) for ident in lost):
            base = self._capture.base_of(path, data, (old.sha,) if old else (), newest=True)
        executable = new.mode == EXECUTABLE if new else None
        self._merge_file(built, path, base, data, executable=executable)

    def _refused_entry(self, path: str, entry: Entry | None) -> str | None:
        if not inside(path):
            return "leaves the mailbox"
        if entry is None or classify(path).kind == "other":
            return None
        if not entry.is_file:
            return "is a link or a folder in place of a file"
        return None

    def _ids(self, entry: Entry | None) -> frozenset[str]:
        return self._contents.ids(entry.sha) if entry is not None and entry.is_file else frozenset()

    # -- hand edits --------------------------------------------------------------------------------

    def _edits(self, built: Built, work: Work) -> None:
        paths = []
        for item in work.edits:
            theirs = built.draft.entry(item.path)
            if theirs is not None and not theirs.is_file:
                built.troubles.append(
                    Trouble(path=item.path, text="is not a file on the branch: the edit is left alone")
                )
                continue
            executable = item.executable if theirs is None and item.base is None else None
            if self._merge_file(built, item.path, item.base, item.data, executable=executable):
                paths.append(item.path)
        if paths:
            person = self.person()
            shown = sorted({named(path) for path in paths})
            released = [one for one in work.overrides if one.kind in ("edit", "commit") and one.place in shown]
            note = commits.compose(self.machine.id, hand_edits=shown, overrides=_told(built, released))
            built.draft.commit(note, person, person)

    def _merge_file(
        self, built: Built, path: str, base: str | None, ours: bytes | None, *, executable: bool | None
    ) -> bool:
        """Merge one version of a file into the draft; say whether that changed it."""
        draft = built.draft
        theirs = draft.read(path)
        before = self._mailbox.blob(base) if base is not None else None
        if ours == theirs:
            return False
        absent = block_ids(theirs) - block_ids(ours)
        protect = frozenset(ident for ident in absent if not self._facts.final(ident))
        merged = merge_path(path, before, ours, theirs, protect=protect)
        for ident in merged.restored:
            built.troubles.append(
                Trouble(
                    path=path,
                    text=f"message {ident} has no final receipt and was put back (gitsync withdraw {ident})",
                )
            )
        for ident in merged.variants:
            built.troubles.append(Trouble(path=path, text=f"changed on two sides: the other text is kept as {ident}"))
        draft.write(path, merged.data, executable=executable)
        return merged.data != theirs

    # -- wraps and operations ----------------------------------------------------------------------

    def _operations(self, built: Built, work: Work) -> None:
        draft = built.draft
        messages, adopted = adopt(draft, self._wraps, self._facts, self.machine.id)
        seqs: list[int] = []
        receipts = 0
        touched: set[str] = set()
        for op in work.ops:
            try:
                changed = self._apply(draft, op, retried=op.seq in work.retried)
            except BlockedError as error:
                if error.trouble not in built.troubles:
                    built.troubles.append(error.trouble)
                continue  # it stays in the queue until somebody has cleared the way
            except ValueError as error:
                built.refused.append((op.seq, str(error)))
                continue
            seqs.append(op.seq)
            if op.kind == "message" and changed:
                messages.append((op.ident, _machine_part(op.to)))
            if op.kind == "receipt" and changed:
                receipts += 1
            if changed:
                touched.add(changed)
        imported = [named(op.ident) for op in work.ops if op.kind == "import"]
        done = {named(op.ident) for op in work.ops if op.seq in seqs and op.kind in ("message", "import")}
        released = [one for one in work.overrides if one.id in done or (one.kind == "import" and one.place in done)]
        if work.own:
            released += [one for one in work.overrides if one.kind == "commit" and one.id not in built.overrides]
        status = self._status(built, work.status)
        archived = sum(self._rotate(draft, path) for path in sorted(touched))
        person = self.person()
        note = commits.compose(
            self.machine.id,
            messages=messages,
            receipts=receipts,
            status=status,
            withdrawn=[op.ident for op in work.ops if op.kind == "withdraw"],
            adopted=adopted,
            archived=archived,
            imported=imported,
            begins=draft.tip is None,
            overrides=_told(built, released),
        )
        draft.commit(note, person, person, empty=bool(released) and draft.tip is not None)
        built.seqs = tuple(seqs)
        built.sent = len(messages)

    def _apply(self, draft: Draft, op: Op, *, retried: bool) -> str | None:
        """Put one operation into the draft; give the path it changed, None where it is there already."""
        me = self.machine.id
        if op.kind == "message":
            path = _clear(draft, messages_path(me, _machine_part(op.to)))
            data = draft.read(path)
            if op.ident in block_ids(data) or (retried and self._archived(draft, path, op.ident)):
                return None
            grown = edit.append(data, op.payload, path=path)
            if len(grown) > self.settings.max_file:
                raise ValueError(f"{path} would grow beyond {self.settings.max_file >> 20} MiB")
            draft.write(path, grown)
            return path
        if op.kind == "receipt":
            receipt = receipt_of(op)
            path = _clear(draft, receipts_path(me, receipt.date[:7]))
            data = draft.read(path)
            grown = edit.append_receipts(data, me, [receipt], [receipt_signature(op)])
            if data is not None and grown in (data, data + b"\n"):
                return None
            draft.write(path, grown)
            return path
        if op.kind == "withdraw":
            return self._withdraw(draft, op)
        if op.kind == "import":
            if draft.read(op.ident) == op.payload:
                return None
            if draft.exists(op.ident):
                raise ValueError(f"{op.ident} is already in the mailbox, with other bytes")
            draft.write(op.ident, op.payload)
            return op.ident
        return None

    def _withdraw(self, draft: Draft, op: Op) -> str | None:
        original = messages_path(self.machine.id, _machine_part(op.to))
        for path in (original, *self._archives(draft, original)):
            data = draft.read(path)
            if data is not None and op.ident in block_ids(data):
                draft.write(path, edit.withdraw(data, op.ident))
                return path
        return None

    def _archives(self, draft: Draft, original: str) -> list[str]:
        name = re.escape(original.removeprefix("messages/").removesuffix(".md"))
        pattern = re.compile(rf"archive/\d{{4}}-\d\d/{name}(?:[.-]\d+)?\.md", re.IGNORECASE)
        return [path for path in self._mailbox.files(draft.tree) if pattern.fullmatch(path)] if draft.tree else []

    def _archived(self, draft: Draft, original: str, ident: str) -> bool:
        needle = ident.encode()
        for path in self._archives(draft, original):
            data = draft.read(path) or b""
            if needle in data and ident in block_ids(data):
                return True
        return False

    def _status(self, built: Built, status: Status | None) -> bool:
        draft = built.draft
        if status is None:
            return False
        try:
            path = _clear(draft, status_path(self.machine.id))
        except BlockedError as error:
            built.troubles.append(error.trouble)
            return False
        data = draft.read(path)
        if data is not None and (told := read_status(data)) is not None and same_page(told, status):
            return False
        draft.write(path, set_block(data, status))
        return True

    @property
    def status_path(self) -> str:
        """Name our own page."""
        return status_path(self.machine.id)

    def page(self, tip: str | None) -> Status | None:
        """Read what our page on the branch tells, once for each version of it."""
        entry = self._mailbox.lookup(self._mailbox.commit(tip).tree, self.status_path) if tip else None
        blob = entry.sha if entry is not None and entry.is_file else None
        if self._page is None or self._page[0] != blob:
            self._page = (blob, read_status(self._mailbox.blob(blob)) if blob else None)
        return self._page[1]

    def _rotate(self, draft: Draft, path: str) -> int:
        """Move messages that are done with out of a file that grew too large (PROTOCOL 1)."""
        data = draft.read(path)
        if data is None or len(data) <= self.settings.rotate_above or classify(path).kind != "messages":
            return 0
        parts = edit.rotate(data, self._facts.final, self.settings.rotate_above)
        if parts is None:
            return 0
        kept, moved = parts
        month = clock.stamp()[:7]
        number = 1
        while draft.exists(target := archive_path(path, month, number)):
            number += 1
        draft.write(path, kept)
        draft.write(target, moved)
        return len(block_ids(moved))


def _told(built: Built, released: Sequence[Held]) -> list[tuple[str, str]]:
    """Give what the trailers say of these releases, which the commits then name."""
    built.overrides += tuple(one.id for one in released)
    return [(one.rules, one.reason) for one in released]


def _clear(draft: Draft, path: str) -> str:
    if why := draft.blocked(path):
        raise BlockedError(Trouble(path=path, text=f"{why}: what this machine would write there waits"))
    return path


def same_page(told: Status, status: Status) -> bool:
    """Say whether the page need not be written again: a time alone is no reason, but a signature is refreshed."""
    return same_but_time(told, status) and (status.install is None or told.refreshed == status.refreshed)


def _machine_part(to: str) -> str:
    machine = to.partition("/")[0]
    return machine.upper() if machine.lower() in ("all", "any") else machine.lower()

"""Step 1: what people changed in the folder, as bytes, each with the version it was made from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gitsync.git.objects import inside
from gitsync.git.repo import Change, Entry, Mailbox
from gitsync.git.values import SUBMODULE, SYMLINK
from gitsync.ledger.journal import Journal
from gitsync.protocol.paths import classify
from gitsync.sync import bases, quiet
from gitsync.sync.contents import Contents, block_ids
from gitsync.sync.draft import in_the_way
from gitsync.sync.folder import Folder
from gitsync.sync.ignore import Rule, ignored, parse_rules, temporary
from gitsync.sync.quiet import Typing
from gitsync.sync.settings import SyncSettings
from gitsync.sync.values import Trouble

_ODD = {SYMLINK: "is a symbolic link", SUBMODULE: "is a submodule"}
HASTY = 5.0
"""Seconds after a placement within which a save may come from an editor that has not seen it."""
RECENT = 8
"""Placements of one path that are remembered for that."""
PLACED = 256
"""Paths whose placements are remembered."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One file as a person left it. `data` None: removed. `base` None: it was made from nothing."""

    path: str
    data: bytes | None
    blob: str | None
    base: str | None
    executable: bool = False
    displaced: int | None = None
    """The journal's number when the bytes came out of the folder during a placement."""


@dataclass(kw_only=True)
class Captured:
    """What one look at the folder found."""

    edits: list[Edit] = field(default_factory=list)
    stale: set[str] = field(default_factory=set)
    """Paths that hold an older version nobody edited: to be brought up to date."""
    waiting: dict[str, float] = field(default_factory=dict)
    """Paths being edited, with the seconds after which they are quiet for long enough. What is finished in them may be
    among the edits."""
    troubles: list[Trouble] = field(default_factory=list)
    gone: int = 0
    """Messages that would go if the edits were taken; 0 unless that is a mass deletion."""
    total: int = 0


class Capture:
    """Compare the folder with the commit it stands for, cycle by cycle."""

    def __init__(
        self,
        mailbox: Mailbox,
        journal: Journal,
        settings: SyncSettings,
        contents: Contents,
        *,
        now: Callable[[], float],
    ) -> None:
        self._mailbox = mailbox
        self._journal = journal
        self._settings = settings
        self._contents = contents
        self._now = now
        self.folder = Folder(
            mailbox.path,
            blob_of=mailbox.hash_blob,
            max_file=settings.max_file,
            skip=self._skipped,
            skip_folder=self._skipped_folder,
        )
        self.expected: dict[str, Entry] = {}
        self._tree: str | None = None
        self._hidden: set[str] | None = None
        self._differ: set[str] = set()
        self._nothing: set[str] = set()
        self._typing: dict[str, Typing] = {}
        self._placed: dict[str, list[tuple[int, str | None, str]]] = {
            path: [(at, held, blob) for at, held, blob in rows]
            for path, rows in json.loads(journal.meta("placed") or "{}").items()
        }
        self._rules: tuple[tuple[str | None, ...], tuple[Rule, ...]] = ((), ())

    def configure(self, settings: SyncSettings) -> None:
        """Take new settings from the next look on."""
        self._settings = settings
        self.folder.max_file = settings.max_file

    @property
    def differs(self) -> bool:
        """Say whether anything on disk differed at the last look, beyond what was found to be nobody's business."""
        return not self._differ <= self._nothing

    # -- looking -----------------------------------------------------------------------------------

    def look(self, tree: str | None, *, closely: bool = False) -> bool:
        """Scan the folder against the tree of the local branch; say whether anything differs."""
        changed = self._expect(tree)
        changed |= self.folder.scan(closely=closely)
        for path in changed:
            self._compare(path)
            if path in self._placed and path in self._differ and path in self.folder.files:
                self._recall(path)
        return self.differs

    def placed(self, path: str, held: str | None, blob: str | None) -> None:
        """Record what a placement has just put on disk, and what it found there."""
        self.folder.note(path, blob)
        if blob is not None and path in self.folder.files:
            at = self.folder.files[path].signature[1]
            rows = self._placed.pop(path, [])
            self._placed[path] = [*rows[1 - RECENT :], (at, held, blob)]
            if len(self._placed) > PLACED:
                del self._placed[next(iter(self._placed))]
        self._typing.pop(path, None)
        self._compare(path)

    def placements(self) -> str:
        """Give what `placed` was told lately, as it is kept: a save must be judged alike after a restart."""
        return json.dumps(self._placed)

    def on_disk(self, path: str) -> str | None:
        """Give the blob at a path as last read."""
        held = self.folder.files.get(path)
        return held.blob if held else None

    def _expect(self, tree: str | None) -> set[str]:
        if tree == self._tree:
            return set()
        changes: Iterable[Change]
        changes = self._mailbox.changed(self._tree, tree)
        paths = set()
        hidden = False
        for change in changes:
            hidden = hidden or any(temporary(part) for part in change.path.split("/"))
            paths.add(change.path)
            if change.new is None:
                self.expected.pop(change.path, None)
            else:
                self.expected[change.path] = change.new
        self._tree = tree
        if hidden:
            self._hidden = None
            self.folder.relist()  # whether such names are looked at depends on what the branch has
        return paths

    def _compare(self, path: str) -> None:
        entry = self.expected.get(path)
        blob = self.on_disk(path)
        if (entry is None and blob is None) or (entry is not None and entry.sha == blob):
            self._differ.discard(path)
            self._typing.pop(path, None)
        else:
            self._differ.add(path)

    def _skipped(self, path: str) -> bool:
        return path not in self.expected and temporary(path.rpartition("/")[2])

    def _skipped_folder(self, path: str) -> bool:
        """Say whether a folder is an editor's own (`.vscode`, `.obsidian`), unless the branch has it."""
        return path.rpartition("/")[2].startswith(".") and path not in self._hidden_folders()

    def _hidden_folders(self) -> set[str]:
        """Name the folders of the branch that begin with a dot, gathered once: somebody may push very many."""
        if self._hidden is None:
            self._hidden = set()
            for name in self.expected:
                at = name.find("/.") + 1 if not name.startswith(".") else 0
                while (at or name.startswith(".")) and (end := name.find("/", at)) > 0:
                    self._hidden.add(name[:end])
                    at = end + 1
        return self._hidden

    # -- judging -----------------------------------------------------------------------------------

    def take(self, tip: str | None, *, own_commits: bool, settle_now: bool, unplaced: Mapping[str, str]) -> Captured:
        """Judge what differs: edits to merge, stale files to update, files still being written.

        `tip` is the tree on the remote. `own_commits`: the local branch holds commits of a person, so its blobs are
        newer than any version we placed. `unplaced`: paths that could not be placed, with the reason where it
        is for good; never read as deleted.
        """
        captured = Captured()
        self._nothing = set()
        for odd in self.folder.odd.values():
            owned = classify(odd.path).kind != "other" or odd.path in ("messages", "receipts", "archive")
            if owned or odd.path in self.expected or "larger" in odd.why:
                captured.troubles.append(Trouble(path=odd.path, text=f"{odd.why}: left alone"))
        for path in sorted(self._differ):
            self._judge(path, tip, captured, own_commits, settle_now, unplaced)
        for path in [path for path in self._typing if path not in self._differ]:
            del self._typing[path]
        self._count(captured)
        return captured

    def _judge(
        self,
        path: str,
        tip: str | None,
        captured: Captured,
        own_commits: bool,
        settle_now: bool,
        unplaced: Mapping[str, str],
    ) -> None:
        entry = self.expected.get(path)
        if not inside(path):
            self._nothing.add(path)
            captured.troubles.append(Trouble(path=path, text="is a path that may not be in a mailbox: left alone"))
            return
        if entry is not None and not entry.is_file:
            self._nothing.add(path)  # not ours to read or to write, so not deleted here either
            kind = _ODD.get(entry.mode, "is no file")
            captured.troubles.append(Trouble(path=path, text=f"{kind} on the branch: not placed here"))
            return
        if self._below_odd(path) or unplaced.get(path):
            self._nothing.add(path)
            return
        blob = self.on_disk(path)
        if path in unplaced:
            entry = None  # what the branch has was never here, so it cannot be what an edit started from
            if blob is None:
                captured.stale.add(path)
                return
        at_tip = self._mailbox.lookup(tip, path) if tip else None
        if entry is None and self._ignored(path):
            self._nothing.add(path)
            return
        if blob is not None and (why := in_the_way(self._mailbox, tip, path)):
            self._nothing.add(path)
            captured.troubles.append(Trouble(path=path, text=f"{why}: left alone"))
            return
        if blob == (at_tip.sha if at_tip else None):
            captured.stale.add(path)  # already what it shall be; only the local branch lags
            return
        data = self.folder.read(path) if blob is not None else None
        if blob is not None and (data is None or self._mailbox.hash_blob(data) != blob):
            captured.waiting[path] = 0.1  # written between two looks
            return
        hasty, base = self._hasty(path, data)
        if not hasty:
            base = self._base(path, data, entry, own_commits)
        if base == blob and blob is not None:
            captured.stale.add(path)
            return
        if blob is None and base is None:
            return
        now = self._now()
        before = self._mailbox.blob(base) if base is not None else None
        typing = self._typing[path] = quiet.seen(self._typing.get(path), before, data, now)
        wait = quiet.remaining(typing, self._settings.settle, now)
        if wait > 0 and not settle_now:
            captured.waiting[path] = wait
            data = quiet.finished(typing, path, before, self._settings.settle, now)
            if data is None:
                return
            blob = self._mailbox.hash_blob(data)
        held = self.folder.files.get(path)
        captured.edits.append(
            Edit(path=path, data=data, blob=blob, base=base, executable=bool(held and held.executable))
        )

    def _hasty(self, path: str, data: bytes | None) -> tuple[bool, str | None]:
        """Say whether a save followed a placement too fast to have seen it, and what it started from (None: nothing).

        Who opens an editor on a name that has no file starts from nothing, whatever arrived under that name since.
        """
        on_disk = self.folder.files.get(path)
        if data is None or on_disk is None or path not in self._placed:
            return False, None
        found: tuple[bool, str | None] = (False, None)
        saved = max(on_disk.signature[:2])
        for at, held, blob in reversed(self._placed[path]):
            if saved - at > HASTY * 1e9 or not (self._mailbox.has(held or blob) and self._mailbox.has(blob)):
                break
            if not bases.unseen(data, self._mailbox.blob(held) if held else b"", self._mailbox.blob(blob)):
                break
            found = (True, held)
        return found

    def _recall(self, path: str) -> None:
        """Note what a save started from that has not seen what arrived: who removes the file next has not, either."""
        hasty, base = self._hasty(path, self.folder.read(path))
        if hasty and base is not None and self._journal.bases(path)[:1] != [base]:
            self._journal.add_bases([(path, base)])

    def _base(self, path: str, data: bytes | None, entry: Entry | None, own_commits: bool) -> str | None:
        return self.base_of(path, data, (entry.sha,) if entry else (), newest=own_commits)

    def base_of(self, path: str, data: bytes | None, also: Iterable[str], *, newest: bool) -> str | None:
        """Choose the base among the versions put on disk and `also`, which count as newest or as oldest."""
        placed = [blob for blob in self._journal.bases(path) if self._mailbox.has(blob)]
        extra = [blob for blob in also if blob not in placed or newest]
        versions = [*extra, *(b for b in placed if b not in extra)] if newest else [*placed, *extra]
        if data is None:
            return versions[0] if versions else None  # who removes a file has seen its last version
        ids = block_ids(data)
        return bases.choose(ids, [(blob, self._contents.ids(blob)) for blob in versions])

    def _below_odd(self, path: str) -> bool:
        if not self.folder.odd:
            return False
        parts = path.split("/")
        return any("/".join(parts[:depth]) in self.folder.odd for depth in range(1, len(parts) + 1))

    def _ignored(self, path: str) -> bool:
        names = [".gitignore"]
        parts = path.split("/")[:-1]
        names += ["/".join(parts[: depth + 1]) + "/.gitignore" for depth in range(len(parts))]
        texts = []
        for name in names:
            data = self.folder.read(name) if name in self.folder.files else None
            texts.append(None if data is None else data.decode("utf-8", "replace"))
        key = (*names, *texts)
        if self._rules[0] != key:
            rules: tuple[Rule, ...] = ()
            for name, text in zip(names, texts, strict=True):
                if text is not None:
                    rules += parse_rules(text, name.rpartition("/")[0])
            self._rules = (key, rules)
        return ignored(path, self._rules[1])

    def _count(self, captured: Captured) -> None:
        """Count messages that the edits would delete, by id over mailbox and archive (row 13)."""
        before: set[str] = set()
        after: set[str] = set()
        for edit in captured.edits:
            before |= self._contents.ids(edit.base)
            after |= block_ids(edit.data)
        for path in self._differ:
            after |= self._contents.ids(self.on_disk(path)) if self._known(path) else set()
        gone = before - after
        if len(gone) < 5:
            return
        total = self._contents.all_ids(
            entry.sha
            for path, entry in self.expected.items()
            if entry.is_file and classify(path).kind in ("messages", "archive", "status")
        )
        still = self._contents.all_ids(
            entry.sha for path, entry in self.expected.items() if path not in self._differ and entry.is_file
        )
        gone -= still
        if bases.mass_deletion(len(gone), len(total)):
            captured.gone, captured.total = len(gone), len(total)

    def _known(self, path: str) -> bool:
        blob = self.on_disk(path)
        return blob is not None and self._mailbox.has(blob)

"""Read one commit after the other into a batch for the ledger."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import asdict, replace
from typing import cast

from gitsync import clock
from gitsync.git.repo import Change, Commit, Mailbox
from gitsync.inbox.evidence import beside, claimed, of_block, of_bringer, of_receipt
from gitsync.inbox.header import IMPORTED, hear
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import Batch, KnownText, MachinePage, Row, Told, Trouble, message_key
from gitsync.protocol import commits as notes
from gitsync.protocol.blocks import Block, content_hash, parse
from gitsync.protocol.ids import base_id
from gitsync.protocol.paths import MAX_FILE, Place, classify, valid_id
from gitsync.protocol.reader import read_file
from gitsync.protocol.receipts import numbered, parse_file
from gitsync.protocol.status import Status, read_status
from gitsync.verifying import ALTERED, VERIFIED, Book, holds_back


class Scan:
    """Turn commits into batches. Holds what the batch under way adds to what the ledger knows."""

    def __init__(
        self,
        mailbox: Mailbox,
        ledger: Ledger,
        machine_id: str,
        *,
        history: Container[str],
        suspect: Container[str],
        past: frozenset[str] = frozenset(),
        book: Book = Book(),  # noqa: B008 - a value
        settled: Callable[[Sequence[str]], set[str]] = lambda _idents: set(),
        counted_then: Callable[[Told, str], bool] = lambda _told, _commit: False,
        names: Sequence[str] = (),
    ) -> None:
        """Take what is needed; `settled` gives those of some message ids that this machine's journal has settled.

        `counted_then` says of a receipt in a commit whether it was read, and counted, before more was asked. `names`
        are all the commits to come, parents first.
        """
        self.mailbox = mailbox
        self.ledger = ledger
        self.machine_id = machine_id
        self.history = history
        self.suspect = suspect
        self.past = past
        self.book = book
        self.settled = settled
        self.counted_then = counted_then
        self._names = names
        self._lines: frozenset[str] | None = None
        self.machines = ledger.machines()
        self._trees: dict[str, str] = {}

    def ahead(self, names: Sequence[str]) -> Iterator[tuple[Commit, list[Change]]]:
        """Give these commits, parents first, with what each changed; all that they need is read in one go."""
        self.mailbox.read_ahead(names)
        commits = [self.mailbox.commit(name) for name in names]
        self._trees.update((commit.sha, commit.tree) for commit in commits)
        changes = self.mailbox.changes([(self._parent_tree(commit), commit.tree) for commit in commits])
        self._trees = {commit.sha: commit.tree for commit in commits}
        self.mailbox.read_ahead(
            change.new.sha
            for changed in changes
            for change in changed
            if change.new is not None and change.new.is_file and classify(change.path).kind != "other"
        )
        return zip(commits, changes, strict=True)

    def commit(self, commit: Commit, changes: Sequence[Change], batch: Batch) -> None:
        """Add what this commit changed."""
        note = notes.read(commit.message)
        date = clock.stamp(float(commit.committer.date))
        if note.machine and valid_id(note.machine):
            batch.seen[note.machine] = max(date, batch.seen.get(note.machine, ""))
            self.machines.add(note.machine)
        self._present: set[str] = set()
        self._emptied: list[Place] = []
        for change in sorted(changes, key=lambda change: change.path):
            self._change(change, commit, date, batch)
        if note.machine and note.withdrawn:
            self._withdraw(note.machine, note.withdrawn, batch)
        batch.head = commit.sha
        batch.commits += 1

    def _parent_tree(self, commit: Commit) -> str | None:
        if not commit.parents:
            return None
        parent = commit.parents[0]
        if parent in self._trees:
            return self._trees[parent]
        return self.mailbox.commit(parent).tree if self.mailbox.has(parent) else None

    def _change(self, change: Change, commit: Commit, date: str, batch: Batch) -> None:
        place = classify(change.path)
        if place.kind == "other":
            return
        if change.new is None:
            batch.files[change.path] = None
            self._emptied.append(place)
            return
        if not change.new.is_file:
            self._trouble(batch, change.path, 1, "not-a-file", "a symbolic link or folder in an owned place", commit)
            return
        state = batch.files.get(change.path) if change.path in batch.files else self.ledger.file(change.path)
        if state is not None and state[0] == change.new.sha:
            return
        data = self.mailbox.blob(change.new.sha)
        if len(data) > MAX_FILE:
            self._trouble(batch, change.path, 1, "too-large", f"{len(data)} bytes; the limit is {MAX_FILE}", commit)
            return
        skip = 0
        if state is not None and state[1] and change.old is not None and change.old.sha == state[0]:
            before = self.mailbox.blob(change.old.sha)
            skip = len(before) if data.startswith(before) else 0
        if place.kind == "receipts":
            self._receipts(place, data, skip, commit, batch)
            batch.files[change.path] = (change.new.sha, data.endswith(b"\n"))
        else:
            clean = self._blocks(change.path, place, data, skip, commit, date, batch)
            batch.files[change.path] = (change.new.sha, clean)
        if place.kind == "status":
            self._page(place, data, date, batch)

    def _receipts(self, place: Place, data: bytes, skip: int, commit: Commit, batch: Batch) -> None:
        machine = place.machine or ""
        if self._asks_of(machine):
            told = self._judged(machine, data[skip:], commit)
        else:
            told = [Told(machine, receipt) for receipt in parse_file(data[skip:])]
        batch.receipts += told
        batch.weight += len(told)

    def _asks_of(self, machine: str) -> bool:
        """Say whether receipts of a machine are looked at more closely; else they are taken as they stand."""
        rules = self.book.rules
        return rules.watchful if machine == self.machine_id else rules.of_machine(machine) != "off"

    def _judged(self, machine: str, data: bytes, commit: Commit) -> list[Told]:
        """Read receipts and decide which of them are this machine's own word.

        Another machine's counts by its signature, where that is required. Our own counts by our own key or our own
        journal: what the journal does not know of, somebody else wrote. What stands there from the time of a journal
        that was lost counts as it is: nothing else is left to tell what was handed over (I2, I7).
        """
        found = []
        for _, line, receipt in numbered(data):
            if receipt is not None:
                evidence = of_receipt(machine, line)
                found.append(Told(machine, receipt, evidence, self.book.judge(machine, evidence)))
        if machine == self.machine_id:
            doubtful = [told.receipt.id for told in found if told.standing != VERIFIED]
            known = self.settled(doubtful) if doubtful and commit.sha not in self.suspect else set(doubtful)
            return [
                one if one.standing == VERIFIED or one.receipt.id in known else replace(one, counts=False)
                for one in found
            ]
        level = self.book.rules.of_machine(machine)
        return [
            replace(one, counts=False)
            if holds_back(level, one.standing) and not self.counted_then(one, commit.sha)
            else one
            for one in found
        ]

    def _blocks(
        self,
        path: str,
        place: Place,
        data: bytes,
        skip: int,
        commit: Commit,
        date: str,
        batch: Batch,
    ) -> bool:
        """Take up the new blocks of a file; tell whether it ends outside of everything."""
        segments = parse(data[skip:] if skip else data)
        owner, to = place.sender or place.machine or "", place.to or ""
        blocks = [segment for segment in segments if isinstance(segment, Block)]
        present = {message_key(owner, to, base_id(block.id)) for block in blocks}
        known = self._known(sorted(present), batch)
        line = data.count(b"\n", 0, skip) + 1
        met: set[str] = set()
        for segment in segments:
            if isinstance(segment, Block):
                ident = base_id(segment.id)
                key = message_key(owner, to, ident)
                variant = segment.id != ident or key in met
                met.add(key)
                content = content_hash(segment.inner)
                old = known.get(key)
                if old is None or old.content != content:
                    row = self._hear(segment, ident, key, path, place, line, content, commit, date, data, batch)
                    if row is not None and (old is not None or variant):
                        variant = self._beside(row, old, variant)
                        batch.changed.append((row, variant))
                    elif row is not None:
                        batch.arrived[key] = row
                        batch.weight += 1
                    if row is not None and not variant:
                        known[key] = KnownText(content, path, False, row.evidence, row.standing)
                else:
                    if old.standing != VERIFIED and segment.sshsig and claimed(segment) != old.evidence:
                        old = self._prove(segment, key, owner, to, old, batch)
                    if old.path != path or old.withdrawn:
                        batch.moved[key] = (path, place.kind == "archive")
                        batch.withdrawn.discard(key)
                    known[key] = replace(old, path=path, withdrawn=False)
            line += segment.raw.count(b"\n")
        self._present |= present
        if not skip:
            self._emptied.append(place)
        return _ends_outside(segments)

    def _beside(self, row: Row, old: KnownText | None, variant: bool) -> bool:
        """Say whether another text of a known message is only noted beside it, or takes its place.

        An edit does, a variant does not (PROTOCOL 5): which of two texts is the variant, the smaller hash decides, and
        that anybody can make. So where the sender is to be verified, a verified text beats all others, whatever they
        are called, and none that is not verified takes its place.
        """
        if old is None or self.book.rules.of_text(row.sender) == "off":
            return variant
        if row.standing == VERIFIED != old.standing:
            return False
        return variant or (old.standing == VERIFIED != row.standing)

    def _prove(self, block: Block, key: str, owner: str, to: str, old: KnownText, batch: Batch) -> KnownText:
        """Look at the signature of a text that was met before with another one, or none: a copy came first."""
        evidence = of_block(block, owner, to)
        standing = self.book.judge(owner, evidence)
        if evidence in ("", ALTERED) or (standing != VERIFIED and old.evidence not in ("", ALTERED)):
            return old
        batch.proved[key] = (old.content, evidence, standing)
        return replace(old, evidence=evidence, standing=standing)

    def _known(self, keys: Sequence[str], batch: Batch) -> dict[str, KnownText]:
        """Give what is known of messages, with what this batch adds."""
        known = self.ledger.known(keys)
        for key in keys:
            if (row := batch.arrived.get(key)) is not None:
                known[key] = KnownText(row.content, row.path, False, row.evidence, row.standing)
        wanted = set(keys)
        for row, variant in batch.changed:
            if row.key in wanted and row.key in known and not variant:
                shown = known[row.key]
                known[row.key] = replace(shown, content=row.content, evidence=row.evidence, standing=row.standing)
        for key in wanted & batch.proved.keys() & known.keys():
            content, evidence, standing = batch.proved[key]
            if known[key].content == content:
                known[key] = replace(known[key], evidence=evidence, standing=standing)
        for key in wanted & batch.moved.keys() & known.keys():
            known[key] = replace(known[key], path=batch.moved[key][0], withdrawn=False)
        for key in wanted & batch.withdrawn & known.keys():
            known[key] = replace(known[key], withdrawn=True)
        return known

    def _hear(
        self,
        block: Block,
        ident: str,
        key: str,
        path: str,
        place: Place,
        line: int,
        content: str,
        commit: Commit,
        date: str,
        data: bytes,
        batch: Batch,
    ) -> Row | None:
        try:
            heard = hear(block, ident, path, place, date, self.machines)
        except ValueError as error:
            self._trouble(batch, path, line, "unreadable", f"the block {block.id} is passed over: {error}", commit)
            return None
        if heard.quarantined:
            self._trouble(batch, path, line, heard.quarantined, f"{ident} {heard.why}", commit)
        owner = place.sender or place.machine or ""
        evidence = of_block(block, owner, place.to or "")
        if evidence in ("", ALTERED):
            evidence = self._of_bringer(commit, path, data, block) or evidence
        machines = {address.partition("/")[0] for address in heard.message.to}
        broadcast = bool(machines & {"ALL", "ANY"}) and self.machine_id not in machines
        mine = (
            self.machine_id in machines or "ANY" in machines or ("ALL" in machines and owner != self.machine_id)
        ) and not heard.quarantined
        imported = any(name == IMPORTED for name, _ in heard.message.fields)
        history = imported or (broadcast and (commit.sha in self.history or key in self.past))
        return Row(
            seq=0,
            key=key,
            sender=owner,
            to=place.to or "",
            message=heard.message,
            date_raw=heard.date_raw,
            path=path,
            line=line,
            content=content,
            commit=commit.sha,
            commit_date=date,
            mine=mine,
            open=mine and not history,
            history=history,
            suspect=mine and not history and commit.sha in self.suspect,
            archived=place.kind == "archive",
            quarantined=heard.quarantined,
            evidence=evidence,
            standing=self.book.judge(owner, evidence),
        )

    def _of_bringer(self, commit: Commit, path: str, data: bytes, block: Block) -> str:
        evidence = of_bringer(self.mailbox, commit, path, data, block)
        if not evidence:
            return ""
        if self._lines is None:
            self._lines = beside(self.mailbox, self._names)
        return "" if commit.sha in self._lines else evidence

    def _withdraw(self, machine: str, named: Sequence[str], batch: Batch) -> None:
        """Note what the sender's own commit took back: it names the message, and no file it changed holds it now."""
        for place in self._emptied:
            if place.sender == machine:
                keys = {message_key(machine, place.to or "", base_id(ident)) for ident in named}
                batch.withdrawn |= keys - self._present

    def _page(self, place: Place, data: bytes, date: str, batch: Batch) -> None:
        machine = place.machine or ""
        self.machines.add(machine)
        status = read_status(data)
        if status is not None:
            values = cast(dict[str, object], asdict(status))
            batch.pages[machine] = MachinePage(machine, status.name, status.state, date, values)
            return
        # A page by hand: its state, in whatever words.
        found = read_file(data, f"COMPUTER_{machine}.md").status
        state = (found.state or "") if found is not None else ""
        values = cast(dict[str, object], asdict(Status(id=machine, state=state)))
        batch.pages[machine] = MachinePage(machine, "", state, date, values)

    def _trouble(self, batch: Batch, path: str, line: int, rule: str, text: str, commit: Commit) -> None:
        batch.troubles.append(Trouble(path, line, rule, text, commit.sha))


def _ends_outside(segments: Sequence[object]) -> bool:
    """Tell whether what is appended to these segments can be split alone: after a closed block no fence is open."""
    if not segments:
        return True
    *before, last = segments
    if isinstance(last, Block):
        return last.closed and last.raw.endswith(b"\n")
    raw: bytes = getattr(last, "raw", b"")
    if raw.strip() or not raw.endswith(b"\n"):
        return False
    return not before or (isinstance(before[-1], Block) and before[-1].closed)

"""The sync cycle: capture, fetch, plan, build, push, materialise (ENGINE, "The cycle").

Everything here is synchronous and belongs to one thread. Between two cycles all that matters is in the clone
and the journal, so a process may die at any point; what is kept in memory only saves work.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from gitsync import clock
from gitsync.errors import AuthFailed, FolderPaused, GitsyncError, Halted, LostRace, PushRefused, RemoteAway
from gitsync.git.repo import Commit, Fetched, Mailbox, Update
from gitsync.ledger.journal import Journal
from gitsync.ledger.values import Op
from gitsync.planning import Case, Plan, View, plan
from gitsync.protocol.identity import Machine
from gitsync.protocol.paths import classify
from gitsync.protocol.status import Status
from gitsync.sync.bases import mass_deletion
from gitsync.sync.build import Builder, Built, Work, same_page
from gitsync.sync.capture import FILES, Capture, Captured
from gitsync.sync.claims import Claims
from gitsync.sync.contents import Contents
from gitsync.sync.faults import FaultPoint, nothing
from gitsync.sync.materialise import Materialise, wanted
from gitsync.sync.presence import Presence
from gitsync.sync.settings import SyncSettings
from gitsync.sync.tempo import PUBLIC_BUDGET, Tempo
from gitsync.sync.values import Claim, CycleResult, Facts, Request, State, Trouble
from gitsync.sync.wraps import Wraps

__all__ = ["Claim", "CycleResult", "Engine", "Facts", "Request", "Trouble"]

log = logging.getLogger(__name__)

RACE_JITTER = (0.0, 0.05)
SUCCESS_PAUSE = (0.5, 1.5)
PARKED = 3600.0
"""Seconds after which a refusal of the remote's owner is asked about again without a person."""


def _ignore(_tip: str) -> int:
    return 0


@dataclass(kw_only=True)
class _Cycle:
    """What one cycle has come to know and done so far."""

    request: Request
    folder: str = "ok"
    local: str | None = None
    captured: Captured = field(default_factory=Captured)
    own: list[Commit] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    tip: str | None = None
    plan: Plan | None = None
    pulled: int = 0
    pushed: int = 0
    received: int = 0
    sent: int = 0
    contact: bool = False
    changed: bool = False
    later: list[float] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    problem: GitsyncError | None = None
    """What kept the cycle from doing all of it, though it went on."""


class Engine:
    """Run cycles for one clone."""

    def __init__(
        self,
        mailbox: Mailbox,
        journal: Journal,
        settings: SyncSettings,
        machine: Machine,
        *,
        facts: Facts | None = None,
        on_tip: Callable[[str], int] = _ignore,
        fault: FaultPoint = nothing,
    ) -> None:
        self._mailbox = mailbox
        self._journal = journal
        self._settings = settings
        self._machine = machine
        self._facts = facts or Facts()
        self._on_tip = on_tip
        self._fault = fault
        self._contents = Contents(mailbox)
        self._capture = Capture(mailbox, journal, settings, self._contents, now=clock.monotonic)
        self._wraps = Wraps(
            mailbox, journal, self._contents, machine=machine.id, now=clock.monotonic, delay=self._wrap_delay
        )
        self._builder = Builder(mailbox, machine, settings, self._facts, self._capture, self._contents, self._wraps)
        self._materialise = Materialise(mailbox, journal, self._capture, limit=settings.max_file, fault=fault)
        self._presence = Presence(mailbox, journal, settings, machine)
        self._claims = Claims(mailbox, journal, machine)
        self._tempo = Tempo()
        self._tip = journal.meta("tip")
        self._recorded = self._tip is not None
        if self._tip is None or not mailbox.has(self._tip):
            tracked = mailbox.ref(mailbox.tracking_ref)
            self._recorded = tracked is not None
            self._tip = tracked or mailbox.ref(mailbox.local_ref)
        self._materialised = journal.meta("materialised")
        if self._materialised is not None and not mailbox.has(self._materialised):
            self._materialised = None
        self._told: str | None = None
        self._contact: float | None = None
        self._parked: tuple[float, GitsyncError] | None = None
        self._kind: str | None = None
        self._started = False
        self._waiting_since: float | None = None
        self._page_seen: tuple[str | None, Status | None] | None = None

    # -- what others ask ---------------------------------------------------------------------------

    @property
    def contact(self) -> float | None:
        """Give the monotonic second of the last confirmed contact with the remote (I8)."""
        return self._contact

    @property
    def oldest_pending_age(self) -> float | None:
        """Give the seconds for which something has waited for a push, by a clock nobody sets (I8)."""
        return None if self._waiting_since is None else clock.monotonic() - self._waiting_since

    @property
    def tip(self) -> str | None:
        """Give the remote's tip as last seen."""
        return self._tip

    @property
    def install(self) -> str:
        """Give the random id of this installation."""
        return self._presence.install

    def configure(self, settings: SyncSettings, machine: Machine) -> None:
        """Take new settings from the next cycle on; machine id and branch cannot change this way."""
        self._settings = settings
        self._machine = replace(machine, id=self._machine.id)
        self._capture.configure(settings)
        self._builder.settings = self._presence.settings = settings
        self._builder.machine = self._presence.machine = self._claims.machine = self._machine

    def edited(self) -> bool:
        """Say whether the folder differs from the branch; for the watcher, which hears our writes too."""
        try:
            local = self._mailbox.ref(self._mailbox.local_ref)
            if local != self._materialised:
                return True
            return self._capture.look(self._mailbox.commit(local).tree if local else None)
        except (GitsyncError, OSError):
            return True  # the cycle will say what is wrong

    def claim(self, message_id: str) -> Claim:
        """Try to become the one machine that executes a message to ANY."""
        if self._presence.fallback:
            return "unsupported"
        return self._claims.claim(message_id, self._presence.install)

    def release(self, message_id: str) -> None:
        """Remove our claim on a message; raises RemoteAway when it has to be tried again."""
        self._claims.release(message_id)

    def take_over(self) -> None:
        """Make this machine's id ours at the next cycle, whoever else uses it."""
        self._presence.take_over()

    # -- the cycle ---------------------------------------------------------------------------------

    def cycle(self, request: Request) -> CycleResult:
        """Run one cycle; never raises for what may be expected of a disk, a remote or a person."""
        run = _Cycle(request=request)
        try:
            self._run(run)
        except GitsyncError as error:
            return self._result(run, error)
        except OSError as error:
            remedy = "make space on the disk" if error.errno in (28, 122) else "check the disk and its permissions"
            return self._result(run, GitsyncError(f"cannot write: {error.strerror}", str(error.filename or ""), remedy))
        return self._result(run, run.problem)

    def _run(self, run: _Cycle) -> None:
        self._start()
        self._look(run)
        self._fault("1-captured")
        if not self._push_first(run):
            self._pull(run)
            if run.request.flush:
                self._flush(run)
        self._beat(run)
        self._bring(run)

    def _start(self) -> None:
        """Repair what a crash left behind (row 2); once."""
        if self._started:
            return
        self._mailbox.clear_stale_locks()
        self._materialise.recover()
        self._started = True

    # step 1

    def _look(self, run: _Cycle) -> None:
        head = self._mailbox.head()
        busy = self._mailbox.in_progress()
        if busy:
            run.folder = f"in the middle of a {busy}"
        elif head.branch != self._settings.branch:
            run.folder = f"on branch {head.branch}" if head.branch else "HEAD is detached"
        run.local = self._mailbox.ref(self._mailbox.local_ref)
        run.ops = self._journal.pending()
        if run.folder == "ok":
            tree = self._mailbox.commit(run.local).tree if run.local else None
            self._capture.look(tree, closely=run.request.settle_now)
        # What a rebase works on is about to be replaced by its outcome, so it is not pushed before.
        run.own = [] if busy == "rebase" else self._own_commits(run.local)

    def _own_commits(self, local: str | None) -> list[Commit]:
        """Give what a person committed on the local branch, oldest first, along first parents (row 3)."""
        if local is None or local == self._materialised or local == self._tip:
            return []
        known = [sha for sha in (self._materialised, self._tip if self._recorded else None) if sha is not None]
        fresh = {commit.sha for commit in self._mailbox.between(known, local)}
        own: list[Commit] = []
        sha: str | None = local
        while sha is not None and sha in fresh:
            commit = self._mailbox.commit(sha)
            own.append(commit)
            sha = commit.parents[0] if commit.parents else None
        return own[::-1]

    def _judge(self, run: _Cycle) -> None:
        """Judge the folder against the tip that will be built on."""
        if run.folder != "ok":
            run.captured = Captured()
            return
        run.captured = self._capture.take(
            self._tree(run.tip),
            own_commits=run.local != self._materialised,
            settle_now=run.request.settle_now,
            unplaced=self._materialise.unplaced,
        )
        run.captured.edits += self._materialise.saved_late(clock.monotonic())
        if run.captured.gone and not run.request.accept_deletions:
            gone, total = run.captured.gone, run.captured.total
            run.problem = Halted(
                f"{gone} of {total} messages are gone from the mailbox folder",
                "an emptied folder or a failed mount looks like this, so nothing was deleted",
                "put the files back (git -C coordination checkout -- .), or: gitsync sync --accept-deletions",
                kind="mass-deletion",
            )
            run.captured.edits = [edit for edit in run.captured.edits if edit.displaced is not None]
            run.folder = "messages are missing on disk"

    # step 2 and 3

    def _pull(self, run: _Cycle) -> None:
        fetched = self._mailbox.fetch()
        self._reached(run)
        self._fault("2-fetched")
        if self._settle_attempts(fetched.tip):
            run.ops = self._journal.pending()
        doubled = self._presence.look(fetched.machine)
        self._plan(run, fetched)
        self._fault("3-planned")
        if run.tip is not None:
            run.received += self._tell(run.tip)
        doubled = doubled or self._presence.look_at_page(self._page(run.tip))
        if doubled is not None:
            if (update := self._presence.contest()) is not None:
                with suppress(GitsyncError):
                    self._mailbox.push([update])
            run.problem = doubled

    def _plan(self, run: _Cycle, fetched: Fetched) -> None:
        known, remote = self._tip, fetched.tip
        work = bool(run.own or any(op.urgent for op in run.ops) or self._capture.differs)
        if known == remote:
            run.plan = plan(View(known=known, remote=remote, work=work, contained=True, recorded=self._recorded))
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
                recorded=self._recorded,
                accept_rewrite=run.request.accept_rewrite,
            )
        )
        if run.plan.halt:
            raise _halt(run.plan, self._settings.branch, known)
        if run.plan.rescue and known is not None:
            self._rescue("rewritten", known)
        if run.plan.take and remote is not None:
            if contained and known is not None and self._recorded and not run.request.accept_deletions:
                self._guard(known, remote)
            if contained and known is not None:
                run.pulled = len(self._mailbox.between([known], remote))
            run.changed = True
        run.tip = run.plan.base
        if remote is not None:
            self._know(remote)
        elif run.plan.case is Case.GONE:
            self._tip, self._recorded = None, False
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
                before |= self._contents.ids(change.old.sha) if change.old and change.old.mode in FILES else set()
                after |= self._contents.ids(change.new.sha) if change.new and change.new.mode in FILES else set()
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
            if entry.mode in FILES and classify(path).kind in ("messages", "archive", "status")
        ]

    def _horizon(self, remote: str | None) -> None:
        """Without a record of it, what is there at the first contact is history (PROTOCOL 4)."""
        if self._journal.meta("horizon") is None:
            self._journal.set_meta("horizon", remote or "")
            if remote is not None:
                self._mailbox.pin("horizon", remote)

    # step 4 and 5

    def _push_first(self, run: _Cycle) -> bool:
        """Push on the last known tip without asking first, where only own appends wait (ENGINE, step 5)."""
        now = clock.monotonic()
        ready = (
            run.request.flush
            and any(op.urgent for op in run.ops)
            and all(op.kind in ("message", "receipt") for op in run.ops)
            and run.folder == "ok"
            and not run.own
            and not self._capture.differs
            and self._tip is not None
            and self._recorded
            and self._contact is not None
            and self._parked is None
            and not self._tempo.contended(now)
            and not self._held_back(run, now)
            and self._journal.meta("double") is None
            and not self._journal.attempts()
        )
        if not ready:
            return False
        run.tip = self._tip
        run.plan = Plan(Case.AHEAD, run.tip, push=True)
        try:
            self._attempt(run)
        except LostRace:
            self._tempo.lost(clock.monotonic())
            return False
        return True

    def _flush(self, run: _Cycle) -> None:
        """Build and push until it is on the remote; a lost race builds anew from the new tip."""
        if run.problem is not None and isinstance(run.problem, Halted) and run.problem.kind == "double-id":
            self._judge(run)
            return
        for race in range(self._settings.races):
            self._judge(run)
            if not self._has_work(run):
                return
            now = clock.monotonic()
            if self._held_back(run, now):
                return
            if self._parked is not None and not run.request.settle_now and now - self._parked[0] < PARKED:
                run.problem = run.problem or self._parked[1]
                return
            try:
                self._attempt(run)
                return
            except LostRace:
                self._tempo.lost(clock.monotonic())
                if not run.request.retry or race + 1 == self._settings.races:
                    run.later.append(clock.jitter(*SUCCESS_PAUSE))
                    self._pull(run)
                    self._judge(run)
                    return
                clock.sleep(clock.jitter(*RACE_JITTER))
                self._pull(run)
                run.ops = self._journal.pending()

    def _held_back(self, run: _Cycle, now: float) -> bool:
        budget = self._settings.push_budget
        if budget is None:
            if self._kind is None:
                self._kind = self._mailbox.remote_kind()
            budget = PUBLIC_BUDGET if self._kind == "public" else None
        pause = 0.0 if run.request.settle_now else self._tempo.paused(now)
        if budget is not None:
            pause = max(pause, self._tempo.over_budget(now, budget, self._presence.active()))
        if pause > 0:
            run.later.append(pause)
        return pause > 0

    def _has_work(self, run: _Cycle) -> bool:
        if run.own or run.captured.edits or any(op.urgent for op in run.ops):
            return True
        self._wraps.follow(self._tree(run.tip))
        return bool(self._wraps.ready()) or self._status_differs(run)

    def _status_differs(self, run: _Cycle) -> bool:
        status = self._status(run)
        if status is None:
            return False
        told = self._page(run.tip)
        return told is None or not same_page(told, status)

    def _status(self, run: _Cycle) -> Status | None:
        return self._presence.signed(self._facts.status(), self._page(run.tip))

    def _page(self, tip: str | None) -> Status | None:
        """Read our own page, once for each version of it."""
        tree = self._tree(tip)
        entry = self._mailbox.lookup(tree, self._builder.status_path) if tree else None
        blob = entry.sha if entry else None
        if self._page_seen is None or self._page_seen[0] != blob:
            self._page_seen = (blob, self._builder.page(tip))
        return self._page_seen[1]

    def _attempt(self, run: _Cycle) -> None:
        """Build on the tip and push once; raises LostRace, and whatever the remote says for good."""
        self._preflight()
        waiting = {seq for attempt in self._journal.attempts() for seq in attempt.seqs}
        work = Work(
            ops=run.ops,
            edits=run.captured.edits,
            own=run.own,
            status=self._status(run),
            retried=frozenset(waiting),
        )
        built = self._builder.build(run.tip, work)
        self._fault("4-built")
        for seq, reason in built.refused:
            self._journal.refuse(seq, reason)
        run.troubles += built.troubles
        draft = built.draft
        if draft.tip is None or draft.tip == run.tip:
            self._landed(run, built, draft.tip)
            return
        if built.rebuilt and run.local is not None:
            self._rescue("commits", run.local)
        self._mailbox.pin("attempt", draft.tip)
        self._note_captured(run, draft.tip)
        self._journal.attempted(draft.tip, run.tip or "", built.seqs)
        self._fault("5-attempted")
        self._send(run, built, draft.tip)

    def _send(self, run: _Cycle, built: Built, commit: str) -> None:
        now = clock.monotonic()
        branch = Update(self._mailbox.local_ref, commit, run.tip or "")
        beat = self._presence.riding(now)
        answers = self._mailbox.push([branch] if beat is None else [branch, beat])
        self._fault("5-pushed")
        self._reached(run)
        if beat is not None:
            self._presence.told(answers[1], clock.monotonic())
        answer = answers[0]
        if answer.ok:
            self._tempo.pushed(clock.monotonic(), clock.jitter(*SUCCESS_PAUSE))
            self._parked = None
            self._landed(run, built, commit)
            self._fault("5-landed")
            return
        self._tempo.attempted(now)
        if answer.kind == "race":
            raise LostRace("somebody pushed first", answer.text)
        self._journal.forget_attempts([commit])
        refusal = PushRefused(
            "the remote refuses our push",
            answer.text,
            "ask the owner of the remote, or choose another branch name: [sync] branch in config.toml",
        )
        if answer.kind == "refused":
            self._parked = (clock.monotonic(), refusal)
        raise refusal

    def _landed(self, run: _Cycle, built: Built, commit: str | None) -> None:
        """Note that everything built is on the remote."""
        if commit is not None:
            self._know(commit)
            if built.seqs:
                self._journal.landed(built.seqs, commit)
            self._promote(commit)
            self._take_displaced(run)
            self._journal.forget_attempts([attempt.commit for attempt in self._journal.attempts()])
        run.pushed += len(built.draft.commits)
        run.sent += built.sent
        run.changed = run.changed or bool(built.draft.commits)
        landed = set(built.seqs)
        run.ops = [op for op in run.ops if op.seq not in landed]
        self._finish_edits(run)
        run.own = []
        run.tip = commit
        if commit is not None:
            run.received += self._tell(commit)

    def _settle_attempts(self, tip: str | None) -> bool:
        """Find out what became of pushes whose answer was lost: what is in the history has landed."""
        done = []
        for attempt in self._journal.attempts():
            if tip is not None and self._mailbox.has(attempt.commit) and self._mailbox.is_ancestor(attempt.commit, tip):
                self._journal.landed(attempt.seqs, attempt.commit)
                self._promote(attempt.commit)
                done.append(attempt.commit)
            elif (attempt.parent or None) != tip:
                done.append(attempt.commit)  # its lease can never hold again
        if done:
            self._journal.forget_attempts(done)
        return bool(done)

    def _note_captured(self, run: _Cycle, commit: str) -> None:
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

    def _promote(self, commit: str) -> None:
        text = self._journal.meta("captured")
        if text is None:
            return
        noted = json.loads(text)
        mine = noted.pop(commit, None)
        if mine is not None:
            if mine["edits"]:
                self._journal.add_bases([(path, blob) for path, blob in mine["edits"]])
                for path, blob in mine["edits"]:
                    self._mailbox.pin(f"base/{self._mailbox.hash_blob(path.encode('utf-8', 'surrogateescape'))}", blob)
            if mine["local"]:
                self._set_materialised(mine["local"])
            self._journal.set_meta("captured", json.dumps(noted) if noted else None)

    def _take_displaced(self, run: _Cycle) -> None:
        for edit in run.captured.edits:
            if edit.displaced is not None and edit.blob is not None:
                self._materialise.landed(edit.displaced, edit.blob)

    def _finish_edits(self, run: _Cycle) -> None:
        for edit in run.captured.edits:
            if edit.displaced is None:
                run.captured.stale.add(edit.path)
        run.captured.edits = []

    # the machine ref

    def _beat(self, run: _Cycle) -> None:
        """Push the machine ref alone when it is due (I6: the only push of a machine with nothing to say)."""
        if not run.request.flush or self._parked is not None:
            return
        update = self._presence.alone(clock.monotonic())
        if update is None:
            return
        [answer] = self._mailbox.push([update])
        self._reached(run)
        self._tempo.attempted(clock.monotonic())
        self._presence.told(answer, clock.monotonic())

    # step 6

    def _bring(self, run: _Cycle) -> None:
        """Bring the folder, the index and the local branch to the remote's tip."""
        tip = self._tip if self._recorded else None
        if run.folder != "ok":
            return
        if tip is None:
            return
        if run.own:
            run.folder = "commits made here wait to be pushed"
            return
        if not run.request.flush or run.plan is None or run.plan.case is Case.AHEAD:
            self._judge_late(run)
        skip = {edit.path for edit in run.captured.edits} | set(run.captured.waiting)
        if run.local == tip and not (run.captured.stale - skip):
            self._set_materialised(tip)
            return
        self._preflight()
        old, new = self._tree(run.local), self._tree(tip)
        todo = wanted(self._mailbox, old, new, run.captured.stale, skip, self._placeable)
        try:
            placed = self._materialise.place(todo)
            if placed.surprised:
                run.later.append(0.0)
            run.changed = run.changed or bool(placed.paths)
            if run.local != tip:
                self._mailbox.move_index(old, new)
                self._fault("6-index")
                if not self._mailbox.move_ref(self._mailbox.local_ref, tip, run.local):
                    run.later.append(0.0)  # a person committed in between: looked at in the next cycle
                    return
                self._fault("6-ref")
                run.local = tip
            self._set_materialised(tip)
            self._capture.look(new)
            self._fault("6-done")
        except FolderPaused as error:
            run.folder = " ".join(part for part in (error.what, error.why) if part)
            run.later.append(2.0)

    def _judge_late(self, run: _Cycle) -> None:
        """Judge the folder in a cycle that did not flush, so that nothing being edited is overwritten."""
        self._judge(run)

    def _placeable(self, path: str) -> bool:
        return path not in self._capture.folder.odd

    # -- small steps -------------------------------------------------------------------------------

    def _tree(self, commit: str | None) -> str | None:
        return self._mailbox.commit(commit).tree if commit else None

    def _reached(self, run: _Cycle) -> None:
        self._contact = clock.monotonic()
        run.contact = True

    def _know(self, tip: str) -> None:
        if tip != self._tip or not self._recorded:
            self._tip, self._recorded = tip, True
            self._journal.set_meta("tip", tip)
        elif self._journal.meta("tip") is None:
            self._journal.set_meta("tip", tip)

    def _set_materialised(self, commit: str) -> None:
        if commit != self._materialised:
            self._materialised = commit
            self._journal.set_meta("materialised", commit)

    def _tell(self, tip: str) -> int:
        """Hand the tip on as early as possible: what is in it may be dispatched while we go on."""
        if tip == self._told:
            return 0
        received = self._on_tip(tip)
        self._told = tip
        return received

    def _rescue(self, what: str, commit: str) -> None:
        name = f"refs/gitsync/rescue/{what}-{commit[:10]}"
        if self._mailbox.ref(name) is None:
            self._mailbox.move_ref(name, commit, None)
            log.warning("kept %s as %s", commit[:10], name)

    def _preflight(self) -> None:
        """Refuse to begin what a full disk would cut short (row 12)."""
        info = os.statvfs(self._mailbox.path)
        if info.f_bavail * info.f_frsize < self._settings.free_space:
            raise GitsyncError(
                "the disk is almost full",
                f"less than {self._settings.free_space >> 20} MiB are free at {self._mailbox.path}",
                "make space; syncing goes on by itself",
            )

    def _wrap_delay(self) -> float:
        return self._settings.wrap_delay + clock.jitter(0.0, self._settings.wrap_delay / 2)

    def _result(self, run: _Cycle, error: GitsyncError | None) -> CycleResult:
        now = clock.monotonic()
        waiting = len(run.ops) + len(run.captured.edits) + len(run.own)
        urgent = any(op.urgent for op in run.ops) or bool(run.captured.edits or run.own)
        self._waiting_since = (self._waiting_since or now) if urgent else None
        later = [*run.later, *run.captured.waiting.values()]
        for wait in (self._wraps.wait(), self._materialise.next_look(now), self._presence.wait(now)):
            later += [] if wait is None else [wait]
        if error is not None and not isinstance(error, Halted | PushRefused):
            later = [wait for wait in later if wait > 0.0]
        return CycleResult(
            state=_state(error),
            head=self._tip if self._recorded else None,
            pulled=run.pulled,
            pushed=run.pushed,
            received=run.received,
            sent=run.sent,
            pending=waiting,
            error=" ".join(part for part in (error.what, f"({error.why})" if error.why else "") if part)
            if error
            else None,
            remedy=error.remedy or None if error else None,
            kind=error.kind if isinstance(error, Halted) else "",
            case=int(run.plan.case) if run.plan else None,
            folder=run.folder,
            retry_after=min(later) if later else None,
            remote_contact=run.contact,
            changed=run.changed,
            troubles=(*run.captured.troubles, *run.troubles),
        )


def _state(error: GitsyncError | None) -> State:
    match error:
        case None:
            return "ok"
        case RemoteAway():
            return "offline"
        case Halted():
            return "halted"
        case PushRefused() | AuthFailed():
            return "refused"
        case _:
            return "error"


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

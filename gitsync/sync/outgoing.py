"""Steps 4 and 5 as the cycle runs them: when to push, one attempt, and what follows from its answer."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from gitsync import clock
from gitsync.errors import Halted, LostRace, PushRefused
from gitsync.git.repo import Mailbox, Update
from gitsync.ledger.journal import Journal
from gitsync.planning import Case, Plan
from gitsync.protocol.status import Status
from gitsync.secrets.redact import redact
from gitsync.sync.attempts import Attempts
from gitsync.sync.build import Builder, Built, Work, same_page
from gitsync.sync.capture import Capture
from gitsync.sync.cycle import Cycle, give_way
from gitsync.sync.faults import FaultPoint
from gitsync.sync.incoming import Incoming
from gitsync.sync.known import Known
from gitsync.sync.looking import Looking
from gitsync.sync.materialise import Materialise
from gitsync.sync.presence import Presence
from gitsync.sync.tempo import PUBLIC_BUDGET, RETRY, Tempo
from gitsync.sync.values import Facts
from gitsync.sync.wraps import Wraps

SUCCESS_PAUSE = (0.5, 1.5)
PARKED = 3600.0
"""Seconds after which a refusal of the remote's owner is asked about again without a person."""


class Outgoing:
    """Bring our work onto the branch; hold the pace of pushes and a refusal that was parked."""

    def __init__(
        self,
        mailbox: Mailbox,
        journal: Journal,
        known: Known,
        *,
        facts: Facts,
        capture: Capture,
        materialise: Materialise,
        looking: Looking,
        builder: Builder,
        wraps: Wraps,
        presence: Presence,
        attempts: Attempts,
        incoming: Incoming,
        fault: FaultPoint,
    ) -> None:
        self._mailbox = mailbox
        self._journal = journal
        self._known = known
        self._facts = facts
        self._capture = capture
        self._materialise = materialise
        self._looking = looking
        self._builder = builder
        self._wraps = wraps
        self._presence = presence
        self._attempts = attempts
        self._incoming = incoming
        self._fault = fault
        self._tempo = Tempo()
        self._parked: tuple[float, PushRefused] | None = None
        self._kind: str | None = None

    @property
    def races(self) -> int:
        """Give how many pushes came too late since the start."""
        return self._tempo.races

    def push_first(self, run: Cycle) -> bool:
        """Push on the last known tip without asking first, where only own appends wait (step 5)."""
        now = clock.monotonic()
        ready = (
            any(op.urgent for op in run.ops)
            and all(op.kind in ("message", "receipt") for op in run.ops)
            and run.folder == "ok"
            and not run.own
            and not self._capture.differs
            and self._known.tip is not None
            and self._known.recorded
            and self._known.contact is not None
            and self._parked is None
            and not self._tempo.contended(now)
            and not self._held_back(run, now)
            and not self._presence.doubled
            and not self._journal.attempts()
        )
        if not ready:
            return False
        run.tip = self._known.tip
        run.plan = Plan(Case.AHEAD, run.tip, push=True)
        try:
            self._attempt(run)
        except LostRace:
            self._tempo.lost(clock.monotonic(), clock.jitter(0.0, 1.0))
            return False
        return not run.ops  # what something on the branch keeps from landing may find it gone after a fetch

    def flush(self, run: Cycle) -> None:
        """Build and push until it is on the remote; a lost race builds anew from the new tip."""
        if run.problem is not None and isinstance(run.problem, Halted) and run.problem.kind == "double-id":
            self._looking.judge(run)
            return
        for race in range(self._known.settings.races):
            self._looking.judge(run)
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
                wait = self._tempo.lost(clock.monotonic(), clock.jitter(0.0, 1.0))
                again = run.request.retry and race + 1 < self._known.settings.races
                if again and (wait <= RETRY or run.request.settle_now):
                    clock.sleep(min(wait, RETRY))
                    self._incoming.pull(run)
                    run.ops = self._journal.pending()
                    continue
                run.later.append(wait)  # the next cycle fetches before it tries again
                return

    def _held_back(self, run: Cycle, now: float) -> bool:
        budget = self._known.settings.push_budget
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

    def _has_work(self, run: Cycle) -> bool:
        if run.own or run.captured.edits or any(op.urgent for op in run.ops):
            return True
        self._wraps.follow(self._known.tree(run.tip))
        return bool(self._wraps.ready() or self._wraps.followed()) or self._status_differs(run)

    def _status_differs(self, run: Cycle) -> bool:
        status = self._status(run)
        if status is None:
            return False
        told = self._builder.page(run.tip)
        return told is None or not same_page(told, status)

    def _status(self, run: Cycle) -> Status | None:
        return self._presence.signed(_redacted(self._facts.status()), self._builder.page(run.tip))

    def _attempt(self, run: Cycle) -> None:
        """Build on the tip and push once; raises LostRace, and whatever the remote says for good."""
        self._known.preflight()
        self._mailbox.let_gc_end()
        waiting = {seq for attempt in self._journal.attempts() for seq in attempt.seqs}
        self._fault("4-judged")
        work = Work(
            ops=run.ops,
            edits=run.captured.edits,
            own=run.own,
            status=self._status(run),
            overrides=self._journal.overrides(),
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
            self._known.rescue("commits", run.local)
        self._attempts.note_captured(run, draft.tip)
        self._fault("4-noted")
        self._journal.attempted(draft.tip, run.tip or "", built.seqs)  # while the objects are on their way to the disk
        self._fault("5-attempted")
        if not self._mailbox.keep("attempt", draft.tip):
            self._journal.forget_attempts([draft.tip])
            raise LostRace("somebody's gc took what was just written")
        self._fault("5-kept")
        self._send(run, built, draft.tip)

    def _send(self, run: Cycle, built: Built, commit: str) -> None:
        now = clock.monotonic()
        branch = Update(self._mailbox.local_ref, commit, run.tip or "")
        beat = self._presence.riding(now)
        answers = self._mailbox.push([branch] if beat is None else [branch, beat])
        self._fault("5-pushed")
        self._known.reached(run)
        if beat is not None:
            self._presence.told(answers[1], clock.monotonic())
        answer = answers[0]
        if answer.ok:
            self._tempo.pushed(clock.monotonic(), clock.jitter(*SUCCESS_PAUSE))
            self._parked = None
            if built.sent:
                give_way(run)
            self._fault("5-answered")
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

    def _landed(self, run: Cycle, built: Built, commit: str | None) -> None:
        """Note that everything built is on the remote."""
        if commit is not None:
            with self._journal.db.write():  # one fsync for all of it
                self._known.know(commit)
                self._known.record()
                if built.seqs:
                    self._journal.landed(built.seqs, commit)
                if built.overrides:
                    self._journal.recorded(built.overrides, commit)
                self._attempts.promote(commit)
                self._journal.forget_attempts([attempt.commit for attempt in self._journal.attempts()])
                self._fault("5-landing")
            self._fault("5-settled")
            self._take_displaced(run)
        run.pushed += len(built.draft.commits)
        run.sent += built.sent
        run.changed = run.changed or bool(built.draft.commits)
        landed = set(built.seqs)
        run.ops = [op for op in run.ops if op.seq not in landed]
        self._finish_edits(run)
        run.own = []
        run.tip = commit
        if commit is not None:
            run.received += self._known.tell(commit)

    def _take_displaced(self, run: Cycle) -> None:
        for edit in run.captured.edits:
            if edit.displaced is not None and edit.blob is not None:
                self._materialise.landed(edit.displaced, edit.blob)

    def _finish_edits(self, run: Cycle) -> None:
        for edit in run.captured.edits:
            if edit.displaced is None:
                run.captured.stale.add(edit.path)
        run.captured.edits = []

    def beat(self, run: Cycle) -> None:
        """Push the machine ref alone when it is due (I6: the only push of a machine with nothing to say)."""
        if self._parked is not None:
            return
        update = self._presence.alone(clock.monotonic())
        if update is None:
            return
        self._fault("5-beating")
        [answer] = self._mailbox.push([update])
        self._fault("5-beaten")
        self._known.reached(run)
        self._tempo.attempted(clock.monotonic())
        self._presence.told(answer, clock.monotonic())


def _redacted(status: Status | None) -> Status | None:
    """Take secrets out of a page: it must go on telling how this machine is, so it is not kept back."""
    return None if status is None else _page_without(status)


@lru_cache(maxsize=8)
def _page_without(status: Status) -> Status:
    agents = tuple(replace(row, specialty=redact(row.specialty)) for row in status.agents)
    blockers = tuple(map(redact, status.blockers))
    return replace(status, name=redact(status.name), role=redact(status.role), agents=agents, blockers=blockers)

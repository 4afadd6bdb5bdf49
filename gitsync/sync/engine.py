"""The sync cycle: capture, fetch, plan, build, push, materialise.

Everything here is synchronous and belongs to one thread. Between two cycles all that matters is in the clone
and the journal, so a process may die at any point; what is kept in memory only saves work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gitsync import clock
from gitsync.errors import FolderPaused, GitsyncError, Halted, PushRefused, RemoteAway
from gitsync.git.repo import Mailbox
from gitsync.ledger.journal import Journal
from gitsync.protocol.identity import Machine
from gitsync.sync.attempts import Attempts
from gitsync.sync.build import Builder
from gitsync.sync.capture import Capture
from gitsync.sync.claims import Claims
from gitsync.sync.contents import Contents
from gitsync.sync.cycle import Cycle
from gitsync.sync.faults import FaultPoint, nothing
from gitsync.sync.incoming import Incoming
from gitsync.sync.known import Known
from gitsync.sync.looking import Looking
from gitsync.sync.materialise import Materialise, wanted
from gitsync.sync.outgoing import Outgoing
from gitsync.sync.presence import Presence
from gitsync.sync.settings import SyncSettings
from gitsync.sync.values import Claim, CycleResult, Facts, Request, State, Trouble
from gitsync.sync.wraps import Wraps

__all__ = ["Claim", "CycleResult", "Engine", "Facts", "Request", "Trouble"]


def _ignore(_tip: str) -> int:
    return 0


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
        sign: Callable[[bytes], bytes] | None = None,
        doubt: Callable[[str, bytes], str] = lambda _machine, _commit: "",
    ) -> None:
        facts = facts or Facts()
        contents = Contents(mailbox)
        self._mailbox = mailbox
        self._machine = machine
        self._fault = fault
        self._known = Known(mailbox, journal, settings, on_tip)
        self._capture = Capture(mailbox, journal, settings, contents, now=clock.monotonic)
        self._wraps = Wraps(mailbox, journal, contents, machine=machine.id, now=clock.monotonic, delay=self._wrap_delay)
        self._materialise = Materialise(mailbox, journal, self._capture, limit=settings.max_file, fault=fault)
        self._presence = Presence(mailbox, journal, settings, machine, sign)
        self._claims = Claims(mailbox, journal, machine, sign, doubt)
        self._builder = Builder(mailbox, machine, settings, facts, self._capture, contents, self._wraps)
        attempts = Attempts(mailbox, journal, self._known)
        self._looking = Looking(mailbox, journal, self._known, self._capture, self._materialise)
        self._incoming = Incoming(
            mailbox,
            journal,
            self._known,
            capture=self._capture,
            contents=contents,
            builder=self._builder,
            presence=self._presence,
            attempts=attempts,
            fault=fault,
        )
        self._outgoing = Outgoing(
            mailbox,
            journal,
            self._known,
            facts=facts,
            capture=self._capture,
            materialise=self._materialise,
            looking=self._looking,
            builder=self._builder,
            wraps=self._wraps,
            presence=self._presence,
            attempts=attempts,
            incoming=self._incoming,
            fault=fault,
        )
        self._started = False
        self._waiting_since: float | None = None

    # -- what others ask -------------------------------------------------------------------------------------------

    @property
    def contact(self) -> float | None:
        """Give the monotonic second of the last confirmed contact with the remote (I8)."""
        return self._known.contact

    @property
    def oldest_pending_age(self) -> float | None:
        """Give the seconds for which something has waited for a push, by a clock nobody sets (I8)."""
        return None if self._waiting_since is None else clock.monotonic() - self._waiting_since

    @property
    def races(self) -> int:
        """Give how many pushes came too late since the start: somebody else was faster."""
        return self._outgoing.races

    @property
    def install(self) -> str:
        """Give the random id of this installation."""
        return self._presence.install

    @property
    def doubled(self) -> bool:
        """Say whether another machine was last seen to use our id: then this one must not act (PROTOCOL 7)."""
        return self._presence.doubled

    def configure(self, settings: SyncSettings, machine: Machine) -> None:
        """Take new settings from the next cycle on; machine id and branch cannot change this way."""
        self._machine = replace(machine, id=self._machine.id)
        self._capture.configure(settings)
        self._materialise.limit = settings.max_file
        self._mailbox.network_timeout = settings.network_timeout
        self._known.settings = self._builder.settings = self._presence.settings = settings
        self._builder.machine = self._presence.machine = self._claims.machine = self._machine

    def edited(self) -> bool:
        """Say whether the folder differs from the branch; for the watcher, which hears our writes too."""
        try:
            local = self._mailbox.ref(self._mailbox.local_ref)
            if local != self._known.materialised:
                return True
            return self._capture.look(self._mailbox.commit(local).tree if local else None)
        except (GitsyncError, OSError):
            return True  # the cycle will say what is wrong

    def claim(self, message_id: str) -> Claim:
        """Try to become the one machine that executes a message to ANY."""
        if self._presence.doubled:
            return "away"
        if self._presence.fallback:
            return "unsupported"
        return self._claims.claim(message_id, self._presence.install)

    def release(self, message_id: str) -> None:
        """Remove our claim on a message; raises RemoteAway when it has to be tried again."""
        self._claims.release(message_id)

    def take_over(self) -> None:
        """Make this machine's id ours at the next cycle, whoever else uses it."""
        self._presence.take_over()

    # -- the cycle -------------------------------------------------------------------------------------------------

    def cycle(self, request: Request) -> CycleResult:
        """Run one cycle; never raises for what may be expected of a disk, a remote or a person."""
        run = Cycle(request=request)
        try:
            self._run(run)
        except GitsyncError as error:
            return self._result(run, error)
        except OSError as error:
            remedy = "make space on the disk" if error.errno in (28, 122) else "check the disk and its permissions"
            return self._result(run, GitsyncError(f"cannot write: {error.strerror}", str(error.filename or ""), remedy))
        return self._result(run, run.problem)

    def _run(self, run: Cycle) -> None:
        self._start()
        self._looking.look(run)
        self._fault("1-captured")
        if not self._outgoing.push_first(run):
            self._incoming.pull(run)
            self._outgoing.flush(run)
        self._outgoing.beat(run)
        self._bring(run)

    def _start(self) -> None:
        """Repair what a crash left behind (row 2), or a full disk in the middle of a placement (row 12)."""
        if self._started and not self._materialise.interrupted:
            return
        self._mailbox.clear_stale_locks()
        self._fault("0-locks")
        self._materialise.recover()
        self._fault("0-recovered")
        self._started = True

    def _bring(self, run: Cycle) -> None:
        """Bring the folder, the index and the local branch to the remote's tip."""
        tip = self._known.tip if self._known.recorded else None
        if run.folder != "ok":
            return
        if tip is None:
            return
        if run.own:
            run.folder = "commits made here wait to be pushed"
            return
        if not run.judged and self._capture.differs:
            self._looking.judge(run)
        skip = {edit.path for edit in run.captured.edits} | set(run.captured.waiting)
        if run.local == tip and tip != self._known.materialised and self._known.materialised is not None:
            self._known.came_by_git(tip)  # somebody ran git pull here
        if run.local == tip and not (run.captured.stale - skip):
            self._known.set_materialised(tip)
            return
        self._known.preflight()
        old, new = self._known.tree(run.local), self._known.tree(tip)
        todo = wanted(self._mailbox, old, new, run.captured.stale, skip)
        self._materialise.pass_over(old, new, skip)
        self._fault("6-bringing")
        try:
            placed = self._materialise.place(todo)
            if placed.surprised:
                run.later.append(0.0)
            run.changed = run.changed or bool(placed.paths)
            if run.local != tip:
                self._known.bringing(run.local, tip)
                self._mailbox.move_index(old, new)
                self._fault("6-index")
                if not self._mailbox.move_ref(self._mailbox.local_ref, tip, run.local):
                    run.later.append(0.0)  # a person committed in between: looked at in the next cycle
                    return
                self._fault("6-ref")
                run.local = tip
            self._known.set_materialised(tip)
            self._fault("6-noted")
            self._capture.look(new)
            self._fault("6-done")
        except FolderPaused as error:
            run.folder = " ".join(part for part in (error.what, error.why) if part)
            run.later.append(2.0)

    def _wrap_delay(self) -> float:
        return self._known.settings.wrap_delay + clock.jitter(0.0, self._known.settings.wrap_delay / 2)

    def _result(self, run: Cycle, error: GitsyncError | None) -> CycleResult:
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
            head=self._known.tip if self._known.recorded else None,
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
            troubles=tuple(dict.fromkeys((*run.captured.troubles, *run.troubles))),
        )


def _state(error: GitsyncError | None) -> State:
    match error:
        case None:
            return "ok"
        case RemoteAway():
            return "offline"
        case Halted():
            return "halted"
        case PushRefused():
            return "refused"
        case _:
            return "error"

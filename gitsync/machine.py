"""Open everything that one machine consists of: clone, journal, ledger, engine.

The command line (without a process) and the background process both come through here, and so do the documents that
both of them print: status, fleet, the outcome of a cycle.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gitsync import clock
from gitsync.config.faults import fault
from gitsync.config.settings import Settings
from gitsync.errors import EXIT_ERROR, EXIT_OK, EXIT_REFUSED, EXIT_TRY_LATER, GitsyncError
from gitsync.git.repo import Mailbox
from gitsync.inbox import Envelope, Ingest, candidates, fleet_view, ingest, undecided
from gitsync.inbox.evidence import of_commit
from gitsync.inbox.trust import Trust
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.quarantine import Held
from gitsync.protocol.paths import status_path, valid_id
from gitsync.protocol.status import AgentRow, Status, read_status, same_but_time
from gitsync.signing import told
from gitsync.signing.signer import Signer
from gitsync.signing.store import KeyStore
from gitsync.sync.values import CycleResult, Facts
from gitsync.tasks.asks import asks
from gitsync.verifying import Book, holds_back

if TYPE_CHECKING:
    from gitsync.sync.engine import Engine

log = logging.getLogger(__name__)

Json = dict[str, Any]
AgentStates = Mapping[str, tuple[str, int]]
"""State and queue length of each agent, by name."""

HOLD = 60.0
"""Seconds an agent's new state must last before it is told to the fleet: a flapping agent must not write history."""

TOLD = 50
"""Problems that the log names for one ingest, and `gitsync status` for one cycle; `gitsync lint` names them all."""

_EXIT = {"ok": EXIT_OK, "offline": EXIT_TRY_LATER, "refused": EXIT_REFUSED}
_LAST = "last_sync"


class Opened:
    """One machine, opened. The mailbox belongs to one thread, on which `engine` and `close` are called too."""

    def __init__(self, settings: Settings) -> None:
        sync = settings.sync
        self.settings = settings
        self.fault = fault()
        self.journal = Journal(settings.journal_file, fault=self.fault)
        self.journal.secrets = settings.secrets
        self.keys = KeyStore(settings.keys_dir, settings.machine.id)
        self.signer = self.journal.signer = Signer(self.keys)
        self.ledger = Ledger(settings.ledger_file, fault=self.fault)
        self.ledger.rules = settings.verification
        self.mailbox = Mailbox(settings.mailbox, sync.branch, sync.remote, network_timeout=sync.network_timeout)
        self.seen: dict[str, str] = {}
        """The last sign of life of each machine by its ref; other threads may read it."""
        self.waiting: Callable[[], tuple[str, ...]] = tuple
        """What waits for a person besides what the journal knows; asked on any thread."""
        self._memory: dict[str, Envelope] = {}
        self._trust = Trust(self.keys)
        self._judged = ""
        self._on_ingest: Callable[[], None] = lambda: None
        self._engine: Engine | None = None
        self._last: CycleResult | None = None

    def engine(
        self,
        *,
        page: str | None = None,
        agents: Callable[[], AgentStates] | None = None,
        on_ingest: Callable[[], None] = lambda: None,
    ) -> Engine:
        """Make the sync engine, wired to the ledger.

        ``page`` is the state that this machine's page shall show; ``agents`` implies ACTIVE. With neither the page is
        left alone: a single command is no sign of life. ``on_ingest`` is called on the engine thread when something
        for this machine has arrived.
        """

        # Imported here: a command that only reads does without the engine and its merging, which take 60 ms to load.
        from gitsync.sync.engine import Engine

        self._on_ingest = on_ingest

        def on_tip(tip: str) -> int:
            came = self._ingest(tip)
            for trouble in came.problems[:TOLD]:
                log.warning("%s:%d: %s [%s]", trouble.path, trouble.line, trouble.text, trouble.rule)
            if came.arrivals:
                on_ingest()
            self._note_keys(came.pages)
            return came.messages

        page_now = _Page(self, page or ("ACTIVE" if agents is not None else None), agents)

        def status() -> Status | None:
            self.look_around()
            return page_now.status()

        self._engine = Engine(
            self.mailbox,
            self.journal,
            self.settings.sync,
            self.settings.machine,
            facts=Facts(final=self.ledger.final, untouched=self._untouched, status=status),
            on_tip=on_tip,
            fault=self.fault,
            sign=self.signer.commit,
            doubt=self._claim_doubt,
        )
        return self._engine

    def _claim_doubt(self, machine: str, commit: bytes) -> str:
        """Say why a claim does not count here, where machines are to be verified; '' where it does."""
        book = self.book()
        standing = book.judge(machine, of_commit(commit))
        return f"{machine or '?'} claimed {standing}" if holds_back(book.rules.of_machine(machine), standing) else ""

    def book(self) -> Book:
        """Return whose word counts here as it is now; on any thread."""
        return self._trust.book(self.settings.verification)

    def keep_trust(self) -> None:
        """Judge anew what is known, where somebody was trusted or revoked, or the rules changed; on the git thread."""
        book = self.book()
        if self._judged == f"{book.mark} {book.rules.mark}":
            return
        tip = self.mailbox.ref(self.mailbox.tracking_ref)
        if tip is not None and self.ledger.head() is not None:
            self._ingest(tip)
            self._on_ingest()

    def _ingest(self, tip: str, progress: Callable[[int, int], None] | None = None) -> Ingest:
        book = self.book()
        self.ledger.rules = book.rules
        machine = self.settings.machine.id
        came = ingest(self.mailbox, self.ledger, self.journal, machine, tip, book=book, progress=progress)
        self._judged = f"{book.mark} {book.rules.mark}"
        return came

    def candidates(self) -> list[Envelope]:
        """Return what may be handed to agents now; what asks for a task is none of theirs."""
        return [envelope for envelope in self._waiting() if not asks(envelope)]

    def asked(self) -> list[Envelope]:
        """Return the messages that ask for a task and are none yet."""
        return [envelope for envelope in self._waiting() if asks(envelope)]

    def _waiting(self) -> list[Envelope]:
        amend = [spec.name for spec in self.settings.agents if spec.amendments]
        return candidates(self.ledger, self.journal, self.settings.machine.id, amend=amend, memory=self._memory)

    def _untouched(self, ident: str) -> bool:
        """Say whether nothing was done with a message: no receipt on the branch, no hand-over here."""
        rows = self.ledger.message(ident)
        return not self.ledger.receipts(ident) and not self.journal.intents_for([row.key for row in rows])

    def fleet(self) -> frozenset[str]:
        """Return the ids of the machines that are known, this one among them."""
        return frozenset({self.settings.machine.id, *self.ledger.machines(), *self.seen})

    def look_around(self) -> None:
        """Note when each machine gave its last sign of life; on the mailbox's thread."""
        self.seen = {
            ident: clock.stamp(self.mailbox.commit(sha).committer.date)
            for ident, sha in self.mailbox.fetched().machine.items()
            if valid_id(ident)
        }

    def refresh(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Bring the ledger up to the branch as it was last fetched; on the mailbox's thread."""
        tip = self.mailbox.ref(self.mailbox.tracking_ref)
        if tip is not None and (tip != self.ledger.head() or self.ledger.trust() != self.book().mark):
            came = self._ingest(tip, progress)
            self._note_keys(came.pages)

    def make_key(self) -> None:
        """Give a machine that was set up before there were keys its own; without one it goes on unsigned.

        Note the keys that pages have shown meanwhile.
        """
        try:
            if self.keys.own() is None:
                key = self.keys.create(clock.entropy(36), clock.stamp())
                log.warning("made a key for this machine: %s; the others may trust it now", key.fingerprint)
        except (GitsyncError, OSError) as error:
            log.error("this machine has no key that it can use: %s", " · ".join(str(error).splitlines()))
        self._note_keys([page.id for page in self.ledger.statuses()])

    def _note_keys(self, machines: Collection[str]) -> None:
        """Note the keys that these machines' pages show, and say which of them nobody here has trusted yet."""
        if machines:
            pages = [(page.id, page.data) for page in self.ledger.statuses() if page.id in machines]
            told.note_pages(self.keys, pages, clock.stamp())

    def shown_key(self) -> dict[str, str]:
        """Return what this machine's page says of its key; nothing where it has none that may be used."""
        key = self.signer.key()
        if key is None:
            return {}
        return {"key": f"{key.public} {key.public.fingerprint}", "announced": self.keys.announcement()}

    def note(self, result: CycleResult) -> None:
        """Keep the outcome of a cycle for those who ask when no process runs."""
        self._last = result

    def close(self) -> None:
        """Let go of processes and files."""
        if self._engine is not None and self._last is not None:
            self._remember(self._engine, self._last)
        self.mailbox.close()
        self.ledger.close()
        self.journal.close()

    def _remember(self, engine: Engine, last: CycleResult) -> None:
        former = self.last_sync()
        contact = former.get("contact") if engine.contact is None else _ago(clock.monotonic() - engine.contact)
        told = {"state": last.state, "error": last.error, "contact": contact, "problems": _problems(last)}
        told |= {"remedy": last.remedy, "folder": last.folder}
        self.journal.set_meta(_LAST, json.dumps(told))

    def last_sync(self) -> Json:
        """Return what the last process or command left: state, error, contact."""
        try:
            value = json.loads(self.journal.meta(_LAST) or "{}")
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class _Page:
    """What this machine's page says; changes of agents are told only when they last."""

    def __init__(self, opened: Opened, state: str | None, agents: Callable[[], AgentStates] | None) -> None:
        self._opened = opened
        self._state = state
        self._agents = agents
        self._told: Status | None = None
        self._next: tuple[Status, float] | None = None

    def status(self) -> Status | None:
        """Return the status to publish, None to leave the page as it is."""
        if self._state is None:
            return None
        status = self._now(self._state)
        if status is None:
            return self._told
        if self._told is None:
            self._told = self._published(status) or status
            return self._told
        if _without_queues(status) == _without_queues(self._told):
            self._next = None
            return self._told
        moment = clock.monotonic()
        if self._next is None or _without_queues(self._next[0]) != _without_queues(status):
            self._next = (status, moment)
        called = status.blockers != self._told.blockers  # somebody is needed, or not any more: that is told at once
        called = called or status.key != self._told.key
        if called or moment - self._next[1] >= HOLD:
            self._told, self._next = status, None
        return self._told

    def _published(self, status: Status) -> Status | None:
        """Return what the page says now, if only the queues have changed since: that alone is worth no commit."""
        mailbox = self._opened.mailbox
        tip = mailbox.ref(mailbox.tracking_ref)
        entry = mailbox.lookup(mailbox.commit(tip).tree, status_path(status.id)) if tip is not None else None
        page = read_status(mailbox.blob(entry.sha)) if entry is not None else None
        if page is None:
            return None
        queues = {row.agent: row.queue for row in page.agents}
        same = replace(status, agents=tuple(replace(row, queue=queues.get(row.agent, 0)) for row in status.agents))
        return same if same_but_time(same, replace(page, install=None)) else None

    def _now(self, state: str) -> Status | None:
        settings = self._opened.settings
        states = self._agents() if self._agents is not None else {}
        rows = []
        for spec in settings.agents:
            agent_state, queue = states.get(spec.name, ("offline", 0))
            if agent_state == "starting" and not self._opened.waiting():
                return None  # the first health check decides; until then nothing is known that is worth a commit
            rows.append(AgentRow(spec.name, spec.kind, agent_state, spec.specialty, spec.types, queue))
        machine = settings.machine
        return Status(
            id=machine.id,
            name=machine.name,
            state=state,
            role=machine.role,
            agents=tuple(rows),
            capacity=(),
            blockers=self._opened.waiting(),
            **self._opened.shown_key(),
        )


def _without_queues(status: Status) -> Status:
    return replace(status, agents=tuple(replace(row, queue=0) for row in status.agents))


def open_machine(settings: Settings) -> Opened:
    """Open clone, journal and ledger of these settings."""
    return Opened(settings)


def status_document(
    opened: Opened,
    *,
    last: CycleResult | None,
    contact: float | None,
    agents: AgentStates | None,
    process: Json | None,
    words: Mapping[str, str] | None = None,
) -> Json:
    """Return the document of ``gitsync status --json``.

    ``contact`` is a monotonic second; ``agents`` is None without a process; ``words`` say why an agent is as it is.
    """
    machine = opened.settings.machine
    former = opened.last_sync() if last is None and contact is None else {}
    age = clock.monotonic() - contact if contact is not None else _age_of(former.get("contact"))
    own = own_state(agents)
    return {
        "machine": {"id": machine.id, "name": machine.name, "role": machine.role, "state": own},
        "process": process,
        "sync": {
            "state": last.state if last is not None else former.get("state", "unknown"),
            "head": opened.ledger.head(),
            "last_contact": _ago(age) if age is not None else None,
            "age_s": round(age, 1) if age is not None else None,
            "pending": opened.journal.pending_count(),
            "pending_quiet": opened.journal.pending_count(urgent=False),
            "error": last.error if last is not None else former.get("error"),
            "remedy": last.remedy if last is not None else None,
            "folder": last.folder if last is not None else None,
        },
        "computers": computers_document(opened, own),
        "agents": agents_document(opened, agents, words or {}),
        "blockers": blockers(opened),
        "keys": told.document(opened.keys),
        "problems": _problems(last) if last is not None else former.get("problems", []),
        "counters": opened.ledger.counters(),
    }


def computers_document(opened: Opened, own_state: str) -> list[Json]:
    """Return the fleet as this machine knows it; what it does itself it knows best."""
    return fleet_view(
        opened.ledger,
        opened.journal,
        opened.settings.machine.id,
        now=clock.utcnow(),
        seen=opened.seen,
        own_state=own_state,
    )


def agents_document(opened: Opened, agents: AgentStates | None, words: Mapping[str, str]) -> list[Json]:
    """Return the agents of this machine; without a process nobody works, and only what waits is known."""
    rows = []
    for spec in opened.settings.agents:
        waiting = len(opened.journal.intents(("waiting",), agent=spec.name))
        state, queue = (agents or {}).get(spec.name, ("offline", 0))
        rows.append(
            {
                "name": spec.name,
                "kind": spec.kind,
                "state": state,
                "detail": words.get(spec.name) or None,
                "queue": queue + waiting,
                "types": list(spec.types),
                "specialty": spec.specialty,
                "default": spec.default,
            }
        )
    return rows


def blockers(opened: Opened) -> list[str]:
    """Say what waits for a person: messages that cannot leave, hand-overs that nobody can know the end of."""
    found = [f"{one.op.kind} {one.op.ident} cannot be sent: {one.reason}" for one in opened.journal.refused_ops()]
    found += [kept_back(one) for one in opened.journal.held()]
    limited = Counter(reason for reason, let_go in opened.journal.waits().values() if not let_go)
    found += [f"{count} {_messages(count)} by a {reason}" for reason, count in sorted(limited.items())]
    for intent in opened.journal.intents(("uncertain", "held")):
        why = f": {intent.reason}" if intent.reason else ""
        found.append(f"message {intent.message_id} for {intent.agent or 'the inbox'} is {intent.state}{why}")
    doubts = undecided(opened.ledger, opened.journal)
    found += [f"message {row.message.id} is held: {why}" for row, why in doubts]
    return [*opened.waiting(), *found]


def kept_back(one: Held) -> str:
    """Say in one line what is kept back for a secret in it, where, and what a person can do."""
    what = f"{one.kind} {one.id}" if one.kind == "message" else f"{_KEPT[one.kind]} {one.place} ({one.id})"
    return f"{what} is kept back, {one.why}: gitsync quarantine show {one.id}"


_KEPT = {"edit": "the edit of", "commit": "a commit to", "import": "the import of"}


def _messages(count: int) -> str:
    return "message is kept waiting" if count == 1 else "messages are kept waiting"


def _problems(last: CycleResult) -> list[str]:
    """Say what the last cycle left alone, and what waits because of that."""
    found = [f"{trouble.path}: {trouble.text}" for trouble in last.troubles]
    return [*found[:TOLD], f"… and {len(found) - TOLD} more: gitsync lint"] if len(found) > TOLD else found


def own_state(agents: AgentStates | None) -> str:
    """Say what this machine is doing; None for ``agents`` means that no process runs."""
    if agents is None:
        return "OFFLINE"
    return "WORKING" if any(queue for _, queue in agents.values()) else "ACTIVE"


def sync_document(result: CycleResult) -> Json:
    """Return the document of ``gitsync sync --json``, with the exit code that belongs to it."""
    return {
        "state": result.state,
        "head": result.head,
        "pulled": result.pulled,
        "pushed": result.pushed,
        "received": result.received,
        "sent": result.sent,
        "pending": result.pending,
        "error": result.error,
        "remedy": result.remedy,
        "folder": result.folder,
        "kind": result.kind or None,
        "troubles": [{"path": trouble.path, "text": trouble.text} for trouble in result.troubles],
        "exit": _EXIT.get(result.state, EXIT_ERROR),
    }


def _ago(seconds: float) -> str:
    return clock.stamp(clock.utcnow() - timedelta(seconds=seconds))


def _age_of(stamp: object) -> float | None:
    if not isinstance(stamp, str):
        return None
    try:
        return max(0.0, (clock.utcnow() - datetime.fromisoformat(stamp)).total_seconds())
    except ValueError:
        return None

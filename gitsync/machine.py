"""Open everything that one machine consists of: clone, journal, ledger, engine.

The command line (without a process) and the background process both come through here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from gitsync import clock
from gitsync.config.faults import fault
from gitsync.config.settings import Settings
from gitsync.errors import GitsyncError
from gitsync.git.repo import Mailbox
from gitsync.inbox import Envelope, Ingest, candidates, ingest
from gitsync.inbox.evidence import of_commit
from gitsync.inbox.trust import Trust
from gitsync.page import AgentStates, Page
from gitsync.protocol.paths import valid_id
from gitsync.protocol.status import Status
from gitsync.signing import told
from gitsync.signing.signer import Signer
from gitsync.stores import open_journal, open_keys, open_ledger
from gitsync.sync.values import CycleResult, Facts
from gitsync.tasks.asks import asks
from gitsync.verifying import Book, holds_back

if TYPE_CHECKING:
    from gitsync.sync.engine import Engine

log = logging.getLogger(__name__)

Json = dict[str, Any]
TOLD = 50
"""Problems that the log names for one ingest, and `gitsync status` for one cycle; `gitsync lint` names them all."""

_LAST = "last_sync"


class Opened:
    """One machine, opened. The mailbox belongs to one thread, on which `engine` and `close` are called too."""

    def __init__(self, settings: Settings) -> None:
        sync = settings.sync
        self.settings = settings
        self.fault = fault()
        self.keys = open_keys(settings)
        self.signer = Signer(self.keys)
        self.journal = open_journal(settings, self.signer, fault=self.fault)
        self.ledger = open_ledger(settings, fault=self.fault)
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

        page_now = Page(self, page or ("ACTIVE" if agents is not None else None), agents)

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
        contact = former.get("contact")
        if engine.contact is not None:
            contact = clock.stamp(clock.unix() + engine.contact - clock.monotonic())
        told = {"state": last.state, "error": last.error, "contact": contact, "problems": problems(last)}
        told |= {"remedy": last.remedy, "folder": last.folder}
        self.journal.set_meta(_LAST, json.dumps(told))

    def last_sync(self) -> Json:
        """Return what the last process or command left: state, error, contact."""
        try:
            value = json.loads(self.journal.meta(_LAST) or "{}")
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


def problems(last: CycleResult) -> list[str]:
    """Say what the last cycle left alone, and what waits because of that."""
    found = [f"{trouble.path}: {trouble.text}" for trouble in last.troubles]
    return [*found[:TOLD], f"… and {len(found) - TOLD} more: gitsync lint"] if len(found) > TOLD else found


def open_machine(settings: Settings) -> Opened:
    """Open clone, journal and ledger of these settings."""
    return Opened(settings)

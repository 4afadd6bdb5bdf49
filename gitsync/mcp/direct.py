"""Answer from the two stores, as commands do where no process runs. What is sent is durable when the call returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from gitsync import clock
from gitsync.config.settings import Settings
from gitsync.errors import GitsyncError, NotFound
from gitsync.mcp.who import Who

if TYPE_CHECKING:
    from gitsync.ledger.journal import Journal
    from gitsync.ledger.ledger import Ledger
    from gitsync.tasks.tasks import Tasks

T = TypeVar("T")
Json = dict[str, Any]
Entry = Mapping[str, Any]
Stores = tuple["Ledger", "Journal"]

NOTE = "No gitsync process runs here: nothing is fetched, pushed or handed over until `gitsync up --detach`."


class Direct:
    """Open the stores for each call: between two of them a process may have begun, and write to them."""

    note = NOTE

    def __init__(self, settings: Settings, who: Who) -> None:
        self._settings = settings
        self._who = who
        self._one_at_a_time = asyncio.Lock()

    async def inbox(self, *, unread: bool, limit: int) -> Sequence[Entry]:
        """Return what is addressed to it, newest first."""
        from gitsync.inbox import inbox_view

        agent = self._who.agent or None
        return await self._do(
            lambda ledger, journal: inbox_view(
                ledger, journal, self._who.machine, agent=agent, unread=unread, limit=limit
            )
        )

    async def show(self, ident: str) -> Entry:
        """Return one message with its text."""
        from gitsync.inbox import show_view

        return await self._do(lambda ledger, journal: show_view(ledger, journal, self._who.machine, ident))

    async def thread(self, ident: str) -> Sequence[Entry]:
        """Return the thread of a message, oldest first."""
        from gitsync.inbox import thread_view

        return await self._do(lambda ledger, journal: thread_view(ledger, journal, self._who.machine, ident))

    async def search(self, words: str, limit: int) -> Sequence[Entry]:
        """Return the messages that hold all these words."""
        from gitsync.inbox import search_view

        return await self._do(
            lambda ledger, journal: search_view(ledger, journal, self._who.machine, words, limit=limit)
        )

    async def send(self, to: str, text: str, **fields: Any) -> Json:
        """Send durably; return id and status."""
        from gitsync.outbox import send

        first = next((line.strip() for line in text.splitlines() if line.strip()), "")
        subject = fields.pop("subject", None) or first[:80]
        more = {name: value for name, value in fields.items() if value is not None}

        def work(ledger: Ledger, journal: Journal) -> Json:
            message = send(
                journal,
                self._settings.machine,
                self._fleet(ledger),
                self._names(),
                to,
                subject,
                text,
                ledger=ledger,
                sender_agent=self._who.agent or None,
                **more,
            )
            return _ticket(journal, message.id)

        return await self._do(work, fresh=False)

    async def reply(self, ident: str, text: str) -> Json:
        """Answer durably; return id and status."""
        from gitsync.outbox import reply

        def work(ledger: Ledger, journal: Journal) -> Json:
            message = reply(
                journal,
                self._settings.machine,
                self._fleet(ledger),
                self._names(),
                ledger,
                ident,
                text,
                sender_agent=self._who.agent or None,
            )
            return _ticket(journal, message.id)

        return await self._do(work)

    async def take(self, ident: str) -> Entry:
        """Take a waiting message; return it."""
        from gitsync.inbox import show_view, take

        def work(ledger: Ledger, journal: Journal) -> Entry:
            take(ledger, journal, self._who.machine, ident, self._who.box)
            return show_view(ledger, journal, self._who.machine, ident)

        return await self._do(work)

    async def ack(self, ident: str, outcome: str, reason: str) -> None:
        """Settle a message."""
        from gitsync.inbox import ack

        agent = self._who.agent or None
        await self._do(
            lambda ledger, journal: ack(ledger, journal, self._who.machine, ident, outcome, agent=agent, reason=reason)
        )

    async def fleet(self) -> Sequence[Entry]:
        """Return the computers."""
        from gitsync.inbox import fleet_view

        return await self._do(
            lambda ledger, journal: fleet_view(ledger, journal, self._who.machine, now=clock.utcnow())
        )

    async def submit(self, content: str, **fields: Any) -> Json:
        """Submit a task; return it."""
        from gitsync.tasks.values import GENERAL, TaskAsk

        more = {name: value for name, value in fields.items() if value is not None}
        ask = TaskAsk(content=content, sender=self._who.agent, **{"type": GENERAL, **more})
        return dict(await self._do(lambda ledger, journal: self._tasks(ledger, journal).submit(ask), fresh=False))

    async def task(self, ident: str) -> Entry:
        """Return a task with its history."""

        def work(ledger: Ledger, journal: Journal) -> Entry:
            found = self._tasks(ledger, journal).get(ident)
            if found is None:
                raise NotFound(f"no task {ident!r}", "no id of a task begins so", "task_submit tells the id")
            return found

        return await self._do(work, fresh=False)

    # -- within ------------------------------------------------------------------------------------

    async def _do(self, work: Callable[[Ledger, Journal], T], *, fresh: bool = True) -> T:
        def carry_out() -> T:
            with self._opened(fresh) as (ledger, journal):
                return work(ledger, journal)

        async with self._one_at_a_time:
            return await asyncio.to_thread(carry_out)

    @contextmanager
    def _opened(self, fresh: bool) -> Iterator[Stores]:
        from gitsync.ledger.journal import Journal
        from gitsync.ledger.ledger import Ledger
        from gitsync.signing.signer import Signer
        from gitsync.signing.store import KeyStore

        settings = self._settings
        git = settings.mailbox / ".git"
        if not git.is_file() and not (git / "HEAD").exists():
            # Opening the journal would quietly begin an empty one in its place.
            raise GitsyncError(
                f"the mailbox {settings.mailbox} is gone",
                "it is a clone with the journal of what is under way in it",
                "put it back if it was moved; else run: gitsync init",
            )
        if fresh or not settings.ledger_file.exists():
            self._refresh()
        with Journal(settings.journal_file) as journal:
            journal.secrets = settings.secrets
            journal.signer = Signer(KeyStore(settings.keys_dir, settings.machine.id))
            ledger = Ledger(settings.ledger_file)
            ledger.rules = settings.verification
            try:
                yield ledger, journal
            finally:
                ledger.close()

    def _refresh(self) -> None:
        """Read into the ledger what was fetched since, by whoever fetched it."""
        from gitsync.machine import open_machine

        found = open_machine(self._settings)
        try:
            found.refresh()
        finally:
            found.close()

    def _tasks(self, ledger: Ledger, journal: Journal) -> Tasks:
        from gitsync.inbox import fleet_view
        from gitsync.tasks.tasks import Tasks

        settings = self._settings
        return Tasks(
            journal,
            ledger,
            settings.machine,
            settings.rules,
            settings.tasks,
            fleet=lambda: fleet_view(ledger, journal, self._who.machine, now=clock.utcnow()),
        )

    def _fleet(self, ledger: Ledger) -> frozenset[str]:
        return frozenset({self._who.machine, *ledger.machines()})

    def _names(self) -> frozenset[str]:
        return frozenset(spec.name for spec in self._settings.agents)


def _ticket(journal: Journal, ident: str) -> Json:
    return {"id": ident, "status": "local" if journal.local(ident) is not None else "queued"}

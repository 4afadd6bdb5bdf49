"""What reading commands read: ledger and journal, brought up to date first where no process does that."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsync.cli.client import Client, connect
from gitsync.cli.settings import own_settings
from gitsync.cli.terminal import note
from gitsync.config.settings import Settings
from gitsync.errors import GitsyncError

if TYPE_CHECKING:
    from gitsync.ledger.journal import Journal
    from gitsync.ledger.ledger import Ledger
    from gitsync.machine import Opened


@dataclass(frozen=True)
class Stores:
    """The two stores of this machine, and the process that keeps them fresh, if there is one."""

    settings: Settings
    ledger: Ledger
    journal: Journal
    client: Client | None

    @property
    def machine(self) -> str:
        """The id of this machine."""
        return self.settings.machine.id

    def fleet(self) -> frozenset[str]:
        """Return the ids of the machines that are known."""
        return frozenset({self.machine, *self.ledger.machines()})

    def agents(self) -> frozenset[str]:
        """Return the names of this machine's agents."""
        return frozenset(spec.name for spec in self.settings.agents)

    def wake(self) -> None:
        """Tell the process, if there is one, that there is something to push."""
        if self.client is not None:
            self.client.wake()


@contextmanager
def opened(args: Namespace, *, fresh: bool = True) -> Iterator[Stores]:
    """Open the stores; without a process, read what was fetched since into the ledger first (``fresh``)."""
    settings = own_settings(args)
    refuse_lost_clone(settings)
    client = connect(settings)
    if client is None and fresh:
        _refresh(settings)
    from gitsync.signing.signer import Signer
    from gitsync.stores import open_journal, open_keys, open_ledger

    journal = open_journal(settings, Signer(open_keys(settings)))
    try:
        ledger = open_ledger(settings)
        try:
            if client is not None and ledger.head() is None:
                # Just begun, or begun anew because the process is of another version and keeps it differently.
                if ledger.rebuilds:
                    note("the process that runs is of another version of gitsync: gitsync restart")
                _refresh(settings)
            yield Stores(settings, ledger, journal, client)
        finally:
            ledger.close()
    finally:
        journal.close()


def refuse_lost_clone(settings: Settings) -> None:
    """Raise where the clone is gone: opening the journal would quietly begin an empty one in its place."""
    git = settings.mailbox / ".git"
    if not git.is_file() and not (git / "HEAD").exists():
        raise GitsyncError(
            f"the mailbox {settings.mailbox} is gone",
            "it is a clone with the journal of what is under way in it",
            "put it back if it was moved; else run: gitsync init",
        )


@contextmanager
def machine(settings: Settings) -> Iterator[Opened]:
    """Open the whole machine, clone included, in this process."""
    from gitsync.cli.failures import keep_warnings
    from gitsync.machine import open_machine

    refuse_lost_clone(settings)
    keep_warnings(settings.state_dir)
    found = open_machine(settings)
    try:
        yield found
    finally:
        found.close()


def _refresh(settings: Settings) -> None:
    from gitsync.cli.progress import Bar

    with machine(settings) as found, Bar("reading the history") as bar:
        found.refresh(lambda done, total: bar.show(f"{done} of {total} commits", 100 * done // max(total, 1)))

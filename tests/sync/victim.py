"""Run one cycle and die by SIGKILL at a named point: `python -m tests.sync.victim FOLDER ID POINT COUNT`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from gitsync.git.repo import Mailbox
from gitsync.ledger.journal import Journal
from gitsync.protocol.identity import Machine
from gitsync.sync.engine import Engine, Request
from gitsync.sync.faults import POINTS
from gitsync.sync.settings import SyncSettings


def main(folder: str, machine: str, point: str, count: str) -> None:
    """Run a cycle; die when the point is passed for the count-th time."""
    left = [int(count)]

    assert point in POINTS

    def die(passed: str) -> None:
        left[0] -= passed == point
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    path = Path(folder)
    mailbox = Mailbox(path, "coordination")
    journal = Journal(path / ".git" / "gitsync" / "journal.sqlite3")
    engine = Engine(mailbox, journal, SyncSettings(), Machine(machine), fault=die)
    print(engine.cycle(Request(settle_now=True)))
    mailbox.close()
    journal.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

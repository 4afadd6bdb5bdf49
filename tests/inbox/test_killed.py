"""A reader that is killed in the middle leaves a ledger from which the next one goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.inbox.reader import Reader

ROOT = Path(__file__).parents[2]

CHILD = """
import sys
from pathlib import Path
from gitsync import inbox
from gitsync.git.repo import Mailbox
from gitsync.inbox import follow
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
follow.COMMITS_AT_ONCE = 2
inbox.ingest(
    Mailbox(Path(sys.argv[1]), "coordination"), Ledger(Path(sys.argv[2])), Journal(Path(sys.argv[3])), "2", sys.argv[4],
    progress=lambda done, total: print(done, flush=True),
)
"""


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(3))
def test_kill_during_ingest(two: Reader, seed: int) -> None:
    for number in range(60):
        two.branch.send("1", "2", f"number {number}")
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, two.branch.mailbox.path, two.ledger.path, two.journal.path, two.branch.tip],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    assert child.stdout is not None
    for _ in range(random.Random(seed).randint(1, 20)):
        child.stdout.readline()
    os.killpg(child.pid, signal.SIGKILL)
    child.stdout.close()
    child.wait()
    head = two.ledger.head()
    read = len(two.ledger.open_keys())
    came = two.ingest()
    assert head is not None
    assert not came.rebuilt
    assert (read % 2, read + came.messages) == (0, 60)
    assert len(two.candidates()) == 60
    with two.ledger._db.read() as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"

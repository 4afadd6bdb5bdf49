"""Row 12: a ledger on a full disk keeps whole batches only, and goes on when there is room again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitsync import inbox
from gitsync.errors import GitsyncError
from gitsync.ledger.ledger import Ledger
from tests.disks import small_disk
from tests.inbox.reader import Reader


@pytest.mark.faults
@pytest.mark.parametrize("pages", [0, 4, 40, 120])
def test_12_a_ledger_on_a_full_disk(two: Reader, tmp_path: Path, pages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsync.inbox.follow.COMMITS_AT_ONCE", 5)
    for number in range(30):
        two.branch.send("1", "2", f"number {number} " + "words " * 500)
    with small_disk(tmp_path / "disk", 8) as disk:
        ledger = Ledger(disk.path / "ledger.sqlite3")
        disk.fill(leave=pages * 4096)
        with pytest.raises(GitsyncError, match=r"cannot write|full"):
            inbox.ingest(two.branch.mailbox, ledger, two.journal, "2", two.branch.tip)
        known = len(ledger.open_keys())
        assert known % 5 == 0
        disk.make_room()
        came = inbox.ingest(two.branch.mailbox, ledger, two.journal, "2", two.branch.tip)
        assert (ledger.head(), len(ledger.open_keys())) == (two.branch.tip, 30)
        assert came.messages in (30, 30 - known)
        with ledger._db.read() as conn:
            assert conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        ledger.close()
        shutil.rmtree(disk.path, ignore_errors=True)

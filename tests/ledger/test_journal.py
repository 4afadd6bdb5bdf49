"""The journal: durable, shared by two processes, and the place where I2 is enforced."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.errors import GitsyncError
from gitsync.ledger.db import StoreBroken, StoreFailed, StoreNewer
from gitsync.ledger.intents import FINAL, allowed
from gitsync.ledger.journal import Journal
from gitsync.ledger.values import INTENT_STATES, Intent, Op, local_key, message_op, receipt_of, receipt_op
from gitsync.protocol.message import Message, write
from gitsync.protocol.receipts import Receipt

ID = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    with Journal(tmp_path / "gitsync" / "journal.sqlite3") as opened:
        yield opened


def op(text: str = "x", kind: str = "message") -> Op:
    return Op(kind, ID, "2", text.encode())


def intent(state: str = "started", agent: str = "builder", attempt: int = 1) -> Intent:
    return Intent(message_key=f"1_TO_2/{ID}", message_id=ID, agent=agent, state=state, attempt=attempt)


def test_files_are_private_and_fresh_only_once(tmp_path: Path) -> None:
    path = tmp_path / "gitsync" / "journal.sqlite3"
    with Journal(path) as first:
        assert first.fresh
        first.enqueue(op())
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    with Journal(path) as second:
        assert not second.fresh
        assert second.pending_count() == 1


def test_meta_is_kept_and_forgotten(journal: Journal) -> None:
    journal.set_meta("horizon", "abc")
    assert journal.meta("horizon") == "abc"
    journal.set_meta("horizon", None)
    assert journal.meta("horizon") is None


def test_operations_keep_their_order_until_they_land(journal: Journal) -> None:
    seqs = journal.enqueue_many([op(str(number)) for number in range(500)])
    assert [found.seq for found in journal.pending()] == seqs == sorted(seqs)
    journal.landed(seqs[:499], "c" * 40)
    assert [found.payload for found in journal.pending()] == [b"499"]
    journal.refuse(seqs[499], "the host says no")
    assert journal.pending() == []
    assert [(parked.state, parked.reason) for parked in journal.refused_ops()] == [("refused", "the host says no")]
    landed = [parked for parked in journal.recent_messages() if parked.state == "landed"]
    assert len(landed) == 256
    assert landed[-1].op.payload == b"498"


def test_what_is_not_urgent_is_counted_apart(journal: Journal) -> None:
    receipt = Receipt(date="2026-11-20T06:45:12Z", id=ID, sender="1", agent="", outcome="received")
    journal.enqueue(receipt_op(receipt))
    assert (journal.pending_count(), journal.pending_count(urgent=True)) == (1, 0)
    assert receipt_of(journal.pending()[0]) == receipt


def test_a_number_is_never_used_twice(journal: Journal) -> None:
    first = journal.enqueue(op())
    assert journal.cancel(first)
    assert journal.enqueue(op()) > first


def test_what_was_attempted_cannot_be_cancelled(journal: Journal) -> None:
    seq = journal.enqueue(op())
    journal.attempted("a" * 40, "b" * 40, [seq])
    assert not journal.cancel(seq)
    assert [(a.commit, a.parent, a.seqs) for a in journal.attempts()] == [("a" * 40, "b" * 40, (seq,))]
    journal.forget_attempts(["a" * 40])
    assert journal.attempts() == []
    assert journal.cancel(seq)


def test_the_last_eight_bases_of_a_path_are_kept(journal: Journal) -> None:
    odd = b"messages/caf\xe9.md".decode("utf-8", "surrogateescape")
    journal.add_bases([(odd, f"blob{number}") for number in range(12)])
    journal.add_bases([("other", "blob3"), (odd, "blob5")])
    assert journal.bases(odd) == ["blob5", "blob11", "blob10", "blob9", "blob8", "blob7", "blob6", "blob4"]
    assert journal.bases("other") == ["blob3"]


def test_places_and_displaced_files_survive(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as first:
        one, two = first.begin_places([("a.md", None, "n", ".t1"), ("b.md", "o", None, ".t2")])
        first.end_places([one])
        kept = first.displace("a.md", "displaced/1", "blob")
    with Journal(tmp_path / "j") as second:
        assert [(p.id, p.path, p.expected, p.new, p.temp) for p in second.places()] == [(two, "b.md", "o", None, ".t2")]
        assert [(d.id, d.path, d.file, d.blob) for d in second.displaced()] == [(kept, "a.md", "displaced/1", "blob")]
        second.forget_displaced(kept)
        assert second.displaced() == []


# I2


def test_i2_a_started_hand_over_forbids_a_second(journal: Journal) -> None:
    assert journal.begin(intent())
    assert not journal.begin(intent(attempt=2), ops=[op()])
    assert journal.pending() == []
    assert journal.intent(f"1_TO_2/{ID}", "builder") is not None
    assert journal.begin(intent(agent="tester"))


def test_i2_only_what_is_known_not_to_have_begun_is_tried_again(journal: Journal) -> None:
    journal.begin(intent())
    assert journal.finish(f"1_TO_2/{ID}", "builder", "retry", not_before=12.5)
    found = journal.intent(f"1_TO_2/{ID}", "builder")
    assert found is not None
    assert (found.state, found.not_before, found.finished) == ("retry", 12.5, None)
    assert journal.begin(intent(attempt=2))


def test_i2_uncertain_waits_for_a_person_unless_idempotent(journal: Journal) -> None:
    key = f"1_TO_2/{ID}"
    journal.begin(intent())
    journal.finish(key, "builder", "uncertain")
    assert not journal.begin(intent(attempt=2))
    assert not journal.finish(key, "builder", "retry")
    assert journal.begin(intent(attempt=2), idempotent=True)
    journal.finish(key, "builder", "uncertain")
    assert journal.release(key, "builder")
    assert journal.begin(intent(attempt=3))


def test_a_final_state_takes_neither_a_second_end_nor_its_receipt(journal: Journal) -> None:
    key = f"1_TO_2/{ID}"
    journal.begin(intent())
    assert journal.finish(
        key, "builder", "done", reply_id=ID, seconds=1.5, usage="{}", ops=[op("reply"), op("receipt")]
    )
    assert not journal.finish(key, "builder", "failed", ops=[op("second")])
    assert [found.payload for found in journal.pending()] == [b"reply", b"receipt"]
    assert not journal.release(key, "builder")
    assert not journal.begin(intent(), idempotent=True)


def test_only_one_taker_wins(journal: Journal) -> None:
    journal.begin(intent("waiting"))
    barrier, won = threading.Barrier(8), []

    def take() -> None:
        barrier.wait()
        won.append(journal.take(f"1_TO_2/{ID}", "builder"))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]


@given(st.lists(st.tuples(st.sampled_from(INTENT_STATES), st.booleans(), st.booleans()), max_size=30))
def test_i2_as_a_law(moves: list[tuple[str, bool, bool]]) -> None:
    """Between two hand-overs the first is known not to have begun, or a person or the agent allowed the second."""
    state: str | None = None
    may_have_run = False
    for new, idempotent, person in moves:
        if not allowed(state, new, idempotent=idempotent, person=person):
            continue
        assert state not in FINAL
        excused = idempotent or person
        if new in ("started", "taken"):
            assert not may_have_run or excused
            may_have_run = True
        elif new in ("retry", "waiting"):
            if state in ("uncertain", "taken", "held"):
                assert excused
            may_have_run = False
        state = new


def test_local_messages_close_with_the_first_decision(journal: Journal) -> None:
    message = Message(id=ID, sender="1/a", to=("1/b",), subject="s", body="caf\udce9", date="2026-11-20T06:45:00Z")
    journal.put_local(message, write(message))
    journal.put_local(message, write(message))
    assert [local.message for local in journal.locals(open_only=True)] == [message]
    journal.begin(Intent(message_key=local_key(ID), message_id=ID, agent="b"))
    assert journal.locals(open_only=True) == []
    assert journal.local(ID) is not None


def test_text_that_no_file_can_hold_does_not_stop_a_receipt(journal: Journal) -> None:
    journal.begin(intent())
    assert journal.finish(f"1_TO_2/{ID}", "builder", "failed", reason="half \udce9 \ud800")
    found = journal.intent(f"1_TO_2/{ID}", "builder")
    assert found is not None
    assert found.reason == "half � �"


# failures


def test_half_a_transaction_leaves_nothing(journal: Journal) -> None:
    with pytest.raises(RuntimeError), journal.db.write():
        journal.enqueue(op())
        journal.set_meta("horizon", "x")
        raise RuntimeError
    assert journal.pending() == []
    assert journal.meta("horizon") is None


def test_a_full_disk_leaves_no_half_row(journal: Journal) -> None:
    journal.enqueue(op())
    with journal.db.read() as conn:
        pages = conn.execute("PRAGMA page_count").fetchone()[0]
        conn.execute(f"PRAGMA max_page_count={pages + 8}")
    with pytest.raises(StoreFailed) as failure:
        journal.enqueue_many([op(), Op("message", ID, "2", b"x" * 1_000_000)])
    assert failure.value.remedy
    assert journal.pending_count() == 1
    with journal.db.read() as conn:
        conn.execute("PRAGMA max_page_count=1000000")
    assert journal.enqueue(op())


def test_a_busy_journal_says_so(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(journal.path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with journal.db.read() as conn:
            conn.execute("PRAGMA busy_timeout=50")
        with pytest.raises(StoreFailed, match="busy") as failure:
            journal.enqueue(op())
        assert failure.value.remedy
        other.execute("ROLLBACK")
        assert journal.enqueue(op())
    finally:
        other.close()


def test_a_damaged_or_removed_journal_is_reported_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b"not a database, but long enough to be taken for one by its size " * 100)
    with pytest.raises(StoreBroken) as failure:
        Journal(path)
    assert failure.value.remedy
    assert path.read_bytes().startswith(b"not a database")
    with Journal(tmp_path / "k") as journal:
        (tmp_path / "k").unlink()
        with pytest.raises(StoreBroken):
            journal.enqueue(op())


def test_a_newer_layout_is_left_alone(tmp_path: Path) -> None:
    Journal(tmp_path / "j").close()
    raw = sqlite3.connect(tmp_path / "j")
    raw.execute("PRAGMA user_version=99")
    raw.close()
    with pytest.raises(StoreNewer):
        Journal(tmp_path / "j")


def test_no_folder_to_write_in(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GitsyncError):
        Journal(tmp_path / "file" / "j")


# processes

WRITER = """
import sys
from pathlib import Path
from gitsync.ledger.journal import Journal
from gitsync.ledger.values import Intent, Op
name, count = sys.argv[2], int(sys.argv[3])
journal = Journal(Path(sys.argv[1]))
for number in range(count):
    ident = f"{name}-{number}"
    with journal.db.write():
        journal.begin(Intent(message_key=ident, message_id=ident, agent="a"))
        journal.enqueue(Op("message", ident, "2", b"x" * 300))
        journal.enqueue(Op("receipt", ident, "2", b"y"))
    print(ident, flush=True)
"""


def child(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "j"
    Journal(path).close()
    writers = [child(path, name, 60) for name in "ab"]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    with Journal(path) as journal:
        assert journal.pending_count() == 240
        for name in "ab":
            mine = [found.ident for found in journal.pending() if found.ident.startswith(name)]
            assert mine == [f"{name}-{number}" for number in range(60) for _ in range(2)]


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_writer_leaves_whole_transactions_only(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "j"
    writer = child(path, "w", 100_000)
    assert writer.stdout is not None
    told = [writer.stdout.readline().strip() for _ in range(random.Random(seed).randint(1, 80))]
    os.kill(writer.pid, signal.SIGKILL)
    told += [line.strip() for line in writer.stdout.read().splitlines() if line.endswith(tuple("0123456789"))]
    writer.wait()
    writer.stdout.close()
    with Journal(path) as journal:
        ops = journal.pending()
        begun = [found.message_id for found in journal.intents()]
        assert [found.ident for found in ops] == [ident for ident in begun for _ in range(2)]
        assert set(told[:-1]) <= set(begun)
        assert journal.enqueue(op()) > ops[-1].seq


def test_a_message_op_carries_the_exact_block() -> None:
    message = Message(id=ID, sender="1", to=("2",), subject="s", body="b", date="2026-11-20T06:45:00Z")
    assert message_op(message, "2") == Op("message", ID, "2", write(message))

"""What runs of models cost, and what is set aside for them, as the journal keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitsync.ledger.journal import Journal
from gitsync.ledger.runs import Bound, Run

DAY = 86400.0
AT = 20_000 * DAY + 3600


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite3") as found:
        yield found


def bound(micros: int, agent: str = "a") -> Bound:
    return Bound("daily", agent, 20_000 * DAY, 20_001 * DAY, micros)


def test_a_run_is_given_back_as_it_was_kept(journal: Journal) -> None:
    run = Run(
        at=AT,
        agent="a",
        kind="claude",
        model="m",
        tokens_in=1,
        tokens_out=2,
        tokens_cached=3,
        tokens_cache_write=4,
        cost_micros=None,
        seconds=1.5,
        outcome="failed",
        error_type="overloaded",
        thread="T",
        message_key="1_TO_2/X",
        detail="{}",
    )
    number = journal.add_run(run)
    (found,) = journal.runs()
    assert found == Run(**{**{name: getattr(run, name) for name in Run.__slots__}, "number": number})
    assert journal.runs(since=AT + 1) == []
    assert journal.runs(agent="b") == []
    (total,) = journal.run_sums("model")
    assert (total.name, total.runs, total.cost_micros, total.unknown, total.failed) == ("m", 1, 0, 1, 1)


def test_what_is_reserved_counts_until_it_is_charged(journal: Journal) -> None:
    number = journal.add_run(Run(at=AT, agent="a", kind="claude"))
    assert journal.reserve(number, 60, [bound(100)]) is None
    other = journal.add_run(Run(at=AT, agent="a", kind="claude"))
    crossed = journal.reserve(other, 41, [bound(100)])
    assert crossed is not None
    assert (crossed.spent, crossed.reserved) == (0, 60)
    journal.charge(number, Run(at=AT, agent="a", kind="claude", model="m", tokens_in=7, cost_micros=10), release=60)
    assert journal.reserve(other, 90, [bound(100)]) is None
    assert journal.spent(0.0) == (10, 90)


def test_a_price_that_is_not_known_passes_every_bound_and_none_where_there_is_none(journal: Journal) -> None:
    number = journal.add_run(Run(at=AT, agent="a", kind="claude"))
    assert journal.reserve(number, None, [bound(10**12)]) is not None
    assert journal.reserve(number, None, []) is None
    journal.charge(number, Run(at=AT, agent="a", kind="claude", model="x", cost_micros=None), release=0)
    journal.charge(number, Run(at=AT, agent="a", kind="claude", model="x", cost_micros=5), release=0)
    assert journal.runs()[0].cost_micros is None  # part of it is not known, so the whole is not


def test_other_days_and_other_agents_are_not_counted(journal: Journal) -> None:
    journal.add_run(Run(at=AT - DAY, agent="a", kind="claude", cost_micros=100, outcome="done"))
    journal.add_run(Run(at=AT, agent="b", kind="claude", cost_micros=100, outcome="done"))
    number = journal.add_run(Run(at=AT, agent="a", kind="claude"))
    assert journal.reserve(number, 100, [bound(100)]) is None
    crossed = journal.reserve(number, 1, [bound(200, agent="")])
    assert crossed is not None
    assert crossed.bound.agent == ""


def test_what_was_under_way_when_the_process_ended_stays_reserved(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with Journal(path) as journal:
        number = journal.add_run(Run(at=AT, agent="a", kind="claude"))
        journal.reserve(number, 70, [bound(100)])
    with Journal(path) as journal:
        assert journal.recover_runs() == 1
        assert journal.runs()[0].outcome == "uncertain"
        other = journal.add_run(Run(at=AT, agent="a", kind="claude"))
        assert journal.reserve(other, 31, [bound(100)]) is not None
        assert journal.reserve(other, 30, [bound(100)]) is None


def test_many_at_once_never_set_aside_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    journals = [Journal(path) for _ in range(3)]
    numbers = [journals[0].add_run(Run(at=AT, agent="a", kind="claude")) for _ in range(30)]

    def ask(index: int) -> bool:
        return journals[index % 3].reserve(numbers[index], 7, [bound(100)]) is None

    with ThreadPoolExecutor(6) as pool:
        granted = sum(pool.map(ask, range(30)))
    assert granted == 14
    assert journals[0].spent(0.0) == (0, 98)
    for journal in journals:
        journal.close()


def test_the_task_of_a_message_is_found(journal: Journal) -> None:
    from gitsync.ledger.tasks import PartRow

    journal.put_part(PartRow(task="T1", slot="", machine="2", message_id="M1"))
    journal.add_run(Run(at=AT, agent="a", kind="claude", message_key="local/M1"))
    journal.add_run(Run(at=AT, agent="a", kind="claude", message_key="local/M2"))
    assert [run.task for run in journal.runs()] == ["T1", ""]

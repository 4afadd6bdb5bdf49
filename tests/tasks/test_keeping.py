"""Tasks in a real journal, with nobody at work."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitsync import clock
from gitsync.errors import EXIT_TRY_LATER, Busy, Conflict, NotFound, Refused, UsageError
from gitsync.ledger.journal import MIGRATIONS, Journal
from gitsync.routing import Policy
from gitsync.tasks.values import TaskAsk
from tests.tasks.bench import Bench, Worker

Make = Callable[..., Bench]


def test_a_task_is_one_row_and_one_message(bench: Make) -> None:
    one = bench(Worker("builder", types=("build",)), Worker("coder", types=("build", "fix")))
    told = one.tasks.submit(TaskAsk(type="build", content="the page\nquickly", priority="high"))
    assert (told["status"], told["assigned_to"]) == ("QUEUED", None)
    task = one.task(told["task_id"])
    assert task["agents"] == ["builder", "coder"]
    assert task["reason"] == "R3: lists type build"
    assert (task["attempts"], task["machine"], task["sender"], task["subject"]) == (1, "2", "2", "the page")
    assert set(task["times"]) == {"QUEUED"}
    (local,) = one.journal.locals()
    message = local.message
    assert (message.to, message.type, message.priority, message.body) == (("2",), "build", "high", "the page\nquickly")
    assert message.thread == task["task_id"]
    assert one.sent == [True]
    assert [change["status"] for change in one.changes] == ["QUEUED"]


def test_each_agent_of_a_route_for_all_gets_a_message(bench: Make) -> None:
    workers = [Worker("a"), Worker("b", types=("other",))]
    one = bench(*workers, routes={"check": ("a", "b")}, route_all={"check"})
    task = one.task(one.submit(type="check"))
    assert [part["agent"] for part in task["parts"]] == ["a", "b"]
    assert [local.message.to for local in one.journal.locals()] == [("2/a",), ("2/b",)]


def test_an_agent_may_be_named(bench: Make) -> None:
    one = bench(Worker("a"), Worker("b", default=True))
    for to in ("a", "self/a", "2/a"):
        one.submit(to=to)
    assert {local.message.to for local in one.journal.locals()} == {("2/a",)}
    with pytest.raises(NotFound) as caught:
        one.submit(to="aa")
    assert caught.value.near == ("a",)


@pytest.mark.parametrize(
    "ask",
    [
        {"type": "two words"},
        {"type": "x" * 65},
        {"type": "a\nb"},
        {"priority": "soon"},
        {"deadline": 0.0},
        {"deadline": float("nan")},
        {"retries": -1},
        {"retries": 101},
        {"content": "x" * (1024 * 1024 + 1)},
        {"content": " "},
        {"sender": "nobody"},
    ],
)
def test_what_cannot_be_a_task_is_refused(bench: Make, ask: dict[str, Any]) -> None:
    one = bench(Worker("a", default=True))
    with pytest.raises(UsageError):
        one.tasks.submit(TaskAsk(**{"content": "do it", **ask}))
    assert one.tasks.list() == []
    assert one.journal.locals() == []


def test_the_policy_decides(bench: Make) -> None:
    one = bench(Worker("a", default=True), policies=(Policy("3", ("a",)),))
    with pytest.raises(Refused, match="not taken"):
        one.submit()
    assert one.tasks.list() == []


def test_a_full_queue_takes_nothing_and_loses_nothing(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    one.configure(queue_limit=3)
    kept = [one.submit(str(number)) for number in range(3)]
    with pytest.raises(Busy) as caught:
        one.submit("one more")
    assert caught.value.exit_code == EXIT_TRY_LATER
    assert caught.value.retry_after >= 1
    assert [task["task_id"] for task in one.tasks.list()] == kept[::-1]
    one.tasks.cancel(kept[0])
    one.submit("there is room again")


def test_lists_are_paged_and_cut(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    ids = [one.submit(str(number) * 3000) for number in range(5)]
    first = one.tasks.list(limit=2)
    assert [task["task_id"] for task in first] == ids[:2:-1]
    assert len(first[0]["content"]) == 2000
    assert len(one.task(ids[0])["content"]) == 3000
    rest = one.tasks.list(limit=10, before=first[-1]["task_id"])
    assert [task["task_id"] for task in rest] == ids[2::-1]
    one.tasks.cancel(ids[1])
    assert [task["task_id"] for task in one.tasks.list(status="FAILED")] == [ids[1]]
    assert one.tasks.counts() == {
        "QUEUED": 4, "ASSIGNED": 0, "IN_PROGRESS": 0, "BLOCKED": 0, "COMPLETED": 0, "FAILED": 1
    }  # fmt: skip
    with pytest.raises(UsageError):
        one.tasks.list(status="LOST")


def test_a_task_is_found_by_the_beginning_of_its_id(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    ident = one.submit()
    assert one.task(ident[:20].lower())["task_id"] == ident
    assert one.tasks.get(ident[:3]) is None
    assert one.tasks.get("ZZZZZZ") is None
    with pytest.raises(NotFound):
        one.tasks.cancel("ZZZZZZ")


def test_what_nobody_takes_is_blocked_until_somebody_does(bench: Make) -> None:
    one = bench()
    ident = one.submit(type="fix")
    task = one.task(ident)
    assert task["status"] == "BLOCKED"
    assert "no agent takes fix" in task["error"]
    assert one.journal.locals() == []
    one.rules = bench(Worker("a", types=("fix",)), machine="3").rules
    one.configure()
    one.tick()
    task = one.task(ident)
    assert (task["status"], task["error"], task["agents"]) == ("QUEUED", None, ["a"])
    assert one.path(ident) == ["QUEUED", "BLOCKED", "QUEUED"]


def test_a_deadline_ends_what_was_not_begun(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    late, never, usual = one.submit(deadline=10.0), one.submit(), one.submit(deadline=1000.0)
    assert one.tick() == 1.0
    assert one.status(late) == "QUEUED"
    one.tick(later=11.0)
    assert [one.status(ident) for ident in (late, never, usual)] == ["FAILED", "QUEUED", "QUEUED"]
    assert one.task(late)["error"] == "deadline"
    assert len(one.waiting()) == 2
    one.configure(deadline=5.0)
    given = one.submit()
    one.tick(later=6.0)
    assert one.task(given)["error"] == "deadline"


def test_cancelled_tasks_stay_cancelled(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    ident = one.submit()
    assert one.tasks.cancel(ident)["error"] == "cancelled"
    assert one.tasks.cancel(ident)["status"] == "FAILED"
    assert one.waiting() == []
    assert one.tick() is None
    late = one.submit(deadline=1.0)
    one.tick(later=2.0)
    with pytest.raises(Conflict):
        one.tasks.cancel(late)


def test_ended_tasks_are_forgotten_after_a_while(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    one.configure(keep=100.0)
    old, running = one.submit(), one.submit()
    one.tasks.cancel(old)
    one.tick(later=50.0)
    assert one.tasks.get(old) is not None
    one.tick(later=3800.0)
    assert one.tasks.get(old) is None
    assert one.tasks.get(running) is not None
    assert one.journal.parts(old) == []
    assert one.journal.entries(old) == []


def test_tasks_are_there_after_a_restart(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    ident = one.submit("remember this", priority="urgent", deadline=500.0, retries=3)
    before = one.task(ident)
    one.close()
    one.open()
    assert one.task(ident) == before
    assert len(one.waiting()) == 1


def test_a_journal_of_before_there_were_tasks_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with sqlite3.connect(path) as conn:
        conn.executescript(MIGRATIONS[0])
        conn.execute(
            "INSERT INTO locals (id, thread, block, created) VALUES (?, 'T', ?, ?)",
            ("01JD3WQ8Z6T4K9V2M5N7P0R3S8", b"", clock.stamp()),
        )
        conn.execute("PRAGMA user_version=1")
    conn.close()
    with Journal(path) as journal:
        assert journal.count_tasks()["QUEUED"] == 0
        assert journal.cancel_local("01JD3WQ8Z6T4K9V2M5N7P0R3S8")


def test_text_that_is_no_unicode_is_kept_as_well_as_can_be(bench: Make) -> None:
    one = bench(Worker("a", default=True))
    task = one.task(one.submit("caf\udce9 \u2028 \x1b[31m"))
    assert task["content"].startswith("caf")

"""Budgets: counted before, on disk before, never passed, through restarts and side by side."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from gitsync import clock
from gitsync.agents.claude.surroundings import Surroundings, Used
from gitsync.agents.prices import Price
from gitsync.agents.spec import AgentSpec
from gitsync.demo.messages_api import serving
from gitsync.dispatch.budget import Budget, bounds, day_of, week_of
from gitsync.dispatch.purse import JournalPurse
from gitsync.ledger.db import StoreFailed
from gitsync.ledger.journal import Journal
from tests.agents.benches import parcel
from tests.agents.conftest import Office

FRIDAY = 1_795_190_400.0 + 3600  # 2026-11-20T17:00:00Z
NAME = "mechanic"


def around(journal: Journal, budget: Budget | None = None, **spec: Any) -> Surroundings:
    specs = [AgentSpec(name=NAME, kind="claude", model="claude-haiku-4-5", **spec)]
    return Surroundings(purse=JournalPurse(journal, specs, budget or Budget()))


def test_days_and_weeks_begin_at_midnight_utc_weeks_on_monday() -> None:
    day, week = day_of(FRIDAY), week_of(FRIDAY)
    assert [clock.stamp(at) for at in (*day, *week)] == [
        "2026-11-20T00:00:00Z",
        "2026-11-21T00:00:00Z",
        "2026-11-16T00:00:00Z",
        "2026-11-23T00:00:00Z",
    ]
    spec = AgentSpec(name="a", kind="claude", daily_budget=1, weekly_budget=2)
    found = bounds(spec, Budget(daily=3, weekly=4), FRIDAY)
    assert [(one.agent, one.name, one.micros) for one in found] == [
        ("", "daily", 3),
        ("", "weekly", 4),
        ("a", "daily", 1),
        ("a", "weekly", 2),
    ]


def test_a_run_is_recorded_with_all_that_it_took(office: Office, tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        (told,), _ = office.ask(tmp_path, parcel(thread="T"), around=around(journal))
        (run,) = journal.runs()
        usage = told.usage or {}
        assert usage["run"] == run.number
        assert (run.agent, run.kind, run.model, run.thread) == (NAME, "claude", "claude-haiku-4-5", "T")
        assert run.cost_micros == usage["cost_micros"] == run.tokens_in + 5 * run.tokens_out
        assert run.reserved_micros == 0


def test_a_request_that_might_pass_the_budget_is_not_sent(office: Office, tmp_path: Path) -> None:
    # 100 tokens of answer cost 500 micros, the prompt some 20, or by its length in bytes some 2,000.
    with Journal(tmp_path / "j") as journal:
        given = around(journal, daily_budget=700)
        told, server = office.ask(tmp_path, *[parcel()] * 4, around=given, max_tokens=100, daily_budget=700)
        assert told[0].kind == "done"
        assert server.counted > 0  # the length alone would have been too much, so it was counted
        last = told[-1]
        assert (last.kind, last.started, last.blameless) == ("failed", False, True)
        assert "mechanic's daily budget of $0.01 has" in last.reason
        assert last.until == day_of(clock.unix())[1]
        assert (last.usage or {})["error_type"] == "budget"
        spent, reserved = journal.spent(*day_of(clock.unix()))
        assert 0 < spent <= 700
        assert reserved == 0
        assert len(server.requests) == sum(one.kind == "done" for one in told) < 4


def test_what_can_never_fit_is_refused_and_so_is_what_has_no_price(office: Office, tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        (told,), server = office.ask(tmp_path, around=around(journal, Budget(weekly=100)), max_tokens=100)
        assert told.kind == "refused"
        assert "may cost $0.0" in told.reason
        assert "the weekly budget of this computer" in told.reason
        (told,), _ = office.ask(tmp_path, around=around(journal, daily_budget=10**9), model="unknown")
        assert told.kind == "refused"
        assert "no price is known for unknown" in told.reason
        assert server.requests == []
        assert journal.spent(0.0) == (0, 0)
        priced = Surroundings(
            purse=JournalPurse(journal, [AgentSpec(name=NAME, kind="claude", daily_budget=10**9)]),
            prices={"unknown": Price(10**6, 10**6, 10**6, 10**6, 10**6)},
        )
        (told,), _ = office.ask(tmp_path, around=priced, model="unknown")
        assert (told.usage or {})["cost_micros"] == (told.usage or {})["tokens_in"] + (told.usage or {})["tokens_out"]


def test_many_at_once_wait_for_each_other_and_never_pass_it(office: Office, tmp_path: Path) -> None:
    budget = 3000

    async def play() -> None:
        async with serving(scenario={"rules": [{"say": "short", "delay": 0.05}]}) as server:
            with Journal(tmp_path / "j") as journal:
                given = around(journal, daily_budget=budget)
                agent = office.agent(server, tmp_path, given, max_tokens=100, daily_budget=budget)
                worst = 0

                async def watch() -> None:
                    nonlocal worst
                    while True:
                        worst = max(worst, sum(await asyncio.to_thread(journal.spent, 0.0)))
                        await asyncio.sleep(0.01)

                watching = asyncio.create_task(watch())
                told = await asyncio.gather(*[agent.deliver(parcel()) for _ in range(20)])
                watching.cancel()
                # Each takes some 30 and may take 600: only in turns do all of them fit.
                assert [one.kind for one in told] == ["done"] * 20
                assert 600 < worst <= budget
                assert journal.spent(0.0)[1] == 0

    office.run(play())


def test_what_was_under_way_at_a_kill_counts_after_the_restart(office: Office, tmp_path: Path) -> None:
    async def play() -> None:
        async with serving(scenario={"rules": [{"say": "a b c d", "pause": 30.0}]}) as server:
            with Journal(tmp_path / "j") as journal:
                given = around(journal, daily_budget=5000)
                agent = office.agent(server, tmp_path, given, max_tokens=100, daily_budget=5000)
                task = asyncio.create_task(agent.deliver(parcel()))
                while not server.requests:
                    await asyncio.sleep(0.02)
                pid = office.worker.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                told = await task
                assert told.kind == "uncertain"
                assert "worker ended (-9)" in told.reason
            with Journal(tmp_path / "j") as journal:
                journal.recover_runs()
                spent, reserved = journal.spent(0.0)
                assert spent == 0
                assert reserved > 500
                again = around(journal, daily_budget=reserved + 400)
                (run,) = journal.runs()
                assert run.outcome == "uncertain"
                agent = office.agent(server, tmp_path, again, max_tokens=100)
                told = await agent.deliver(parcel())
                assert (told.kind, told.started) == ("refused" if told.until is None else "failed", False)
                assert "budget" in told.reason
                server.scenario.rules.clear()
                enough = office.agent(server, tmp_path, around(journal, daily_budget=10**7))
                assert (await enough.deliver(parcel())).kind == "done"

    office.run(play())


@pytest.mark.parametrize(("rule", "kept"), [({"status": 400}, False), ({"say": "a b c", "cut": 1}, True)])
def test_what_may_have_been_charged_stays_set_aside(
    office: Office, tmp_path: Path, rule: dict[str, Any], kept: bool
) -> None:
    with Journal(tmp_path / "j") as journal:
        (told,), _ = office.ask(tmp_path, scenario={"rules": [rule]}, around=around(journal, daily_budget=10**7))
        assert told.kind != "done"
        reserved = journal.spent(0.0)[1]
        # What broke off may have been charged for its prompt, which is counted by then, and for the longest answer.
        assert (20_480 <= reserved < 20_600) if kept else reserved == 0


def test_a_journal_that_takes_nothing_stops_requests_before_they_are_sent(office: Office, tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        given = around(journal, daily_budget=10**7)
        (tmp_path / "j").rename(tmp_path / "gone")
        (told,), server = office.ask(tmp_path, around=given)
        assert (told.kind, told.started) == ("failed", False)
        assert "the journal takes nothing" in told.reason
        assert server.requests == []


class Full(JournalPurse):
    """A purse whose disk is full once a request has been answered."""

    async def charge(self, number: int, used: Used) -> None:
        raise StoreFailed("cannot write", "the disk is full")


def test_an_answer_that_cannot_be_charged_is_not_lost_and_stays_set_aside(office: Office, tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        purse = Full(journal, [AgentSpec(name=NAME, kind="claude", daily_budget=10**7)])
        (told,), _ = office.ask(tmp_path, around=Surroundings(purse=purse))
        assert told.kind == "done"
        assert journal.spent(0.0)[1] > 0


def test_who_waited_in_vain_for_money_has_not_begun(office: Office, tmp_path: Path) -> None:
    async def play() -> None:
        async with serving(scenario={"rules": [{"delay": 60, "times": 1}]}) as server:
            with Journal(tmp_path / "j") as journal:
                given = around(journal, daily_budget=3000)
                slow = office.agent(server, tmp_path, given, max_tokens=500, timeout=30.0)
                first = asyncio.create_task(slow.deliver(parcel()))
                while not journal.spent(0.0)[1]:
                    await asyncio.sleep(0.02)
                quick = office.agent(server, tmp_path, given, max_tokens=500, timeout=1.0)
                told = await quick.deliver(parcel())
                assert (told.kind, told.started) == ("failed", False)
                assert "waiting for its turn" in told.reason
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)

    office.run(play())


@pytest.mark.parametrize(("seed", "budget"), [(1, 9_000), (2, 40_000)])
def test_a_budget_is_not_passed_whatever_becomes_of_the_requests(
    office: Office, tmp_path: Path, seed: int, budget: int
) -> None:
    chance = random.Random(seed)
    rules = [
        {"when": {"contains": "look", "result": False}, "call": [{"name": "skill", "input": {"name": "s"}}]},
        {"when": {"contains": "over"}, "status": 529, "retry_after": 0},
        {"when": {"contains": "cut"}, "say": "a b c d e f", "cut": 2},
        {"when": {"contains": "slow"}, "say": "w " * 50, "delay": 0.2},
        {"say": "w " * 40},
    ]
    (tmp_path / "s.md").write_text("---\ndescription: d\n---\n" + "text " * 200)
    bodies = [chance.choice(["look", "over", "cut", "slow", "x" * 2000, "y"]) for _ in range(20)]
    cancelled = {number: chance.random() * 0.3 for number in range(20) if chance.random() < 0.2}

    async def play() -> None:
        async with serving(scenario={"rules": rules}) as server:
            with Journal(tmp_path / "j") as journal:
                more: dict[str, Any] = {"max_tokens": 100, "skills": ("s.md",), "breaker_failures": 1000}
                agent = office.agent(server, tmp_path, around(journal, daily_budget=budget), timeout=5.0, **more)
                most = 0

                async def one(number: int) -> None:
                    task = asyncio.create_task(agent.deliver(parcel(body=bodies[number])))
                    if number in cancelled:
                        await asyncio.sleep(cancelled[number])
                        task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

                async def watch() -> None:
                    nonlocal most
                    while True:
                        most = max(most, sum(await asyncio.to_thread(journal.spent, 0.0)))
                        await asyncio.sleep(0.01)

                watching = asyncio.create_task(watch())
                await asyncio.gather(*[one(number) for number in range(20)])
                watching.cancel()
                real = sum(run.cost_micros or 0 for run in journal.runs())
                assert 0 < real <= most <= budget
                assert sum(journal.spent(0.0)) <= budget

    office.run(play())

"""Hand-overs and money: what a budget stops waits, says until when, and goes on; every run has its record."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitsync.agents.claude.surroundings import Surroundings
from gitsync.agents.spec import AgentSpec
from gitsync.demo.messages_api import MessagesServer, serving
from gitsync.dispatch import budget as budgets
from gitsync.dispatch.budget import Budget
from gitsync.dispatch.purse import JournalPurse
from tests.dispatch.world import World, letter, running, until

ENVIRON = {**os.environ, "K": "k"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


def model(server: MessagesServer, **more: Any) -> AgentSpec:
    given = {"name": "worker", "model": "claude-haiku-4-5", "max_tokens": 100, **more}
    return AgentSpec(kind="claude", base_url=server.url, api_key_env="K", **given)


def test_what_a_budget_stops_waits_with_the_time_and_goes_on_when_it_begins_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    until_when = [4e9]
    monkeypatch.setattr(budgets, "day_of", lambda at: (0.0, until_when[0]))
    world.arrive(*(letter(subject=f"No {number}") for number in range(5)))

    async def act() -> int:
        async with serving() as server:
            spec = model(server, daily_budget=1000)
            purse = JournalPurse(world.journal, [spec], Budget())
            dispatcher = world.dispatcher(spec, environ=ENVIRON, around=Surroundings(purse=purse))
            async with running(world, dispatcher) as dispatcher:
                await dispatcher.consider()
                await until(lambda: ("worker", "retry") in world.states())
                await dispatcher.consider()
                done = world.states().count(("worker", "done"))
                assert 1 <= done < 5
                waits = world.journal.waits()
                assert len(waits) == 5 - done
                assert all("worker's daily budget of $0.01" in reason for reason, _ in waits.values())
                assert sum(world.journal.spent(0.0)) <= 1000
                assert "budget" in dispatcher.loads()["worker"].obstacle
                asked = len(server.requests)
                await dispatcher.consider()
                await asyncio.sleep(0.3)
                assert len(server.requests) == asked  # nobody asks again and again
            # Another process, with a budget that is enough for all: what waited is done, each once.
            spec = model(server, daily_budget=10**9)
            purse = JournalPurse(world.journal, [spec], Budget())
            dispatcher = world.dispatcher(spec, environ=ENVIRON, around=Surroundings(purse=purse))
            async with running(world, dispatcher) as dispatcher:
                await dispatcher.consider()
                await until(lambda: world.states() == [("worker", "done")] * 5)
                return len(server.requests)

    assert asyncio.run(act()) == 5
    assert len(world.replies()) == 5
    runs = world.journal.runs()
    assert [run.outcome for run in runs].count("done") == 5
    stopped = [run for run in runs if run.error_type == "budget"]
    assert stopped
    assert all(run.cost_micros == 0 and run.reserved_micros == 0 for run in stopped)
    assert all(run.seconds is not None for run in runs)


def test_what_a_program_used_is_recorded_with_its_task_and_thread(world: World) -> None:
    code = (
        "import json; print(json.dumps({'type': 'result', 'result': 'ok', 'total_cost_usd': 0.0123,"
        " 'usage': {'input_tokens': 5, 'output_tokens': 7, 'cache_read_input_tokens': 9}}))"
    )
    spec = AgentSpec(name="worker", kind="command", argv=(sys.executable, "-S", "-c", code))
    quiet = AgentSpec(name="quiet", kind="command", argv=(sys.executable, "-S", "-c", "print('ok')"))
    world.arrive(letter(to=("2/worker",)), letter(to=("2/quiet",)))

    async def act() -> None:
        async with running(world, world.dispatcher(spec, quiet)) as dispatcher:
            await dispatcher.consider()
            await until(lambda: [state for _, state in world.states()] == ["done", "done"])

    asyncio.run(act())
    (run,) = world.journal.runs()  # nothing is known of the other, so there is no record that says nothing
    assert (run.agent, run.kind, run.outcome, run.error_type) == ("worker", "command", "done", "")
    assert (run.tokens_in, run.tokens_out, run.tokens_cached, run.cost_micros) == (5, 7, 9, 12_300)
    assert run.thread
    assert run.message_key == next(one.message_key for one in world.intents() if one.agent == "worker")


def test_a_program_is_begun_only_while_its_dearest_run_fits(world: World) -> None:
    code = "import json; print(json.dumps({'type': 'result', 'result': 'ok', 'total_cost_usd': 0.2}))"
    argv = (sys.executable, "-S", "-c", code)
    spec = AgentSpec(
        name="worker", kind="command", argv=argv, run_budget=500_000, daily_budget=1_000_000, concurrency=4
    )
    world.arrive(*(letter(subject=f"No {number}") for number in range(6)))

    async def act() -> None:
        purse = JournalPurse(world.journal, [spec], Budget())
        async with running(world, world.dispatcher(spec, around=Surroundings(purse=purse))) as dispatcher:
            await dispatcher.consider()
            await until(lambda: len(world.journal.waits()) == 3)

    asyncio.run(act())
    # 0.2 + 0.2 + 0.5 fit, 0.6 + 0.5 do not.
    assert world.states().count(("worker", "done")) == 3
    assert world.journal.spent(0.0) == (600_000, 0)


def test_a_program_that_does_not_say_what_it_cost_keeps_what_was_set_aside(world: World) -> None:
    spec = AgentSpec(name="worker", kind="command", argv=(sys.executable, "-S", "-c", "print('ok')"), run_budget=7)
    world.arrive(letter())

    async def act() -> None:
        purse = JournalPurse(world.journal, [spec], Budget())
        async with running(world, world.dispatcher(spec, around=Surroundings(purse=purse))) as dispatcher:
            await dispatcher.consider()
            await until(lambda: world.states() == [("worker", "done")])

    asyncio.run(act())
    assert world.journal.spent(0.0) == (0, 7)
    (run,) = world.journal.runs()
    assert run.outcome == "done"

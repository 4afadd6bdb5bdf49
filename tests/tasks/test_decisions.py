"""What is decided about tasks without any disk."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync import clock
from gitsync.agents.spec import AgentSpec
from gitsync.cli.parser import TASK_STATES
from gitsync.ledger.intents import FINAL
from gitsync.ledger.tasks import ENDED, STATES
from gitsync.ledger.values import INTENT_STATES
from gitsync.protocol.message import Message
from gitsync.routing import route
from gitsync.tasks.asks import ask_of
from gitsync.tasks.elsewhere import choose
from gitsync.tasks.states import combine, come_again, judge, pause


@given(st.lists(st.sampled_from(STATES), min_size=1))
def test_a_task_ends_when_all_of_it_has_ended(parts: list[str]) -> None:
    status = combine(parts)
    assert status in parts
    assert (status in ENDED) == all(part in ENDED for part in parts)
    assert (status == "COMPLETED") == all(part == "COMPLETED" for part in parts)
    assert combine(reversed(parts)) == status


def test_every_state_of_a_hand_over_means_something() -> None:
    for state in INTENT_STATES:
        judged = judge(state)
        assert judged is not None
        assert (judged.status in ENDED) == (state in FINAL)
    assert judge("no such word") is None


def test_only_a_known_failure_is_tried_again() -> None:
    again = {word for word in (*INTENT_STATES, "assigned", "unassigned") if (said := judge(word)) and said.again}
    assert again == {"failed", "dead"}


@given(st.integers(1, 200), st.floats(0, 1000))
def test_pauses_grow_and_stay_bounded(attempt: int, first: float) -> None:
    assert 0 <= pause(attempt, first) <= pause(attempt + 1, first) <= 3600


@given(st.integers(0, 100_000))
def test_who_is_sent_away_comes_again_within_half_a_minute(ended: int) -> None:
    assert 1 <= come_again(ended) <= 30
    assert come_again(ended + 1) <= come_again(ended)


def machine(ident: str, *agents: tuple[str, str, int], state: str = "ACTIVE") -> dict[str, Any]:
    rows = [
        {"agent": f"a{at}", "state": up, "types": [kind], "queue": queue} for at, (kind, up, queue) in enumerate(agents)
    ]
    return {"id": ident, "state": state, "agents": rows}


@pytest.mark.parametrize(
    ("fleet", "expected"),
    [
        ([], None),
        ([machine("3", ("fix", "online", 2))], "3"),
        ([machine("3", ("fix", "online", 2)), machine("4", ("fix", "online", 1))], "4"),
        ([machine("3", ("fix", "busy", 0)), machine("4", ("fix", "online", 5))], "4"),
        ([machine("3", ("fix", "offline", 0))], None),
        ([machine("3", ("fix", "crashed", 0))], None),
        ([machine("3", ("fix", "online", 0), state="OFFLINE")], None),
        ([machine("3", ("build", "online", 0))], None),
        ([machine("2", ("fix", "online", 0))], None),
    ],
)
def test_which_machine_gets_it(fleet: list[dict[str, Any]], expected: str | None) -> None:
    found = choose("fix", fleet, {"2"})
    assert (found.machine if found else None) == expected
    if found:
        assert "fix" in found.reason


@pytest.mark.parametrize(
    ("subject", "body", "kind", "content"),
    [
        ("Fix the door", "type: build_project\nnow", "build_project", "now"),
        ("Fix the door", "  Type:\tBUILD\n\nnow", "BUILD", "\nnow"),
        ("bug_fix: the door", "it squeaks", "bug_fix", "it squeaks"),
        ("Bug_fix the door", "it squeaks", "bug_fix", "it squeaks"),
        ("The bug_fix", "it squeaks", "general", "it squeaks"),
        ("", "it squeaks\ntype: late", "general", "it squeaks\ntype: late"),
        ("only this", "type: build", "build", ""),
    ],
)
def test_what_a_message_asks_for(subject: str, body: str, kind: str, content: str) -> None:
    message = Message(
        id=clock.new_id(), sender="1", to=("2",), subject=subject, body=body, date=clock.stamp(), priority="high"
    )
    ask = ask_of(message, ["worker"], {"bug_fix", "general"})
    assert (ask.type, ask.content, ask.priority, ask.to) == (kind, content, "high", "worker")


def spec(name: str, **more: Any) -> AgentSpec:
    return AgentSpec(name=name, kind="inbox", **more)


HERE = (
    spec("web", specialty="Python web services, Starlette and HTTP"),
    spec("data", specialty="data analysis with Python"),
    spec("mechanic", types=("deploy",), default=True),
)


@pytest.mark.parametrize(
    ("kind", "text", "agents", "case"),
    [
        ("", "please analyse the DATA in python", ("data",), "R4: specialty, by data, python"),
        ("", "write some Python", ("web", "data"), "R4: specialty, by python"),
        ("http_service", "make one", ("web",), "R4: specialty, by http"),
        ("deploy", "python web data", ("mechanic",), "R3"),
        ("general", "with and for the", ("mechanic",), "R5"),
        ("general", "datapoint", ("mechanic",), "R5"),
    ],
)
def test_specialty_words(kind: str, text: str, agents: tuple[str, ...], case: str) -> None:
    found = route(None, kind, HERE, {}, (), "2", text=text)
    assert found.agents == agents
    assert found.reason.startswith(case)


def test_a_route_may_name_each_of_its_agents() -> None:
    routes = {"check": ("web", "data"), "build": ("web",)}
    assert route(None, "check", HERE, routes, (), "2", route_all={"check"}).all
    assert not route(None, "build", HERE, routes, (), "2", route_all={"check"}).all
    assert not route("web", "check", HERE, routes, (), "2", route_all={"check"}).all


def test_a_route_gives_an_agent_more_types_than_it_lists() -> None:
    assert route("mechanic", "check", HERE, {}, (), "2").refused
    assert route("mechanic", "check", HERE, {"check": ("mechanic",)}, (), "2").agents == ("mechanic",)


def test_the_command_line_offers_the_states_that_there_are() -> None:
    assert TASK_STATES == STATES

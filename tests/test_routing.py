"""Which agent gets what, and who may have it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.routing import Policy, Route, route


@dataclass(frozen=True)
class Agent:
    name: str
    types: tuple[str, ...] = ()
    default: bool = False
    specialty: str = ""


BUILDER = Agent("builder", ("build",))
CODER = Agent("coder", ("fix", "build"))
MECHANIC = Agent("mechanic", default=True)
HERE = (BUILDER, CODER, MECHANIC)


@pytest.mark.parametrize(
    ("to", "kind", "agents", "routes", "expected", "case"),
    [
        ("builder", "build", HERE, {}, ("builder",), "R1"),
        ("builder", "", HERE, {}, ("builder",), "R1"),
        ("mechanic", "anything", HERE, {}, ("mechanic",), "R1"),
        (None, "build", HERE, {"build": ("coder", "gone")}, ("coder",), "R2"),
        (None, "review", HERE, {"review": ("builder",)}, ("builder",), "R2"),
        (None, "build", HERE, {"build": ("gone",)}, ("builder", "coder"), "R3"),
        (None, "fix", HERE, {}, ("coder",), "R3"),
        (None, "review", HERE, {}, ("mechanic",), "R5"),
        (None, "", HERE, {"general": ("coder",)}, ("mechanic",), "R5"),
        (None, "review", (BUILDER, CODER), {}, (), "R6"),
        (None, "", (), {}, (), "R6"),
    ],
)
def test_the_cases(to, kind, agents, routes, expected, case) -> None:  # type: ignore[no-untyped-def]
    found = route(to, kind, agents, routes, (), "2")
    assert found.agents == expected
    assert found.refused is None
    assert found.reason.startswith(case)


def test_an_agent_that_is_not_here_is_refused() -> None:
    assert route("nobody", "", HERE, {}, (), "2").refused == "no agent nobody here"


def test_an_agent_that_lists_types_takes_only_these() -> None:
    found = route("builder", "fix", HERE, {}, (), "2")
    assert found.agents == ()
    assert found.refused == "agent builder takes only build, not fix"


ONLY = (Policy("2", ("coder",), ("fix", "review")),)


@pytest.mark.parametrize(
    ("sender", "to", "kind", "allowed"),
    [
        ("2", "coder", "fix", True),
        ("2", "coder", "review", True),  # the owner's rule names it, though the agent does not list it
        ("2", None, "fix", True),
        ("2", "coder", "build", False),
        ("2", "coder", "", False),
        ("2", "builder", "fix", False),
        ("2", None, "anything", False),
        ("3", "coder", "fix", False),
        ("jesse", "coder", "fix", False),
    ],
)
def test_with_rules_only_what_some_rule_allows(sender: str, to: str | None, kind: str, allowed: bool) -> None:
    found = route(to, kind, HERE, {}, ONLY, sender)
    assert (found.refused is None) == allowed
    assert bool(found.agents) == allowed
    if not allowed:
        assert f"no policy lets {sender}" in str(found.refused)


def test_a_rule_without_types_leaves_the_agent_its_own_list() -> None:
    rules = (Policy("*", ("builder",)),)
    assert route("builder", "build", HERE, {}, rules, "9").agents == ("builder",)
    assert route("builder", "fix", HERE, {}, rules, "9").refused == "agent builder takes only build, not fix"


def test_a_rule_for_everybody_and_everything() -> None:
    assert route(None, "build", HERE, {}, (Policy("*"),), "jesse").agents == ("builder", "coder")
    assert route(None, "build", HERE, {}, (Policy("*", ("*",), ("*",)),), "jesse").agents == ("builder", "coder")


def test_of_several_agents_only_the_allowed_remain() -> None:
    assert route(None, "build", HERE, {}, (Policy("2", ("coder",)),), "2").agents == ("coder",)


names = st.sampled_from(["a", "b", "c", "d"])
kinds = st.sampled_from(["", "x", "y"])
lists = st.lists(names, max_size=3).map(tuple)
agents = st.lists(
    st.builds(Agent, names, st.lists(kinds, max_size=2).map(tuple), st.booleans()), unique_by=lambda a: a.name
)
policies = st.lists(st.builds(Policy, st.sampled_from(["1", "2", "*"]), lists, st.lists(kinds, max_size=2).map(tuple)))


@given(st.none() | names, kinds, agents, st.dictionaries(kinds, lists), policies, st.sampled_from(["1", "2", "jesse"]))
def test_laws(to, kind, here, routes, rules, sender) -> None:  # type: ignore[no-untyped-def]
    found: Route = route(to, kind, here, routes, rules, sender)
    assert not (found.agents and found.refused)
    assert set(found.agents) <= {agent.name for agent in here}
    if to is not None:
        assert found.agents in ((), (to,))
    for name in found.agents:
        assert not rules or any(
            rule.sender in ("*", sender)
            and (not rule.agents or name in rule.agents)
            and (not rule.types or kind in rule.types)
            for rule in rules
        )
    # More rules never take away what fewer allow, once there is one.
    if rules:
        assert set(found.agents) <= set(route(to, kind, here, routes, [*rules, Policy("*")], sender).agents)


@pytest.mark.parametrize(
    ("rule", "machine", "sender", "allowed"),
    [
        (Policy("1"), "1", "1/mechanic", True),
        (Policy("1/mechanic"), "1", "1/mechanic", True),
        (Policy("1/Mechanic"), "1", "1/mechanic", True),
        (Policy("1/mechanic"), "1", "1/other", False),
        (Policy("1/mechanic"), "1", "1", False),
        (Policy("1/mechanic"), "3", "3/mechanic", False),
        (Policy("jesse"), "jesse", "jesse", True),
        (Policy(""), "1", "", False),
        (Policy("*"), "9", "9/x", True),
    ],
)
def test_a_rule_is_for_a_machine_one_of_its_agents_or_a_person(
    rule: Policy, machine: str, sender: str, allowed: bool
) -> None:
    found = route("mechanic", "", HERE, {}, (rule,), machine, sender=sender)
    assert (found.refused is None) is allowed


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ((Policy("3"),), "no rule is for this sender"),
        ((Policy("3"), Policy("1", ("coder",))), "rule 2, for 1, allows only coder"),
        (
            (Policy("1", ("coder",)), Policy("1", ("builder",), ("fix", "review"))),
            "rule 2, for 1, allows only fix, review",
        ),
    ],
)
def test_a_refusal_names_the_rule(rules: tuple[Policy, ...], says: str) -> None:
    found = route("builder", "build", HERE, {}, rules, "1", sender="1/mechanic")
    assert found.agents == ()
    assert found.refused == f"no policy lets 1/mechanic have work of type build done by builder: {says}"

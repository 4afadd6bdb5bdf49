"""Every case of a plan, by its number."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.planning import Case, Plan, View, plan

K, R = "known", "remote"


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param(View(known=None, remote=None, work=False), Plan(Case.NOTHING, None), id="0-nothing"),
        pytest.param(View(known=None, remote=None, work=True), Plan(Case.UNBORN, None, push=True), id="1-unborn"),
        pytest.param(
            View(known=K, remote=None, work=True, recorded=False),
            Plan(Case.UNBORN, K, push=True),
            id="1-unborn-with-local-commits",
        ),
        pytest.param(View(known=K, remote=K, work=False, contained=True), Plan(Case.LEVEL, K), id="2-level"),
        pytest.param(View(known=K, remote=K, work=True, contained=True), Plan(Case.AHEAD, K, push=True), id="3-ahead"),
        pytest.param(
            View(known=K, remote=R, work=False, contained=True), Plan(Case.BEHIND, R, take=True), id="4-behind"
        ),
        pytest.param(View(known=None, remote=R, work=False), Plan(Case.BEHIND, R, take=True), id="4-first-sight"),
        pytest.param(
            View(known=K, remote=R, work=True, contained=True),
            Plan(Case.DIVERGED, R, push=True, take=True),
            id="5-diverged",
        ),
        pytest.param(
            View(known=K, remote=R, work=True, recorded=False),
            Plan(Case.DIVERGED, R, push=True, take=True),
            id="5-local-branch-never-pushed",
        ),
        pytest.param(View(known=K, remote=R, work=True), Plan(Case.REWRITTEN, R, halt=True), id="6-rewritten-halts"),
        pytest.param(
            View(known=K, remote=R, work=False, reversed=True), Plan(Case.REWRITTEN, R, halt=True), id="6-rewound-halts"
        ),
        pytest.param(
            View(known=K, remote=R, work=True, accept_rewrite=True),
            Plan(Case.REWRITTEN, R, push=True, take=True, rescue=True),
            id="6-rewritten-accepted",
        ),
        pytest.param(
            View(known=K, remote=R, work=True, related=False), Plan(Case.UNRELATED, R, halt=True), id="7-unrelated"
        ),
        pytest.param(
            View(known=K, remote=R, work=True, related=False, recorded=False),
            Plan(Case.UNRELATED, R, halt=True),
            id="7-unrelated-local-branch",
        ),
        pytest.param(View(known=K, remote=None, work=False), Plan(Case.GONE, K, halt=True), id="8-gone"),
        pytest.param(
            View(known=K, remote=None, work=False, accept_rewrite=True), Plan(Case.GONE, K, push=True), id="8-accepted"
        ),
    ],
)
def test_cases(view: View, expected: Plan) -> None:
    assert plan(view) == expected


@given(
    known=st.sampled_from([None, K]),
    remote=st.sampled_from([None, K, R]),
    flags=st.tuples(*[st.booleans()] * 6),
)
def test_every_view_has_a_plan_that_destroys_nothing(
    known: str | None, remote: str | None, flags: tuple[bool, ...]
) -> None:
    names = ("work", "contained", "reversed", "related", "recorded", "accept_rewrite")
    view = View(known=known, remote=remote, **dict(zip(names, flags, strict=True)))
    chosen = plan(view)
    if chosen.halt:
        assert not chosen.push
        assert not chosen.take
        assert not view.accept_rewrite
    if chosen.take:
        assert chosen.base == remote != known
    leaves_known = known is not None and view.recorded and remote not in (None, known) and not view.contained
    assert not (chosen.take and leaves_known) or chosen.rescue


def test_numbers_are_fixed() -> None:
    assert [case.value for case in Case] == list(range(9))
    assert [case.name for case in itertools.islice(Case, 3)] == ["NOTHING", "UNBORN", "LEVEL"]

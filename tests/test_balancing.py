"""Laws of balancing: who is never chosen, who is never forgotten, what a breaker lets through."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gitsync.balancing import UNABLE, Breaker, Load, aged, choose, smoothed

STATES = ("starting", "online", "busy", "degraded", *sorted(UNABLE))


def load_of(**changes: object) -> st.SearchStrategy[Load]:
    values: dict[str, st.SearchStrategy[object]] = {
        "state": st.sampled_from(STATES),
        "running": st.integers(0, 9),
        "queued": st.integers(0, 50),
        "concurrency": st.integers(1, 9),
        "latency": st.none() | st.floats(0, 400),
        "weight": st.floats(0.01, 100),
        "backup": st.booleans(),
        "draining": st.booleans(),
        "breaker": st.sampled_from(("closed", "open", "half-open")),
        "trial": st.booleans(),
    }
    return st.builds(Load, **{**values, **{name: st.just(value) for name, value in changes.items()}})  # type: ignore[arg-type]


LOADS = st.dictionaries(st.sampled_from("abcdefgh"), load_of(), max_size=8)
ABLE = st.dictionaries(st.sampled_from("abcd"), load_of(state="online", draining=False, breaker="closed"), min_size=1)


def unable(load: Load) -> bool:
    """Say it in the words of the requirement, not in those of the code."""
    closed_to_us = load.breaker == "open" or (load.breaker == "half-open" and load.trial)
    return load.state in ("offline", "error", "timeout", "crashed") or load.draining or closed_to_us


@given(LOADS, st.permutations("abcdefgh"))
def test_who_cannot_take_it_is_never_chosen_and_somebody_is_if_anybody_can(
    loads: dict[str, Load], names: list[str]
) -> None:
    chosen = choose(names, loads)
    if chosen is None:
        assert all(unable(load) for load in loads.values())
    else:
        assert not unable(loads[chosen])


@given(LOADS, st.permutations("abcdefgh"))
def test_a_backup_is_chosen_only_when_no_other_can(loads: dict[str, Load], names: list[str]) -> None:
    chosen = choose(names, loads)
    if chosen is not None and loads[chosen].backup:
        assert all(unable(load) or load.backup for load in loads.values())


@given(LOADS)
def test_what_no_message_is_for_is_not_chosen(loads: dict[str, Load]) -> None:
    assert choose([], loads) is None
    assert choose(["x", "y"], loads) is None


@given(ABLE)
def test_no_agent_is_forgotten_however_slow(loads: dict[str, Load]) -> None:
    """Give out work without any being done: everybody who is not a backup gets some, in bounded time."""
    first = {name for name, load in loads.items() if not load.backup} or set(loads)
    loads = {name: dataclasses.replace(load, weight=max(0.5, min(2.0, load.weight))) for name, load in loads.items()}
    seen = set()
    for _ in range(50 * 9 * 4 * 10 * 60):
        chosen = choose(sorted(loads), loads)
        assert chosen is not None
        seen.add(chosen)
        if seen == first:
            break
        loads[chosen] = dataclasses.replace(loads[chosen], queued=loads[chosen].queued + 1)
    assert seen == first


@given(st.integers(1, 8), st.integers(1, 8))
def test_work_is_shared_by_weight(one: int, other: int) -> None:
    loads = {"a": Load(weight=one), "b": Load(weight=other)}
    given_out = {"a": 0, "b": 0}
    for _ in range(20 * (one + other)):
        name = choose("ab", loads)
        assert name is not None
        given_out[name] += 1
        loads[name] = dataclasses.replace(loads[name], queued=loads[name].queued + 1)
    assert given_out == {"a": 20 * one, "b": 20 * other}


@given(st.permutations("abcd"))
def test_ties_go_by_the_order_given(names: list[str]) -> None:
    assert choose(names, dict.fromkeys("abcd", Load())) == names[0]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (Load(running=1), Load(running=2)),
        (Load(queued=1), Load(queued=2)),
        (Load(running=2, concurrency=4), Load(running=1)),
        (Load(latency=0.1), Load(latency=1.0)),
        (Load(latency=0.1, queued=3), Load(latency=1.0)),
        (Load(weight=2.0), Load()),
        (Load(running=50), Load(backup=True)),
    ],
)
def test_the_least_expected_wait_wins(better: Load, worse: Load) -> None:
    assert choose("ab", {"a": worse, "b": better}) == "b"


@given(load_of())
def test_room_is_never_more_than_may_run(load: Load) -> None:
    assert 0 <= load.room <= load.concurrency
    if unable(load):
        assert load.room == 0
    if load.breaker == "half-open":
        assert load.room <= 1


@given(st.floats(0.001, 300), st.floats(0.001, 300))
def test_an_average_lies_between_what_it_averages(former: float, now: float) -> None:
    low, high = sorted((former, now))
    assert low * 0.999 <= smoothed(former, now) <= high * 1.001
    assert smoothed(None, now) == now


# Ageing


@given(st.integers(-3, 0), st.integers(-3, 0), st.floats(0, 1e4), st.floats(0, 1e4), st.floats(1, 1e4))
def test_ageing_keeps_the_order_of_what_waits_together(one: int, other: int, a: float, b: float, step: float) -> None:
    before = aged(one, a, step) - aged(other, b, step)
    assert abs(before - (aged(one, a + 777, step) - aged(other, b + 777, step))) < 1e-6


@given(st.integers(-3, 0), st.floats(1, 3600))
def test_nothing_that_came_three_steps_later_goes_first(rank: int, step: float) -> None:
    assert aged(0, 3.01 * step, step) < aged(rank, 0.0, step)
    assert aged(0, 0.0, step) >= aged(rank, 0.0, step)


# The breaker


class BreakerMachine(RuleBasedStateMachine):
    """Compare with the words: closed, open for the pause, then one trial."""

    LIMIT, PAUSE = 3, 60.0

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(self.LIMIT, self.PAUSE)
        self.now = 1000.0
        self.others: list[int] = []
        self.trial = 0
        self.row = 0
        self.opened: float | None = None

    @rule(seconds=st.sampled_from((0.0, 1.0, 59.0, 60.0, 61.0)))
    def time_goes_on(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.breaker.lets(self.now))
    @rule()
    def begin(self) -> None:
        number = self.breaker.begin(self.now)
        assert bool(number) is (self.opened is not None)
        if number:
            self.trial = number
        else:
            self.others.append(number)

    @precondition(lambda self: self.others)
    @rule(well=st.booleans())
    def one_that_is_no_trial_ends(self, well: bool) -> None:
        number = self.others.pop(0)
        if well:
            self.breaker.succeeded()
            self._close()
            return
        self.breaker.failed(self.now, number)
        if self.opened is None:
            self._one_more_failure()

    @precondition(lambda self: self.trial)
    @rule(how=st.sampled_from(("well", "failed", "left")))
    def the_trial_ends(self, how: str) -> None:
        number, self.trial = self.trial, 0
        if how == "well":
            self.breaker.succeeded()
            self._close()
        elif how == "left":
            self.breaker.left(number)
        else:
            self.breaker.failed(self.now, number)
            self.opened = self.now

    @rule()
    def it_is_said_to_be_well_again(self) -> None:
        self.breaker.recover(self.now)
        if self.opened is not None:
            self.opened = min(self.opened, self.now - self.PAUSE)

    def _close(self) -> None:
        self.row, self.opened = 0, None
        if self.trial:
            self.others.append(self.trial)  # it still runs, and tells no more than any other
            self.trial = 0

    def _one_more_failure(self) -> None:
        self.row += 1
        if self.row >= self.LIMIT:
            self.opened = self.now

    @invariant()
    def it_is_what_it_should_be(self) -> None:
        expected = "closed"
        if self.opened is not None:
            expected = "open" if self.now < self.opened + self.PAUSE else "half-open"
        assert self.breaker.state(self.now) == expected
        assert self.breaker.trying is (self.trial != 0)
        assert self.breaker.lets(self.now) is (expected == "closed" or (expected == "half-open" and not self.trial))


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

"""Laws of the restart policy; time is an argument."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gitsync.supervisor.restart import Again, GiveUp, Past, after_end
from gitsync.supervisor.settings import SuperviseSettings

SETTINGS = SuperviseSettings()
lives = st.floats(0, 2000)


def test_a_program_that_never_comes_up_is_started_four_times_in_all() -> None:
    past, pauses = Past(), []
    while True:
        past, verdict = after_end(past, SETTINGS, lived=0.1, came_up=False)
        if isinstance(verdict, GiveUp):
            break
        pauses.append(verdict.after)
    assert pauses == [1, 2, 4]
    assert verdict.failed == 3


def test_one_that_answers_and_ends_is_brought_back_for_ever_with_longer_pauses() -> None:
    past, pauses = Past(), []
    for _ in range(12):
        past, verdict = after_end(past, SETTINGS, lived=30, came_up=True)
        assert isinstance(verdict, Again)
        pauses.append(verdict.after)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_ten_stable_minutes_make_it_new() -> None:
    past = Past(restarts=9, ends=9, failed=2)
    past, verdict = after_end(past, SETTINGS, lived=600, came_up=True)
    assert verdict == Again(1)
    assert past == Past(restarts=10, ends=1, failed=0)


def test_a_restart_that_helps_clears_the_failed_ones() -> None:
    past, verdict = after_end(Past(restarts=2, ends=2, failed=2), SETTINGS, lived=3, came_up=True)
    assert isinstance(verdict, Again)
    for _ in range(2):
        past, verdict = after_end(past, SETTINGS, lived=3, came_up=False)
        assert isinstance(verdict, Again)
    _, verdict = after_end(past, SETTINGS, lived=3, came_up=False)
    assert isinstance(verdict, GiveUp)


@given(st.lists(st.tuples(lives, st.booleans()), max_size=60), st.integers(1, 6))
def test_given_up_exactly_after_so_many_failed_restarts(ends: list[tuple[float, bool]], failures: int) -> None:
    settings = SuperviseSettings(failures=failures)
    past, row = Past(), 0
    for number, (lived, came_up) in enumerate(ends):
        row = 0 if came_up else row + (number > 0)
        past, verdict = after_end(past, settings, lived=lived, came_up=came_up)
        assert isinstance(verdict, GiveUp) == (row >= failures)
        if isinstance(verdict, GiveUp):
            return
        assert settings.backoff <= verdict.after <= settings.longest_backoff


@given(st.lists(lives.filter(lambda lived: lived < 600), min_size=2, max_size=80))
def test_pauses_never_shrink_while_nothing_is_stable(ends: list[float]) -> None:
    past, pauses = Past(), []
    for lived in ends:
        past, verdict = after_end(past, SETTINGS, lived=lived, came_up=True)
        assert isinstance(verdict, Again)
        pauses.append(verdict.after)
    assert pauses == sorted(pauses)
    assert past.restarts == len(ends)

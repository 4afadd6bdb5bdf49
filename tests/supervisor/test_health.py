"""How an agent is, judged by what its checks said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.supervisor.documents import response_times
from gitsync.supervisor.health import STATES, WINDOW, Seen, Window, counts, judge, next_look, percentile, shown

OK = Seen("online", "", 0.02)
seen = st.builds(
    Seen, st.sampled_from(["online", "timeout", "error", "offline"]), st.just("why"), st.floats(0, 10) | st.none()
)


def windowed(*checks: Seen) -> Window:
    window = Window()
    for check in checks:
        window.add(check)
    return window


def test_h1_nothing_seen_yet() -> None:
    assert judge(Window()) == ("starting", "")


@pytest.mark.parametrize("state", ["timeout", "error", "offline"])
def test_h2_the_last_check_failed(state: str) -> None:
    assert judge(windowed(OK, OK, Seen(state, "gone"))) == (state, "gone")


def test_h3_slow_against_its_own_history() -> None:
    slow = [Seen("online", "", 0.2)] * 5
    assert judge(windowed(*[OK] * 20, *slow)) == ("degraded", "answers in 200 ms, usually in 20 ms")
    assert judge(windowed(*slow, *slow, *slow))[0] == "online", "always so"
    assert judge(windowed(*[OK] * 20, *slow[:2]))[0] == "online", "twice is chance"


def test_h3_a_small_difference_is_none() -> None:
    assert judge(windowed(*[Seen("online", "", 0.001)] * 20, *[Seen("online", "", 0.09)] * 5))[0] == "online"


def test_h4_partly_failing() -> None:
    state, word = judge(windowed(OK, OK, Seen("error", "HTTP 500"), OK))
    assert state == "degraded"
    assert word == "1 of the last 4 checks failed: HTTP 500"
    assert judge(windowed(Seen("error", "HTTP 500"), *[OK] * 5))[0] == "online"


def test_an_absence_that_is_over_counts_no_more() -> None:
    assert judge(windowed(OK, Seen("offline"), Seen("offline"), OK)) == ("online", "")


def test_who_works_on_all_it_may_need_not_answer_besides() -> None:
    assert not counts(Seen("timeout"), full=True)
    assert counts(Seen("timeout"), full=False)
    assert counts(Seen("offline"), full=True)
    assert counts(OK, full=True)


def test_busy_is_well_with_all_room_used() -> None:
    assert shown("online", full=True) == "busy"
    assert shown("online", full=False) == "online"
    assert shown("error", full=True) == "error"
    assert shown("online", full=True, failing="HTTP 500") == "error"
    assert shown("offline", full=False, failing="HTTP 500") == "offline"


def test_who_fails_is_asked_soon_and_then_no_more_often_than_others() -> None:
    assert [next_look(30, bad) for bad in range(8)] == [30, 1, 2, 4, 8, 16, 30, 30]


@given(st.lists(seen, max_size=200))
def test_whatever_is_seen_there_is_a_state_and_a_bounded_window(checks: list[Seen]) -> None:
    window = windowed(*checks)
    assert judge(window)[0] in STATES
    assert len(window.times) <= WINDOW
    if checks and checks[-1].state != "online":
        assert judge(window)[0] == checks[-1].state


@given(st.lists(st.floats(0, 100), min_size=1, max_size=80), st.floats(0.01, 1))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(values: list[float], part: float) -> None:
    found = percentile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values) - 1e-6
    smaller = [value for value in values if value < found]
    assert len(smaller) < part * len(values) + 1e-6


def test_a_failed_check_is_a_gap_in_the_history() -> None:
    window = Window()
    for seen in (Seen("online", "", 0.2), Seen("timeout", "", 1.0), Seen("online", "", 0.1), Seen("online")):
        window.add(seen)
    assert response_times(window) == {"last": 100.0, "p50": 100.0, "p95": 200.0, "history": [200.0, None, 100.0]}

"""The pace and the judgement of health, as pure functions."""

from __future__ import annotations

import pytest

from gitsync.daemon.schedule import (
    BURST,
    GATHER,
    GRACE,
    PENDING_LIMIT,
    Facts,
    Pace,
    clock_jump,
    gather,
    interval,
    spread,
    unhealthy,
)

DEFAULT = Pace(fastest=5, slowest=300, hot=120)


@pytest.mark.parametrize(
    ("quiet", "delay"),
    [(0, 5), (119, 5), (120, 15), (599, 15), (600, 60), (3599, 60), (3600, 300), (1e9, 300)],
)
def test_the_pace_slows_down_in_steps(quiet: float, delay: float) -> None:
    assert interval(DEFAULT, quiet) == delay


@pytest.mark.parametrize("pace", [Pace(fastest=30, slowest=40, hot=10), Pace(fastest=0.2, slowest=1, hot=1)])
def test_the_pace_stays_between_its_bounds_and_never_quickens_with_silence(pace: Pace) -> None:
    delays = [interval(pace, quiet) for quiet in range(0, 5000, 5)]
    assert delays == sorted(delays)
    assert delays[0] == pace.fastest
    assert delays[-1] == pace.slowest


def test_spread_is_a_fifth_either_way() -> None:
    assert spread(10, 0.0) == pytest.approx(8)
    assert spread(10, 0.5) == pytest.approx(10)
    assert spread(10, 1.0) == pytest.approx(12)


def facts(**changes: object) -> Facts:
    values: dict[str, object] = {
        "interval": 5.0,
        "contact_age": 1.0,
        "pending_age": None,
        "halted": None,
    }
    return Facts(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, None),
        ({"contact_age": 5 * 1.2 + GRACE - 1}, None),
        ({"contact_age": 5 * 1.2 + GRACE + 1}, "confirmed contact"),
        ({"contact_age": None}, "no confirmed contact"),
        ({"contact_age": None, "trouble": "no such host"}, "no confirmed contact with the remote yet: no such host"),
        ({"contact_age": 300.0, "trouble": "no such host"}, "s: no such host"),
        ({"trouble": "no such host"}, None),
        ({"contact_age": 300.0, "interval": 300.0}, None),
        ({"pending_age": PENDING_LIMIT - 1}, None),
        ({"pending_age": PENDING_LIMIT + 1}, "unsent"),
        ({"halted": "the branch was rewritten"}, "rewritten"),
        ({"fallen": ("cycles",)}, "cycles has stopped"),
    ],
)
def test_i8_health_is_green_only_while_contact_and_queue_are_young(
    changes: dict[str, object], word: str | None
) -> None:
    reasons = unhealthy(facts(**changes))
    if word is None:
        assert reasons == ()
    else:
        assert any(word in reason for reason in reasons)


def test_a_moved_clock_and_a_sleep_are_noticed() -> None:
    assert not clock_jump(5.2, 5.0)
    assert clock_jump(3600.0, 5.0)
    assert clock_jump(-86400.0, 5.0)


def test_a_burst_gathers_longer_and_longer_and_a_conversation_never_waits() -> None:
    assert gather(BURST - 1, 0.0) == 0.0
    assert gather(BURST - 1, GATHER[1]) == 0.0
    waits, last = [], 0.0
    for _ in range(6):
        last = gather(100, last)
        waits.append(last)
    assert waits == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]

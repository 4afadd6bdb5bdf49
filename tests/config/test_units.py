"""Durations and sizes."""

from __future__ import annotations

import pytest

from gitsync.config.units import parse_duration, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("5s", 5), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1.5h", 5400), (" 3 s ", 3)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "5S", "5 min", "1h30m", "nan s", "1e3s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "count"), [("1B", 1), ("64KB", 65536), ("64KiB", 65536), ("8MB", 8 << 20), ("1GB", 1 << 30)]
)
def test_sizes(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "5", "5k", "-1KB", "5mb"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("60/h", (60, 3600)), ("5/m", (5, 60)), (" 100 / 1d ", (100, 86400)), ("1/30s", (1, 30))]
)
def test_rates(text: str, rate: tuple[int, float]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "60", "/h", "0/h", "-1/h", "60/", "60/x", "60/h/m", "6.5/h", "²/h", "60/0"])
def test_no_rates(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_rate(text)

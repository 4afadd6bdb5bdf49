"""What tokens cost: exactly, in whole millionths of a dollar, and never nothing where it is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.agents.prices import PRICES, Price, cost, dollars, money, price_of, worst

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "usage", "micros"),
    [
        ("claude-sonnet-4-5", {"input_tokens": MILLION}, 3_000_000),
        ("claude-sonnet-4-5", {"input_tokens": 1}, 3),
        ("claude-opus-5-5", {"input_tokens": MILLION, "output_tokens": MILLION}, 24_000_000),
        ("claude-sonnet-4-5-20250929", {"input_tokens": 1000, "output_tokens": 500}, 10_500),
        (
            "claude-haiku-4-5",
            {
                "input_tokens": 10,
                "cache_creation_input_tokens": 1000,
                "cache_creation_1h_input_tokens": 400,
                "cache_read_input_tokens": 2000,
            },
            10 + 750 + 800 + 200,
        ),
        ("claude-haiku-5-5", {"input_tokens": 100_000, "output_tokens": 1000}, 10_500),
        ("claude-haiku-5-5", {"input_tokens": 100_001}, 50_001),  # 50,000.5, rounded up
        ("claude-haiku-5-5", {"input_tokens": 1}, 1),  # a tenth of a millionth, and not nothing
        ("claude-haiku-5-5", {}, 0),
        ("somebody-elses-model", {"input_tokens": 10, "output_tokens": 10}, None),
    ],
)
def test_what_it_costs(model: str, usage: dict[str, int], micros: int | None) -> None:
    assert cost(model, usage) == micros


def test_a_million_tokens_in_any_pieces_cost_the_same_where_they_cost_whole_millionths() -> None:
    assert sum(cost("claude-sonnet-4-5", {"input_tokens": 1000}) or 0 for _ in range(1000)) == 3_000_000


COUNTS = st.integers(0, 3_000_000)


@given(st.sampled_from(sorted(PRICES)), COUNTS, COUNTS, COUNTS, st.integers(0, 100_000), st.integers(0, 100_000))
def test_the_worst_case_is_never_less_than_what_it_costs(
    model: str, fresh: int, written: int, read: int, out: int, spare: int
) -> None:
    usage = {
        "input_tokens": fresh,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": out,
    }
    real = cost(model, usage)
    most = worst(model, fresh + written + read + spare, out + spare)
    assert real is not None
    assert most is not None
    assert real <= most


def test_what_the_settings_say_comes_first() -> None:
    own = {"claude-sonnet-4-5": Price(MILLION, 0, 0, 0, 0), "mine": Price(5, 0, 0, 0, 0)}
    assert cost("claude-sonnet-4-5-20250929", {"input_tokens": MILLION}, own) == MILLION
    assert cost("mine", {"input_tokens": MILLION}, own) == 5
    assert price_of("mine") is None


@pytest.mark.parametrize(
    ("text", "micros"), [("$2", 2_000_000), ("0.5", 500_000), ("$0.000001", 1), (" $ 12.50 ", 12_500_000)]
)
def test_amounts_are_read_exactly(text: str, micros: int) -> None:
    assert money(text) == micros


@pytest.mark.parametrize("text", ["", "$", "-1", "1.0000001", "1e3", "two", "1,000", "$1 $2"])
def test_what_is_no_amount_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="no amount"):
        money(text)


def test_amounts_are_shown_so_that_little_is_not_nothing() -> None:
    assert dollars(3_000_000) == "$3.0000"
    assert dollars(1) == "$0.0001"
    assert dollars(1, 6) == "$0.000001"
    assert dollars(1_234_567_890, 2) == "$1,234.57"
    assert dollars(0) == "$0.0000"

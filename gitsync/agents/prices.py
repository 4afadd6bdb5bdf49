"""What tokens cost, in US dollars for a million, as read on 2026-11-20 from copies of the public price pages.

Source: https://platform.claude.com/docs/en/about-claude/pricing and the models' own pages there; prices change, so
compare before a budget rests on them. A model that is not in the table costs None, never a guess: a wrong cost is
worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Price(NamedTuple):
    """Dollars for a million tokens; above `long` prompt tokens everything costs `factor` times as much."""

    input: float
    output: float
    cache_write: float
    cache_write_hour: float
    cache_read: float
    long: int | None = None
    factor: float = 1.0


_OPUS_5 = Price(5.0, 25.0, 6.25, 10.0, 0.50)
_SONNET_4 = Price(3.0, 15.0, 3.75, 6.0, 0.30)

PRICES: Mapping[str, Price] = {
    "claude-fable-5-1": Price(10.0, 50.0, 12.50, 20.0, 0.25),
    "claude-fable-5": Price(10.0, 50.0, 12.50, 20.0, 1.0),
    "claude-opus-5-5": Price(4.0, 20.0, 5.0, 8.0, 0.20),
    "claude-opus-5": _OPUS_5,
    "claude-opus-4-8": _OPUS_5,
    "claude-opus-4-7": _OPUS_5,
    "claude-opus-4-6": _OPUS_5,
    "claude-opus-4-5": _OPUS_5,
    "claude-sonnet-5-5": Price(2.0, 10.0, 2.50, 4.0, 0.20),
    "claude-sonnet-5": Price(2.0, 10.0, 2.50, 4.0, 0.20),
    "claude-sonnet-4-6": _SONNET_4,
    "claude-sonnet-4-5": _SONNET_4,
    "claude-haiku-5-5": Price(0.10, 0.50, 0.125, 0.20, 0.01, long=100_000, factor=5.0),
    "claude-haiku-4-5": Price(1.0, 5.0, 1.25, 2.0, 0.10),
}

_DATE_SUFFIX = re.compile(r"-20\d{6}$")


def cost(model: str, usage: Mapping[str, int]) -> float | None:
    """Return the dollars of one request, or None when the model's price is not known here.

    `usage` has the names of the Messages API; `cache_creation_1h_input_tokens` is the part of
    `cache_creation_input_tokens` that was written for an hour.
    """
    price = PRICES.get(_DATE_SUFFIX.sub("", model))
    if price is None:
        return None
    fresh = usage.get("input_tokens", 0)
    written = usage.get("cache_creation_input_tokens", 0)
    hour = min(written, usage.get("cache_creation_1h_input_tokens", 0))
    read = usage.get("cache_read_input_tokens", 0)
    total = (
        fresh * price.input
        + (written - hour) * price.cache_write
        + hour * price.cache_write_hour
        + read * price.cache_read
        + usage.get("output_tokens", 0) * price.output
    )
    prompt = fresh + written + read
    if price.long is not None and prompt > price.long:
        total *= price.factor
    return total / 1_000_000

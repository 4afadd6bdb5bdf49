"""What tokens cost, as read on 2026-11-20 from copies of the public price pages; whole numbers only.

Source: https://platform.claude.com/docs/en/about-claude/pricing and the models' own pages there; prices change, so
compare before a budget rests on them, and say in `[prices]` what is different. A model that is in neither table costs
None, never a guess: a wrong cost is worse than none.

A price is in millionths of a dollar for a million tokens, a cost in millionths of a dollar. So 1,000,000 tokens at
$3 for a million are exactly 3,000,000; what is less than one millionth is rounded up, once for each request, so that
no sum is less than what was charged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

READ_ON = "2026-11-20"
SOURCE = "https://platform.claude.com/docs/en/about-claude/pricing"

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Micros for a million tokens; above `long` prompt tokens everything costs `factor` times as much."""

    input: int
    output: int
    cache_write: int
    cache_write_hour: int
    cache_read: int
    long: int | None = None
    factor: int = 1


def _usd(fresh: str, out: str, write: str, hour: str, read: str, *, long: int | None = None, factor: int = 1) -> Price:
    return Price(money(fresh), money(out), money(write), money(hour), money(read), long, factor)


_MONEY = re.compile(r"\$?\s*(\d{1,9})(?:\.(\d{1,6}))?")


def money(text: str) -> int:
    """Return `$2`, `2.50` or `0.000001` in micros; raise ValueError for anything else, also for what is finer."""
    match = _MONEY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no amount of dollars")
    return int(match[1]) * MILLION + int((match[2] or "0").ljust(6, "0"))


def dollars(micros: int, places: int = 4) -> str:
    """Write micros as dollars; what the places do not show is rounded up, so that little is never nothing."""
    unit = 10 ** (6 - places)
    whole = -(-abs(micros) // unit)
    sign = "-" if micros < 0 else ""
    return f"{sign}${whole // 10**places:,}.{whole % 10**places:0{places}d}"


_OPUS_5 = _usd("5", "25", "6.25", "10", "0.50")
_SONNET_4 = _usd("3", "15", "3.75", "6", "0.30")

PRICES: Mapping[str, Price] = {
    "claude-fable-5-1": _usd("10", "50", "12.50", "20", "0.25"),
    "claude-fable-5": _usd("10", "50", "12.50", "20", "1"),
    "claude-opus-5-5": _usd("4", "20", "5", "8", "0.20"),
    "claude-opus-5": _OPUS_5,
    "claude-opus-4-8": _OPUS_5,
    "claude-opus-4-7": _OPUS_5,
    "claude-opus-4-6": _OPUS_5,
    "claude-opus-4-5": _OPUS_5,
    "claude-sonnet-5-5": _usd("2", "10", "2.50", "4", "0.20"),
    "claude-sonnet-5": _usd("2", "10", "2.50", "4", "0.20"),
    "claude-sonnet-4-6": _SONNET_4,
    "claude-sonnet-4-5": _SONNET_4,
    "claude-haiku-5-5": _usd("0.10", "0.50", "0.125", "0.20", "0.01", long=100_000, factor=5),
    "claude-haiku-4-5": _usd("1", "5", "1.25", "2", "0.10"),
}

_DATE_SUFFIX = re.compile(r"-20\d{6}$")


def price_of(model: str, own: Mapping[str, Price] | None = None) -> Price | None:
    """Find the price of a model, dated names too; what the settings say comes first."""
    plain = _DATE_SUFFIX.sub("", model)
    for name in (model, plain):
        if own and name in own:
            return own[name]
    return PRICES.get(plain)


def cost(model: str, usage: Mapping[str, int], own: Mapping[str, Price] | None = None) -> int | None:
    """Return the micros of one request, or None when the model's price is not known here.

    `usage` has the names of the Messages API; `cache_creation_1h_input_tokens` is the part of
    `cache_creation_input_tokens` that was written for an hour.
    """
    price = price_of(model, own)
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
    if price.long is not None and fresh + written + read > price.long:
        total *= price.factor
    return -(-total // MILLION)


def worst(model: str, prompt: int, max_tokens: int, own: Mapping[str, Price] | None = None) -> int | None:
    """Return what a request costs at most (micros): all of the prompt written to the cache, the longest answer."""
    price = price_of(model, own)
    if price is None:
        return None
    total = prompt * max(price.input, price.cache_write, price.cache_read) + max_tokens * price.output
    if price.long is not None and prompt > price.long:
        total *= price.factor
    return -(-total // MILLION)

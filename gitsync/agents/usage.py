"""Read what a program or a model says that it used: our own names, or those of the Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOKENS = {
    "tokens_in": "input_tokens",
    "tokens_out": "output_tokens",
    "tokens_cached": "cache_read_input_tokens",
    "tokens_cache_write": "cache_creation_input_tokens",
}
"""Our names, and those of the Messages API."""


def tokens(usage: Mapping[str, Any]) -> dict[str, int]:
    """Count the tokens, by our names; what is no count is 0."""
    return {name: _count(usage.get(name, usage.get(other))) for name, other in TOKENS.items()}


def stated_cost(usage: Mapping[str, Any]) -> int | None:
    """Give the cost that is said (micros), in `cost_micros` or `cost_usd`; None where none is."""
    micros, usd = usage.get("cost_micros"), usage.get("cost_usd")
    if isinstance(micros, int) and not isinstance(micros, bool):
        return micros
    if isinstance(usd, int | float) and not isinstance(usd, bool):
        return round(usd * 1_000_000)
    return None


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0

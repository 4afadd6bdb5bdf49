"""Turn what a hand-over used into the record of a run: the one place where that is done, for every kind of agent.

A Claude agent has begun its record itself (`run` in the usage), because money is set aside in it. Programs say what
they used when they are done: `tokens_in`, `tokens_out`, `tokens_cached`, `tokens_cache_write`, `model`, and
`cost_micros` or `cost_usd`; the names of the Messages API are understood too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gitsync.agents.base import Outcome
from gitsync.agents.prices import Price, cost
from gitsync.agents.usage import TOKENS, stated_cost, tokens
from gitsync.ledger.journal import Journal
from gitsync.ledger.runs import Run

_DETAIL = ("why", "retries", "looked", "limits", "stop_reason")


def record(
    journal: Journal,
    *,
    kind: str,
    agent: str,
    key: str,
    thread: str,
    outcome: Outcome,
    state: str,
    at: float,
    seconds: float | None,
    prices: Mapping[str, Price] | None = None,
) -> None:
    """Write the run of a hand-over that ended; nothing where nothing of a model is known."""
    usage: Mapping[str, Any] = outcome.usage or {}
    number = usage.get("run")
    error = str(usage.get("error_type") or ("" if state == "done" else state))
    detail = json.dumps({name: usage[name] for name in _DETAIL if usage.get(name)}, sort_keys=True)
    if isinstance(number, int):
        journal.finish_run(number, state, error_type=error, seconds=seconds, detail=detail)
        return
    journal.cut_runs(key, agent)
    counts, micros = tokens(usage), stated_cost(usage)
    if micros is None:
        micros = cost(str(usage.get("model") or ""), {TOKENS[name]: count for name, count in counts.items()}, prices)
    if not any(counts.values()) and not micros:
        return
    run = Run(
        at=at,
        agent=agent,
        kind=kind,
        model=str(usage.get("model") or ""),
        cost_micros=micros,
        seconds=seconds,
        outcome=state,
        error_type=error,
        thread=thread,
        message_key=key,
        detail=detail,
        tokens_in=counts["tokens_in"],
        tokens_out=counts["tokens_out"],
        tokens_cached=counts["tokens_cached"],
        tokens_cache_write=counts["tokens_cache_write"],
    )
    journal.add_run(run)

"""What models may cost: by the day and by the week (UTC, from Monday), for an agent and for the machine; pure.

M1  a request is sent only after its worst case is set aside   the journal has it on disk before (`ledger.runs`)
M2  spent + set aside + worst case > budget                    it is not sent
M3  only what runs under way have set aside is in the way      it waits for them: mostly they take much less
M4  otherwise                                                  the agent gets nothing more until the budget's time ends
M5  the worst case alone is more than the budget               refused: no day would be enough
M6  a price is not known and there is a budget                 refused: what cannot be counted cannot be kept
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gitsync import clock
from gitsync.agents.prices import dollars
from gitsync.agents.spec import AgentSpec
from gitsync.ledger.runs import Bound, Crossed

DAY = 86400.0
WEEK = 7 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Bound what the runs of all agents cost (micros); 0: no bound."""

    daily: int = 0
    weekly: int = 0


def day_of(at: float) -> tuple[float, float]:
    """Return begin and end of the day of a moment (Unix time)."""
    begin = at // DAY * DAY
    return begin, begin + DAY


def week_of(at: float) -> tuple[float, float]:
    """Return begin and end of the week of a moment; weeks begin on Monday."""
    day = at // DAY * DAY
    begin = day - datetime.fromtimestamp(day, UTC).weekday() * DAY
    return begin, begin + WEEK


def bounds(spec: AgentSpec | None, budget: Budget, at: float) -> list[Bound]:
    """List what bounds a run that begins at a moment."""
    given = [("daily", "", day_of, budget.daily), ("weekly", "", week_of, budget.weekly)]
    if spec is not None:
        given += [("daily", spec.name, day_of, spec.daily_budget), ("weekly", spec.name, week_of, spec.weekly_budget)]
    return [Bound(name, agent, *span(at), micros) for name, agent, span, micros in given if micros]


def crossing(crossed: Crossed, micros: int | None, model: str) -> tuple[str, float | None]:
    """Say why a request is not sent, and until when (None: never)."""
    bound = crossed.bound
    whose = f"{bound.agent}'s {bound.name} budget" if bound.agent else f"the {bound.name} budget of this computer"
    of = dollars(bound.micros, 2)
    if micros is None:
        return f"budget: no price is known for {model}, and {whose} is {of}; say it in [prices]", None
    if micros > bound.micros:
        return f"budget: a request to {model} may cost {dollars(micros)}, and {whose} is {of}", None
    left = max(0, bound.micros - crossed.spent - crossed.reserved)
    reason = f"budget: {whose} of {of} has {dollars(left)} left, too little for what the next request may cost"
    return f"{reason}; goes on at {clock.stamp(bound.until)}", bound.until


def used(bound: Bound, spent: int, reserved: int) -> dict[str, object]:
    """Write how a budget stands, for status and `gitsync costs`."""
    return {
        "agent": bound.agent or None,
        "name": bound.name,
        "limit_micros": bound.micros,
        "used_micros": spent,
        "reserved_micros": reserved,
        "share": round((spent + reserved) / bound.micros, 4),
        "resets": clock.stamp(bound.until),
    }


def every(specs: Sequence[AgentSpec], budget: Budget, at: float) -> list[Bound]:
    """List all budgets of this machine as they are at a moment: its own, then those of its agents."""
    own = bounds(None, budget, at)
    return own + [one for spec in specs for one in bounds(spec, Budget(), at)]

"""Which other machine gets a task that no agent here takes; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_RANK = {"online": 0, "degraded": 1, "busy": 2}
_AWAY = frozenset({"OFFLINE", "EMERGENCY"})


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A machine that says it can do it, and why it was chosen."""

    machine: str
    reason: str


def choose(kind: str, fleet: Sequence[Mapping[str, Any]], without: Collection[str]) -> Elsewhere | None:
    """Choose by the status pages (`inbox.fleet_view`): an agent that lists the type and is up, the shortest queue."""
    offers: list[tuple[int, int, str, str]] = []
    for machine in fleet:
        ident = str(machine.get("id"))
        if ident in without or machine.get("state") in _AWAY:
            continue
        offers += [
            (_RANK[row["state"]], int(row.get("queue") or 0), ident, str(row.get("agent")))
            for row in machine.get("agents") or ()
            if kind in (row.get("types") or ()) and row.get("state") in _RANK
        ]
    if not offers:
        return None
    _, queue, ident, agent = min(offers)
    return Elsewhere(ident, f"machine {ident} offers {kind}: agent {agent}, {queue} in its queue")


def offered(fleet: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Give the types that the machines list."""
    return frozenset(
        str(kind) for machine in fleet for row in machine.get("agents") or () for kind in row.get("types") or ()
    )

"""Show the computers as this machine knows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger

STATES = ("ACTIVE", "IDLE", "WORKING", "SYNCING", "OFFLINE", "EMERGENCY")

Json = dict[str, object]


def fleet_view(
    ledger: Ledger,
    journal: Journal,
    machine_id: str,
    *,
    now: datetime,
    seen: Mapping[str, str] | None = None,
    own_state: str | None = None,
    offline_after: float = 2700.0,
) -> list[Json]:
    """List the computers by id.

    `seen` gives the last sign of life of each by its machine ref (a date like `2026-11-20T06:45:00Z`); commits on
    the branch count too. A machine without a sign for `offline_after` seconds (three times the longest pause
    between two machine refs) is OFFLINE. `lag_s` is the age in seconds of the oldest message to it without any
    receipt by it: 0 if there is none, None for a machine that was never seen.
    """
    signs = ledger.seen()
    for machine, date in (seen or {}).items():
        signs[machine] = max(date, signs.get(machine, ""))
    pages = {page.id: page for page in ledger.statuses()}
    unanswered = ledger.unanswered()
    found: list[Json] = []
    for machine in sorted({*pages, *signs, machine_id}):
        page, last = pages.get(machine), signs.get(machine)
        age = None if last is None else max(0.0, (now - datetime.fromisoformat(last)).total_seconds())
        state = page.state if page is not None and page.state in STATES else "ACTIVE"
        if machine == machine_id:
            state = own_state or state
        elif state != "EMERGENCY" and (age is None or age > offline_after):
            state = "OFFLINE"
        oldest = unanswered.get(machine)
        lag = 0.0 if oldest is None else max(0.0, (now - datetime.fromisoformat(oldest)).total_seconds())
        found.append(
            {
                "id": machine,
                "name": page.name if page is not None else "",
                "state": state,
                "last_seen": last,
                "lag_s": None if last is None else round(lag, 1),
                "role": page.data.get("role") if page is not None else None,
                "agents": page.data.get("agents") if page is not None else [],
                "capacity": page.data.get("capacity") if page is not None else [],
                "blockers": page.data.get("blockers") if page is not None else [],
            }
        )
    return found

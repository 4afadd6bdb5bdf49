"""Say in one word how a message stands.

received by this machine
new          nothing was decided yet, or it is due for another try
waiting      in the inbox of an agent that pulls, or of the person; nobody took it
taken        such an agent has it
started      it was handed to an agent that has not answered
claimed      to ANY: a machine works on it
received     noted, not more
done failed refused dead     final
held         kept back until a person releases it, its sender is verified, or its machine joins
uncertain    it may have been handed over; a person decides
history      older than this machine: shown, not delivered
withdrawn    taken back by its sender
quarantined  not delivered: its From is another's

sent by this machine, besides those that its recipients say
pending      accepted, not on the branch yet
unsent       can never reach the branch; the reason says why
sent         on the branch, nobody said anything yet
"""

from __future__ import annotations

from collections.abc import Sequence

from gitsync.ledger.values import Intent, Parked, Row, Told
from gitsync.protocol.receipts import FINAL

UNREAD = frozenset({"new", "waiting"})

_ORDER = ("started", "taken", "uncertain", "held", "waiting", "retry", "failed", "dead", "refused", "done")


def row_state(row: Row, machine_id: str, intents: Sequence[Intent], told: Sequence[Told]) -> tuple[str, str]:
    """Give state and reason of a message of the branch."""
    if row.quarantined:
        return "quarantined", row.quarantined
    if row.withdrawn:
        return "withdrawn", ""
    if row.mine and intents:
        return intent_state(intents)
    told = [
        one for one in told if one.counts and one.receipt.sender == row.sender and entitled(row.to, row.sender, one)
    ]
    if row.mine:
        own = [one for one in told if one.machine == machine_id]
        if own:
            return own[-1].receipt.outcome, own[-1].receipt.reason
        if row.history:
            return "history", ""
        if row.open:
            return "new", ""
    return told_state(told)


def entitled(to: str, sender: str, told: Told) -> bool:
    """Say whether a machine may tell what became of a message: its recipient; its sender only that it is on its way.

    `to` is the machine of the path; to ALL, ANY and from a page anybody may answer.
    """
    if to in ("", "ALL", "ANY") or told.machine == to:
        return True
    return told.machine == sender and told.receipt.outcome not in FINAL


def told_state(told: Sequence[Told]) -> tuple[str, str]:
    """Give the last final receipt by anybody, else the last one, else `sent`."""
    final = [one for one in told if one.receipt.outcome in FINAL]
    for one in (final or told)[-1:]:
        return one.receipt.outcome, one.receipt.reason
    return "sent", ""


def intent_state(intents: Sequence[Intent]) -> tuple[str, str]:
    """Give the state that matters most among the agents that have a message."""
    if not intents:
        return "new", ""
    first = min(intents, key=lambda intent: _ORDER.index(intent.state))
    return ("new" if first.state == "retry" else first.state), first.reason


def parked_state(parked: Parked) -> tuple[str, str]:
    """Give the state of a message that the ledger does not have yet."""
    return {"pending": "pending", "landed": "sent", "refused": "unsent"}[parked.state], parked.reason

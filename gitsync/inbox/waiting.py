"""What waits for this machine's agents."""

from __future__ import annotations

from dataclasses import dataclass

from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import Intent
from gitsync.protocol.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message to this machine on its way to an agent.

    `agent` is the one the sender named ('' when none). `claim`: to ANY, must be claimed first. `suspect`: it may have
    been handed over before the journal was lost (I7): uncertain, unless its agent is idempotent or pulls.
    `intents` are what was decided so far (none, or one of them in `retry`).
    """

    key: str
    message: Message
    sender: str
    agent: str
    content: str
    local: bool = False
    claim: bool = False
    history: bool = False
    suspect: bool = False
    verified: bool = False
    amended: int = 0
    intents: tuple[Intent, ...] = ()


def candidates(ledger: Ledger, journal: Journal, machine_id: str) -> list[Envelope]:
    """Give what may be dispatched now, in the order of the branch; local messages last."""
    raise NotImplementedError


def waiting(ledger: Ledger, journal: Journal, machine_id: str, agent: str) -> list[Envelope]:
    """Give what waits in the inbox of an agent that pulls."""
    raise NotImplementedError


def lost(ledger: Ledger, journal: Journal, machine_id: str) -> bool:
    """Tell whether this machine lived before this journal did: the journal was lost (I7)."""
    raise NotImplementedError

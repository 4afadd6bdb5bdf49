"""What the dispatcher is told about this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitsync.agents.prices import Price
from gitsync.balancing import AGEING
from gitsync.dispatch.quota import Limits
from gitsync.protocol.identity import Machine
from gitsync.routing import Policy
from gitsync.verifying import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchSettings:
    """Set how messages are handed to agents; times in seconds."""

    machine: Machine
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    policies: tuple[Policy, ...] = ()
    rules: Rules = field(default_factory=Rules)
    """How senders are to be verified."""
    turn_budget: int = 6
    limits: Limits = field(default_factory=Limits)
    prices: Mapping[str, Price] = field(default_factory=dict)
    """What models cost here, beyond what `agents.prices` knows."""
    backoff: float = 2.0
    longest_backoff: float = 300.0
    claim_wait: tuple[float, float] = (0.0, 0.5)
    claim_wait_worse: tuple[float, float] = (1.0, 2.0)
    history_turns: int = 40
    ageing: float = AGEING
    """Seconds of waiting after which a message counts as one priority higher."""
    max_queue: int = 1000
    """How many messages are looked at in one go; the rest stays in the inbox until these are through."""

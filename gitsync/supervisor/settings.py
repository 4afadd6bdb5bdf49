"""What the supervisor is told about this machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperviseSettings:
    """Set how agents are watched and started again; times in seconds."""

    notify: tuple[str, ...] = ()
    """Machines or people that get an urgent message when an agent is given up."""
    health_every: float = 30.0
    backoff: float = 1.0
    """Before the first start anew; each further one waits twice as long, up to `longest_backoff`."""
    longest_backoff: float = 300.0
    stable: float = 600.0
    """How long a program must have run until its past no longer counts."""
    failures: int = 3
    """How many restarts in a row may fail before nobody but a person may try again."""

"""What a Claude agent is given by the process around it: money, eyes, somebody to tell, answers that were kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gitsync.agents.base import Delivery
from gitsync.agents.claude.responses import Responses
from gitsync.agents.prices import Price


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing may be spent; `until` is when it may again (Unix time), None where it never fits."""

    reason: str
    until: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What one request took; `cost_micros` is None where no price is known. `release`: what was set aside for it."""

    model: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    tokens_cache_write: int
    cost_micros: int | None
    release: int


class Purse(Protocol):
    """Keep the money: what is granted is written down, on disk, before it is spent."""

    async def open(self, agent: str, delivery: Delivery, model: str, *, kind: str) -> int:
        """Begin the record of a run; give its number."""
        ...

    async def reserve(self, number: int, micros: int | None, *, patient: bool) -> Refusal | None:
        """Set aside what a request costs at worst; None: it may be sent. `patient`: wait for what others set aside."""
        ...

    async def charge(self, number: int, used: Used) -> None:
        """Write what it took, and let the rest go."""
        ...

    def over(self, number: int) -> None:
        """Note that a run asks for nothing more; what it still holds stays set aside, and nobody waits for that."""
        ...

    async def release(self, number: int, micros: int) -> None:
        """Let go what was set aside for a request that was not served."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A message that a model looks at: data, with its sender and what its signature is worth."""

    id: str
    sender: str
    date: str
    subject: str
    text: str
    standing: str


class Look(Protocol):
    """Read what is known here; called on a thread. Nothing that never leaves this machine is shown to others."""

    def thread(self, delivery: Delivery) -> list[Seen]: ...
    def search(self, words: str, delivery: Delivery) -> list[Seen]: ...
    def fleet(self) -> str: ...


def _nobody(agent: str, delivery: Delivery, text: str, chars: int) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """All of it; without purse nothing is recorded, without look there are no tools to look with."""

    purse: Purse | None = None
    look: Look | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)
    responses: Responses | None = None
    progress: Callable[[str, Delivery, str, int], None] = _nobody
    """Is told agent, delivery, what it does, and characters written so far; at most once a second for each."""
    concurrency: int = 8
    """Requests to the API at a time, of all agents together."""

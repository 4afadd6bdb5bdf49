"""Which agent of this machine a message goes to, and whether its sender may have that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

INBOX = "inbox"
"""The pseudo agent that holds what no agent takes."""


class Candidate(Protocol):
    """The part of an agent's settings that routing looks at."""

    @property
    def name(self) -> str: ...
    @property
    def types(self) -> tuple[str, ...]: ...
    @property
    def default(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """Allow a sender (machine id, person, or `*`) some agents and types; empty or `*` means all of them."""

    sender: str
    agents: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """Name the agents that may take a message, best first: one of them gets it. Or say why none does."""

    agents: tuple[str, ...]
    refused: str | None
    reason: str


def route(
    to_agent: str | None,
    type: str,  # noqa: A002 - the field is called so
    agents: Sequence[Candidate],
    routes: Mapping[str, Sequence[str]],
    policies: Sequence[Policy],
    sender_machine: str,
) -> Route:
    """Choose the agents for a message that is addressed to this machine."""
    raise NotImplementedError

"""What a task is asked with, and what the tasks of a machine go by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gitsync.agents.spec import AgentSpec
from gitsync.routing import Policy
from gitsync.verifying import Rules as Verification

Json = dict[str, Any]

GENERAL = "general"
"""The type of a task that names none."""
TAKER = "(tasks)"
"""Who has a message that asks for a task, in the journal: no agent can be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAsk:
    """One task as somebody wants it done.

    `deadline` is in seconds from now, `retries` how often it is tried again after a known failure; None takes what the
    settings say. `to` names an agent of this machine; without it the type decides. `sender` is an agent's name, or
    empty for the machine itself.
    """

    content: str
    type: str = GENERAL
    priority: str = "normal"
    deadline: float | None = None
    retries: int | None = None
    sender: str = ""
    subject: str = ""
    to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """Set how tasks are kept; times in seconds."""

    queue_limit: int = 1000
    """How many tasks may be under way at once; one more is not taken (`errors.Busy`)."""
    retries: int = 0
    """How often a task is given out again after it is known to have failed, where the task does not say."""
    retry_backoff: float = 30.0
    """Before the first of these; doubles with each."""
    deadline: float | None = None
    """When a task that does not say so has failed, from its beginning; None: never."""
    ageing: float = 60.0
    """After each of these a waiting message counts as one priority higher."""
    keep: float = 30 * 86400.0
    """How long an ended task is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Who takes what on this machine."""

    agents: tuple[AgentSpec, ...] = ()
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    route_all: Collection[str] = frozenset()
    policies: tuple[Policy, ...] = ()
    verification: Verification = field(default_factory=Verification)
    """How who asks for a task is to be verified."""


class Event(Protocol):
    """The part of the dispatcher's events that tasks look at.

    `at` is Unix time; `what` one of assigned, begun, retry, concluded, settled; `state` that of the hand-over.
    """

    @property
    def at(self) -> float: ...
    @property
    def what(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def message_id(self) -> str: ...
    @property
    def agent(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def reply_id(self) -> str | None: ...
    @property
    def reply(self) -> str | None: ...

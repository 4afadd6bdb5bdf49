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
    """Choose the agents for a message that is addressed to this machine.

    R1  the message names an agent      that one, or refused
    R2  a route names the type          the route's agents that exist here
    R3  agents list the type            those
    R4  there are default agents        those
    R5  otherwise                       none: the message waits in the inbox

    Without any policy every sender may use every agent, and an agent that lists types takes no other type (R1; a
    message without a type has none to object to). With policies only what one of them allows is done, in R1 to R4;
    one that names no types leaves the agent its own list.
    """
    here = {agent.name: agent for agent in agents}
    if to_agent:
        if to_agent not in here:
            return Route((), f"no agent {to_agent} here", "R1: named by the sender")
        chosen, reason = [to_agent], "R1: named by the sender"
    elif named := [name for name in routes.get(type, ()) if name in here]:
        chosen, reason = named, f"R2: routed by type {type}"
    elif listing := [agent.name for agent in agents if type and type in agent.types]:
        chosen, reason = listing, f"R3: lists type {type}"
    elif defaults := [agent.name for agent in agents if agent.default]:
        chosen, reason = defaults, "R4: default agent"
    else:
        return Route((), None, "R5: no agent takes it, it waits in the inbox")
    objections = {name: _objection(here[name], type, policies, sender_machine, bool(to_agent)) for name in chosen}
    allowed = tuple(name for name in chosen if not objections[name])
    if not allowed:
        return Route((), objections[chosen[0]], reason)
    return Route(allowed, None, reason)


def _objection(agent: Candidate, kind: str, policies: Sequence[Policy], sender: str, named: bool) -> str:
    """Say why a sender may not have this; empty when it may."""
    rules = [rule for rule in policies if _covers(rule, agent.name, kind, sender)]
    if policies and not rules:
        what = f"work of type {kind}" if kind else "work"
        return f"no policy lets {sender} have {what} done by {agent.name}"
    if named and kind and agent.types and kind not in agent.types and not any(kind in rule.types for rule in rules):
        return f"agent {agent.name} takes only {', '.join(agent.types)}, not {kind}"
    return ""


def _covers(rule: Policy, agent: str, kind: str, sender: str) -> bool:
    return rule.sender.lower() in ("*", sender.lower()) and _lists(rule.agents, agent) and _lists(rule.types, kind)


def _lists(names: Sequence[str], name: str) -> bool:
    return not names or "*" in names or name in names

"""Which agent of this machine a message goes to, and whether its sender may have that."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

INBOX = "inbox"
"""The pseudo agent that holds what no agent takes."""

_WORD = re.compile(r"[^\W_]+")
_COMMON = frozenset(
    _WORD.findall(
        "a about all an and any are as at be but by can do for from have if in into is it its me my no not of on or"
        " our please so some than that the their them then there these they this those to up us was we what when"
        " which who will with you your"
    )
)


class Candidate(Protocol):
    """The part of an agent's settings that routing looks at."""

    @property
    def name(self) -> str: ...
    @property
    def types(self) -> tuple[str, ...]: ...
    @property
    def specialty(self) -> str: ...
    @property
    def default(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """Allow a sender some agents and types; empty or `*` means all of them.

    The sender is a machine (`2`: whatever it sends), one agent of a machine (`2/coder`), a person, or `*`.
    """

    sender: str
    agents: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """Name the agents that may take a message, best first: one of them gets it, or each of them (`all`).

    Or say why none does.
    """

    agents: tuple[str, ...]
    refused: str | None
    reason: str
    all: bool = False


def route(
    to_agent: str | None,
    type: str,  # noqa: A002 - the field is called so
    agents: Sequence[Candidate],
    routes: Mapping[str, Sequence[str]],
    policies: Sequence[Policy],
    sender_machine: str,
    *,
    sender: str = "",
    text: str = "",
    route_all: Collection[str] = (),
) -> Route:
    """Choose the agents for a message that is addressed to this machine; `text` is its subject and body.

    `sender_machine` says whose the message is, `sender` who it says wrote it: a machine's agent, or a person.

    R1  the message names an agent      that one, or refused
    R2  a route names the type          the route's agents that exist here; each of them for a type in `route_all`
    R3  agents list the type            those
    R4  words of an agent's specialty   those whose specialty shares the most words with type and text
        stand in the message
    R5  there are default agents        those
    R6  otherwise                       none: the message waits in the inbox

    Without any policy every sender may use every agent, and an agent that lists types takes no other type (R1; a
    message without a type has none to object to, and a route may give the agent more types). With policies only what
    one of them allows is done, in R1 to R5; one that names no types leaves the agent its own list.
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
    elif special := _specialists(agents, f"{type} {text}"):
        chosen, words = special
        reason = f"R4: specialty, by {', '.join(words)}"
    elif defaults := [agent.name for agent in agents if agent.default]:
        chosen, reason = defaults, "R5: default agent"
    else:
        return Route((), None, "R6: no agent takes it, it waits in the inbox")
    bound = bool(to_agent) and to_agent not in routes.get(type, ())
    senders = (sender_machine, sender)
    objections = {name: _objection(here[name], type, policies, senders, bound) for name in chosen}
    allowed = tuple(name for name in chosen if not objections[name])
    if not allowed:
        return Route((), objections[chosen[0]], reason)
    return Route(allowed, None, reason, all=reason.startswith("R2") and type in route_all)


def words_of(text: str) -> frozenset[str]:
    """Split a text into the words that can tell one specialty from another; case does not count."""
    return frozenset(word for word in _WORD.findall(text.casefold()) if len(word) > 1 and word not in _COMMON)


def _specialists(agents: Sequence[Candidate], text: str) -> tuple[list[str], list[str]] | None:
    """Give the agents whose specialty shares the most words with the text, and these words; None where none does."""
    specialties = {agent.name: words_of(agent.specialty) for agent in agents if agent.specialty}
    if not any(specialties.values()):
        return None
    said = words_of(text)
    shared = {name: said & words for name, words in specialties.items()}
    most = max(len(words) for words in shared.values())
    if most == 0:
        return None
    best = [name for name, words in shared.items() if len(words) == most]
    return best, sorted(frozenset().union(*(shared[name] for name in best)))


def _objection(agent: Candidate, kind: str, policies: Sequence[Policy], senders: Sequence[str], named: bool) -> str:
    """Say why a sender may not have this, and by which rule; empty when it may."""
    rules = [rule for rule in policies if _covers(rule, agent.name, kind, senders)]
    if policies and not rules:
        what = f"work of type {kind}" if kind else "work"
        who = senders[1] or senders[0]
        return f"no policy lets {who} have {what} done by {agent.name}: {_nearest(agent.name, policies, senders)}"
    if named and kind and agent.types and kind not in agent.types and not any(kind in rule.types for rule in rules):
        return f"agent {agent.name} takes only {', '.join(agent.types)}, not {kind}"
    return ""


def _nearest(agent: str, policies: Sequence[Policy], senders: Sequence[str]) -> str:
    """Name the rule that came nearest to allowing it, by its place in the settings."""
    own = [(number, rule) for number, rule in enumerate(policies, 1) if _is_for(rule, senders)]
    if not own:
        return "no rule is for this sender"
    number, rule = next(((number, rule) for number, rule in own if _lists(rule.agents, agent)), own[0])
    allowed = f"only {', '.join(rule.types)}" if _lists(rule.agents, agent) else f"only {', '.join(rule.agents)}"
    return f"rule {number}, for {rule.sender}, allows {allowed}"


def _covers(rule: Policy, agent: str, kind: str, senders: Sequence[str]) -> bool:
    return _is_for(rule, senders) and _lists(rule.agents, agent) and _lists(rule.types, kind)


def _is_for(rule: Policy, senders: Sequence[str]) -> bool:
    return rule.sender == "*" or rule.sender.lower() in {one.lower() for one in senders if one}


def _lists(names: Sequence[str], name: str) -> bool:
    return not names or "*" in names or name in names

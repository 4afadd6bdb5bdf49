"""Whether the word of a sender counts here, given what its signature is worth; pure.

What a message is signed with is a fact about its bytes (its *evidence*); whose key counts is decided on each machine.
Both together make its *standing*:

    verified     signed, as it stands, with a key that is trusted here for its sender
    unsigned     nothing to check
    unknown_key  signed, with a key that nobody here was told to trust
    altered      a signature that does not belong to this text, in this place, under this id
    revoked      signed with a key that counts no more
    forged       signed with a key that is trusted here, but for somebody else than its sender

A level says what follows: `off` shows it, `warn` marks it and lets a verified text win over others of the same id,
`require` acts on nothing else. Where several apply the strictest does: the machine's, that of each rule for the sender,
that of the agent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

LEVELS = ("off", "warn", "require")

VERIFIED = "verified"
UNSIGNED = "unsigned"
UNKNOWN_KEY = "unknown_key"
ALTERED = "altered"
REVOKED = "revoked"
FORGED = "forged"
STANDINGS = (VERIFIED, UNSIGNED, UNKNOWN_KEY, ALTERED, REVOKED, FORGED)

_MISSING = {
    UNSIGNED: "there is no signature",
    UNKNOWN_KEY: "the key is not one that is trusted here",
    ALTERED: "the signature is not for this text, this place and this id",
    REVOKED: "the key was revoked",
    FORGED: "the key is that of somebody else",
}


@dataclass(frozen=True, slots=True)
class Demand:
    """Ask more of a sender (machine, agent of a machine, person, or `*`) for some agents and types; empty: all."""

    sender: str
    level: str
    agents: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked on this machine: of everybody, of some senders, for some agents."""

    level: str = "off"
    demands: tuple[Demand, ...] = ()
    agents: Mapping[str, str] = field(default_factory=dict)

    def of(self, senders: Sequence[str], agent: str = "", kind: str = "") -> str:
        """Give the level for a message of this sender, by all of its names, that this agent is to have."""
        asked = [one.level for one in self.demands if _for(one, senders) and _lists(one, agent, kind)]
        return strictest(self.level, self.agents.get(agent, "off"), *asked)

    def of_machine(self, machine: str) -> str:
        """Give the level for what a machine says of work: its receipts and claims, whoever the work is for."""
        return strictest(self.level, *(one.level for one in self.demands if _for(one, (machine,))))

    def of_text(self, sender: str) -> str:
        """Give the strictest level that a message of this sender may meet here, whatever agent it is for."""
        asked = [one.level for one in self.demands if _from_machine(one, sender)]
        return strictest(self.level, *asked, *self.agents.values())

    @property
    def watchful(self) -> bool:
        """Whether anything is asked of anybody."""
        return strictest(self.level, *(one.level for one in self.demands), *self.agents.values()) != "off"

    @property
    def demanding(self) -> bool:
        """Whether anything is required of anybody."""
        return strictest(self.level, *(one.level for one in self.demands), *self.agents.values()) == "require"

    @property
    def mark(self) -> str:
        """Name these rules; empty where nothing is asked, so that a ledger of before stays as it is."""
        if not self.watchful:
            return ""
        said = repr((self.level, self.demands, sorted(self.agents.items())))
        return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Book:
    """What this machine asks, and whose keys it trusts.

    `judge` gives the standing of (sender, evidence); `mark` changes whenever an answer of `judge` may.
    """

    rules: Rules = Rules()
    judge: Callable[[str, str], str] = lambda _sender, evidence: plain_standing(evidence)
    mark: str = ""


def plain_standing(evidence: str) -> str:
    """Judge without trusting anybody."""
    return {"": UNSIGNED, ALTERED: ALTERED}.get(evidence, UNKNOWN_KEY)


def strictest(*levels: str) -> str:
    """Give the strictest of some levels; `off` where there is none."""
    return max(levels, key=LEVELS.index, default="off")


def holds_back(level: str, standing: str) -> bool:
    """Say whether a message of this standing is held."""
    return level == "require" and standing != VERIFIED


def objection(standing: str, sender: str, ident: str) -> str:
    """Say what is missing and what to do, on one line, for receipt and status."""
    missing = _MISSING.get(standing, standing)
    trust = f"`gitsync keys trust {sender}` once you know the key, or " if standing in (UNKNOWN_KEY, REVOKED) else ""
    return f"not verified: {missing}; {trust}`gitsync ack {ident} --again` to let it go as it is"


def contest(said: str, ident: str) -> str:
    """Say why a receipt or claim of another machine is not taken as one, and why its work is not done here either.

    `said` is machine, outcome and standing, as the ledger has it.
    """
    machine, outcome, standing = said.split(" ")
    missing = _MISSING.get(standing, standing)
    return (
        f"not verified: computer {machine} is said to have it ({outcome}), but of that word {missing}; "
        f"ask there, then `gitsync ack {ident} --again` to have it done here"
    )


def verdict(rules: Rules, senders: Sequence[str], kind: str, standing: str, contested: str, ident: str) -> str:
    """Say why a message that nothing was decided about yet will be held, whoever is to have it; '' where it will not.

    For those who show it before, or without, a process that decides.
    """
    if holds_back(rules.of(senders, kind=kind), standing):
        return objection(standing, senders[0], ident)
    return contest(contested, ident) if contested else ""


def _for(one: Demand, senders: Sequence[str]) -> bool:
    return one.sender == "*" or one.sender.lower() in {name.lower() for name in senders if name}


def _from_machine(one: Demand, machine: str) -> bool:
    return one.sender == "*" or one.sender.lower().partition("/")[0] == machine.lower()


def _lists(one: Demand, agent: str, kind: str) -> bool:
    return (not one.agents or "*" in one.agents or agent in one.agents) and (
        not one.types or "*" in one.types or kind in one.types
    )

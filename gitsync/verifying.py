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

CAUSE = "unverified"
"""The cause under which the journal holds what waits for trust; what a person or another rule holds has another."""

_MISSING = {
    UNSIGNED: "it carries no signature",
    UNKNOWN_KEY: "nobody here trusts the key that signed it",
    ALTERED: "its signature is not for this text, this place and this id",
    REVOKED: "the key that signed it was revoked",
    FORGED: "it is signed with a key of somebody else",
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
    def mark(self) -> str:
        """Name these rules; empty where nothing is asked, so that a ledger of before stays as it is."""
        if not self.watchful:
            return ""
        said = repr((self.level, self.demands, sorted(self.agents.items())))
        return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Book:
    """What this machine asks, and whose keys it trusts.

    `judge` gives the standing of (sender, evidence); `mark` changes whenever an answer of `judge` may. `own` says
    whether a key is, or was, this machine's own.
    """

    rules: Rules = Rules()
    judge: Callable[[str, str], str] = lambda _sender, evidence: plain_standing(evidence)
    own: Callable[[str], bool] = lambda _evidence: False
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
    return f"not verified: {missing}; {trust}`gitsync release {ident}`"


def doubt(machine: str, outcome: str, standing: str, ident: str) -> str:
    """Say why a receipt or claim of another machine is not taken as one, and why its work is not done here either."""
    missing = _MISSING.get(standing, standing).replace("it carries", "that carries").replace("it is ", "that is ")
    return (
        f"not verified: computer {machine} is said to have {outcome} it, and {missing}; "
        f"look at computer {machine}, then `gitsync release {ident}` to do it here"
    )


def _for(one: Demand, senders: Sequence[str]) -> bool:
    return one.sender == "*" or one.sender.lower() in {name.lower() for name in senders if name}


def _from_machine(one: Demand, machine: str) -> bool:
    return one.sender == "*" or one.sender.lower().partition("/")[0] == machine.lower()


def _lists(one: Demand, agent: str, kind: str) -> bool:
    return (not one.agents or "*" in one.agents or agent in one.agents) and (
        not one.types or "*" in one.types or kind in one.types
    )

"""Who a message is for: a machine, an agent on a machine, `ALL`, `ANY`, or a local agent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitsync.protocol.paths import ANYCAST, BROADCAST, valid_id

# What could be mistaken for the separators of a list of addresses, or break a line, is not part of a name.
_AGENT = re.compile(r"[^\s/,;&|\x00-\x20\x7f]{1,64}")


@dataclass(frozen=True, slots=True)
class Address:
    """A machine (None: this one) and an agent on it (None: whoever its routes name)."""

    machine: str | None
    agent: str | None = None

    def __str__(self) -> str:
        if self.agent is None:
            return self.machine or "self"
        return f"{self.machine or 'self'}/{self.agent}"


def parse_address(text: str) -> Address:
    """Read `2`, `2/builder`, `all`, `any`, `all/builder` or `self/builder`; ValueError for anything else.

    A name alone is a machine: that `builder` may be a local agent is known only to who has the settings.
    """
    machine, slash, agent = text.strip().partition("/")
    if slash and _AGENT.fullmatch(agent) is None:
        raise ValueError(f"not the name of an agent: {agent!r} in {text!r}")
    name = machine.lower()
    if name == "self" and agent:
        return Address(None, agent)
    if name in ("all", "any"):
        return Address({"all": BROADCAST, "any": ANYCAST}[name], agent or None)
    if not valid_id(name):
        raise ValueError(f"not the id of a machine: {machine!r} in {text!r}")
    return Address(name, agent or None)

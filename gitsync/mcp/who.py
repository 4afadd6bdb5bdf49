"""For whom the tools speak: decided by the settings and the call of the program, never by an argument of a tool."""

from __future__ import annotations

from dataclasses import dataclass

from gitsync.config.settings import Settings
from gitsync.errors import NotFound, UsageError
from gitsync.routing import INBOX


@dataclass(frozen=True, slots=True)
class Who:
    """An agent of this machine, or (``agent`` is empty) the person at it."""

    machine: str
    agent: str = ""

    @property
    def address(self) -> str:
        """What others write to, and what its messages are from."""
        return f"{self.machine}/{self.agent}" if self.agent else self.machine

    @property
    def box(self) -> str:
        """The name under which the journal keeps what waits for it."""
        return self.agent or INBOX


def identify(settings: Settings, name: str = "") -> Who:
    """Return who is meant by ``--as NAME``, else by ``[mcp] as``; with neither it is the person at this machine.

    Raise UsageError for an agent that works by itself: two would answer in one name.
    """
    machine = settings.machine.id
    wanted = (name or settings.mcp.speaks_as).strip()
    if wanted in ("", "self", machine, settings.machine.name):
        return Who(machine)
    agent = wanted.removeprefix("self/").removeprefix(f"{machine}/")
    kinds = {spec.name: spec.kind for spec in settings.agents}
    pulling = sorted(one for one, kind in kinds.items() if kind == "inbox")
    if agent not in kinds:
        raise NotFound(
            f"no agent {wanted!r} on this computer",
            "there are of kind inbox: " + (", ".join(pulling) or "none"),
            'add it to .gitsync/config.toml: [[agents]] with name and kind = "inbox"; or leave --as out',
            near=pulling,
        )
    if kinds[agent] != "inbox":
        raise UsageError(
            f"{agent} is an agent of kind {kinds[agent]}",
            "gitsync hands it its messages by itself; a second one must not answer in its name",
            'name an agent of kind "inbox", or leave --as out',
        )
    return Who(machine, agent)

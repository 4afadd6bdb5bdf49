"""What a recipe is, and what a run by it has said of itself; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitsync.agents.spec import AgentSpec

RATE = "rate_limit"
LOGIN = "authentication"

TOKENS = ("tokens_in", "tokens_out", "tokens_cached", "tokens_cache_write")


@dataclass(slots=True)
class Told:
    """What a run has said of itself so far; tokens are counted as `gitsync.ledger.runs` counts them."""

    reply: str = ""
    session: str = ""
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    tokens_cache_write: int = 0
    cost_micros: int | None = None
    """Millionths of a dollar; None where the program does not say."""
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What it said of its limits, by name: the newest of each."""
    denied: int = 0
    """How often a tool was not allowed."""
    error: str = ""
    error_type: str = ""
    """`RATE`, `LOGIN`, or the program's own word."""
    retry_after: float | None = None
    resets: float | None = None
    """When the limit that stopped it begins anew (Unix time)."""
    worked: bool = False
    """Whether a model answered or a tool ran: then the work has begun."""
    ended: bool = False
    """Whether it said how it ended."""
    counted: str = ""
    """The tokens of the whole session, where the program counts those (JSON)."""

    def totals(self) -> dict[str, int]:
        """Return the tokens that were counted."""
        return {name: getattr(self, name) for name in TOKENS}

    def subtract(self, before: Mapping[str, Any]) -> None:
        """Take from the tokens what the session had counted before this run."""
        for name in TOKENS:
            setattr(self, name, max(0, getattr(self, name) - number(before.get(name))))

    def usage(self) -> dict[str, Any] | None:
        """Return what it used, with the names of the journal's runs; None where it said nothing of that."""
        counted: dict[str, Any] = dict(self.totals())
        if not (any(counted.values()) or self.cost_micros or self.limits or self.model or self.session):
            return None
        counted["model"] = self.model
        counted["cost_micros"] = self.cost_micros
        more = {"session": self.session, "denied": self.denied, "error_type": self.error_type}
        counted |= {name: value for name, value in more.items() if value}
        if self.limits:
            counted["limits"] = list(self.limits.values())
        return counted

    def limit(self, name: str, percent: float, resets: float | None) -> None:
        """Note how much of a limit is used (percent) and when it begins anew (Unix time)."""
        self.limits[name] = {"name": name, "used": round(percent, 1), "limit": 100.0, "unit": "%", "resets": resets}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One program. It gets the message on standard input and says on standard output one JSON document a line."""

    name: str
    program: str
    arguments: Callable[[AgentSpec, str], list[str]]
    """Its arguments; the session to go on with, or empty for a new one."""
    read: Callable[[Told, Mapping[str, Any]], None]
    """Take in one line that it said."""
    lost: tuple[str, ...]
    """What it says when it does not have the session any more, before it has begun with anything."""
    remedy: str
    """What to do when it is not logged in."""
    env: Mapping[str, str]
    """Variables that it gets unless the settings say otherwise."""
    block: str
    codes: Mapping[int, str] = field(default_factory=dict)
    """Exit codes that say what went wrong where nothing else does."""
    adds_up: bool = False
    """Whether it counts the tokens of the whole session, not of the run."""
    """The settings that `gitsync agents recipes NAME` prints."""


def model_option(spec: AgentSpec, *option: str) -> list[str]:
    """Return the option that names the model, where the settings name one."""
    return [*option, spec.model] if spec.model else []


def number(value: object) -> int:
    """Return a count of tokens; what is no whole number counts as none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def text(value: object) -> str:
    """Return a text; anything else is empty."""
    return value if isinstance(value, str) else ""


def table(value: object) -> Mapping[str, Any]:
    """Return an object; anything else is an empty one."""
    return value if isinstance(value, dict) else {}


def micros(dollars: object) -> int | None:
    """Return dollars as whole millionths, rounded up: what a run cost must not be counted too low."""
    if not isinstance(dollars, int | float) or isinstance(dollars, bool) or not 0 <= dollars < 1e9:
        return None
    return -int(-round(float(dollars) * 1e9) // 1000)

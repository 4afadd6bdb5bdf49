"""Decide whether a program that ended is started again, and when; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gitsync.supervisor.settings import SuperviseSettings


@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered of one program since a person last said go."""

    restarts: int = 0
    """How often it was started again without being asked."""
    ends: int = 0
    """How often it ended since it was last stable."""
    failed: int = 0
    """How many restarts in a row did not bring it up."""


@dataclass(frozen=True, slots=True)
class Again:
    """Start it after a pause (s)."""

    after: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Start it no more; `failed` restarts in a row did not help."""

    failed: int


def after_end(past: Past, settings: SuperviseSettings, *, lived: float, came_up: bool) -> tuple[Past, Again | GiveUp]:
    """Decide about a program that ended after `lived` seconds; `came_up` says whether it ever answered.

    A restart has failed when its program ended before it answered: three of them in a row, and there is no fourth. One
    that answers and ends later is brought back for ever, each time after twice the pause, until it was stable.
    """
    if came_up and lived >= settings.stable:
        past = replace(past, ends=0)
    failed = 0 if came_up else past.failed + (past.restarts > 0)
    if failed >= settings.failures:
        return replace(past, failed=failed), GiveUp(failed)
    pause = min(settings.longest_backoff, settings.backoff * 2.0 ** min(past.ends, 60))
    return Past(restarts=past.restarts + 1, ends=past.ends + 1, failed=failed), Again(pause)

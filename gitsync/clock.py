"""The one place that reads clocks and draws random numbers; everywhere else they are arguments."""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime

from gitsync.protocol.ids import make_ulid

_jitter = random.SystemRandom()


def utcnow() -> datetime:
    """Return the wall clock in UTC, to the microsecond."""
    return datetime.now(UTC)


def stamp(moment: datetime | float | None = None) -> str:
    """Return a moment (default: now; a float is Unix time) as ``YYYY-MM-DDTHH:MM:SSZ``."""
    if moment is None:
        moment = utcnow()
    elif isinstance(moment, int | float):
        moment = datetime.fromtimestamp(moment, UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def age(moment: object) -> float | None:
    """Return how many seconds ago a moment was that ``stamp`` wrote, 0 for one to come; None for what is none."""
    try:
        return max(0.0, (utcnow() - datetime.fromisoformat(str(moment))).total_seconds())
    except (ValueError, TypeError):
        return None


def unix() -> float:
    """Return the wall clock as Unix time in seconds."""
    return time.time()


def monotonic() -> float:
    """Return seconds on a clock that nobody can set (I8)."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait on the calling thread."""
    time.sleep(seconds)


def jitter(low: float, high: float) -> float:
    """Draw a number of seconds between two bounds, to keep machines out of step."""
    return _jitter.uniform(low, high)


def entropy(count: int) -> bytes:
    """Draw random bytes."""
    return os.urandom(count)


def new_id() -> str:
    """Make a ULID from the wall clock and 80 random bits."""
    return make_ulid(time.time_ns() // 1_000_000, os.urandom(10))

"""Moments as people write them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from gitsync import clock
from gitsync.config.units import parse_duration
from gitsync.errors import UsageError


def moment(text: str) -> datetime:
    """Read a date, a date with time, or how long ago."""
    plain = text.strip().lower().removesuffix("ago").strip()
    if re.fullmatch(r"[\d.]+\s*(ms|s|m|h|d)", plain):
        return clock.utcnow() - timedelta(seconds=parse_duration(plain))
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"--since {text!r} is no time", "", "use 2026-11-20, 2026-11-20T06:45:00Z, or how long ago: 30m 2h 1d"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)

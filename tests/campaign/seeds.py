"""Which seeds are played: `GITSYNC_SEEDS=20` says how many, `GITSYNC_SEED=7` replays one; a few belong to every run."""

from __future__ import annotations

import os

ONE = os.environ.get("GITSYNC_SEED")
MANY = os.environ.get("GITSYNC_SEEDS")

ASKED = bool(ONE or MANY)
"""Whether a campaign was asked for by name; otherwise this is the run of all tests."""


def seeds(count: int | None = None) -> list[int]:
    """Give the seeds to play; `count` bounds them where nobody asks for one of them by name."""
    if ONE:
        return [int(ONE)]
    wanted = int(MANY or 1)
    return list(range(wanted if count is None else min(count, wanted)))


def replay(test: str, seed: int) -> str:
    """Give the one command that plays this run again."""
    return f'replay: GITSYNC_SEED={seed} python -m pytest "{test}"'

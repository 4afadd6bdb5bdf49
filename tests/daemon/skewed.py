"""Run the program with a wall clock that is days away from everybody else's: `python -m tests.daemon.skewed FILE ARG…`.

The file holds the days, and is read at each look at the clock: so a clock can be set while the program runs. The
monotonic clock is left alone, as it is by whoever sets a real one.
"""

from __future__ import annotations

import datetime as dates
import sys
import time
from pathlib import Path

_Real = dates.datetime
_unix = time.time


def skew(file: Path) -> None:
    """Move what Python says of the date, before anything is imported that asks."""

    def now() -> float:
        return _unix() + float(file.read_text()) * 86_400

    class Kind(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, _Real)

    class Skewed(_Real, metaclass=Kind):
        @classmethod
        def now(cls, tz: dates.tzinfo | None = None) -> _Real:  # type: ignore[override]
            return _Real.fromtimestamp(now(), tz)

    time.time = now
    time.time_ns = lambda: int(now() * 1e9)
    dates.datetime = Skewed  # type: ignore[misc]


if __name__ == "__main__":
    skew(Path(sys.argv[1]))
    from gitsync.cli.main import main

    sys.exit(main(sys.argv[2:]))

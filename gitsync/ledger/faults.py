"""Named places where a test may break a process, and those of the two stores (row 2).

Each room has one table: a number, a name, and what is true when the point is passed. Numbers are hundreds of the step
of the cycle (0 to 6), 7 for hand-overs, 8 for the journal, 9 for the ledger. `GITSYNC_FAULT` takes either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

FaultPoint = Callable[[str], None]


class Point(NamedTuple):
    """One place: `meaning` says what has happened when it is passed, and what has not."""

    number: int
    name: str
    meaning: str


TABLE = (
    Point(801, "8-journal-opened", "the journal is open, and nothing was read from it"),
    Point(802, "8-journal-begun", "a transaction of the journal has begun, and nothing is written in it"),
    Point(803, "8-journal-written", "all rows of a transaction are written, and it is not committed"),
    Point(804, "8-journal-committed", "a transaction is on disk, and nobody was told"),
    Point(901, "9-ledger-opened", "the ledger is open, and nothing was read from it"),
    Point(902, "9-ledger-begun", "a transaction of the ledger has begun, and nothing is written in it"),
    Point(903, "9-ledger-written", "all that some commits brought is written, and it is not committed"),
    Point(904, "9-ledger-committed", "a transaction of the ledger is committed, and nobody was told"),
)
"""The points of each transaction of either store; which of them is meant is chosen by the n-th passage."""

POINTS = tuple(point.name for point in TABLE)


def nothing(_name: str) -> None:
    """Pass a point without doing anything: what every process outside a test does."""

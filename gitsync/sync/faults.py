"""Named places in the cycle where a test may kill the process or look at the world (row 2)."""

from __future__ import annotations

from collections.abc import Callable

FaultPoint = Callable[[str], None]

POINTS = (
    "1-captured",
    "2-fetched",
    "3-planned",
    "4-built",
    "5-attempted",
    "5-pushed",
    "5-landed",
    "6-place-noted",
    "6-place-written",
    "6-place-exchanged",
    "6-placed",
    "6-index",
    "6-ref",
    "6-done",
)
"""Every point, in the order in which a cycle passes them; the digit is the step of the cycle."""


def nothing(_name: str) -> None:
    """Pass a point without doing anything: what every engine outside a test does."""

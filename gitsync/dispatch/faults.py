"""Named places in a hand-over where a test may break the process (row 2)."""

from __future__ import annotations

from gitsync.ledger.faults import FaultPoint, Point, nothing

__all__ = ["DURING", "POINTS", "TABLE", "FaultPoint", "nothing"]

TABLE = (
    Point(701, "7-looked", "it is known what waits, and nothing is decided"),
    Point(702, "7-chosen", "an agent is to have a message, and the intent is not written"),
    Point(703, "7-begun", "the intent is durable, and the agent not yet called"),
    Point(704, "7-calling", "the agent is at work"),
    Point(705, "7-answered", "the agent has answered, and nothing of it is written"),
    Point(706, "7-retried", "it is written that the hand-over is to be tried again"),
    Point(707, "7-concluded", "outcome, receipt and reply are written"),
    Point(708, "7-recovering", "a hand-over of a former process was found, and nothing is written about it"),
    Point(709, "7-recovered", "what a former process left begun is settled, and nothing was handed over"),
)
"""Every point, in the order in which a hand-over passes them; the last two belong to the start."""

POINTS = tuple(point.name for point in TABLE)

DURING = 0.15
"""Seconds after its call at which an agent at work passes `7-calling`; only where a fault is asked for."""

"""Named places in a hand-over where a test may kill the process (row 2)."""

from __future__ import annotations

POINTS = ("7-begun", "7-answered", "7-concluded")
"""The intent is durable and the agent not yet called; it has answered and nothing is written; all is written."""

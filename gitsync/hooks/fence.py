"""What others wrote, shown as data: `gitsync.protocol.fence`, under the name by which the rooms above know it."""

from __future__ import annotations

from gitsync.protocol.fence import fence, fenced, line, tame, verified

__all__ = ["fence", "fenced", "line", "tame", "verified"]

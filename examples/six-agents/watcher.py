"""Tells how the computer is: load, memory, disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from service import serve


def watch(_message: dict[str, Any]) -> str:
    """Describe the computer as it is now."""
    one, five, fifteen = os.getloadavg()
    disk = shutil.disk_usage(Path.cwd())
    lines = [
        f"load {one:.2f} {five:.2f} {fifteen:.2f} on {os.cpu_count()} processors",
        f"disk {disk.free / disk.total:.0%} free, {disk.free >> 30} GB",
    ]
    memory = Path("/proc/meminfo")
    if memory.exists():
        facts = dict(line.split(":", 1) for line in memory.read_text().splitlines())
        total, free = (int(facts[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
        lines.append(f"memory {free / total:.0%} available, {free >> 10} MB")
    return "\n".join(lines)


if __name__ == "__main__":
    serve("watcher", watch)

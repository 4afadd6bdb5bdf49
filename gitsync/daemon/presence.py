"""Say on disk that the process runs, and where: ``.gitsync/daemon.json`` holds pid, port and since when."""

from __future__ import annotations

import json
from pathlib import Path

from gitsync.config.places import write_private


def write(file: Path, *, pid: int, port: int, since: str) -> None:
    """Put the file in place in one step, readable by its owner only."""
    write_private(file, json.dumps({"pid": pid, "port": port, "since": since}).encode())


def remove(file: Path, *, pid: int) -> None:
    """Take the file away if it is still ours."""
    try:
        if json.loads(file.read_text()).get("pid") == pid:
            file.unlink()
    except (OSError, ValueError, AttributeError):
        pass


def pid_in(file: Path) -> int | None:
    """Return the process id that the file names; None where there is no such file."""
    try:
        return int(json.loads(file.read_text())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""Say on disk that the process runs, and where: ``.gitsync/daemon.json`` holds pid, port and since when."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write(file: Path, *, pid: int, port: int, since: str) -> None:
    """Put the file in place in one step, readable by its owner only."""
    temporary = file.with_name(f"{file.name}.{pid}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump({"pid": pid, "port": port, "since": since}, out)
        out.flush()
        os.fsync(out.fileno())
    os.replace(temporary, file)


def remove(file: Path, *, pid: int) -> None:
    """Take the file away if it is still ours."""
    try:
        if json.loads(file.read_text()).get("pid") == pid:
            file.unlink()
    except (OSError, ValueError, AttributeError):
        pass

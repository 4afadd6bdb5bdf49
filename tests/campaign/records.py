"""Write down each run of the campaign: one JSON line in `build/campaign/`, which `tests.campaign.report` sums up."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "build" / "campaign"


@cache
def commit() -> str:
    """Name the code that is tested; with a plus where it is not what was committed."""
    name = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "gitsync"], cwd=PROJECT, check=False)
    return (name.stdout.strip() or "unknown") + ("+" if changed.returncode else "")


def record(campaign: str, run: Mapping[str, object]) -> None:
    """Append one run to the file of its campaign; one write, so that several processes may do it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"campaign": campaign, "commit": commit(), **run}, sort_keys=True, ensure_ascii=False)
    file = os.open(FOLDER / f"{campaign}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, line.encode() + b"\n")
    finally:
        os.close(file)

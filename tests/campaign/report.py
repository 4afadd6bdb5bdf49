"""Sum up what the campaign wrote down: `python -m tests.campaign.report [--json] [--commit NAME] [FILE…]`.

A run that never came to rest counts as one violation; what it could not count is missing from the sums.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.campaign.records import FOLDER, commit

SUMS = ("sent", "landed", "dispatched", "lines", "lost", "twice", "uncertain", "violations")


def read(files: Iterable[Path], code: str | None = None) -> list[dict[str, Any]]:
    """Give all runs; those of one commit where one is named."""
    runs = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [run for run in runs if code is None or str(run["commit"]).startswith(code)]


def summed(runs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give one row for each campaign and deed."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for run in runs:
        groups[str(run["campaign"]), str(run.get("deed", ""))].append(run)
    return [
        {
            "campaign": campaign,
            "deed": deed,
            "runs": len(those),
            "points": len({run["point"] for run in those if run.get("hit")}),
            "hits": sum(bool(run.get("hit")) for run in those),
            "seeds": len({run["seed"] for run in those}),
            "remotes": "/".join(sorted({str(run["remote"]) for run in those})),
            **{name: sum(int(run.get(name, 0)) for run in those) for name in SUMS},
            "minutes": round(sum(int(run["ms"]) for run in those) / 60_000, 1),
            "commits": sorted({str(run["commit"]) for run in those}),
        }
        for (campaign, deed), those in sorted(groups.items())
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as a Markdown table."""
    names = ["campaign", "deed", "runs", "points", "hits", "seeds", "remotes", *SUMS, "minutes"]
    lines = [names, ["---"] * len(names), *([str(row[name]) for name in names] for row in rows)]
    commits = sorted({name for row in rows for name in row["commits"]})
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\nCode: {', '.join(commits)}"


def main() -> int:
    """Print the sums; exit 1 where anything was lost, done twice or violated."""
    parser = argparse.ArgumentParser(description="Sum up the runs of the campaign.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: build/campaign/*.jsonl")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--commit", metavar="NAME", help="only runs of this code")
    parser.add_argument("--last", action="store_true", help="only runs of the code that is here")
    args = parser.parse_args()
    wanted = commit() if args.last else args.commit
    rows = summed(read(args.files or sorted(FOLDER.glob("*.jsonl")), wanted))
    if not rows:
        print("no run was written down; make faults", file=sys.stderr)
        return 2
    print(json.dumps(rows, indent=2) if args.json else table(rows))
    return 1 if any(row["lost"] or row["twice"] or row["violations"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

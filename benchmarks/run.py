"""Run the measurements, all or some by name, and write the table: ``python -m benchmarks.run [--full] [NAME …]``."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from pathlib import Path

from benchmarks.measure import Row, surroundings, table, write

NAMES = ("startup", "cycle", "latency", "standing", "growth", "contention", "coordinator", "mcp", "claude")


def main() -> int:
    """Return 0 when everything could be measured; a missed target is shown, and is no failure of the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--full", action="store_true", help="the long ones too: 100,000 messages, 10,000 pushes")
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder for the table (default: build)")
    args = parser.parse_args()
    for name in args.names:
        if name not in NAMES:
            parser.error(f"no such measurement: {name}")
    rows: list[Row] = []
    broken: list[str] = []
    for name in args.names or NAMES:
        began = time.monotonic()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        try:
            rows += importlib.import_module(f"benchmarks.{name}").measure(full=args.full)
            print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
        except Exception:
            broken.append(name)
            print("could not be measured", file=sys.stderr)
            traceback.print_exc()
    print(f"\n{surroundings()}\n\n{table(rows)}")
    write(rows, args.out)
    if broken:
        print(f"could not be measured: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

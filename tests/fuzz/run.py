# ruff: noqa: E501 - lines of data
"""Run the targets on very many inputs: `python -m tests.fuzz.run [TARGET ...] --inputs N`, or replay one that fell.

Two engines make inputs. The plain one works everywhere: texts from the grammar, kept when they are odd, and mutated.
`--engine atheris` follows the coverage of the code (package `atheris`, extra `fuzz`), from a corpus by the same grammar.
A failing input is saved as `FOLDER/TARGET-HASH`, and one command runs it again: `--replay FILE`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import traceback
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.grammar import mutate
from tests.fuzz.targets import TARGETS, Fuzzed

CORPUS = 300
"""Inputs that the plain engine keeps to mutate."""
SMALL = 1024
"""Bytes: below it the time per KB is mostly that of the call itself, and is not counted."""


@dataclass
class Outcome:
    """What became of the inputs of one target."""

    inputs: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    slowest: float = 0.0
    """Milliseconds per KB of the slowest input of at least 1 KB."""
    crashes: dict[str, Path] = field(default_factory=dict)


def main(arguments: list[str] | None = None) -> int:
    """Fuzz, print the table; 1 where anything fell."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all of them")
    parser.add_argument("--inputs", type=int, default=20_000, help="in all, shared among the targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("plain", "atheris"), default="plain")
    parser.add_argument("--crashes", type=Path, default=Path(".fuzz"), help="where failing inputs are saved")
    parser.add_argument("--replay", type=Path, help="run one saved input again")
    args = parser.parse_args(arguments)
    if unknown := [name for name in args.targets if name not in TARGETS]:
        parser.error(f"no target {unknown[0]!r}; there are: {', '.join(TARGETS)}")
    if args.replay is not None:
        name = args.targets[0] if args.targets else args.replay.name.rpartition("-")[0]
        TARGETS[name].target(args.replay.read_bytes())
        print(f"{name}: this input is taken now")
        return 0
    chosen = args.targets or list(TARGETS)
    shares = sum(TARGETS[name].share for name in chosen)
    if args.engine == "atheris":
        from tests.fuzz.guided import guided

        return guided(chosen[0], args.inputs, args.seed, args.crashes)
    outcomes = {}
    for name in chosen:
        number = max(1, args.inputs * TARGETS[name].share // shares)
        outcomes[name] = plain(name, TARGETS[name], number, args.seed, args.crashes)
        print(
            f"{name}: {outcomes[name].inputs} inputs, {len(outcomes[name].crashes)} crashes",
            file=sys.stderr,
            flush=True,
        )
    print(table(outcomes))
    for name, outcome in outcomes.items():
        for where, file in outcome.crashes.items():
            print(f"\n{name}: {where}\n  python -m tests.fuzz.run {name} --replay {file}")
    return 1 if any(outcome.crashes for outcome in outcomes.values()) else 0


def plain(name: str, fuzzed: Fuzzed, inputs: int, seed: int, crashes: Path) -> Outcome:
    """Run one target on inputs by the grammar, half of them mutated."""
    rng = Random(f"{name} {seed}")
    kept: deque[bytes] = deque(maxlen=CORPUS)
    outcome = Outcome()
    for number in range(inputs):
        data = mutate(rng, rng.choice(kept), kept) if kept and rng.random() < 0.5 else fuzzed.make(rng)
        if number % 7 == 0 or rng.random() < 0.05:
            kept.append(data)
        begin = time.process_time()
        try:
            fuzzed.target(data)
        except Exception as error:
            _save(name, data, error, outcome, crashes)
        took = time.process_time() - begin
        outcome.inputs += 1
        outcome.seconds += took
        outcome.longest = max(outcome.longest, took)
        if len(data) >= SMALL:
            outcome.slowest = max(outcome.slowest, took * 1000 / (len(data) / 1024))
    return outcome


def _save(name: str, data: bytes, error: Exception, outcome: Outcome, crashes: Path) -> None:
    """Keep the first input of each kind of failure: by where it was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
    if where in outcome.crashes and outcome.crashes[where].stat().st_size <= len(data):
        return
    crashes.mkdir(parents=True, exist_ok=True)
    file = crashes / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    file.write_bytes(data)
    if where in outcome.crashes:
        outcome.crashes[where].unlink(missing_ok=True)  # the new one is smaller
    else:
        print(f"{name}: {where}: {str(error)[:200]!r}", file=sys.stderr, flush=True)
    outcome.crashes[where] = file


def table(outcomes: dict[str, Outcome]) -> str:
    """Write what became of all inputs."""
    rows = ["| target | inputs | inputs/s | crashes | longest ms | worst ms/KB |", "|---|---:|---:|---:|---:|---:|"]
    total = Outcome()
    for name, each in [*outcomes.items(), ("all", total)]:
        rate = each.inputs / each.seconds if each.seconds else 0.0
        rows.append(
            f"| {name} | {each.inputs} | {rate:.0f} | {len(each.crashes)} | {each.longest * 1000:.1f} | {each.slowest:.2f} |"
        )
        total.inputs += each.inputs
        total.seconds += each.seconds
        total.longest, total.slowest = max(total.longest, each.longest), max(total.slowest, each.slowest)
        total.crashes |= {f"{name} {where}": file for where, file in each.crashes.items()}
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())

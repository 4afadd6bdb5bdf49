"""Samples, percentiles, and the table that they end in."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, beside what, and what it should be."""

    topic: str
    what: str
    measured: str
    baseline: str = ""
    ratio: float | None = None
    target: str = ""
    holds: bool | None = None


@dataclass
class Samples:
    """Hold durations in seconds."""

    values: list[float] = field(default_factory=list)

    def add(self, seconds: float) -> None:
        """Add one sample."""
        self.values.append(seconds)

    def percentile(self, percent: float) -> float:
        """Return a percentile in seconds, interpolated; nan without samples."""
        if not self.values:
            return float("nan")
        ordered = sorted(self.values)
        at = (len(ordered) - 1) * percent / 100
        low = int(at)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (at - low)

    @property
    def p50(self) -> float:
        """Return the median in seconds."""
        return self.percentile(50)

    @property
    def p95(self) -> float:
        """Return the 95th percentile in seconds."""
        return self.percentile(95)

    def words(self) -> str:
        """Say median, 95th percentile and maximum."""
        if not self.values:
            return "no samples"
        return f"p50 {ms(self.p50)}, p95 {ms(self.p95)}, max {ms(max(self.values))} (n={len(self.values)})"

    def short(self) -> str:
        """Say median and 95th percentile."""
        return f"p50 {ms(self.p50)}, p95 {ms(self.p95)}"


def ms(seconds: float) -> str:
    """Write a duration in the unit that fits it."""
    if seconds != seconds:
        return "–"
    if seconds >= 10:
        return f"{seconds:.1f} s"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.1f} ms" if seconds >= 0.001 else f"{seconds * 1e6:.0f} µs"


def timed(act: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def interleave(
    count: int, *acts: Callable[[], object], warm: int = 2, before: Callable[[], object] = lambda: None
) -> list[Samples]:
    """Call each of several things in turn, ``count`` rounds; the first rounds are not counted.

    ``before`` is called at the start of each round and not timed.
    """
    samples = [Samples() for _ in acts]
    for turn in range(count + warm):
        before()
        for act, kept in zip(acts, samples, strict=True):
            took = timed(act)
            if turn >= warm:
                kept.add(took)
    return samples


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table for each topic."""
    lines: list[str] = []
    for topic in dict.fromkeys(row.topic for row in rows):
        lines += [f"### {topic}", "", "| what | measured | beside | ratio | target | |", "|---|---|---|---|---|---|"]
        for row in rows:
            if row.topic == topic:
                ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
                mark = {None: "", True: "held", False: "**missed**"}[row.holds]
                lines.append(f"| {row.what} | {row.measured} | {row.baseline} | {ratio} | {row.target} | {mark} |")
        lines.append("")
    return "\n".join(lines)


def surroundings() -> str:
    """Say on what this was measured."""
    git = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.strip()
    load = os.getloadavg()[0]
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return (
        f"{when} UTC, {os.cpu_count()} processors, load {load:.1f} at the end, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {git}"
    )


def write(rows: Iterable[Row], folder: Path) -> None:
    """Write the table and the raw rows to a folder."""
    rows = list(rows)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.md").write_text(f"{surroundings()}\n\n{table(rows)}", encoding="utf-8")
    (folder / "benchmarks.json").write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


def mean(values: Sequence[float]) -> float:
    """Return the mean; nan without values."""
    return statistics.fmean(values) if values else float("nan")

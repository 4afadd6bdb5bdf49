"""Figures of the running process for Prometheus, in its text format.

What only grows is counted here as it happens; what goes up and down is asked for at the moment of the scrape.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate

from gitsync.dispatch.events import Event
from gitsync.ledger.db import text as plain
from gitsync.sync.engine import CycleResult

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of a histogram, in seconds."""

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """Count durations by their size."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class Metrics:
    """Count what happens, from the start of the process on."""

    def __init__(self) -> None:
        self.cycles: Counter[str] = Counter()
        self.commits_pushed = 0
        self.commits_pulled = 0
        self.messages_sent = 0
        self.messages_received = 0
        self.deliveries: Counter[tuple[str, str]] = Counter()
        self.retries: Counter[str] = Counter()
        self.seconds: dict[str, Histogram] = {}

    def cycle(self, result: CycleResult) -> None:
        """Count a cycle."""
        self.cycles[result.state] += 1
        self.commits_pushed += result.pushed
        self.commits_pulled += result.pulled
        self.messages_sent += result.sent
        self.messages_received += result.received

    def delivery(self, event: Event) -> None:
        """Count what the dispatcher did."""
        if event.what == "retry":
            self.retries[event.agent] += 1
        if event.what not in ("concluded", "settled"):
            return
        self.deliveries[event.agent, event.state] += 1
        if event.seconds is not None:
            self.seconds.setdefault(event.agent, Histogram()).add(event.seconds)


class Page:
    """Write the text format, one family of figures after the other."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def family(self, name: str, kind: str, about: str, values: Iterable[tuple[Labels, float | None]]) -> None:
        """Write a family; values that are None are not known, and left out."""
        self._lines += [f"# HELP gitsync_{name} {about}", f"# TYPE gitsync_{name} {kind}"]
        for labels, value in values:
            if value is not None:
                self._lines.append(f"gitsync_{name}{_labels(labels)} {_number(value)}")

    def one(self, name: str, kind: str, about: str, value: float | None) -> None:
        """Write a figure without labels."""
        self.family(name, kind, about, [((), value)])

    def histograms(self, name: str, about: str, label: str, found: Mapping[str, Histogram]) -> None:
        """Write a histogram for each value of a label."""
        self._lines += [f"# HELP gitsync_{name} {about}", f"# TYPE gitsync_{name} histogram"]
        for value, histogram in sorted(found.items()):
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), accumulate(histogram.counts), strict=True):
                self._lines.append(f"gitsync_{name}_bucket{_labels(((label, value), ('le', bound)))} {count}")
            labels = _labels(((label, value),))
            self._lines.append(f"gitsync_{name}_sum{labels} {_number(histogram.total)}")
            self._lines.append(f"gitsync_{name}_count{labels} {sum(histogram.counts)}")

    def text(self) -> str:
        """Give the page."""
        return "\n".join(self._lines) + "\n"


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_quoted(value)}"' for name, value in labels) + "}" if labels else ""


def _quoted(value: str) -> str:
    return plain(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"

"""Score the tolerant reader on a labelled corpus: `python benchmarks/corpus.py [-v] FOLDER`.

The folder holds `labels.json` and the files in `dev/`. Each measure is given twice: with the real path of each file,
and with its bytes under a name that says nothing. A file is read rightly if the number of messages is right and each
one found stands where a message or an optional one is. Fields are scored over the messages found.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitsync.protocol.reader import Found, Reading, read_file

Label = dict[str, Any]
STRESS = 1_000_000
"""Bytes from which on a file is counted for itself: its many like entries would drown the others."""


@dataclass
class Tally:
    """How many of how many."""

    right: int = 0
    of: int = 0

    def add(self, right: bool) -> bool:
        """Count one case and give it back."""
        self.right += right
        self.of += 1
        return right

    def __str__(self) -> str:
        share = 100 * self.right / self.of if self.of else 100.0
        return f"{self.right:4} of {self.of:4}  {share:5.1f} %"


@dataclass
class Score:
    """All measures of one run."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    slowest: tuple[float, str, int] = (0.0, "", 0)
    wrong: list[str] = field(default_factory=list)

    def add(self, measure: str, right: bool) -> bool:
        """Count one case of a measure."""
        return self.tallies.setdefault(measure, Tally()).add(right)


def same(found: str | None, wanted: str | None) -> bool:
    """Compare names: without case; one that goes on after a blank, bracket or dash is right."""
    if found is None or wanted is None:
        return found is None and wanted is None
    left, right = found.lower().strip(), wanted.lower().strip()
    return left == right or (left.startswith(right) and left[len(right)] in " ([{-–—")


def names(found: tuple[str, ...], wanted: list[str]) -> bool:
    """Compare lists of names without their order."""
    rest = list(found)
    for name in wanted:
        match = next((each for each in rest if same(each, name)), None)
        if match is None:
            return False
        rest.remove(match)
    return not rest


def begins(found: str | None, wanted: str | None) -> bool:
    """Compare texts: one that begins with the other is right."""
    if not found or not wanted:
        return not found and not wanted
    left, right = " ".join(found.lower().split()), " ".join(wanted.lower().split())
    return left.startswith(right) or right.startswith(left)


def minute(found: str | None, wanted: str | None) -> bool:
    """Compare moments to the minute."""
    return found == wanted if found is None or wanted is None else found[:16] == wanted[:16]


FIELDS: dict[str, tuple[Callable[[Found], Any], Callable[[Any, Any], bool]]] = {
    "subject": (lambda found: found.subject, begins),
    "from": (lambda found: found.sender, same),
    "to": (lambda found: found.to, names),
    "date_raw": (lambda found: found.date_raw, begins),
    "date_utc": (lambda found: found.date_utc, minute),
    "priority": (lambda found: found.priority, lambda found, wanted: found == wanted),
}


def judge(score: Score, name: str, label: Label, reading: Reading) -> None:
    """Count what one file adds to the score."""

    def lines_of(one: Label) -> list[int]:
        return [one["line"], *one.get("alt", {}).get("line", [])]

    wanted, optional = label["messages"], label.get("optional", [])
    at = {line: one for one in [*optional, *wanted] for line in lines_of(one)}
    counts = label.get("counts") or [len(wanted)]
    astray = [found.line for found in reading.messages if found.line not in at]
    right = len(reading.messages) in counts and not astray
    if not score.add("files read rightly", right):
        score.wrong.append(f"{name}: {len(reading.messages)} messages, not {counts}; astray at {astray}")
    if 0 in counts and not wanted:
        score.add("files without a message that yield none", not astray)
    big = label["bytes"] >= STRESS
    suffix = " (stress)" if big else ""
    lines = {found.line for found in reading.messages}
    for one in wanted:
        if 0 in counts and not lines:
            continue
        if not score.add("messages found" + suffix, any(line in lines for line in lines_of(one))):
            score.wrong.append(f"{name}:{one['line']}: missed {one['subject']!r}")
    for found in reading.messages:
        score.add("found ones real" + suffix, found.line in at)
        if found.line not in at:
            continue
        one = at[found.line]
        for key, (value, equal) in FIELDS.items():
            said = value(found)
            allowed = [one.get(key), *one.get("alt", {}).get(key, [])]
            if not score.add(key + " right" + suffix, any(equal(said, each) for each in allowed)):
                score.wrong.append(f"{name}:{found.line}: {key} {said!r}, not {allowed}")
        if "end" in one and not score.add("end right" + suffix, found.end_line == one["end"]):
            score.wrong.append(f"{name}:{found.line}: ends at {found.end_line}, not {one['end']}")
    status = label.get("status")
    if "statuses" not in label and not score.add("state right", _state(reading, status)):
        score.wrong.append(f"{name}: state {reading.status}, not {status}")


def _state(reading: Reading, status: Label | None) -> bool:
    found = reading.status
    if found is None or status is None:
        return found is None and status is None
    alt = status.get("alt", {})
    who = any(same(found.id_or_name, each) for each in [status["id_or_name"], *alt.get("id_or_name", [])])
    return who and found.state in [status["state"], *alt.get("state", [])]


def run(folder: Path, labels: dict[str, Label], *, with_path: bool) -> Score:
    """Read every file of the corpus and score it."""
    score = Score()
    for name, label in labels.items():
        file = next(path for path in (folder / "dev" / f"{name}.md", folder / "dev" / name) if path.exists())
        data = file.read_bytes()
        began = time.perf_counter()
        reading = read_file(data, label["path"] if with_path else f"dev/{file.name}")
        took = time.perf_counter() - began
        if len(data) > score.slowest[2]:
            score.slowest = (took, name, len(data))
        judge(score, name, label, reading)
    return score


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-v", "--verbose", action="store_true", help="list what was read wrongly")
    options = parser.parse_args()
    labels: dict[str, Label] = json.loads((options.folder / "labels.json").read_text("utf-8"))["files"]
    both = [run(options.folder, labels, with_path=True), run(options.folder, labels, with_path=False)]
    measures = list(dict.fromkeys(measure for score in both for measure in score.tallies))
    print(f"{'':42}{'by path and bytes':<24}by bytes alone")
    for measure in sorted(measures, key=lambda measure: ("(stress)" in measure, measures.index(measure))):
        print(f"{measure:42}" + "".join(f"{score.tallies.get(measure, Tally())!s:<24}" for score in both))
    for score in both:
        took, name, size = score.slowest
        print(f"{took:.3f} s for the largest file ({size:,} bytes, {name})")
    if options.verbose:
        for title, score in zip(("by path and bytes", "by bytes alone"), both, strict=True):
            print(f"\n{title}:")
            print("\n".join(score.wrong) or "nothing wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())

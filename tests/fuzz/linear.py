# ruff: noqa: E501 - lines of data
"""Measure how the time of each reader grows with its input: `python -m tests.fuzz.linear`; four times the input may not
take sixteen times as long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from gitsync.protocol import blocks, edit, follow_up, receipts, status
from gitsync.protocol.lint import lint
from gitsync.protocol.merge import merge, merge_receipts, merge_status, merge_text
from gitsync.protocol.reader import read_file, unwrapped
from tests.fuzz.families import FAMILIES

PAGE = "messages/1_TO_2.md"
STEPS = 4
STEEP = 8.0
"""Times as long for four times the input: linear is 4, with a logarithm 5, quadratic 16. Between lies what a cache costs."""
SHORT = 0.02
"""Seconds: what takes less at the larger size is fast whatever its curve, and too short to measure."""


def _halves(data: bytes) -> tuple[bytes, bytes]:
    """Make two versions of a text: without every third line, and with every fourth one changed or moved."""
    lines = data.split(b"\n")
    one = [line for number, line in enumerate(lines) if number % 3]
    two = [line + b" x" if number % 4 == 0 and b"<!--" not in line else line for number, line in enumerate(lines)]
    half = len(two) // 2
    return b"\n".join(one), b"\n".join(two[half:] + two[:half])


def _merge(data: bytes) -> None:
    one, two = _halves(data)
    merge(data, one, two)


def _merge_protected(data: bytes) -> None:
    names = frozenset(s.id for s in blocks.parse(data) if isinstance(s, blocks.Block))
    _, two = _halves(data)
    merge(data, b"", two, protect=names)


def _merge_wraps(data: bytes) -> None:
    """Somebody wrapped every line of the text, somebody else edited it."""
    bare = [line for line in data.split(b"\n") if b"<!--" not in line]
    ids = (f"01JD3WQ8Z6T4K9V2M5N{number:07d}".encode() for number in range(len(bare)))
    wrapped = b"".join(
        b"<!-- msg %s -->\n%s\n<!-- /msg -->\n" % (name, line) for name, line in zip(ids, bare, strict=False) if line
    )
    base = b"\n".join(bare)
    merge(base, wrapped, _halves(base)[1])


def _merge_text(data: bytes) -> None:
    one, two = _halves(data)
    merge_text(data, one, two)


def _merge_status(data: bytes) -> None:
    one, two = _halves(data)
    merge_status(data, one, two)


def _merge_receipts(data: bytes) -> None:
    merge_receipts(data, *_halves(data))


def _status(data: bytes) -> None:
    status.read_status(data)
    status.set_block(data, status.Status("1"))


def _append(data: bytes) -> None:
    edit.append(data, b"<!-- msg 01JZZZZZZZZZZZZZZZZZZZZZZZ -->\n## x\n<!-- /msg -->\n", path=PAGE)
    edit.rotate(data, lambda _: True)
    edit.withdraw(data, "01JD3WQ8Z6T4K9V2M5N7P0R3S8")


def _follow(data: bytes) -> None:
    follow_up.extended(data, PAGE, set(follow_up.followed(data)))


READERS: Mapping[str, Callable[[bytes], object]] = {
    "split": blocks.parse,
    "read": lambda data: read_file(data, PAGE),
    "read a page": lambda data: read_file(data, "COMPUTER_1.md"),
    "find unwrapped": lambda data: unwrapped(data, PAGE),
    "merge": _merge,
    "merge, protected": _merge_protected,
    "merge, wrapped": _merge_wraps,
    "merge text": _merge_text,
    "merge status": _merge_status,
    "merge receipts": _merge_receipts,
    "receipts": receipts.parse_file,
    "status": _status,
    "edit": _append,
    "follow-ups": _follow,
    "lint": lambda data: lint(data, PAGE),
    "lint receipts": lambda data: lint(data, "receipts/1/2026-11.md"),
    "lint a page": lambda data: lint(data, "COMPUTER_1.md"),
}


def measured(
    size: int, readers: Iterable[str] = READERS, *, patience: float = 3.0
) -> Iterator[tuple[str, str, float, float]]:
    """Give reader, family, and the seconds at `size` and at four times of it; what is hopeless already is not tried."""
    for family, make in FAMILIES.items():
        small, large = make(size), make(size * STEPS)
        for name in readers:
            reader = READERS[name]
            first = _time(reader, small)
            second = _time(reader, large) if first < patience else float("inf")
            if second > SHORT and second > STEEP * first:  # again: something else may have run meanwhile
                first, second = max(first, _time(reader, small)), min(second, _time(reader, large))
            yield name, family, first, second


def steep(first: float, second: float) -> bool:
    """Say whether this grows faster than in step with the input."""
    return second > SHORT and second > STEEP * first


def _time(reader: Callable[[bytes], object], data: bytes) -> float:
    begin = time.process_time()
    reader(data)
    return time.process_time() - begin


def main() -> int:
    """Print what is steep, and what is slow; 1 where anything is steep."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 64_000
    bad = 0
    rows = []
    for row in measured(size):
        rows.append(row)
        if steep(*row[2:]):
            print("\t".join(map(str, row)), file=sys.stderr, flush=True)
    rows.sort(key=lambda row: -row[3])
    print(f"seconds for {size} and {size * STEPS} bytes")
    for place, (name, family, first, second) in enumerate(rows):
        if steep(first, second) or place < 15:
            bad += steep(first, second)
            print(
                f"{'STEEP' if steep(first, second) else '     '} {name:<18} {family:<26} {first:8.3f} {second:8.3f} x{second / first:.1f}"
            )
    print(f"{len(rows)} measured, {bad} steep")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

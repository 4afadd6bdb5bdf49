"""Print to people: tables and colour on a terminal, plain text into a pipe, and never a foreign escape sequence."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

# C0 without \t and \n, DEL, C1, bidirectional controls, line and paragraph separators, lone surrogates; and what has no
# width, by which two names can look alike. The joiner between two pictures, as in a family, is part of one picture.
_PICTURE = "[\u2190-\u2bff\ufe0f\U0001f000-\U0001faff]"
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
    f"|(?<!{_PICTURE})\u200d|\u200d(?!{_PICTURE})"
)


def clean(text: str) -> str:
    """Make text of others harmless for a terminal; every changed character stays visible."""
    return _UNSAFE.sub(_visible, text)


def clean_line(text: str) -> str:
    """Make text of others harmless and one line."""
    return clean(text).replace("\n", "␊").replace("\t", " ")


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"


def somebody_there() -> bool:
    """Say whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def agreed(question: str) -> bool:
    """Ask a person; everything but yes is no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def to_terminal() -> bool:
    """Say whether standard output is a person's terminal."""
    return sys.stdout.isatty()


def coloured() -> bool:
    """Say whether colour is wanted (https://no-color.org)."""
    return to_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_json(value: Any) -> None:
    """Print one JSON document."""
    # ASCII only: lone surrogates of undecodable bytes, and C1 controls, cannot reach the terminal or break a pipe.
    print(json.dumps(value, indent=2 if to_terminal() else None, ensure_ascii=True))


def say(text: str = "") -> None:
    """Print a line of our own to the person."""
    print(clean(text))


def note(text: str) -> None:
    """Tell the person something beside the result, on standard error."""
    with suppress(OSError):  # no reason to leave what was begun undone
        print(clean(text), file=sys.stderr)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, wide: str = "") -> None:
    """Print rows: drawn on a terminal, separated by tabs with a header into a pipe.

    ``wide`` names the column that takes the room that is left.
    """
    cells = [[clean_line(cell) for cell in row] for row in rows]
    if not to_terminal():
        for row in [list(columns), *cells]:
            print("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        drawn.add_column(column, no_wrap=column != wide, overflow="ellipsis" if column != wide else "fold")
    for row in cells:
        drawn.add_row(*(Text(cell, style=_STYLES.get(cell.split(" ")[0], "")) for cell in row))
    Console(force_terminal=coloured(), highlight=False).print(drawn)


_STYLES = {
    "urgent": "bold red",
    "high": "yellow",
    "ok": "green",
    "online": "green",
    "ACTIVE": "green",
    "WORKING": "green",
    "done": "green",
    "failed": "red",
    "refused": "red",
    "dead": "red",
    "error": "red",
    "crashed": "red",
    "halted": "red",
    "uncertain": "magenta",
    "held": "magenta",
    "offline": "bright_black",
    "OFFLINE": "bright_black",
}


def plural(count: int, word: str) -> str:
    """Write a count with its word: ``1 commit``, ``2 commits``."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def duration(seconds: float | None) -> str:
    """Write a time span for people: ``3 s``, ``4 min``, ``2 h``, ``5 d``."""
    if seconds is None:
        return "–"
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"

"""A place where a message starts, and the questions about lines that several steps ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gitsync.protocol import dates, templates
from gitsync.protocol.fields import Header, read_header, split_line
from gitsync.protocol.lines import BLANK, BLOCK, HEADING, OPAQUE, RULE, TEXT, Lines
from gitsync.protocol.phrases import Said

How = Literal["fields", "some", "entry", "phrase", "trailer", "template"]
"""Why a message starts here: its own fields name somebody; some field of a mailbox; an entry of a log; the heading says
so; only its trailer names somebody. A template is a form, which ends what is above it and is no message."""

_SOME = frozenset({"from", "to", "date", "time", "timestamp", "priority", "subject", "type"})
_TRAILER = 15
"""Lines that are not blank, from the end of a file or message, in which a trailer is looked for."""


@dataclass(slots=True)
class Start:
    """A place where a message starts: lines count from 0, `level` is 0 for a file's plain first line."""

    line: int
    level: int
    how: How
    header: Header
    title: str | None
    after: int
    strong: bool = False
    top: bool = False
    said: Said = field(default_factory=Said)
    stamp: dates.Stamp | None = None
    end: int = -1
    author_only: bool = False
    """Whether only `By`, `Prepared by` or the like names somebody: a report rather than a letter."""


def own_field(lines: Lines, line: int, raw: str) -> Start | None:
    """Read a heading that is itself the first field of a header: `## FROM: C1` with others below."""
    own = split_line(raw)
    if not own or own[0].meaning not in ("from", "to") or not own[0].value:
        return None
    header = read_header(lines, line)
    if not header.named() or sum(each.meaning is not None for each in header.fields) < 2:
        return None
    how: How = "template" if templates.in_fields(header.fields) else "fields"
    return Start(line, 1, how, header, None, header.after, strong=True)


def some(header: Header) -> bool:
    return any(each.meaning in _SOME and each.value for each in header.fields)


def trailer(lines: Lines, first: int, last: int, *, most: int = _TRAILER, top: bool = False) -> Header | None:
    """Read the fields that stand in the last lines of a text, after its signature."""
    number, seen = last, 0
    header = Header(last + 1, last + 1)
    while number >= first and seen < most:
        kind = lines.kinds[number]
        if kind in (HEADING, OPAQUE, BLOCK):
            break
        if kind == TEXT:
            seen += 1
            found = split_line(lines.text(number), top=top)
            if found:
                header.fields[:0] = found
                header.first = number
        elif kind == RULE and header.fields:
            break
        number -= 1
    return header if header.fields else None


def empty(lines: Lines, first: int, stop: int) -> bool:
    """Tell whether nothing but blank lines, rules and comments stands in first..stop."""
    if stop - first > 40:
        return False
    for number in range(first, stop):
        kind = lines.kinds[number]
        if kind in (BLANK, RULE, OPAQUE) or (
            kind == TEXT and not any(char.isalnum() for char in lines.text(number)[:500])
        ):
            continue
        return False
    return True


def skip_blank(lines: Lines, line: int) -> int:
    while line < len(lines) and lines.kinds[line] == BLANK:
        line += 1
    return line

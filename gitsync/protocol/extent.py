"""Say where each message ends."""

from __future__ import annotations

from gitsync.protocol.lines import BLANK, BLOCK, RULE, Heading, Lines
from gitsync.protocol.start import Start, empty


def set_ends(lines: Lines, found: list[Start], mailbox: bool) -> None:
    """Give each start the last line that belongs to it."""
    headings = [heading for heading in lines.headings if not heading.soft]
    place = 0
    whole = len([start for start in found if start.how != "template"]) == 1
    for nth, start in enumerate(found):
        following = found[nth + 1] if nth + 1 < len(found) else None
        limit = following.line if following is not None else len(lines)
        block = lines.kinds.find(BLOCK, start.line, limit)
        if block >= 0:
            limit, following = block, None
        while place < len(headings) and headings[place].line < start.after:
            place += 1
        inner = place
        while inner < len(headings) and headings[inner].line < limit:
            heading = headings[inner]
            higher = heading.level < start.level or (heading.level == start.level and not mailbox)
            if higher and not (start.top and whole and start.how != "entry") and _under_rule(lines, heading.line):
                limit, following = heading.line, None
                break
            inner += 1
        start.end = _last(lines, start, limit)
        while following is not None and inner > place:
            # A section's title directly above the next message belongs to neither.
            inner -= 1
            above = headings[inner]
            if (
                above.level >= following.level
                or above.line < start.after
                or (above.after - 1 < start.end and not _rest_is_rule(lines, above, start.end))
            ):
                break
            start.end = _last(lines, start, above.line)


def _rest_is_rule(lines: Lines, heading: Heading, last: int) -> bool:
    return empty(lines, heading.after, last + 1)


def _under_rule(lines: Lines, line: int) -> bool:
    above = line - 1
    while above >= 0 and lines.kinds[above] == BLANK:
        above -= 1
    return above >= 0 and lines.kinds[above] == RULE


def _last(lines: Lines, start: Start, limit: int) -> int:
    last = limit - 1
    while last > start.line and lines.kinds[last] in (BLANK, RULE):
        last -= 1
    return max(last, min(start.after, limit) - 1, start.line)

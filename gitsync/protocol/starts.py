"""Decide where messages start and end in the free text of a file (the rules of PROTOCOL, section 3).

A candidate is *strong* when its own fields name a sender or a recipient, or when it is numbered (`MESSAGE #3`). A weak
one (only a date, a phrase, one field) that stands deeper than a message that is running is a part of that
message: people write dated headings and `Message to …` sections inside their messages too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

from gitsync.protocol import dates, phrases, templates
from gitsync.protocol.fields import Header, read_header, split_line
from gitsync.protocol.lines import BLANK, BLOCK, HEADING, OPAQUE, RULE, TEXT, Heading, Lines
from gitsync.protocol.phrases import Said
from gitsync.protocol.plain import plain

How = Literal["fields", "some", "entry", "phrase", "trailer", "template"]

_SOME = frozenset({"from", "to", "date", "time", "timestamp", "priority", "subject", "type"})
_TRAILER = 15
"""Lines that are not blank, from the end of a file or message, in which a trailer is looked for."""
_TITLE_LONGEST = 200
_EMPHASISED = re.compile(r"([*_]{1,3})[^*_\s][^*_]*\1$")


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


@dataclass(slots=True)
class _Walk:
    """What has to be remembered while the headings of a file go by."""

    mailbox: bool
    running: Start | None = None
    dated: bool = False
    form: int | None = None
    messages: int | None = None
    consumed: int = 0


def find_starts(lines: Lines, *, mailbox: bool = False) -> list[Start]:
    """Find the messages of a file's free text, each with its end, in order; forms are left out.

    `mailbox` says that the file's path names who writes to whom, so that any one field makes a header.
    """
    first = _first_content(lines)
    if first is None:
        return []
    title = lines.headings[0] if lines.headings else None
    if title is not None and phrases.names_a_mailbox(plain(title.raw)):
        mailbox = True
    fresh = BLOCK not in lines.kinds[:first]
    top = _top(lines, first, mailbox) if fresh else None
    walk = _Walk(mailbox)
    found: list[Start] = []
    if top is not None:
        found.append(top)
        walk.consumed = top.after
        walk.dated = top.title is not None and dates.find(top.title) is not None
        if top.how != "template" and not top.author_only:
            walk.running = top
    first_heading = next((heading for heading in lines.headings if not heading.soft), None)
    for heading in lines.headings:
        if heading.line < walk.consumed:
            continue
        start = _at(lines, heading, walk, first=heading is first_heading)
        if start is None:
            continue
        found.append(start)
        walk.consumed = max(start.after, heading.after)
        walk.running = start if start.how != "template" else None
        walk.dated = walk.dated or start.how == "entry"
    found = _after_all(lines, found, first_heading)
    _set_ends(lines, found, mailbox)
    kept = [start for start in found if start.how != "template" and not _nothing_said(lines, start)]
    return kept or _by_trailer(lines, first, found)


def read_top(lines: Lines) -> Start | None:
    """Read the top of a text that is known to be one message, so that any one field makes its header."""
    first = _first_content(lines)
    return None if first is None else _top(lines, first, True)


def _first_content(lines: Lines) -> int | None:
    for number, kind in enumerate(lines.kinds):
        if (
            kind == HEADING
            or kind == TEXT
            and any(char.isalnum() for char in lines.text(number)[:_TITLE_LONGEST])
        ):
            return number
    return None


def _top(lines: Lines, first: int, mailbox: bool) -> Start | None:
    """Read the top of a file: its title, or a plain first line, or header fields at once."""
    heading = next((each for each in lines.headings if each.line == first), None)
    if heading is not None and not heading.soft:
        return _titled(lines, first, heading.after, heading.level, heading.raw, mailbox)
    text = lines.text(first)
    if len(text) > _TITLE_LONGEST:
        return None
    if split_line(text):
        header = read_header(lines, first)
        if not (header.named() and len(header.fields) > 1 or mailbox and _some(header)):
            return None
        how: How = "template" if templates.in_fields(header.fields) else "fields"
        return Start(first, 0, how, header, None, header.after, strong=True, top=True)
    if re.match(r"[ \t]*(?:[-+>|]|\*\s|\d+[.)]\s)|\s{4}", text):
        return None
    return _titled(lines, first, first + 1, 0, text.strip(), mailbox)


def _titled(lines: Lines, line: int, below: int, level: int, raw: str, mailbox: bool) -> Start | None:
    text = plain(raw)
    if level:
        own = _own_field(lines, line, raw)
        if own is not None:
            return replace(own, level=level, top=True)
    header, subtitle = _top_header(lines, below, mailbox, phrases.holds_messages(text))
    form = templates.in_heading(raw) or templates.in_fields(header.fields)
    start = Start(
        line, level, "fields", header, text, max(header.after, below) if header.fields else below, top=True
    )
    start.said = phrases.said_inside(text)
    section = phrases.is_messages_section(text)
    said = phrases.said(text)
    if header.named():
        start.strong = True
        start.author_only = _author_only(header)
    elif phrases.pair_in_title(text) is not None and header.known():
        start.strong = True
    elif said is not None and level and (header.known() or not said.needs_fields):
        start.how, start.said = "phrase", said
    elif mailbox and _some(header) and not section and not subtitle:
        start.how = "some"
    else:
        return None
    if said is not None:
        start.said = said
    if form:
        start.how = "template"
    return start


def _top_header(lines: Lines, below: int, mailbox: bool, section: bool) -> tuple[Header, bool]:
    """Read the header under a file's title; a rule or one subtitle may stand between. Says whether one does."""
    header = read_header(lines, below, top=True)
    if header.fields:
        return header, False
    line = _skip_blank(lines, below)
    if line >= len(lines):
        return header, False
    if lines.kinds[line] == RULE:
        ruled = read_header(lines, line + 1, top=True)
        return (ruled, True) if ruled.named() else (header, False)
    if section:
        return header, False
    text = lines.text(line).strip()
    if lines.kinds[line] == HEADING:
        raw = re.sub(r"^#{1,6}[ \t]+", "", text)
        if _says_start(raw) or line > below and mailbox or _siblings(lines, line):
            return header, False
    elif lines.kinds[line] != TEXT or len(text) > _TITLE_LONGEST or not _EMPHASISED.match(text):
        return header, False
    under = read_header(lines, line + 1, top=True)
    return (under, True) if under.named() else (header, False)


def _says_start(raw: str) -> bool:
    """Tell whether a heading is too much of a message's, or of a form's, to be a subtitle."""
    text = plain(raw)
    dated = phrases.entry_date(text) is not None
    return dated or templates.in_heading(raw) or phrases.said(text) is not None or phrases.pair_in_title(text) is not None


def _siblings(lines: Lines, line: int) -> bool:
    """Tell whether the heading at a line is one of several of its level that have a header of their own."""
    mine = next(heading for heading in lines.headings if heading.line == line)
    looked = 0
    for heading in lines.headings:
        if heading.line > line and heading.level == mine.level and not heading.soft:
            looked += 1
            if read_header(lines, heading.after).named():
                return True
            if looked >= 200:
                break
    return False


def _own_field(lines: Lines, line: int, raw: str) -> Start | None:
    """Read a heading that is itself the first field of a header: `## FROM: C1` with others below."""
    own = split_line(raw)
    if not own or own[0].meaning not in ("from", "to") or not own[0].value:
        return None
    header = read_header(lines, line)
    if not header.named() or sum(each.meaning is not None for each in header.fields) < 2:
        return None
    how: How = "template" if templates.in_fields(header.fields) else "fields"
    return Start(line, 1, how, header, None, header.after, strong=True)


def _at(lines: Lines, heading: Heading, walk: _Walk, *, first: bool) -> Start | None:
    """Judge one heading below the top of a file, with what went by before it."""
    raw, level = heading.raw, heading.level
    text = plain(raw)
    if walk.form is not None and level <= walk.form and not heading.soft:
        walk.form = None
    if walk.messages is not None and level <= walk.messages and not heading.soft:
        walk.messages = None
    start = _candidate(lines, heading, text, walk, first=first)
    if walk.form is not None and start is not None:
        return replace(start, how="template") if walk.running is None else None
    if start is not None and (templates.in_heading(raw) or templates.in_fields(start.header.fields)):
        start.how = "template"
    running = walk.running
    deeper = running is not None and running.how != "entry" and level > running.level
    if start is not None and deeper and (start.how == "template" or not start.strong):
        start = None
    if start is None:
        if heading.soft:
            return None
        if phrases.is_messages_section(text) and walk.messages is None:
            walk.messages = level
        if templates.about_form(text) and running is None:
            walk.form = level
        if not walk.dated and any(char.isdigit() for char in text):
            walk.dated = dates.find(text) is not None
    return start


def _candidate(lines: Lines, heading: Heading, text: str, walk: _Walk, *, first: bool) -> Start | None:
    own = None if heading.soft else _own_field(lines, heading.line, heading.raw)
    if own is not None:
        return replace(own, level=heading.level)
    header = read_header(lines, heading.after)
    after = header.after if header.fields else heading.after
    start = Start(heading.line, heading.level, "fields", header, text, after)
    said = phrases.said(text)
    start.said = said or Said()
    if header.named():
        start.strong = True
        start.said = said or phrases.said_inside(text)
        return start
    if heading.soft:
        return None
    stamp = phrases.entry_date(text) if any(char.isdigit() for char in text) else None
    if stamp is not None and first and stamp.start > 1:
        stamp = None
    if said is not None and (header.known() or not said.needs_fields):
        start.how, start.strong, start.stamp = "phrase", said.numbered, stamp
        return start
    if walk.mailbox and _some(header) and not phrases.is_messages_section(text):
        start.how, start.stamp = "some", stamp
        start.said = phrases.said_inside(text)
        return start
    if stamp is None and walk.dated and not first:
        stamp = phrases.entry_time(text)
    if stamp is not None or not first and _dated(header):
        start.how, start.stamp = "entry", stamp
        start.said = phrases.said_inside(text)
        return start
    if walk.messages is not None and level_below(heading.level, walk.messages):
        to = phrases.to_whom(text)
        if to is not None:
            start.how, start.said = "phrase", Said(None, to)
            return start
    if header.known() and templates.in_heading(heading.raw):
        start.how = "template"
        return start
    return None


def level_below(level: int, section: int) -> bool:
    """Tell whether a heading of this level stands in a section of that one."""
    return level > section


def _some(header: Header) -> bool:
    return any(each.meaning in _SOME and each.value for each in header.fields)


def _dated(header: Header) -> bool:
    """Tell whether a Date or Timestamp field gives a day and a time of day (a Time field may give the latter)."""
    time = header.value("time")
    for meaning in ("timestamp", "date"):
        value = header.value(meaning)
        if value is None:
            continue
        stamp = dates.find(plain(value))
        if stamp is None and time:
            stamp = dates.find(f"{plain(value)} {plain(time)}")
        elif stamp is not None and stamp.time is None and time:
            stamp = dates.find(f"{plain(value)} {plain(time)}")
        if stamp is not None and stamp.full:
            return True
    return False


def _author_only(header: Header) -> bool:
    named = [each for each in header.fields if each.meaning in ("from", "to") and each.value]
    return all(
        each.name.lower() not in ("from", "sender", "to", "recipient", "recipients") for each in named
    ) and not any(each.meaning == "to" for each in named)


def _after_all(lines: Lines, found: list[Start], first_heading: Heading | None) -> list[Start]:
    """Settle what the top of a file is once everything below it is known."""
    real = [start for start in found if start.how != "template"]
    if real and real[0].top and len(real) > 1:
        top, second = real[0], real[1]
        empty = _empty(lines, top.after, second.line)
        inner = [start for start in real[1:] if start.strong and start.level > top.level]
        if top.author_only:
            found = [start for start in found if start is not top]
        elif (
            empty
            and top.level == 0
            and second.how == "fields"
            or empty
            and second.how == "fields"
            and len(inner) == 1
            and not _is_section(top)
        ):
            # Two headers for one text: the second one says more.
            fields = [*second.header.fields, *top.header.fields]
            merged = replace(
                second,
                line=top.line,
                level=top.level,
                top=True,
                header=Header(top.header.first, second.header.after, fields),
            )
            if merged.said.sender is None and not merged.said.to:
                merged.said = top.said
            found = [merged if start is top else start for start in found if start is not second]
        elif empty and second.strong and second.level > top.level and (len(inner) > 1 or _is_section(top)):
            # The title of a file of messages says for whom they are; it is not one itself.
            found = [start for start in found if start is not top]
    # A title with a subtitle and a date is a page's head, unless others on its level are entries too.
    for place, start in enumerate(found):
        if start.how == "entry" and start.stamp is None:
            alone = not any(
                other.how == "entry" and other.level == start.level for other in found if other is not start
            )
            if alone and first_heading is not None and _empty(lines, first_heading.after, start.line):
                del found[place]
        break
    return found


def _is_section(start: Start) -> bool:
    return start.title is not None and phrases.is_messages_section(start.title)


def _empty(lines: Lines, first: int, stop: int) -> bool:
    """Tell whether nothing but blank lines, rules and comments stands in first..stop."""
    if stop - first > 40:
        return False
    for number in range(first, stop):
        kind = lines.kinds[number]
        if (
            kind in (BLANK, RULE, OPAQUE)
            or kind == TEXT
            and not any(char.isalnum() for char in lines.text(number)[:500])
        ):
            continue
        return False
    return True


def _set_ends(lines: Lines, found: list[Start], mailbox: bool) -> None:
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
            higher = heading.level < start.level or heading.level == start.level and not mailbox
            if (
                higher
                and not (start.top and whole and start.how != "entry")
                and _under_rule(lines, heading.line)
            ):
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
                or above.after - 1 < start.end
                and not _rest_is_rule(lines, above, start.end)
            ):
                break
            start.end = _last(lines, start, above.line)


def _rest_is_rule(lines: Lines, heading: Heading, last: int) -> bool:
    return _empty(lines, heading.after, last + 1)


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


def _nothing_said(lines: Lines, start: Start) -> bool:
    """Tell whether a heading only announces a message of which there is no text yet."""
    if start.how != "phrase" or start.header.known():
        return False
    stop = min(start.end, start.after + 60)
    return templates.is_empty_body(lines.body(start.after, stop)) if start.end >= start.after else True


def trailer(lines: Lines, first: int, last: int, *, most: int = _TRAILER) -> Header | None:
    """Read the fields that stand in the last lines of a text, after its signature."""
    number, seen = last, 0
    header = Header(last + 1, last + 1)
    while number >= first and seen < most:
        kind = lines.kinds[number]
        if kind in (HEADING, OPAQUE, BLOCK):
            break
        if kind == TEXT:
            seen += 1
            found = split_line(lines.text(number))
            if found:
                header.fields[:0] = found
                header.first = number
        elif kind == RULE and header.fields:
            break
        number -= 1
    return header if header.fields else None


def _by_trailer(lines: Lines, first: int, found: list[Start]) -> list[Start]:
    """Take a whole file as one message where its sender or recipient stands only in the trailer at its end."""
    if found:
        return []
    last = len(lines) - 1
    while last > first and lines.kinds[last] in (BLANK, RULE):
        last -= 1
    header = trailer(lines, first, last)
    if header is None or not header.named() or len(header.fields) < 2 or templates.in_fields(header.fields):
        return []
    if BLOCK in lines.kinds:
        return []
    heading = next((each for each in lines.headings if not each.soft), None)
    if heading is not None and heading.line == first:
        title, level, after = plain(heading.raw), heading.level, heading.after
    else:
        title, level, after = None, 0, first
    if title is not None and templates.in_heading(heading.raw if heading else ""):
        return []
    return [Start(first, level, "trailer", header, title, after, strong=True, top=True, end=last)]


def _skip_blank(lines: Lines, line: int) -> int:
    while line < len(lines) and lines.kinds[line] == BLANK:
        line += 1
    return line

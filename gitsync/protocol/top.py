"""Read the top of a file: its title, a plain first line, or header fields at once; and its trailer."""

from __future__ import annotations

import re
from dataclasses import replace

from gitsync.protocol import phrases, templates
from gitsync.protocol.fields import Header, read_header, split_line
from gitsync.protocol.lines import BLANK, BLOCK, HEADING, RULE, TEXT, Lines
from gitsync.protocol.plain import plain
from gitsync.protocol.start import How, Start, own_field, skip_blank, some, trailer

_TITLE_LONGEST = 200
_EMPHASISED = re.compile(r"([*_]{1,3})[^*_\s][^*_]*\1$|>\s")


def first_content(lines: Lines) -> int | None:
    for number, kind in enumerate(lines.kinds):
        if kind == HEADING or (kind == TEXT and any(char.isalnum() for char in lines.text(number)[:_TITLE_LONGEST])):
            return number
    return None


def read_top(lines: Lines, *, mailbox: bool) -> Start | None:
    """Read the top of a file: its title, or a plain first line, or header fields at once."""
    first = first_content(lines)
    if first is None:
        return None
    heading = next((each for each in lines.headings if each.line == first), None)
    if heading is not None and not heading.soft:
        return _titled(lines, first, heading.after, heading.level, heading.raw, mailbox)
    text = lines.text(first)
    if len(text) > _TITLE_LONGEST:
        return None
    if split_line(text):
        header = read_header(lines, first)
        if not ((header.named() and len(header.fields) > 1) or (mailbox and some(header))):
            return None
        how: How = "template" if templates.in_fields(header.fields) else "fields"
        return Start(first, 0, how, header, None, header.after, strong=True, top=True)
    if re.match(r"[ \t]*(?:[-+>|]|\*\s|\d+[.)]\s)|\s{4}", text):
        return None
    return _titled(lines, first, first + 1, 0, text.strip(), mailbox)


def _titled(lines: Lines, line: int, below: int, level: int, raw: str, mailbox: bool) -> Start | None:
    text = plain(raw)
    if level:
        own = own_field(lines, line, raw)
        if own is not None:
            return replace(own, level=level, top=True)
    header, subtitle = _top_header(lines, below, mailbox, phrases.holds_messages(text))
    form = templates.in_heading(raw) or templates.in_fields(header.fields)
    start = Start(line, level, "fields", header, text, max(header.after, below) if header.fields else below, top=True)
    start.said = phrases.said_inside(text)
    section = phrases.is_messages_section(text)
    said = phrases.said(text)
    if header.named():
        start.strong = True
        start.author_only = author_only(header)
    elif phrases.pair_in_title(text) is not None and header.known():
        start.strong = True
    elif said is not None and level and (header.known() or not said.needs_fields):
        start.how, start.said = "phrase", said
    elif mailbox and some(header) and not section and not subtitle:
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
    line = skip_blank(lines, below)
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
        if _says_start(raw) or (line > below and mailbox) or _siblings(lines, line):
            return header, False
    elif (
        lines.kinds[line] != TEXT
        or len(text) > _TITLE_LONGEST
        or not text  # blanks that only Unicode knows
        or not ((line == below and text[-1] not in ".:;") or _EMPHASISED.match(text))
    ):
        return header, False
    under = read_header(lines, line + 1, top=True)
    return (under, True) if under.named() and not under.lone_item() else (header, False)


def _says_start(raw: str) -> bool:
    """Tell whether a heading is too much of a message's, of a section's or of a form's, to be a subtitle."""
    text = plain(raw)
    if templates.in_heading(raw) or phrases.is_messages_section(text) or phrases.entry_date(text) is not None:
        return True
    return phrases.said(text) is not None or phrases.pair_in_title(text) is not None


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


def author_only(header: Header) -> bool:
    named = [each for each in header.fields if each.meaning in ("from", "to") and each.value]
    return all(
        each.name.lower() not in ("from", "sender", "to", "recipient", "recipients") for each in named
    ) and not any(each.meaning == "to" for each in named)


def by_trailer(lines: Lines, first: int, found: list[Start]) -> list[Start]:
    """Take a whole file as one message where its sender or recipient stands only in the trailer at its end."""
    if found and found[0].top:
        return []
    last = len(lines) - 1
    while last > first and lines.kinds[last] in (BLANK, RULE):
        last -= 1
    header = trailer(lines, first, last, top=True)
    if header is None or not header.named() or len(header.fields) < 2 or templates.in_fields(header.fields):
        return []
    if author_only(header) or not any(_signs(lines, number) for number in range(header.first, last + 1)):
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


def _signs(lines: Lines, line: int) -> bool:
    """Tell whether a line names a sender or recipient, and not as an item of a list."""
    text = lines.text(line)
    if lines.kinds[line] != TEXT or text.lstrip().startswith(("- ", "+ ", "• ")):
        return False
    return any(each.meaning in ("from", "to") for each in split_line(text, top=True))

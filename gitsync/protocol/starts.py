"""Decide where messages start and end in the free text of a file (the rules of PROTOCOL, section 3).

A candidate is *strong* when its own fields name a sender or a recipient, or when it is numbered (`MESSAGE #3`). A weak
one (only a date, a phrase, one field) that stands deeper than a message that is running is a part of that
message: people write dated headings and `Message to …` sections inside their messages too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gitsync.protocol import dates, phrases, templates
from gitsync.protocol.extent import set_ends
from gitsync.protocol.fields import Header, read_header, split_line
from gitsync.protocol.lines import BLOCK, HEADING, RULE, TEXT, Heading, Lines
from gitsync.protocol.phrases import Said
from gitsync.protocol.plain import plain
from gitsync.protocol.start import Start, empty, own_field, skip_blank, some
from gitsync.protocol.top import by_trailer, first_content, read_top


@dataclass(slots=True)
class _Walk:
    """What has to be remembered while the headings of a file go by."""

    mailbox: bool
    running: Start | None = None
    dated: bool = False
    form: int | None = None
    blank: int | None = None
    messages: int | None = None
    consumed: int = 0


def find_starts(lines: Lines, *, mailbox: bool = False) -> list[Start]:
    """Find the messages of a file's free text, each with its end, in order; forms are left out.

    `mailbox` says that the file's path names who writes to whom, so that any one field makes a header.
    """
    first = first_content(lines)
    if first is None:
        return []
    title = lines.headings[0] if lines.headings else None
    if title is not None and phrases.names_a_mailbox(plain(title.raw)):
        mailbox = True
    fresh = BLOCK not in lines.kinds[:first]
    top = read_top(lines, mailbox=mailbox) if fresh else None
    walk = _Walk(mailbox)
    found: list[Start] = []
    if top is not None:
        found.append(top)
        walk.consumed = top.after
        walk.dated = top.title is not None and dates.find(top.title) is not None
        if top.how == "template":
            walk.blank = top.level or None
        elif not top.author_only:
            walk.running = top
    first_heading = next((heading for heading in lines.headings if not heading.soft), None)
    places: list[Heading | Start] = [*lines.headings]
    if bare := _letters(lines, walk.consumed):
        places = sorted([*places, *bare], key=lambda place: place.line)
    for place in places:
        if place.line < walk.consumed:
            continue
        if isinstance(place, Start):
            start = place if _may_follow(walk) else None
        else:
            start = _at(lines, place, walk, first=place is first_heading)
        if start is None:
            continue
        found.append(start)
        walk.consumed = max(start.after, place.after)
        walk.running = start if start.how != "template" else None
        walk.dated = walk.dated or start.how == "entry"
    found = _after_all(lines, found, first_heading)
    set_ends(lines, found, mailbox)
    kept = [start for start in found if start.how != "template" and not _nothing_said(lines, start)]
    return kept or by_trailer(lines, first, found)


def _letters(lines: Lines, after: int) -> list[Start]:
    """Find the whole headers that stand without a heading under a rule, with text below: sender, recipient and more."""
    found: list[Start] = []
    rule = lines.kinds.find(RULE, after)
    while rule >= 0:
        line = skip_blank(lines, rule + 1)
        if line < len(lines) and lines.kinds[line] == TEXT and split_line(lines.text(line)):
            header = read_header(lines, line)
            known = {each.meaning for each in header.fields if each.value} - {None}
            text = skip_blank(lines, header.after)
            whole = header.first == line and {"from", "to"} < known and header.named()
            if whole and text < len(lines) and lines.kinds[text] == TEXT and not templates.in_fields(header.fields):
                found.append(Start(line, 1, "fields", header, None, header.after, strong=True))
        rule = lines.kinds.find(RULE, rule + 1)
    return found


def _may_follow(walk: _Walk) -> bool:
    """Tell whether a header without a heading is a message here: after an entry of a log, or after another such one.

    Elsewhere it is a page's trailer, or a letter quoted in another one.
    """
    running = walk.running
    return walk.form is None and running is not None and (running.how == "entry" or running.title is None)


def _at(lines: Lines, heading: Heading, walk: _Walk, *, first: bool) -> Start | None:
    """Judge one heading below the top of a file, with what went by before it."""
    raw, level = heading.raw, heading.level
    text = plain(raw)
    if walk.form is not None and level <= walk.form and not heading.soft:
        walk.form = None
    if walk.messages is not None and level <= walk.messages and not heading.soft:
        walk.messages = None
    if walk.blank is not None and level <= walk.blank and not heading.soft:
        walk.blank = None
    start = _candidate(lines, heading, text, walk, first=first)
    if walk.blank is not None and start is not None and start.how == "phrase" and not start.header.known():
        start = None  # one of the headings of a form that nobody has filled in
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
    own = None if heading.soft else own_field(lines, heading.line, heading.raw)
    if own is not None:
        return replace(own, level=heading.level)
    header = read_header(lines, heading.after)
    after = header.after if header.fields else heading.after
    start = Start(heading.line, heading.level, "fields", header, text, after)
    said = phrases.said(text)
    start.said = said or Said()
    if phrases.is_messages_section(text) and header.fields and lines.kinds[header.first] == HEADING:
        return None  # `TO: who` below a section of messages starts one of them
    if header.named() and not header.lone_item():
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
    if walk.mailbox and some(header) and not phrases.is_messages_section(text):
        start.how, start.stamp = "some", stamp
        start.said = phrases.said_inside(text)
        return start
    if stamp is None and walk.dated and not first:
        stamp = phrases.entry_time(text)
    if stamp is not None or (not first and _dated(header)):
        start.how, start.stamp = "entry", stamp
        start.said = phrases.said_inside(text)
        return start
    if walk.messages is not None and heading.level > walk.messages:
        to = phrases.to_whom(text)
        if to is not None:
            start.how, start.said = "phrase", Said(None, to)
            return start
    if header.known() and templates.in_heading(heading.raw):
        start.how = "template"
        return start
    return None


def _dated(header: Header) -> bool:
    """Tell whether a Date or Timestamp field gives a day and a time of day (a Time field may give the latter)."""
    time = header.value("time")
    for meaning in ("timestamp", "date"):
        value = header.value(meaning)
        if value is None:
            continue
        stamp = dates.find(plain(value))
        if (stamp is None and time) or (stamp is not None and stamp.time is None and time):
            stamp = dates.find(f"{plain(value)} {plain(time)}")
        if stamp is not None and stamp.full:
            return True
    return False


def _after_all(lines: Lines, found: list[Start], first_heading: Heading | None) -> list[Start]:
    """Settle what the top of a file is once everything below it is known."""
    real = [start for start in found if start.how != "template"]
    if real and real[0].top and len(real) > 1:
        top, second = real[0], real[1]
        bare = empty(lines, top.after, second.line)
        inner = [start for start in real[1:] if start.strong and start.level > top.level]
        if top.author_only:
            found = [start for start in found if start is not top]
        elif (bare and top.level == 0 and second.how == "fields") or (
            bare and second.how == "fields" and len(inner) == 1 and not _is_section(top)
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
        elif bare and second.strong and second.level > top.level and (len(inner) > 1 or _is_section(top)):
            # The title of a file of messages says for whom they are; it is not one itself.
            found = [start for start in found if start is not top]
    first = _first_entry(lines, found, first_heading)
    if first is not None:
        found = [first, *found]
    # A title with a subtitle and a date is a page's head, unless others on its level are entries too.
    for place, start in enumerate(found):
        if start.how == "entry" and start.stamp is None:
            alone = not any(
                other.how == "entry" and other.level == start.level for other in found if other is not start
            )
            if alone and first_heading is not None and empty(lines, first_heading.after, start.line):
                del found[place]
        break
    return found


def _first_entry(lines: Lines, found: list[Start], heading: Heading | None) -> Start | None:
    """Take a file's first heading as an entry where others on its level are entries by their headings too."""
    if heading is None or any(start.line <= heading.line for start in found):
        return None
    if not any(start.how == "entry" and start.stamp and start.level == heading.level for start in found):
        return None
    text = plain(heading.raw)
    stamp = phrases.entry_date(text)
    if stamp is None or templates.in_heading(heading.raw):
        return None
    header = read_header(lines, heading.after)
    after = header.after if header.fields else heading.after
    return Start(heading.line, heading.level, "entry", header, text, after, stamp=stamp, said=phrases.said_inside(text))


def _is_section(start: Start) -> bool:
    return start.title is not None and phrases.is_messages_section(start.title)


def _nothing_said(lines: Lines, start: Start) -> bool:
    """Tell whether a heading only announces a message of which there is no text yet."""
    if start.how != "phrase" or start.header.known():
        return False
    stop = min(start.end, start.after + 60)
    return templates.is_empty_body(lines.body(start.after, stop)) if start.end >= start.after else True

"""Read what people really write: find the messages in any file, from its bytes alone.

Nothing that a person wrote stops the reader, and its work is linear in the size of the file. Boundaries come from
`blocks`, blocks as gitsync wrote them are read by `message`, and everything else is read here: where messages start and
end is decided in `starts`, what their fields mean below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gitsync.protocol import blocks, dates, message, names, paths, phrases
from gitsync.protocol.fields import Field, Header, read_header
from gitsync.protocol.found import Found, Reading, StatusFound
from gitsync.protocol.hand_status import find_status
from gitsync.protocol.lines import BLANK, HEADING, TEXT, Lines, scan
from gitsync.protocol.plain import plain
from gitsync.protocol.problem import Problem
from gitsync.protocol.start import Start, trailer
from gitsync.protocol.starts import find_starts
from gitsync.protocol.top import read_top

__all__ = ["Found", "Problem", "Reading", "StatusFound", "read_file", "unwrapped"]

_BETWEEN = re.compile(r"(?:^|/)messages/[^/]*[^/_]_to_[^/_][^/]*\.(?:md|markdown|txt)$", re.IGNORECASE)
_DRAFT = re.compile(r"draft\b", re.IGNORECASE)


def read_file(data: bytes, path: str | None = None) -> Reading:
    """Find the messages of a file and the state it reports; never fails, whatever the bytes.

    `path` is used only for what it says by itself: in `messages/<from>_TO_<to>.md` one header field is enough.
    """
    segments = blocks.parse(data)
    spans: list[tuple[int, int]] = []
    wrapped: list[tuple[int, blocks.Block]] = []
    offset = 0
    for segment in segments:
        if isinstance(segment, blocks.Block):
            spans.append((offset, offset + len(segment.raw)))
            wrapped.append((offset, segment))
        offset += len(segment.raw)
    lines = scan(data, spans)
    mailbox = path is not None and _BETWEEN.search(path.replace("\\", "/")) is not None
    free = find_starts(lines, mailbox=mailbox)
    messages = [_unwrapped(lines, start) for start in free]
    problems = list(lines.problems)
    for at, block in wrapped:
        messages.append(_wrapped(lines, at, block))
        if not block.closed:
            problems.append(Problem(lines.line_at(at) + 1, "unclosed-block", "the end line of this message is missing"))
    messages.sort(key=lambda found: found.start)
    problems += _doubts(data, messages)
    problems.sort(key=lambda problem: problem.line)
    return Reading(tuple(messages), tuple(problems), find_status(lines, free))


def unwrapped(data: bytes, path: str) -> tuple[Found, ...]:
    """Give the hand-written messages of a mailbox file that may be wrapped: real ones, not drafts.

    In a machine's own status file only those that name a recipient; in files that are not delivered from, none.
    """
    kind = paths.classify(path).kind
    if kind not in ("messages", "status"):
        return ()
    may: list[Found] = []
    fence, at = blocks.FenceState(), 0
    for found in read_file(data, path).messages:
        if not found.wrapped and (found.draft or (kind == "status" and not found.to)):
            continue
        _feed(fence, data, at, found.start)
        at = found.start
        if found.wrapped or _wrap_holds(fence, data, found):
            fence, at = blocks.FenceState(), found.end
            if not found.wrapped:
                may.append(found)
    return tuple(may)


def _feed(fence: blocks.FenceState, data: bytes, start: int, end: int) -> None:
    for line in data[start:end].split(b"\n"):
        marked = blocks.fence_marker(line)
        if marked is not None:
            fence.feed(*marked)


def _wrap_holds(fence: blocks.FenceState, data: bytes, found: Found) -> bool:
    """Tell whether boundary lines put around a message would be seen as such.

    They stand at the start of a line that ends in a newline, and outside code fences as `blocks` counts them: where
    fences stand inside a fence, a person and CommonMark do not agree on where it ends.
    """
    begins = found.start == 0 or data[found.start - 1 : found.start] == b"\n"
    ends = data[found.end - 1 : found.end] == b"\n" or (found.end == len(data) and not data.endswith(b"\r"))
    return begins and ends and not fence.marker


def _unwrapped(lines: Lines, start: Start) -> Found:
    first, last = start.line, max(start.end, start.line)
    begin = lines.starts[first]
    end = lines.starts[last] + len(lines.raw[last])
    body = lines.body(_below_rule(lines, start.after, last), last)
    content = blocks.content_hash(lines.data[begin:end])
    return _found(lines, start, body, (first + 1, last + 1), (begin, end), None, content)


def _wrapped(lines: Lines, at: int, block: blocks.Block) -> Found:
    """Read one wrapped message: strictly as gitsync writes it, or tolerantly where a person wrote it."""
    top = lines.line_at(at) + 1
    inner_start = lines.starts[top] if top < len(lines) else len(lines.data)
    inner = scan(block.inner)
    filled = [number for number, raw in enumerate(inner.raw) if raw.strip()]
    first, last = (filled[0], filled[-1]) if filled else (0, max(len(inner) - 1, 0))
    numbers = (top + first + 1, top + last + 1) if len(inner) else (top, top)
    if len(inner):
        span = (inner_start + inner.starts[first], inner_start + inner.starts[last] + len(inner.raw[last]))
    else:
        span = (inner_start, inner_start)
    content = blocks.content_hash(block.inner)
    try:
        return _strict(message.read(block.raw), numbers, span, block.id, content)
    except ValueError:
        start = _inside(inner, first)
        start.end = last if len(inner) else -1
        body = inner.body(_below_rule(inner, start.after, last), last) if len(inner) else ""
        return _found(inner, start, body, numbers, span, block.id, content)


def _strict(
    written: message.Message, numbers: tuple[int, int], span: tuple[int, int], message_id: str, content: str
) -> Found:
    return Found(
        line=numbers[0],
        end_line=numbers[1],
        start=span[0],
        end=span[1],
        id=message_id,
        wrapped=True,
        subject=written.subject or None,
        sender=written.sender,
        to=tuple(names.EVERYBODY if to.upper() == paths.BROADCAST else to for to in written.to),
        date_raw=written.date,
        date_utc=written.date,
        priority=written.priority,
        priority_raw=written.priority,
        type=written.type or None,
        thread=written.thread,
        in_reply_to=written.in_reply_to,
        fields=written.fields,
        body=written.body,
        draft=False,
        content=content,
    )


def _inside(inner: Lines, first: int) -> Start:
    """Read the top of a wrapped text: all of it is one message, whatever stands in it."""
    top = read_top(inner, mailbox=True)
    if top is not None:
        return top
    heading = next((each for each in inner.headings if each.line == first and not each.soft), None)
    if heading is None:
        header = read_header(inner, first) if first < len(inner) else Header(0, 0)
        return Start(first, 0, "some", header, None, header.after if header.fields else first)
    header = read_header(inner, heading.after)
    after = header.after if header.fields else heading.after
    start = Start(first, heading.level, "some", header, plain(heading.raw), after)
    start.stamp = phrases.entry_date(start.title or "")
    return start


def _found(
    lines: Lines,
    start: Start,
    body: str,
    numbers: tuple[int, int],
    span: tuple[int, int],
    message_id: str | None,
    content: str,
) -> Found:
    header = start.header
    tail = _tail(lines, start)
    who, whom = header.value("from") or _first(tail, "from"), header.value("to") or _first(tail, "to")
    sender = names.sender(who) if who else None
    to = names.recipients(whom) if whom else ()
    if who and not whom and (sides := names.arrow(plain(who))) is not None:
        to = names.recipients(sides[1])
    title = _title(start)
    sender = sender or start.said.sender
    if sender is None and start.how == "entry":
        sender = phrases.entry_sender(title or "")
    date_raw, date_utc = _date(start, tail)
    level, level_raw = names.priority(header.value("priority") or "")
    subject = header.subject()
    return Found(
        line=numbers[0],
        end_line=numbers[1],
        start=span[0],
        end=span[1],
        id=message_id,
        wrapped=message_id is not None,
        subject=(plain(subject) if subject else None) or title,
        sender=sender,
        to=to or start.said.to,
        date_raw=date_raw,
        date_utc=date_utc,
        priority=level,
        priority_raw=level_raw,
        type=_plain_or_none(header.value("type")),
        thread=_plain_or_none(header.value("thread")),
        in_reply_to=_plain_or_none(header.value("in_reply_to")),
        fields=tuple((each.name, each.value) for each in header.fields if each.meaning is None),
        body=body,
        draft=any(each.name.lower() == "status" and _DRAFT.match(plain(each.value)) for each in header.fields),
        content=content,
    )


def _title(start: Start) -> str | None:
    if not start.title:
        return None
    title = start.title
    if start.how == "entry" and start.stamp is not None:
        title = phrases.title_without(title, start.stamp) or title
    return title.rstrip(" :") or None


def _tail(lines: Lines, start: Start) -> list[Field]:
    """Give the fields after the signature of a message that has none of their kind at its top."""
    header = start.header
    if start.how in ("trailer", "entry") or header.value("date") or header.value("timestamp"):
        return []
    found = trailer(lines, start.after, start.end, most=6) if start.end >= start.after else None
    return [] if found is None else [each for each in found.fields if each.value]


def _first(fields: Iterable[Field], meaning: str) -> str | None:
    return next((each.value for each in fields if each.meaning == meaning), None)


def _date(start: Start, tail: list[Field]) -> tuple[str | None, str | None]:
    """Give a message's date as written, and in UTC: from its fields, else its heading, else its trailer."""
    raw = _written(start.header)
    stamp = start.stamp
    heading = start.title or ""
    if raw is not None and stamp is not None and not dates.has_time(raw):
        raw = None
    if raw is None and stamp is not None:
        return heading[stamp.start : stamp.end].strip("[] "), stamp.utc()
    if raw is None and heading:
        found = dates.find(heading)
        raw = heading[found.start : found.end] if found is not None else None
    if raw is None:
        raw = next(
            (
                plain(each.value)
                for each in tail
                if each.meaning in ("date", "timestamp") and dates.find(plain(each.value)) is not None
            ),
            None,
        )
    return (raw, dates.to_utc(raw)) if raw else (None, None)


def _written(header: Header) -> str | None:
    day, moment, time = (plain(header.value(meaning) or "") for meaning in ("date", "timestamp", "time"))
    if day and not dates.has_time(day):
        if moment and (stamp := dates.find(moment)) is not None and stamp.full:
            return moment
        return f"{day} {time}".strip()
    if not day and moment and not dates.has_time(moment):
        return f"{moment} {time}".strip()
    return day or moment or time or None


def _plain_or_none(value: str | None) -> str | None:
    return (plain(value) or None) if value else None


def _below_rule(lines: Lines, first: int, last: int) -> int:
    """Pass over the blank lines and the one rule that part a header from its text."""
    line = first
    while line <= last and lines.kinds[line] == BLANK:
        line += 1
    if line <= last and lines.kinds[line] not in (TEXT, HEADING) and not lines.raw[line].strip(b"-*_ \t\r\n"):
        line += 1
    return line


def _doubts(data: bytes, messages: list[Found]) -> list[Problem]:
    problems: list[Problem] = []
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = len(data[: error.start].splitlines()) or 1
        problems.append(Problem(line, "not-utf8", f"byte {error.start} is not UTF-8"))
    problems += (
        Problem(found.line, "date-unclear", f"no moment in UTC can be known from {found.date_raw!r}")
        for found in messages
        if found.date_raw and found.date_utc is None and dates.has_time(found.date_raw)
    )
    return problems

"""Say what is wrong with a file of the mailbox, line by line.

| rule | where | what it says |
|---|---|---|
| `unclosed-block` | messages | the end line of a message is missing |
| `bad-boundary` | messages | a line looks like a boundary and is none, or an end line has no start line |
| `double-id` | messages | an id stands twice, and says something else |
| `forged-sender` | messages | From names another machine than the path; the message is not delivered |
| `unclosed-fence` | messages, status | a code fence is never closed: outside a message it hides what follows |
| `unclosed-comment` | messages, status | a comment is never closed: outside a message it hides what follows |
| `date-unclear` | messages, status | a date of which no moment in UTC can be known; the commit's time counts |
| `follow-up` | messages | text stands directly below a message and is part of none |
| `draft` | messages, status | a hand-written message waits for its Status: draft to go |
| `unknown-priority` | messages, status | a priority is no word that is known, and counts as normal |
| `file-name` | `messages/` | no name like `1_TO_2.md`: nothing is delivered from it |
| `bad-receipt` | receipts | a line is no receipt |
| `unclosed-status` | status | the end line of the generated block is missing |
| `conflict-marker` | every file | git left a conflict in the text |
| `not-a-file` | whole mailbox | a link, a submodule, a folder named like a file, a path that leaves the mailbox |
| `too-large` | owned files | over 8 MiB: the file is not read |
| `nul` | every file | a NUL byte |
| `not-utf8` | every file | bytes that are no text |
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from gitsync.protocol import receipts
from gitsync.protocol.blocks import Block, FenceState, content_hash, fence_marker, is_end_line, is_start_line, parse
from gitsync.protocol.found import Found
from gitsync.protocol.machine_name import other_machine
from gitsync.protocol.paths import Place, classify
from gitsync.protocol.problem import Problem
from gitsync.protocol.reader import read_file

TOO_LARGE = 8 * 1024 * 1024

_LIKE_BOUNDARY = re.compile(rb"[ \t]{0,3}<!--[ \t]*/?msg(?=-->|[^A-Za-z0-9_-]|\Z)", re.IGNORECASE)
_CONFLICT = re.compile(rb"(?:<{7}|>{7}|\|{7})(?: |\r?$)|={7}\r?$")
# What the reader takes for normal because it says so; all else that is normal to it was only not understood.
_NORMAL = re.compile(
    r"\b(?:normal|regular|medium|moderate|standard|routine|default|p2|2|not?|non)\b|[\U0001F7E1\U0001F7E2]",
    re.IGNORECASE,
)
_STATUS_START = re.compile(rb"^<!--[ \t]*status[ \t]*-->", re.MULTILINE)
_STATUS_END = re.compile(rb"^<!--[ \t]*/status[ \t]*-->", re.MULTILINE)


def lint(data: bytes, path: str) -> tuple[Problem, ...]:
    """Give everything that is wrong with a file, in the order of its lines; `path` is relative to the mailbox."""
    place = classify(path)
    if place.owner is not None and len(data) > TOO_LARGE:
        return (Problem(1, "too-large", f"{len(data)} bytes, more than the {TOO_LARGE} that are read"),)
    problems = [*_encoding(data), *_conflicts(data)]
    if place.kind == "other" and path.startswith("messages/") and path.endswith(".md") and path != "messages/README.md":
        problems.append(Problem(1, "file-name", "not <from>_TO_<to>.md: nothing is delivered from this file"))
    if place.kind == "receipts":
        problems += _receipts(data)
    if place.kind in ("messages", "archive"):
        problems += _blocks(data)
    if place.kind == "status" and (start := _STATUS_START.search(data)) and not _STATUS_END.search(data, start.end()):
        problems.append(Problem(_line(data, start.start()), "unclosed-status", "the end line of the status is missing"))
    if place.kind in ("messages", "archive", "status"):
        problems += _messages(data, path, place)
    once = {(problem.line, problem.rule): problem for problem in problems}
    return tuple(once[place] for place in sorted(once))


def _encoding(data: bytes) -> Iterator[Problem]:
    nul = data.find(b"\0")
    if nul >= 0:
        yield Problem(_line(data, nul), "nul", "a NUL byte: is this a text file?")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        wrong = data[error.start : error.start + 4].hex(" ")
        yield Problem(_line(data, error.start), "not-utf8", f"bytes that are no UTF-8: {wrong}")


def _conflicts(data: bytes) -> Iterator[Problem]:
    if b"\n<<<<<<<" not in b"\n" + data:
        return
    for number, line in enumerate(data.split(b"\n"), start=1):
        if _CONFLICT.match(line):
            yield Problem(number, "conflict-marker", "git left a conflict here; choose, and delete the marker")


def _receipts(data: bytes) -> Iterator[Problem]:
    for number, text, receipt in receipts.numbered(data):
        if receipt is None and text.strip() and not text.startswith("#"):
            yield Problem(number, "bad-receipt", f"not a receipt: {text.strip()[:80]}")


def _blocks(data: bytes) -> Iterator[Problem]:
    """Look at boundary lines and ids."""
    line = 1
    seen: dict[str, str] = {}
    for segment in parse(data):
        if isinstance(segment, Block):
            content = content_hash(segment.inner)
            if seen.setdefault(segment.id, content) != content:
                yield Problem(line, "double-id", f"{segment.id} stands here a second time and says something else")
        else:
            yield from _free(segment.raw, line)
        line += segment.raw.count(b"\n")


def _free(raw: bytes, first: int) -> Iterator[Problem]:
    fence = FenceState()
    for number, line in enumerate(raw.split(b"\n"), start=first):
        if found := fence_marker(line):
            fence.feed(*found)
        elif not fence.marker and _LIKE_BOUNDARY.match(line):
            yield Problem(number, "bad-boundary", _why_bad(line))


def _why_bad(line: bytes) -> str:
    if is_end_line(line):
        return "an end line without a start line"
    if line[:1] in (b" ", b"\t") and (is_start_line(line.lstrip()) or is_end_line(line.lstrip())):
        return "a boundary must stand at the beginning of its line"
    return f"not a boundary, but like one: {line.strip()[:80].decode('utf-8', 'replace')}"


def _messages(data: bytes, path: str, place: Place) -> Iterator[Problem]:
    reading = read_file(data, path)
    yield from reading.problems
    for found in reading.messages:
        if found.draft and not found.wrapped:
            yield Problem(found.line, "draft", "a draft; it is sent when Status: draft is gone")
        if found.priority == "normal" and not _NORMAL.search(found.priority_raw or "normal"):
            yield Problem(found.line, "unknown-priority", f"{(found.priority_raw or '')[:40]!r} counts as normal")
        if place.sender is not None and (other := other_machine(found.sender, place.sender)):
            text = f"From says {other}, but this is the file of {place.sender}; the message is not delivered"
            yield Problem(found.line, "forged-sender", text)
    if place.kind == "messages":
        yield from _follow_ups(data, [found for found in reading.messages if not found.wrapped])


def _follow_ups(data: bytes, by_hand: list[Found]) -> Iterator[Problem]:
    starts = sorted(found.start for found in by_hand)
    position = 0
    line = 1
    after_block = False
    for segment in parse(data):
        if after_block and not isinstance(segment, Block):
            text = segment.raw.lstrip()
            begin = position + len(segment.raw) - len(text)
            index = bisect_left(starts, position)
            first = starts[index] if index < len(starts) else None
            heading = text.startswith((b"#", b"<!--", b"---"))
            if text and not heading and (first is None or begin < first):
                what = "text below a message belongs to none; give it a heading of its own to send it"
                yield Problem(line + segment.raw.count(b"\n", 0, begin - position), "follow-up", what)
        position += len(segment.raw)
        line += segment.raw.count(b"\n")
        after_block = isinstance(segment, Block)


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1

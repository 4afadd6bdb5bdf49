"""Scan a file line by line: what is opaque (fences, comments, front matter), what is a heading, what is a rule.

One pass over the lines and one over the few that open something; every region is skipped once it is known, so the
work is linear in the file whatever stands in it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from gitsync.protocol.problem import Problem

TEXT, BLANK, HEADING, RULE, OPAQUE, BLOCK = range(6)
"""What a line is. BLOCK is a line of a wrapped message, which the free text around it never sees into."""

_BOM = b"\xef\xbb\xbf"
_OPENING = re.compile(
    rb"(?P<blank>[ \t\x0b\x0c\r\n]*\Z)"
    rb"|[ \t]*(?:"
    rb"(?P<fence>(?P<run>`{3,}|~{3,})(?P<info>[^\r\n]*))"
    rb"|(?P<atx>#{1,6})(?=[ \t\r\n]|\Z)"
    rb"|(?P<comment><!--)"
    rb"|(?P<mark>[-=*_]{2}|[-*_][ \t])"
    rb")"
)
_YAML_KEY = re.compile(rb"[A-Za-z_][\w .-]{0,60}:(?:[ \t\r\n]|\Z)")
_YAML_LINE = re.compile(rb"[ \t]|[A-Za-z_\"'][^\r\n:]{0,80}:(?:[ \t\r\n]|\Z)|-[ \t]|#|[\r\n]|[}\])]")
_FRONT = 400
"""Lines that front matter may have."""
_AHEAD = 64
"""Fence lines looked at for the end of a fence that has fences inside."""
_SETEXT_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Heading:
    """One heading: `line` counts from 0, `after` is the first line below it, `soft` may as well be text over a rule."""

    line: int
    after: int
    level: int
    raw: str
    soft: bool = False


@dataclass(slots=True)
class Lines:
    """A file cut into lines, each with what it is; `starts[i]` is the byte offset of line i, counted from 0."""

    data: bytes
    raw: list[bytes]
    starts: list[int]
    kinds: bytearray
    headings: list[Heading] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.raw)

    def text(self, line: int) -> str:
        """Give a line as text without its line end; bytes that are not UTF-8 become lone surrogates."""
        raw = self.raw[line]
        if line == 0 and raw.startswith(_BOM):
            raw = raw[3:]
        return raw.rstrip(b"\r\n").decode("utf-8", "surrogateescape")

    def line_at(self, offset: int) -> int:
        """Give the line in which a byte stands."""
        return bisect_right(self.starts, offset) - 1

    def body(self, first: int, last: int) -> str:
        """Give lines first..last (inclusive) as text, without blank lines at both ends."""
        while first <= last and self.kinds[first] == BLANK:
            first += 1
        while last >= first and not self.raw[last].strip():
            last -= 1
        if last < first:
            return ""
        text = b"".join(self.raw[first : last + 1]).decode("utf-8", "surrogateescape")
        return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def scan(data: bytes, blocks: Iterable[tuple[int, int]] = ()) -> Lines:
    """Cut a file into lines and say what each is; `blocks` are the byte spans of wrapped messages."""
    raw = data.splitlines(keepends=True)
    starts = list(accumulate(map(len, raw), initial=0))[:-1]
    lines = Lines(data, raw, starts, bytearray(len(raw)))
    kinds = lines.kinds
    for start, end in blocks:
        if end > start:
            first, last = lines.line_at(start), lines.line_at(end - 1)
            kinds[first : last + 1] = bytes([BLOCK]) * (last + 1 - first)
    body = _front_matter(lines)
    openings, marks = _classify(lines, body)
    _close(lines, openings)
    _underlines(lines, marks)
    if any(kinds[heading.line] != HEADING for heading in lines.headings):
        lines.headings = [heading for heading in lines.headings if kinds[heading.line] == HEADING or heading.soft]
    lines.headings.sort(key=lambda heading: heading.line)
    return lines


@dataclass(frozen=True, slots=True)
class _Fence:
    line: int
    indent: int
    char: bytes
    count: int
    info: bytes


def _front_matter(lines: Lines) -> int:
    """Mark YAML front matter; give the first line after it."""
    raw = lines.raw
    if len(raw) < 3 or lines.kinds[0] == BLOCK:
        return 0
    if raw[0].removeprefix(_BOM).rstrip() != b"---" or not _YAML_KEY.match(raw[1]):
        return 0
    for line in range(1, min(len(raw), _FRONT)):
        if raw[line].rstrip() in (b"---", b"..."):
            lines.kinds[: line + 1] = bytes([OPAQUE]) * (line + 1)
            return line + 1
        if lines.kinds[line] == BLOCK or not _YAML_LINE.match(raw[line]):
            return 0
    return 0


def _classify(lines: Lines, first: int) -> tuple[list[_Fence | tuple[int, bool]], list[tuple[int, bool]]]:
    """Say what each line is when nothing around it is looked at.

    Gives the lines that open a fence or a comment (line, whether at the line's start), and the setext underlines
    (line, whether of `=`), in order.
    """
    kinds = lines.kinds
    openings: list[_Fence | tuple[int, bool]] = []
    marks: list[tuple[int, bool]] = []
    match = _OPENING.match
    for number in range(first, len(lines.raw)):
        if kinds[number] == BLOCK:
            continue
        line = lines.raw[number]
        if number == 0 and line.startswith(_BOM):
            line = line[3:]
        if b"<!--" in line and not line.lstrip().startswith(b"<!--") and _left_open(line):
            openings.append((number, False))
        found = match(line)
        if found is None:
            continue
        kind = found.lastgroup
        if kind == "blank":
            kinds[number] = BLANK
        elif kind == "fence":
            run, info = found["run"], found["info"].strip()
            if not (run[:1] == b"`" and b"`" in info):
                openings.append(_Fence(number, _indent(line), run[:1], len(run), info))
        elif kind == "atx":
            if _indent(line) < 4:
                kinds[number] = HEADING
                text = line[found.end("atx") : found.end("atx") + 4000].strip().decode("utf-8", "surrogateescape")
                bare = text.rstrip("#")
                text = bare.rstrip() if bare != text and (not bare or bare[-1] in " \t") else text
                lines.headings.append(Heading(number, number + 1, len(found["atx"]), text))
        elif kind == "comment":
            openings.append((number, True))
        else:
            core = line.translate(None, b" \t\r\n")
            char = core[:1]
            if core == char * len(core) and _indent(line) < 4:
                if char in b"=-" and len(core) > 1:
                    marks.append((number, char == b"="))
                if len(core) > 2:
                    kinds[number] = RULE
    return openings, marks


def _indent(line: bytes) -> int:
    return len(line[:200].expandtabs(4)) - len(line[:200].expandtabs(4).lstrip(b" "))


def _left_open(line: bytes) -> bool:
    """Tell whether a comment opened in the middle of a line goes on below it (one in code spans does not open)."""
    last = line.rfind(b"<!--")
    return line.find(b"-->", last) < 0 and line.count(b"`", 0, last) % 2 == 0


def _close(lines: Lines, openings: list[_Fence | tuple[int, bool]]) -> None:
    """Mark everything from an opening to its end as opaque."""
    kinds, size = lines.kinds, len(lines.raw)
    fences = [opening for opening in openings if isinstance(opening, _Fence)]
    nth = 0
    resume = 0
    no_more_comments = False
    for opening in openings:
        if isinstance(opening, _Fence):
            mine = nth
            nth += 1
            if opening.line < resume:
                continue
            last = _fence_end(fences, mine)
            if last is None:
                lines.problems.append(Problem(opening.line + 1, "unclosed-fence", "this code fence is never closed"))
            resume = _hide(kinds, opening.line, size - 1 if last is None else last) + 1
            continue
        line, block = opening
        if line < resume:
            continue
        if not block:
            resume = _hide_inline(lines, line)
            continue
        start = lines.data.find(b"<!--", lines.starts[line]) + 4
        stop = -1 if no_more_comments else lines.data.find(b"-->", start)
        if stop < 0:
            no_more_comments = True
            lines.problems.append(Problem(line + 1, "unclosed-comment", "this comment is never closed"))
        resume = _hide(kinds, line, size - 1 if stop < 0 else lines.line_at(stop)) + 1


def _hide(kinds: bytearray, first: int, last: int) -> int:
    """Mark first..last as opaque, at most to the next wrapped block; give the last line marked."""
    block = kinds.find(BLOCK, first, last + 1)
    if block >= 0:
        last = block - 1
    kinds[first : last + 1] = bytes([OPAQUE]) * (last + 1 - first)
    return last


def _hide_inline(lines: Lines, line: int) -> int:
    """Mark the lines of a comment opened in a paragraph, which ends with the paragraph; give the next line."""
    number = line + 1
    while number < len(lines.raw) and lines.kinds[number] not in (BLANK, BLOCK):
        lines.kinds[number] = OPAQUE
        number += 1
        if b"-->" in lines.raw[number - 1]:
            break
    return number


def _fence_end(fences: list[_Fence], nth: int) -> int | None:
    """Find the line that closes a fence, or None.

    A fence with fences inside ends where the nesting does, although CommonMark closes it at the first bare
    fence; if the nesting never ends, CommonMark is right.
    """
    opening = fences[nth]
    first: int | None = None
    depth = 1
    nested = False
    for ahead in range(nth + 1, min(nth + 1 + _AHEAD, len(fences))):
        fence = fences[ahead]
        if fence.char != opening.char:
            continue
        if fence.info:
            nested = True
            depth += 1
            continue
        depth -= 1
        if first is None and fence.count >= opening.count and fence.indent <= opening.indent + 3:
            first = fence.line
            if not nested:
                return first
        if depth == 0 and fence.count >= opening.count:
            return fence.line
    if first is not None:
        return first
    for ahead in range(nth + 1 + _AHEAD, len(fences)):
        fence = fences[ahead]
        if fence.char == opening.char and not fence.info and fence.count >= opening.count:
            return fence.line
    return None


def _underlines(lines: Lines, marks: list[tuple[int, bool]]) -> None:
    """Make headings of single lines of text with `===` or `---` under them."""
    kinds = lines.kinds
    for number, equals in marks:
        above = number - 1
        if above < 0 or kinds[number] not in (TEXT, RULE) or kinds[above] != TEXT:
            continue
        if above > 0 and kinds[above - 1] == TEXT:
            continue
        text = lines.text(above)
        stripped = text.strip()
        if len(text) > _SETEXT_LONGEST or not any(char.isalnum() for char in stripped) or text[:4].isspace():
            continue
        if equals:
            kinds[above] = HEADING
            kinds[number] = RULE
            lines.headings.append(Heading(above, number + 1, 1, stripped))
        elif stripped[0] not in "-+>|" and not stripped.startswith(("* ", "• ")):
            # People write a rule right under a line of text: only fields below make this a heading.
            lines.headings.append(Heading(above, number + 1, 2, stripped, soft=True))

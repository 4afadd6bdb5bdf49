"""Split a mailbox file into free text and message blocks, without a change of a single byte.

    <!-- msg 01JD3WQ8Z6T4K9V2M5N7P0R3S8 -->      a start line holds a valid id
    ...
    <!-- /msg -->                                an end line may hold attributes

The two lines count at column 0 and outside code fences. A fence, indented or not, is open from a line of three
or more backticks or tildes to a line of at least as many, or to the end of the file. Where a message starts, no
fence is open; and an end line inside a fence that was opened in the message ends the message all the same, unless
a start line stands before it in that fence (a quoted block): a fence that nobody closed must not swallow the
messages that follow. A block whose end line is missing runs to the next start line or the end of the file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gitsync.protocol.ids import ID_PATTERN, VARIANT_PATTERN, canonical

BOM = b"\xef\xbb\xbf"

_START = rf"<!--[ \t]*msg[ \t]+({ID_PATTERN}(?:{VARIANT_PATTERN})?)[ \t]*-->[ \t]*\r?(?=\n|\Z)"
# Only what ends the line may close the comment. Said by looking ahead, because a possessive quantifier that holds a
# choice never matches in Python before 3.11.5, and an ordinary one takes 100 bytes of memory for each of the line.
_END = r"(<!--[ \t]*/msg(?=[ \t]|-->)(?![^\n]*-->(?![ \t]*\r?(?:\n|\Z)))[^\n]*-->[ \t]*\r?(?=\n|\Z))"
_FENCE = r"[ \t]*(`{3,}|~{3,})([^\n]*)"
_LINE = rf"(?:{_START}|{_END}|{_FENCE})"

# Both begin with a fixed byte, so that the regex engine skips ordinary lines at the speed of memchr.
_FIRST = re.compile(_LINE.encode())
_LATER = re.compile(rf"\n{_LINE}".encode())
_SSHSIG = re.compile(rb"[ \t]sshsig=([A-Za-z0-9+/]+={0,2})(?=[ \t]|-->)")
_START_LINE = re.compile(_START.encode())
_END_LINE = re.compile(_END.encode())


@dataclass(frozen=True, slots=True)
class Free:
    """Text between messages."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """One message with its boundary lines; `inner` is what stands between them."""

    raw: bytes
    id: str
    inner: bytes
    closed: bool

    @property
    def sshsig(self) -> str:
        """The signature in the end line, in base64; empty where there is none."""
        return signature_in(self.raw) if self.closed else ""


Segment = Free | Block


@dataclass(slots=True)
class FenceState:
    """Follow code fences from line to line; feed it the marker and the rest of lines that hold one."""

    marker: bytes = b""

    def feed(self, marker: bytes, rest: bytes) -> None:
        """Open or close a fence by the rules of CommonMark, but for indentation, which counts for nothing."""
        if not self.marker:
            if marker[:1] == b"~" or b"`" not in rest:
                self.marker = marker
        elif marker[:1] == self.marker[:1] and len(marker) >= len(self.marker) and not rest.strip(b" \t\r"):
            self.marker = b""


def parse(data: bytes) -> tuple[Segment, ...]:
    """Split a file; `render` of the result gives the same bytes, whatever they are. Linear."""
    segments: list[Segment] = []
    fence = FenceState()
    done = 0  # everything before it is in `segments`
    open_id: bytes | None = None
    inner_start = 0
    quoted = 0  # start lines within the open fence of a block whose end lines are still to come

    def close(inner_end: int, end: int, closed: bool) -> None:
        nonlocal done
        assert open_id is not None
        segments.append(Block(data[done:end], canonical(open_id.decode("ascii")), data[inner_start:inner_end], closed))
        done = end

    for line, match in _marked_lines(data):
        marker = match[3]
        if marker is not None:
            fence.feed(marker, match[4])
            if not fence.marker:
                quoted = 0
        elif match[1] is not None:
            if fence.marker:
                quoted += 1
                continue
            if open_id is not None:
                close(line, line, False)
            elif line > done:
                segments.append(Free(data[done:line]))
            done = line
            open_id = match[1]
            inner_start = min(match.end() + 1, len(data))
            quoted = 0
        elif open_id is not None:
            if quoted:
                quoted -= 1
                continue
            close(line, min(match.end() + 1, len(data)), True)
            open_id = None
            fence.marker = b""
    if open_id is not None:
        close(len(data), len(data), False)
    elif done < len(data):
        segments.append(Free(data[done:]))
    return tuple(segments)


def render(segments: Iterable[Segment]) -> bytes:
    """Put segments back together."""
    return b"".join(segment.raw for segment in segments)


def find(data: bytes, message_id: str) -> Block | None:
    """Give the first block with this id, or None."""
    wanted = canonical(message_id)
    return next((s for s in parse(data) if isinstance(s, Block) and s.id == wanted), None)


def content_hash(data: bytes) -> str:
    """Name a content by 16 hex digits; line ends, blanks before them and blank lines at the end do not count."""
    return hashlib.sha256(counted(data)).hexdigest()[:16]


def counted(data: bytes) -> bytes:
    """Give the bytes of a text that count: no line ends but `\\n`, no blanks before them, no blank lines at the end."""
    if b"\r" in data or b" \n" in data or b"\t\n" in data or data.endswith((b" ", b"\t")):
        data = b"\n".join([line.rstrip(b" \t\r") for line in data.split(b"\n")])
    return data.rstrip(b"\n")


def open_fence(data: bytes) -> bytes:
    """Give the marker of the code fence that is open where this free text ends, or nothing."""
    fence = FenceState()
    for _, match in _marked_lines(data):
        if match[3] is not None:
            fence.feed(match[3], match[4])
    return fence.marker


def ending(raw: bytes) -> bytes:
    """Give the lines that close a block without an end line, so that what follows stands outside of it.

    Where a fence is open in it and quotes a start line, the end line alone would be taken for the quoted one's.
    """
    raw = raw if raw.endswith(b"\n") else raw + b"\n"
    last = parse(raw + END_LINE)[-1]
    return END_LINE if isinstance(last, Block) and last.closed else open_fence(raw) + b"\n" + END_LINE


def is_start_line(line: bytes) -> bool:
    """Say whether a line, with or without its end, is a start line wherever fences allow it."""
    return _START_LINE.match(line) is not None


def is_end_line(line: bytes) -> bool:
    """Say whether a line, with or without its end, is an end line wherever fences allow it."""
    return _END_LINE.match(line) is not None


def fence_marker(line: bytes) -> tuple[bytes, bytes] | None:
    """Give the marker and the rest of a line that may open or close a code fence; None for other lines."""
    match = _FIRST.match(line)
    return (match[3], match[4]) if match and match[3] is not None else None


def start_line(message_id: str) -> bytes:
    """Write the start line of a block."""
    return f"<!-- msg {canonical(message_id)} -->\n".encode("ascii")


END_LINE = b"<!-- /msg -->\n"


def end_line(sshsig: str = "") -> bytes:
    """Write the end line of a block, with its signature in base64 where it has one."""
    return f"<!-- /msg sshsig={sshsig} -->\n".encode("ascii") if sshsig else END_LINE


def signature_in(raw: bytes) -> str:
    """Give the signature in the last line of a closed block, in base64; empty where there is none."""
    last = raw[raw.rfind(b"\n", 0, len(raw) - 1) + 1 :]
    if b"sshsig=" not in last:
        return ""
    match = _SSHSIG.search(last)
    return match[1].decode("ascii") if match else ""


def signed(block: Block, sshsig: str) -> bytes:
    """Give a closed block with this signature in its end line, in place of the one that may be there."""
    at = block.raw.rfind(b"\n", 0, len(block.raw) - 1) + 1
    return block.raw[:at] + end_line(sshsig)


def _marked_lines(data: bytes) -> Iterator[tuple[int, re.Match[bytes]]]:
    """Give the lines that hold a boundary or a fence marker: where each begins, and the match."""
    first = len(BOM) if data.startswith(BOM) else 0
    if match := _FIRST.match(data, first):
        yield first, match
    for match in _LATER.finditer(data, first):
        yield match.start() + 1, match

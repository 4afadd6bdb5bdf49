"""A mailbox file as the merge sees it: elements in order, and the messages by id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gitsync.protocol.blocks import (
    BOM,
    END_LINE,
    Block,
    FenceState,
    content_hash,
    ending,
    fence_marker,
    is_end_line,
    is_start_line,
    open_fence,
    parse,
    signature_in,
    start_line,
)
from gitsync.protocol.ids import ID_PATTERN, VARIANT_PATTERN, base_id, variant_id
from gitsync.protocol.weave import Element

_ID = re.compile(f"{ID_PATTERN}(?:{VARIANT_PATTERN})?".encode())


@dataclass(frozen=True, slots=True)
class Letter:
    """One version of one message; two are the same when their content is, by hash."""

    raw: bytes
    content: str
    closed: bool

    @property
    def signed(self) -> bool:
        """Whether its end line holds a signature; that is no part of the content."""
        return self.closed and bool(signature_in(self.raw))

    def named(self, name: str) -> Letter:
        """Give the same version under another id."""
        return Letter(_ID.sub(name.encode(), self.raw, count=1), self.content, self.closed)


@dataclass(slots=True)
class FileVersion:
    """One version of a file; each id stands once in `elements` and once in `letters`."""

    elements: list[Element] = field(default_factory=list)
    letters: dict[str, Letter] = field(default_factory=dict)
    bom: bool = False


def load(data: bytes, known: dict[bytes, Letter] | None = None) -> FileVersion:
    """Take a file apart; a last line without its end gets one.

    A second block with an id is dropped where it says the same, and else becomes a variant. `known` spares the
    work for messages that another version of the file has as well.
    """
    known = {} if known is None else known
    version = FileVersion(bom=data.startswith(BOM))
    if data and not data.endswith(b"\n"):
        data += b"\r\n" if b"\r\n" in data and not data.endswith(b"\r") else b"\n"
    again: list[tuple[int, str, Letter]] = []
    for segment in parse(data.removeprefix(BOM)):
        if not isinstance(segment, Block):
            version.elements += free_elements(segment.raw)
            continue
        letter = known.get(segment.raw)
        if letter is None or letter.closed != segment.closed:
            letter = known[segment.raw] = Letter(segment.raw, content_hash(segment.inner), segment.closed)
        if segment.id in version.letters:
            again.append((len(version.elements), segment.id, letter))
        else:
            version.letters[segment.id] = letter
        version.elements.append(Element(segment.id, b""))
    dropped: set[int] = set()
    placed: set[tuple[str, str]] = set()
    for index, name, letter in again:
        winner, loser = sorted((version.letters[name], letter), key=lambda each: (each.content, not each.signed))
        version.letters[name] = winner
        if winner.content == loser.content or (base_id(name), loser.content) in placed:
            dropped.add(index)  # said already; looking for its name again is what a hostile file would have us do
            continue
        placed.add((base_id(name), loser.content))
        variant = free_name(name, loser, version.letters)
        if variant is None:
            dropped.add(index)
        else:
            version.letters[variant] = loser.named(variant)
            version.elements[index] = Element(variant, b"")
    if dropped:
        version.elements = [e for index, e in enumerate(version.elements) if index not in dropped]
    return version


def render(version: FileVersion) -> bytes:
    """Put a file together again, so that every message in it is read as one.

    Before a message an open code fence is closed, and between an unclosed message and text its end line is added;
    before another message too, where a fence that is open in the first would make the second a part of it.
    """
    out: list[bytes] = [BOM] if version.bom else []
    fence = FenceState()
    unclosed: Letter | None = None

    for element in version.elements:
        letter = version.letters.get(element.key) if isinstance(element.key, str) else None
        if unclosed is not None and (letter is None or open_fence(unclosed.raw)):
            out.append(ending(unclosed.raw))
        if letter is not None:
            out.append(_closing(fence) + letter.raw)
        else:
            out.append((_closing(fence) if _quotes(element.raw) else b"") + element.raw)
            _feed(fence, element.raw)
        unclosed = letter if letter is not None and not letter.closed else None
    return b"".join(out)


def free_elements(raw: bytes) -> list[Element]:
    """Take free text apart into lines; a code fence that quotes boundary lines stays in one piece.

    Torn apart, the quoted lines could become a message.
    """
    if b"<!--" not in raw:
        lines = list(_lines(raw))
        return list(map(Element, [line.rstrip(b" \t\r\n") for line in lines], lines))
    elements: list[Element] = []
    fence = FenceState()
    fenced: list[bytes] = []
    for line in _lines(raw):
        _feed(fence, line)
        if fence.marker:
            fenced.append(line)
        elif fenced:
            elements += _fence_elements([*fenced, line])
            fenced = []
        else:
            elements.append(Element(line.rstrip(b" \t\r\n"), line))
    return elements + _fence_elements(fenced)


def block_element(message_id: str, raws: Iterable[bytes]) -> Letter:
    """Make the version of a message that wrapping these lines gives."""
    lines = list(raws)
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    inner = b"".join(lines)
    ending = b"\r\n" if lines and lines[0].endswith(b"\r\n") else b"\n"
    first = start_line(message_id).removesuffix(b"\n") + ending
    return Letter(first + inner + END_LINE.removesuffix(b"\n") + ending, content_hash(inner), True)


def inner_elements(letter: Letter) -> list[Element]:
    """Take the text between a message's boundary lines apart like free text."""
    segment = parse(letter.raw)[0]
    return free_elements(segment.inner) if isinstance(segment, Block) else []


def free_name(message_id: str, letter: Letter, taken: dict[str, Letter]) -> str | None:
    """Name the variant for a version that lost its id; None where the same variant is there already."""
    content = letter.content
    while True:
        name = variant_id(message_id, content)
        present = taken.get(name)
        if present is None:
            return name
        if present.content == letter.content:
            return None
        content = content_hash(name.encode() + letter.content.encode())


def _fence_elements(fenced: list[bytes]) -> list[Element]:
    if any(is_start_line(line) or is_end_line(line) for line in fenced):
        return [Element(b"\n".join(line.rstrip(b" \t\r\n") for line in fenced), b"".join(fenced))]
    return [Element(line.rstrip(b" \t\r\n"), line) for line in fenced]


def _quotes(raw: bytes) -> bool:
    """Whether an element is a whole fence that quotes boundary lines."""
    return b"\n<!--" in raw


def _closing(fence: FenceState) -> bytes:
    """Give the line that closes an open fence, and close it."""
    line = fence.marker + b"\n" if fence.marker else b""
    fence.marker = b""
    return line


def _feed(fence: FenceState, raw: bytes) -> None:
    for line in _lines(raw) if b"\n" in raw[:-1] else (raw,):
        if line.lstrip(b" \t")[:1] in (b"`", b"~") and (found := fence_marker(line)):
            fence.feed(*found)


def _lines(raw: bytes) -> Iterator[bytes]:
    lines = raw.split(b"\n")
    last = lines.pop()
    for line in lines:
        yield line + b"\n"
    if last:
        yield last

"""Adopt hand-written messages: put the two boundary lines around them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gitsync.protocol.blocks import BOM, END_LINE, Block, parse, start_line
from gitsync.protocol.ids import canonical


def wrap(data: bytes, spans: Sequence[tuple[int, int]], ids: Sequence[str]) -> bytes:
    """Put boundary lines around the given spans of bytes; nothing else changes but a missing last newline.

    A span that would not become a block of its own (it stands inside a fence or another message, or holds a
    boundary line) is left as it is: the caller sees that its id is not in the file.
    Raise ValueError when spans overlap or do not fit the ids.
    """
    if len(spans) != len(ids):
        raise ValueError(f"{len(spans)} spans and {len(ids)} ids")
    pairs = sorted(zip(spans, map(canonical, ids), strict=True))
    for (before, _), (after, _) in pairwise(pairs):
        if before[1] > after[0]:
            raise ValueError(f"spans overlap: {before} and {after}")
    for start, end in spans:
        if not 0 <= start < end <= len(data):
            raise ValueError(f"not a span of {len(data)} bytes: {(start, end)}")
    wrapped = _insert(data, pairs)
    if _adopted(wrapped, data) == [name for _, name in pairs]:
        return wrapped
    good: list[tuple[tuple[int, int], str]] = []
    for pair in pairs:
        if _adopted(_insert(data, [*good, pair]), data) == [name for _, name in (*good, pair)]:
            good.append(pair)
    return _insert(data, good)


def _insert(data: bytes, pairs: Sequence[tuple[tuple[int, int], str]]) -> bytes:
    parts: list[bytes] = []
    done = 0
    for (start, end), name in pairs:
        if start == 0 and data.startswith(BOM):
            start = len(BOM)
        text = data[start:end]
        ending = b"\r\n" if text.partition(b"\n")[0].endswith(b"\r") else b"\n"
        parts += [data[done:start], _ended(start_line(name), ending), text]
        if not text.endswith(b"\n"):
            parts.append(ending)
        parts.append(_ended(END_LINE, ending))
        done = end
    parts.append(data[done:])
    return b"".join(parts)


def _ended(line: bytes, ending: bytes) -> bytes:
    return line.removesuffix(b"\n") + ending


def _adopted(wrapped: bytes, data: bytes) -> list[str]:
    """Name the blocks that are new, in order; nothing where another block did not survive."""
    old = [s.raw for s in parse(data) if isinstance(s, Block)]
    new = [s for s in parse(wrapped) if isinstance(s, Block)]
    known = set(old)
    if [s.raw for s in new if s.raw in known] != old or not all(s.closed for s in new if s.raw not in known):
        return []
    return [s.id for s in new if s.raw not in known]

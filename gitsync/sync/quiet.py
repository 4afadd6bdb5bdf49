"""Which text of a file is still being typed; pure (PROTOCOL 4: a message is taken up when its own lines are quiet)."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from gitsync.protocol.align import align
from gitsync.protocol.blocks import Block, parse
from gitsync.protocol.paths import classify
from gitsync.protocol.reader import read_file

LONGEST = 10
"""So many settle times after it was first seen, unquiet text goes too: an autosave that never rests holds nothing."""

ALWAYS = float("-inf")


@dataclass(frozen=True)
class Typing:
    """A file that a person changes: its bytes as last seen, and since when each of its lines stands there (s)."""

    data: bytes | None
    since: tuple[float, ...]
    first: float
    """When it was first seen to differ."""
    last: float
    """When it was last seen to change."""


def seen(former: Typing | None, base: bytes | None, data: bytes | None, now: float) -> Typing:
    """Look at a file again; lines that `base` has were always there."""
    if former is None:
        lines, times = _lines(base), [ALWAYS] * len(_lines(base))
    elif former.data == data:
        return former
    else:
        lines, times = _lines(former.data), list(former.since)
    after = _lines(data)
    since = [now] * len(after)
    kept = align(lines, after)
    for index, there in enumerate(kept):
        if there >= 0:
            since[there] = times[index]
    above = -1
    gone = False
    for there in kept:  # where something went, its neighbours are being worked on
        if there < 0:
            gone = True
            if above >= 0:
                since[above] = now
        else:
            if gone:
                since[there] = now
            above, gone = there, False
    return Typing(data, tuple(since), former.first if former else now, now)


def remaining(typing: Typing, settle: float, now: float) -> float:
    """Give the seconds until all of a file is taken up, unless it changes again."""
    return min(typing.last + settle, typing.first + LONGEST * settle) - now


def finished(typing: Typing, path: str, base: bytes | None, settle: float, now: float) -> bytes | None:
    """Give a file of messages without the text that is still being typed; None where the file cannot be divided.

    Held back is whole messages, and whole stretches of text between them, that are new: of what was there before
    nothing may seem deleted. What stays must read as it did beside what is held back.
    """
    if typing.data is None or classify(path).kind != "messages":
        return None
    return _messages_without(typing.data, path, base, _restless(typing, settle, now))


def divided(data: bytes, path: str, base: bytes | None, places: Sequence[int]) -> bytes | None:
    """Give a file without the text that stands at some places (where lines begin); None where it cannot be divided.

    A file of messages is divided as above, any other one into paragraphs; those that are new can be left out.
    """
    gaps = _gaps(base, data)
    if classify(path).kind == "messages":
        return _messages_without(data, path, base, places, new_blocks=True, gaps=gaps)
    old = _aligned(base, data)
    kept, position, open_fence, held = [], 0, False, False
    for paragraph in _paragraphs(data):
        end = position + len(paragraph)
        fences = len(re.findall(rb"^ {0,3}(?:```|~~~)", paragraph, re.M))
        if not _touches(places, position, end):
            kept.append(paragraph)
        elif open_fence or fences % 2 or _touches(old, position, end) or _meets(gaps, position, end):
            return None
        else:
            held = True
        open_fence ^= bool(fences % 2)
        position = end
    part = b"".join(kept)
    return part if held and part.strip() != (base or b"").strip() else None


def _paragraphs(data: bytes) -> list[bytes]:
    """Split into stretches of lines with something in them and stretches of lines without."""
    return [b"".join(lines) for _, lines in groupby(_lines(data), key=lambda line: bool(line.strip()))]


def _messages_without(
    data: bytes,
    path: str,
    base: bytes | None,
    restless: Sequence[int],
    *,
    new_blocks: bool = False,
    gaps: Sequence[tuple[int, int]] = (),
) -> bytes | None:
    old = _aligned(base, data)
    known = {segment.id for segment in parse(base or b"") if isinstance(segment, Block)}
    messages = {found.start: found.content for found in read_file(data, path).messages if not found.wrapped}
    begins = sorted(messages)
    kept, stay, position, held = [], [], 0, False
    for segment in parse(data):
        end = position + len(segment.raw)
        wrapped = isinstance(segment, Block)
        inside = [] if wrapped else begins[bisect_left(begins, position) : bisect_left(begins, end)]
        for low, high in pairwise(sorted({position, *inside, end})):
            if not _touches(restless, low, high):
                kept.append(data[low:high])
                stay += [messages[low]] if low in messages and not wrapped else []
            elif isinstance(segment, Block):
                if not new_blocks or segment.id in known:
                    return None
                held = True
            elif _touches(old, low, high) or _meets(gaps, low, high):
                return None
            else:
                held = True
        position = end
    part = b"".join(kept)
    if not held or part.strip() == (base or b"").strip():
        return None
    told = [found.content for found in read_file(part, path).messages if not found.wrapped]
    return part if told == stay else None


def _lines(data: bytes | None) -> list[bytes]:
    return (data or b"").splitlines(keepends=True)


def _restless(typing: Typing, settle: float, now: float) -> list[int]:
    """Give where the lines begin that have not been quiet for long enough; blank ones do not count."""
    found, at = [], 0
    for line, since in zip(_lines(typing.data), typing.since, strict=True):
        if since + settle > now and line.strip():
            found.append(at)
        at += len(line)
    return found


def _aligned(base: bytes | None, data: bytes) -> list[int]:
    """Give where the lines begin that the base has too; blank ones do not count."""
    lines = _lines(data)
    begins, at = [], 0
    for line in lines:
        begins.append(at)
        at += len(line)
    return [begins[there] for there in align(_lines(base), lines) if there >= 0 and lines[there].strip()]


def _gaps(base: bytes | None, data: bytes) -> list[tuple[int, int]]:
    """Give the stretches of the data in whose place the base had other lines; blank ones do not count."""
    before, after = _lines(base), _lines(data)
    begins = [0]
    for line in after:
        begins.append(begins[-1] + len(line))
    found, above, gone = [], 0, False
    for line, there in zip(before, align(before, after), strict=True):
        if there < 0:
            gone = gone or bool(line.strip())
            continue
        if gone:
            found.append((begins[above], begins[there]))
        above, gone = there + 1, False
    return [*found, (begins[above], begins[-1])] if gone else found


def _meets(gaps: Sequence[tuple[int, int]], low: int, high: int) -> bool:
    return any(begin <= high and low <= end for begin, end in gaps)


def _touches(places: Sequence[int], low: int, high: int) -> bool:
    return bisect_left(places, low) < bisect_left(places, high)

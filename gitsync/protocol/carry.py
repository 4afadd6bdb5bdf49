"""Carry wraps over: put the boundary lines that one side added into the base and into the other side.

Somebody adopts a hand-written message, somebody else goes on editing its text: without this the edited lines would stay
behind as free text. A new block counts as a wrap when most of its text is in the base as free text, in one piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gitsync.protocol.align import align
from gitsync.protocol.version import FileVersion, Letter, block_element, inner_elements
from gitsync.protocol.weave import Element


@dataclass(frozen=True, slots=True)
class Wrap:
    """A message that `side` made of these elements of the base."""

    id: str
    start: int
    end: int
    side: FileVersion


def carry_wraps(base: FileVersion, one: FileVersion, two: FileVersion) -> None:
    """Change all three so that what either side wrapped is a message in all of them.

    Where both wrapped the same text, the smaller id stays: it would be the same message twice.
    """
    wraps = _wraps(base, one) + _wraps(base, two)
    if not wraps:
        return
    wraps.sort(key=lambda wrap: (wrap.start, wrap.end, wrap.id))
    chosen: list[Wrap] = []
    for wrap in wraps:
        last = chosen[-1] if chosen else None
        if last is None or wrap.start >= last.end:
            chosen.append(wrap)
        elif (wrap.start, wrap.end) == (last.start, last.end):
            if wrap.side is not last.side and last.id not in wrap.side.letters:
                _rename(wrap.side, wrap.id, last.id)
        elif wrap.side is not last.side:
            # They disagree on what the message is; both stay, as new messages.
            chosen.pop()
    for side in (one, two):
        _put_in_side(base, side, [wrap for wrap in chosen if wrap.id not in side.letters])
    for wrap in reversed(chosen):
        _put(base, wrap.id, wrap.start, wrap.end)


def _wraps(base: FileVersion, side: FileVersion) -> list[Wrap]:
    new = [name for name in side.letters if name not in base.letters]
    if not new or not _lost_text(base, side):
        return []
    elements: list[Element] = []
    inside: dict[str, tuple[int, int]] = {}
    fresh = set(new)
    for element in side.elements:
        if element.key in fresh and isinstance(element.key, str):
            inner = inner_elements(side.letters[element.key])
            inside[element.key] = (len(elements), len(elements) + len(inner))
            elements += inner
        else:
            elements.append(element)
    to_side = align(_keys(base.elements), _keys(elements))
    from_side = {there: index for index, there in enumerate(to_side) if there >= 0}
    wraps = []
    for name, (low, high) in inside.items():
        found = [from_side[i] for i in range(low, high) if i in from_side and elements[i].key]
        if not found:
            continue
        start, end = found[0], found[-1] + 1
        while start > 0 and to_side[start - 1] < 0 and isinstance(base.elements[start - 1].key, bytes):
            start -= 1
        while end < len(to_side) and to_side[end] < 0 and isinstance(base.elements[end].key, bytes):
            end += 1
        while not base.elements[start].key:
            start += 1
        while not base.elements[end - 1].key:
            end -= 1
        of_base = sum(bool(base.elements[i].key) for i in range(start, end))
        of_side = sum(bool(elements[i].key) for i in range(low, high))
        whole = all(isinstance(base.elements[i].key, bytes) for i in range(start, end))
        if whole and 2 * len(found) >= of_base and (len(found) >= 3 or 2 * len(found) >= of_side):
            wraps.append(Wrap(name, start, end, side))
    return wraps


def _lost_text(base: FileVersion, side: FileVersion) -> bool:
    """Whether the base has free text that the side does not have as free text."""
    lines = Counter(e.key for e in base.elements if e.key and isinstance(e.key, bytes))
    lines.subtract(e.key for e in side.elements if e.key and isinstance(e.key, bytes))
    return any(number > 0 for number in lines.values())


def _put_in_side(base: FileVersion, side: FileVersion, wraps: Sequence[Wrap]) -> None:
    if not wraps:
        return
    to_side = align(_keys(base.elements), _keys(side.elements))
    found = []
    for wrap in wraps:
        low = to_side[wrap.start]
        if low < 0:
            low = next((to_side[i] for i in range(wrap.start - 1, -1, -1) if to_side[i] >= 0), -1) + 1
        high = to_side[wrap.end - 1] + 1
        if high <= 0:
            after = (to_side[i] for i in range(wrap.end, len(to_side)) if to_side[i] >= 0)
            high = next(after, len(side.elements))
        while low < high and not side.elements[low].key:
            low += 1
        while low < high and not side.elements[high - 1].key:
            high -= 1
        if low < high and all(isinstance(e.key, bytes) for e in side.elements[low:high]):
            found.append((wrap.id, low, high))
    for name, low, high in reversed(found):
        _put(side, name, low, high)


def _put(version: FileVersion, name: str, low: int, high: int) -> None:
    version.letters[name] = block_element(name, [e.raw for e in version.elements[low:high]])
    version.elements[low:high] = [Element(name, b"")]


def _rename(version: FileVersion, old: str, new: str) -> None:
    letter: Letter = version.letters.pop(old)
    version.letters[new] = letter.named(new)
    version.elements[:] = [Element(new, b"") if e.key == old else e for e in version.elements]


def _keys(elements: Sequence[Element]) -> list[bytes | str]:
    return [element.key for element in elements]

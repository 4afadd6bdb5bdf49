"""Carry wraps over: put the boundary lines that one side added into the base and into the other side.

Somebody adopts a hand-written message, somebody else goes on editing its text: without this the edited lines would stay
behind as free text. A new block counts as a wrap when most of its text is in the base as free text, in one piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from gitsync.protocol.align import align
from gitsync.protocol.version import FileVersion, block_element, inner_elements
from gitsync.protocol.weave import Element


@dataclass(frozen=True, slots=True)
class Wrap:
    """A message that `side` made of these elements of the base."""

    id: str
    start: int
    end: int
    side: FileVersion


def carry_wraps(base: FileVersion, one: FileVersion, two: FileVersion, protect: frozenset[str] = frozenset()) -> None:
    """Change all three so that what one side wrapped is a message in all of them.

    Where both wrapped the same text, the smaller id stays (a protected one before others): it would be the same
    message twice. Where the other side deleted the text, nothing is carried, and the new message stays.
    """
    wraps = _joined(base, _wraps(base, one), _wraps(base, two))
    if not wraps:
        return
    wraps.sort(key=lambda wrap: (wrap.start, wrap.end, wrap.id not in protect, wrap.id))
    chosen: list[Wrap] = []
    ids: set[str] = set()
    renamed: dict[int, dict[str, str]] = {id(one): {}, id(two): {}}
    for wrap in wraps:
        last = chosen[-1] if chosen else None
        if last is None or wrap.start >= last.end:
            if wrap.id not in ids:
                chosen.append(wrap)
                ids.add(wrap.id)
        elif wrap.side is last.side or wrap.id == last.id:
            continue
        elif (wrap.start, wrap.end) == (last.start, last.end) and wrap.id not in protect:
            if last.id not in wrap.side.letters:
                wrap.side.letters[last.id] = wrap.side.letters.pop(wrap.id).named(last.id)
                renamed[id(wrap.side)][wrap.id] = last.id
        else:
            # They disagree on what the message is; both stay, as new messages.
            ids.discard(chosen.pop().id)
    for side in (one, two):
        _rename(side, renamed[id(side)])
    carried = _in_side(base, one, chosen) & _in_side(base, two, chosen)
    for side in (one, two):
        _put(side, _places(base, side, [wrap for wrap in chosen if wrap.id in carried]))
    _put(base, [(wrap.id, wrap.start, wrap.end) for wrap in chosen if wrap.id in carried])


def _wraps(base: FileVersion, side: FileVersion) -> list[Wrap]:
    free = {element.key for element in base.elements if element.key and isinstance(element.key, bytes)}
    inner = {name: inner_elements(each) for name, each in side.letters.items() if name not in base.letters}
    if not any(element.key in free for each in inner.values() for element in each):
        return []
    elements: list[Element] = []
    inside: dict[str, tuple[int, int]] = {}
    for element in side.elements:
        if isinstance(element.key, str) and element.key in inner:
            inside[element.key] = (len(elements), len(elements) + len(inner[element.key]))
            elements += inner[element.key]
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
        # A first or last line that was edited as well is part of it, a line deleted before it is not.
        told = [i for i in range(low, high) if elements[i].key]
        while told[0] not in from_side and start > 0 and _replaced(base, to_side, start - 1):
            start -= 1
        while told[-1] not in from_side and end < len(to_side) and _replaced(base, to_side, end):
            end += 1
        while not base.elements[start].key:
            start += 1
        while not base.elements[end - 1].key:
            end -= 1
        text = all(isinstance(element.key, bytes) for element in base.elements[start:end])
        if text and _enough(len(found), base.elements[start:end], elements[low:high]):
            wraps.append(Wrap(name, start, end, side))
    return wraps


def _joined(base: FileVersion, one: list[Wrap], two: list[Wrap]) -> list[Wrap]:
    """Join what both sides hold under one id: one of them may have shortened it since it was wrapped."""
    joined = {wrap.id: wrap for wrap in one}
    for wrap in two:
        other = joined.setdefault(wrap.id, wrap)
        start, end = min(wrap.start, other.start), max(wrap.end, other.end)
        if all(isinstance(element.key, bytes) for element in base.elements[start:end]):
            joined[wrap.id] = replace(other, start=start, end=end)
    return list(joined.values())


def _enough(same: int, before: Sequence[Element], after: Sequence[Element]) -> bool:
    """Say whether so many lines in common make two texts the same message, edited."""
    of_before = sum(bool(element.key) for element in before)
    of_after = sum(bool(element.key) for element in after)
    return 2 * same >= of_before and (same >= 3 or 2 * same >= of_after)


def _replaced(base: FileVersion, to_side: Sequence[int], index: int) -> bool:
    return to_side[index] < 0 and isinstance(base.elements[index].key, bytes)


def _in_side(base: FileVersion, side: FileVersion, wraps: Sequence[Wrap]) -> set[str]:
    """Name the wraps that a side has, or whose text it has."""
    there = {wrap.id for wrap in wraps if wrap.id in side.letters}
    return there | {name for name, _, _ in _places(base, side, wraps)}


def _places(base: FileVersion, side: FileVersion, wraps: Sequence[Wrap]) -> list[tuple[str, int, int]]:
    """Find the text of messages that the other side wrapped, with what was typed into it."""
    wraps = [wrap for wrap in wraps if wrap.id not in side.letters]
    if not wraps:
        return []
    to_side = align(_keys(base.elements), _keys(side.elements))
    before = list(accumulate(to_side, max, initial=-1))  # the last aligned element before each
    after = list(accumulate(reversed(to_side), _first_aligned, initial=len(side.elements)))[::-1]
    places = []
    for wrap in wraps:
        low = to_side[wrap.start] if to_side[wrap.start] >= 0 else before[wrap.start] + 1
        high = to_side[wrap.end - 1] + 1 if to_side[wrap.end - 1] >= 0 else after[wrap.end]
        while low < high and not side.elements[low].key:
            low += 1
        while low < high and not side.elements[high - 1].key:
            high -= 1
        text, told = side.elements[low:high], base.elements[wrap.start : wrap.end]
        same = sum(bool(e.key) and there >= 0 for e, there in zip(told, to_side[wrap.start : wrap.end], strict=True))
        if same and all(isinstance(e.key, bytes) for e in text) and _enough(same, told, text):
            places.append((wrap.id, low, high))
    return places


def _first_aligned(later: int, there: int) -> int:
    return there if there >= 0 else later


def _put(version: FileVersion, places: Sequence[tuple[str, int, int]]) -> None:
    """Make messages of stretches of elements, which stand in order; one that overlaps the one before is left out."""
    elements: list[Element] = []
    done = 0
    for name, low, high in places:
        if low < done:
            continue
        version.letters[name] = block_element(name, [e.raw for e in version.elements[low:high]])
        elements += version.elements[done:low]
        elements.append(Element(name, b""))
        done = high
    version.elements[:] = elements + version.elements[done:]


def _rename(version: FileVersion, names: Mapping[str, str]) -> None:
    if names:
        version.elements[:] = [
            Element(names[e.key], b"") if isinstance(e.key, str) and e.key in names else e for e in version.elements
        ]


def _keys(elements: Sequence[Element]) -> list[bytes | str]:
    return [element.key for element in elements]

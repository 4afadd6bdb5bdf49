"""Merge two versions of a stretch of text three ways, element by element.

An element is a line, a whole message, or a code fence that quotes a message. Lines are equal when they differ only in
blanks at their ends. Of each element two numbers matter: how many more of it each side has than the base.

1. The two sides are equal, or one is as the base: the side that changed.
2. One side has all that the other added, and lacks all that it deleted: that side. Blank lines do not count.
3. Else both sides' insertions into the base without what either side deleted. Insertions at one place that
   differ both stay, in byte order, so that it does not matter whose they are.

What comes out has all that either side added and lacks all that either deleted and nobody added: rule 3 keeps a line
that one side deletes and the other adds, and drops a line that one side deletes and the other only moves. So by rule 2
merging it again with either side changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gitsync.protocol.align import align

# The key of a line is bytes, of a message its id.
Key = bytes | str


class Element(NamedTuple):
    """One thing that is kept or dropped as a whole; `raw` is how this side writes it (nothing for a message)."""

    key: Key
    raw: bytes


Stretch = Sequence[Element]


@dataclass(frozen=True, slots=True)
class Woven:
    """A merged stretch, and at how many places both sides had put something of their own."""

    elements: tuple[Element, ...]
    clashes: int = 0


def weave(base: Stretch, one: Stretch, two: Stretch) -> Woven:
    """Merge by the rules above; the same whichever side comes first."""
    keys, keys_one, keys_two = _keys(base), _keys(one), _keys(two)
    if keys_one == keys_two:
        return Woven(_same(base, one, two))
    if keys_two == keys:
        return Woven(tuple(one))
    if keys_one == keys:
        return Woven(tuple(two))
    more_one, more_two = _more(keys, keys_one), _more(keys, keys_two)
    one_has_all, two_has_all = _has_all(more_one, more_two), _has_all(more_two, more_one)
    if one_has_all and two_has_all:
        return Woven(tuple(min(one, two, key=_raws)))
    if one_has_all or two_has_all:
        return Woven(tuple(one if one_has_all else two))
    return _weave(base, one, two, more_one, more_two)


def _same(base: Stretch, one: Stretch, two: Stretch) -> tuple[Element, ...]:
    """Choose element by element how it is written, where both sides say the same."""
    if _raws(one) == _raws(two):
        return tuple(one)
    from_base = {there: index for index, there in enumerate(align(_keys(base), _keys(one))) if there >= 0}
    same = []
    for index, (x, y) in enumerate(zip(one, two, strict=True)):
        old = base[from_base[index]] if index in from_base else None
        same.append(_written(old, x, y))
    return tuple(same)


def _weave(base: Stretch, one: Stretch, two: Stretch, more_one: dict[Key, int], more_two: dict[Key, int]) -> Woven:
    to_one = align(_keys(base), _keys(one))
    to_two = align(_keys(base), _keys(two))
    new_one, new_two = _insertions(to_one, one), _insertions(to_two, two)
    woven, clashes = [], 0
    for place in range(len(base) + 1):
        put, clash = _both(new_one.get(place, ()), new_two.get(place, ()))
        clashes += clash
        woven.append(put)
    stays = [x >= 0 and y >= 0 for x, y in zip(to_one, to_two, strict=True)]

    have: Counter[Key] = Counter(e.key for put in woven for e in put)
    have.update(e.key for e, stay in zip(base, stays, strict=True) if stay)
    more = _more_of(have, Counter(_keys(base)))
    back: set[Key] = set()
    away: dict[Key, int] = {}
    for key in more_one.keys() | more_two.keys():
        least = max(more_one.get(key, 0), more_two.get(key, 0))
        most = min(more_one.get(key, 0), more_two.get(key, 0))
        if least > 0 and more.get(key, 0) < least:
            back.add(key)
        elif least <= 0 and more.get(key, 0) > most:
            away[key] = more.get(key, 0) - most
    if back:
        for index, element in enumerate(base):
            if element.key in back and (to_one[index] >= 0 or to_two[index] >= 0):
                stays[index] = True
    if away:
        _drop(woven, away)

    merged: list[Element] = []
    for place, put in enumerate(woven):
        merged += put
        if place < len(base) and stays[place]:
            merged.append(_pick(base[place], one, to_one[place], two, to_two[place]))
    return Woven(tuple(merged), clashes)


def _insertions(to_side: Sequence[int], side: Stretch) -> dict[int, list[Element]]:
    """Give what a side has and the base has not, by the place in the base before which it stands."""
    new: dict[int, list[Element]] = {}
    done, place = 0, 0
    for index, there in enumerate(to_side):
        if there < 0:
            continue
        if there > done:
            new[place] = list(side[done:there])
        done, place = there + 1, index + 1
    if done < len(side):
        new[place] = list(side[done:])
    return new


def _both(one: Stretch, two: Stretch) -> tuple[list[Element], int]:
    """Put two insertions at one place together; messages that are in both keep them in step."""
    if not one or not two:
        return list(one or two), 0
    ids_one = [index for index, e in enumerate(one) if isinstance(e.key, str)]
    ids_two = [index for index, e in enumerate(two) if isinstance(e.key, str)]
    shared = align([one[index].key for index in ids_one], [two[index].key for index in ids_two])
    merged: list[Element] = []
    clashes = done_one = done_two = 0
    for where, there in enumerate(shared):
        if there < 0:
            continue
        i, j = ids_one[where], ids_two[there]
        put, clash = _in_order(one[done_one:i], two[done_two:j])
        merged += [*put, one[i]]
        clashes += clash
        done_one, done_two = i + 1, j + 1
    put, clash = _in_order(one[done_one:], two[done_two:])
    return merged + put, clashes + clash


def _in_order(one: Stretch, two: Stretch) -> tuple[list[Element], int]:
    """Keep both, in byte order; what both begin or end with, once."""
    if _keys(one) == _keys(two):
        return list(min(one, two, key=_raws)), 0
    if not one or not two:
        return list(one or two), 0
    short = min(len(one), len(two))
    head = 0
    while head < short and one[head].key == two[head].key:
        head += 1
    tail = 0
    while tail < short - head and one[-1 - tail].key == two[-1 - tail].key:
        tail += 1
    # A blank line at the seam parts the two, so each keeps its own.
    while head and not one[head - 1].key:
        head -= 1
    while tail and not one[-tail].key:
        tail -= 1
    middle_one, middle_two = one[head : len(one) - tail], two[head : len(two) - tail]
    if not middle_one or not middle_two:
        return list(one if middle_one else two), 0
    first, second = sorted((middle_one, middle_two), key=_order)
    before = min(one[:head], two[:head], key=_raws)
    after = min(one[len(one) - tail :], two[len(two) - tail :], key=_raws)
    return [*before, *first, *second, *after], 1


def _drop(woven: list[list[Element]], counts: dict[Key, int]) -> None:
    """Take insertions of elements away again, of each so many, the last first."""
    for place in range(len(woven) - 1, -1, -1):
        kept = []
        for element in reversed(woven[place]):
            if counts.get(element.key, 0) > 0:
                counts[element.key] -= 1
            else:
                kept.append(element)
        woven[place] = kept[::-1]


def _pick(base: Element, one: Stretch, i: int, two: Stretch, j: int) -> Element:
    if i < 0 or j < 0:
        return one[i] if i >= 0 else two[j] if j >= 0 else base
    return _written(base, one[i], two[j])


def _written(base: Element | None, one: Element, two: Element) -> Element:
    """Choose how an element is written: as the side that changed blanks or line ends, else in byte order."""
    if base is not None and base.raw in (one.raw, two.raw):
        return two if one.raw == base.raw else one
    return min(one, two)


def _keys(stretch: Iterable[Element]) -> list[Key]:
    return [element.key for element in stretch]


def _raws(stretch: Iterable[Element]) -> list[bytes]:
    return [element.raw for element in stretch]


def _order(stretch: Stretch) -> list[bytes]:
    return [key.encode() if isinstance(key, str) else key for key in _keys(stretch)]


def _more(base: list[Key], side: list[Key]) -> dict[Key, int]:
    return _more_of(Counter(side), Counter(base))


def _more_of(side: Counter[Key], base: Counter[Key]) -> dict[Key, int]:
    """Give how many more of each element a side has than the base, where that is not 0; not for blank lines."""
    return {key: side[key] - base[key] for key in side.keys() | base.keys() if key and side[key] != base[key]}


def _has_all(more: dict[Key, int], other: dict[Key, int]) -> bool:
    """Say whether a side has all that the other added and lacks all that it deleted."""
    for key, number in other.items():
        have = more.get(key, 0)
        if number > 0 and have < number:
            return False
        if number < 0 and not (have <= number or have > 0):
            return False
    return True

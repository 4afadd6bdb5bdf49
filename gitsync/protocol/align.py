"""Align two sequences: which elements of the one are which of the other, in order.

Anchors first (patience): elements that occur once on both sides, in the longest order they share. Between anchors the
shortest edit script (Myers), as long as it is short; else equal elements by their count. So hostile input costs
n log n, never n squared.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Sequence

# An edit script of d steps costs d squared; beyond this the sequences have little in common anyway.
_LONGEST_SCRIPT = 128
_DEEPEST = 24


def align(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[int]:
    """Give for each element of `a` its index in `b`, or -1; the indices that are given only grow."""
    found = [-1] * len(a)
    todo = [(0, len(a), 0, len(b), 0)]
    while todo:
        alow, ahigh, blow, bhigh, depth = todo.pop()
        while alow < ahigh and blow < bhigh and a[alow] == b[blow]:
            found[alow] = blow
            alow += 1
            blow += 1
        while alow < ahigh and blow < bhigh and a[ahigh - 1] == b[bhigh - 1]:
            ahigh -= 1
            bhigh -= 1
            found[ahigh] = bhigh
        if alow == ahigh or blow == bhigh:
            continue
        anchors = _anchors(a, b, alow, ahigh, blow, bhigh) if depth < _DEEPEST else []
        if anchors:
            for i, j in anchors:
                found[i] = j
            before = [(alow - 1, blow - 1), *anchors]
            after = [*anchors, (ahigh, bhigh)]
            for (i, j), (k, n) in zip(before, after, strict=True):
                if i + 1 < k and j + 1 < n:
                    todo.append((i + 1, k, j + 1, n, depth + 1))
            continue
        pairs = _shortest(a, b, alow, ahigh, blow, bhigh)
        for i, j in pairs if pairs is not None else _by_count(a, b, alow, ahigh, blow, bhigh):
            found[i] = j
    return found


def longest_growing(values: Sequence[int]) -> list[int]:
    """Give the positions of a longest strictly growing subsequence."""
    tails: list[int] = []  # the smallest value that ends a run of each length
    ends: list[int] = []  # and where it stands
    previous = [-1] * len(values)
    for index, value in enumerate(values):
        length = bisect_left(tails, value)
        previous[index] = ends[length - 1] if length else -1
        if length == len(tails):
            tails.append(value)
            ends.append(index)
        else:
            tails[length] = value
            ends[length] = index
    run: list[int] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        run.append(index)
        index = previous[index]
    return run[::-1]


def _anchors(
    a: Sequence[Hashable], b: Sequence[Hashable], alow: int, ahigh: int, blow: int, bhigh: int
) -> list[tuple[int, int]]:
    in_a = _single(a, alow, ahigh)
    in_b = _single(b, blow, bhigh)
    pairs = [(i, in_b[key]) for key, i in in_a.items() if i >= 0 and in_b.get(key, -1) >= 0]
    return [pairs[index] for index in longest_growing([j for _, j in pairs])]


def _single(sequence: Sequence[Hashable], low: int, high: int) -> dict[Hashable, int]:
    """Map each element to where it stands, or to -1 when it stands there more than once."""
    where: dict[Hashable, int] = {}
    for index in range(low, high):
        key = sequence[index]
        where[key] = -1 if key in where else index
    return where


def _shortest(
    a: Sequence[Hashable], b: Sequence[Hashable], alow: int, ahigh: int, blow: int, bhigh: int
) -> list[tuple[int, int]] | None:
    """Find a shortest edit script (Myers 1986); None when it takes too many steps."""
    n, m = ahigh - alow, bhigh - blow
    reach = {1: 0}
    trace: list[dict[int, int]] = []
    for d in range(min(n + m, _LONGEST_SCRIPT) + 1):
        trace.append(dict(reach))
        for k in range(-d, d + 1, 2):
            down = k == -d or (k != d and reach[k - 1] < reach[k + 1])
            x = reach[k + 1] if down else reach[k - 1] + 1
            y = x - k
            while x < n and y < m and a[alow + x] == b[blow + y]:
                x += 1
                y += 1
            reach[k] = x
            if x >= n and y >= m:
                return _walk_back(trace, n, m, alow, blow)
    return None


def _walk_back(trace: list[dict[int, int]], n: int, m: int, alow: int, blow: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    x, y = n, m
    for d in range(len(trace) - 1, -1, -1):
        reach = trace[d]
        k = x - y
        k_before = k + 1 if k == -d or (k != d and reach[k - 1] < reach[k + 1]) else k - 1
        x_before = reach[k_before]
        y_before = x_before - k_before
        while x > x_before and y > y_before and x > 0 and y > 0:
            x -= 1
            y -= 1
            pairs.append((alow + x, blow + y))
        x, y = x_before, y_before
    return pairs[::-1]


def _by_count(
    a: Sequence[Hashable], b: Sequence[Hashable], alow: int, ahigh: int, blow: int, bhigh: int
) -> list[tuple[int, int]]:
    """Pair the first of each kind with the first, the second with the second; keep what is in order."""
    where: dict[Hashable, list[int]] = defaultdict(list)
    for j in range(bhigh - 1, blow - 1, -1):
        where[b[j]].append(j)
    pairs = [(i, where[a[i]].pop()) for i in range(alow, ahigh) if where.get(a[i])]
    return [pairs[index] for index in longest_growing([j for _, j in pairs])]

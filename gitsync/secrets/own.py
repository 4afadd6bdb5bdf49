"""Secrets that this process knows as its own: they need no shape to be found in what is to leave this computer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

LEAST = 12
"""Characters of a value for which text is kept back; a shorter one may stand in a text by chance."""
VARIED = 6
"""Different characters that it must have at least."""

_known: dict[str, frozenset[bytes]] = {}
_pattern: re.Pattern[bytes] | None = None


def know(place: str, values: Iterable[str]) -> None:
    """Find these values in every text from now on; `place` is where they are from; its former ones are forgotten."""
    global _pattern  # noqa: PLW0603 - what is secret is so for the whole process
    found = frozenset(
        value.encode("utf-8", "surrogatepass")
        for value in values
        if len(value) >= LEAST and len(set(value)) >= VARIED and not value.isspace()
    )
    if found == _known.get(place, frozenset()):
        return
    _known[place] = found
    every = sorted({value for group in _known.values() for value in group}, key=len, reverse=True)
    _pattern = re.compile(b"|".join(map(re.escape, every))) if every else None


def known() -> frozenset[bytes]:
    """Give all of them."""
    return frozenset().union(*_known.values())


def places(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Give where they stand in a text, from where to where."""
    for found in _pattern.finditer(data) if _pattern is not None else ():
        yield found.start(), found.end(), found[0]

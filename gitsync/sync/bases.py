"""Choose what a hand edit is compared with; pure (step 1)."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from collections.abc import Set as AbstractSet


def choose(on_disk: AbstractSet[str], versions: Sequence[tuple[str, AbstractSet[str]]]) -> str | None:
    """Give the blob of the version with the fewest blocks missing from what is on disk, the newest on ties.

    `versions` holds (blob, ids of its blocks), newest first. An editor that opened the file
    before the last update must not delete what arrived since; with the last version as base that lost
    messages in half of random runs.
    """
    best: str | None = None
    fewest = -1
    for blob, ids in versions:
        missing = len(ids - on_disk)
        if best is None or missing < fewest:
            best, fewest = blob, missing
    return best


def unseen(disk: bytes, held: bytes, placed: bytes) -> bool:
    """Say whether a save that follows a placement within seconds was made without seeing what was placed.

    It was when it has the lines that stood there before, in order (of four it may have changed one), and lines of its
    own, but none of those that had just arrived. A line that stands in the place of an arrived one and continues or
    corrects it is a change of it, so that was seen. Plain text has no blocks to tell by, and nobody reads, deletes
    and types within seconds. In doubt it was unseen: then both lines stay, and none is lost (I3).
    """
    before, after, now = held.splitlines(), placed.splitlines(), disk.splitlines()
    arrived = {line for line in after if line.strip()} - set(before)
    if not arrived or arrived & set(now):
        return False
    if 4 * _missing(before, now) > len(before):
        return False
    typed = {line for line in now if line.strip()} - set(before)
    if not typed or len(typed) * len(arrived) > 400:
        return bool(typed)
    came, stands = _neighbours(after, arrived), _neighbours(now, typed)
    return not any(_corrected(old, new) and came[old] & stands[new] for old in arrived for new in typed)


def _missing(before: Sequence[bytes], now: Sequence[bytes]) -> int:
    """Count the lines that are not there any more, or not in this order."""
    places: dict[bytes, list[int]] = {}
    for number, line in enumerate(now):
        places.setdefault(line, []).append(number)
    at = missing = 0
    for line in before:
        found = places.get(line, [])
        here = bisect.bisect_left(found, at)
        if here < len(found):
            at = found[here] + 1
        else:
            missing += 1
    return missing


def _neighbours(lines: Sequence[bytes], wanted: AbstractSet[bytes]) -> dict[bytes, set[tuple[int, bytes | None]]]:
    """Give the lines above and below each of the wanted ones; None stands for an end of the text."""
    found: dict[bytes, set[tuple[int, bytes | None]]] = {line: set() for line in wanted}
    edged = [None, *lines, None]
    for above, line, below in zip(edged, lines, edged[2:], strict=False):
        if line in found:
            found[line] |= {(-1, above), (1, below)}
    return found


def _corrected(old: bytes, new: bytes) -> bool:
    """Say whether a line is another one with a single place changed, two thirds of it left as they were.

    Two writers who number their lines make lines that resemble each other more than they are changes of each other.
    """
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    return shorter > 0 and 3 * head >= shorter and 3 * (head + tail) >= 2 * shorter


def mass_deletion(gone: int, total: int) -> bool:
    """Say whether a person must be asked: more than half of the messages would go, at least five (row 13)."""
    return gone >= 5 and gone * 2 > total

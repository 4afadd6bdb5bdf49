"""Choose what a hand edit is compared with; pure (ENGINE, step 1)."""

from __future__ import annotations

import difflib
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

    It was when it has every line that stood there before, in order, and lines of its own, but none of those that
    had just arrived; a line that resembles an arrived one is a change of it, so that was seen. Plain text has no
    blocks to tell by, and nobody reads, deletes and types within seconds.
    """
    before, after, now = held.splitlines(), placed.splitlines(), disk.splitlines()
    arrived = [line for line in set(after) - set(before) if line.strip()]
    if not arrived or set(arrived) & set(now):
        return False
    rest = iter(now)
    if not all(line in rest for line in before):
        return False
    typed = [line for line in set(now) - set(before) if line.strip()]
    if not typed or len(typed) * len(arrived) > 400:
        return bool(typed)
    return not any(_alike(one, other) for one in typed for other in arrived)


def _alike(one: bytes, other: bytes) -> bool:
    matcher = difflib.SequenceMatcher(None, one[:200], other[:200], autojunk=False)
    return matcher.real_quick_ratio() > 0.6 and matcher.ratio() > 0.6


def mass_deletion(gone: int, total: int) -> bool:
    """Say whether a person must be asked: more than half of the messages would go, at least five (row 13)."""
    return gone >= 5 and gone * 2 > total

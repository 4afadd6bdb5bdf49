"""Choose what a hand edit is compared with; pure (ENGINE, step 1)."""

from __future__ import annotations

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


def mass_deletion(gone: int, total: int) -> bool:
    """Say whether a person must be asked: more than half of the messages would go, at least five (row 13)."""
    return gone >= 5 and gone * 2 > total

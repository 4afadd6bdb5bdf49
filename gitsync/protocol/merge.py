"""Merge a mailbox file three ways."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged file, None where it is deleted; and what happened on the way.

    `variants` are the ids that clashing versions got, `restored` the messages that one side lacked and that were put
    back, `clashes` how often both sides changed the same place.
    """

    data: bytes | None
    variants: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    clashes: int = 0


def merge(
    base: bytes | None, ours: bytes | None, theirs: bytes | None, *, protect: frozenset[str] = frozenset()
) -> Merged:
    """Merge a file of messages."""
    raise NotImplementedError


def merge_text(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> Merged:
    """Merge a file without meaning, by line."""
    raise NotImplementedError


def merge_path(
    path: str,
    base: bytes | None,
    ours: bytes | None,
    theirs: bytes | None,
    *,
    protect: frozenset[str] = frozenset(),
) -> Merged:
    """Merge a file as its path says: messages by block, receipts by line, a status around its block, others by line."""
    raise NotImplementedError

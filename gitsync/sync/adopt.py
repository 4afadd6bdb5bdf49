"""Step 4, the part about hand-written messages: wrap what is ready, extend what nobody has got yet (PROTOCOL 4)."""

from __future__ import annotations

from collections.abc import Sequence

from gitsync import clock
from gitsync.protocol.follow_up import extended
from gitsync.protocol.paths import classify
from gitsync.protocol.wrap import wrap
from gitsync.sync.draft import Draft
from gitsync.sync.values import Facts
from gitsync.sync.wraps import Wraps


def adopt(draft: Draft, wraps: Wraps, facts: Facts, machine: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Change the draft; give our own messages with recipients, and the ids adopted for others or extended."""
    wraps.follow(draft.tree)
    own: list[tuple[str, str]] = []
    adopted: list[str] = []
    for path, spans in sorted(wraps.ready().items()):
        data = draft.read(path)
        if data is None:
            continue
        ids = [clock.new_id() for _ in spans]
        draft.write(path, wrap(data, spans, ids))
        place = classify(path)
        if place.owner == machine and place.to:
            own += [(ident, place.to) for ident in ids]
        else:
            adopted += ids
    for path, followed in sorted(wraps.followed().items()):
        adopted += _extend(draft, wraps, facts, path, followed)
    return own, adopted


def _extend(draft: Draft, wraps: Wraps, facts: Facts, path: str, followed: Sequence[str]) -> tuple[str, ...]:
    """Move end lines behind what was typed below; what cannot be is not asked about again, and lint reports it."""
    data = draft.read(path)
    free = [ident for ident in followed if facts.untouched(ident)]
    longer, moved = extended(data, path, free) if data is not None else (b"", ())
    for ident in followed:
        if ident not in moved:
            wraps.drop(path, ident)
    if moved:
        draft.write(path, longer)
    return moved

"""A file larger than any reader takes costs no reading, also for a process that has never seen it."""

from __future__ import annotations

import pytest

from gitsync.protocol import blocks
from gitsync.protocol.paths import MAX_FILE
from gitsync.sync import contents, wraps
from tests.sync.test_hand_edits import PAGE, pair
from tests.sync.world import World, ids


def test_15_it_is_not_split_by_anybody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = pair(world)
    person = world.person()
    huge = b"## By hand\n\n**From:** 3\n\nPlease.\n\n" * (MAX_FILE // 30)
    assert len(huge) > MAX_FILE
    person.commit({"messages/3_TO_1.md": huge, "messages/3_TO_2.md": "## Small\n\n**Priority:** high\n\nx\n"}, "a log")
    person.push()
    split: list[int] = []

    def counted(data: bytes) -> list[blocks.Segment]:
        split.append(len(data))
        return blocks.parse(data)

    monkeypatch.setattr(contents, "parse", counted)
    real = wraps.followed
    monkeypatch.setattr(wraps, "followed", lambda data: (split.append(len(data)), real(data))[1])
    for computer in (one, two):
        for _ in range(2):
            computer.sync()
            computer.restart()
    sent = one.send("2")
    assert one.sync().sent == 1
    two.sync()
    assert ids(two.read(PAGE)) == [sent]
    assert two.read("messages/3_TO_1.md") == huge
    assert split
    assert max(split) < MAX_FILE

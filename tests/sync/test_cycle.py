"""The cycle end to end: what one computer says, the others have."""

from __future__ import annotations

from pathlib import Path

from tests.remotes import Remote
from tests.sync.world import World, ids


def test_a_message_reaches_the_other_folder(world: World) -> None:
    one, two = world.computer("1"), world.computer("2")
    ident = one.send("2", "Deploy it.")
    sent = one.sync()
    assert (sent.state, sent.sent, sent.pushed, sent.pending) == ("ok", 1, 1, 0)
    came = two.sync()
    assert came.state == "ok"
    assert ids(two.read("messages/1_TO_2.md")) == [ident]
    assert one.files() == two.files() == world.remote.files()
    assert two.tips == [world.remote.tip()]
    assert two.git("status", "--porcelain") == ""
    assert one.git("status", "--porcelain") == ""


def test_a_cycle_with_nothing_to_say_makes_no_commit(world: World) -> None:
    one = world.computer("1")
    one.sync()
    before = world.remote.refs()
    for _ in range(3):
        result = one.cycle()
        assert (result.changed, result.pushed, result.case) == (False, 0, 2)
    assert world.remote.refs() == before


def test_two_computers_talk_over_every_kind_of_remote(tmp_path: Path, remote: Remote) -> None:
    world = World(tmp_path, remote)
    try:
        one, two = world.computer("1"), world.computer("2")
        first = one.send("2")
        world.settle()
        second = two.send("1")
        one.append("notes.md", "by hand\n")
        world.settle()
        assert (ids(two.read("messages/1_TO_2.md")), ids(one.read("messages/2_TO_1.md"))) == ([first], [second])
        assert one.files() == two.files() == remote.files()
    finally:
        world.close()

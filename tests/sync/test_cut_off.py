"""Row 2, and what comes between the death and the next start."""

from __future__ import annotations

import pytest

from tests.sync.test_hand_edits import pair
from tests.sync.world import World


class PowerCut(Exception):
    pass


def test_2_an_index_that_went_ahead_of_its_branch_comes_along_when_more_has_arrived(world: World) -> None:
    one, two = pair(world)
    two.send("1", "first")
    world.settle()

    def die(name: str) -> None:
        if name == "6-index":
            raise PowerCut

    two.send("1", "second")
    two.sync()
    one.fault = die
    with pytest.raises(PowerCut):
        one.cycle()
    one.fault = lambda _name: None
    two.send("1", "third")
    two.sync()
    one.restart()
    one.sync()
    assert one.git("diff", "--cached", "--name-status", "HEAD") == ""
    assert one.git("status", "--porcelain") == ""


def test_3_what_a_person_staged_before_the_crash_stays_staged_after_it(world: World) -> None:
    one, two = pair(world)
    one.write("NOTES.md", "mine\n")
    one.git("add", "NOTES.md")

    def die(name: str) -> None:
        if name == "6-index":
            raise PowerCut

    two.send("1", "second")
    two.sync()
    one.fault = die
    with pytest.raises(PowerCut):
        one.cycle()
    one.fault = lambda _name: None
    two.send("1", "third")
    two.sync()
    one.restart()
    one.cycle()
    staged = one.git("diff", "--cached", "--name-only", "HEAD").split()
    assert staged in ([], ["NOTES.md"])
    one.git("commit", "-q", "--allow-empty", "-m", "by hand")
    world.settle()
    assert world.remote.read("NOTES.md") == b"mine\n"
    assert world.remote.read("messages/2_TO_1.md").count(b"<!-- msg ") == 2

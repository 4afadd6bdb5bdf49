"""A message is taken up when its own lines are quiet, whatever happens elsewhere in the file (PROTOCOL 4)."""

from __future__ import annotations

import time

from gitsync.sync import quiet
from gitsync.sync.quiet import Typing, finished, remaining, seen
from tests.sync.test_hand_edits import PAGE, pair
from tests.sync.world import Computer, World, ids

TITLE = b"# Messages\n"
FIRST = b"\n## First\n\n**Priority:** high\n\nAll of it.\n"
SECOND = b"\n## Second\n\n**Priority:** low\n\nHalf a sen"
SETTLE = 30.0


def watch(*versions: tuple[float, bytes], base: bytes | None = TITLE) -> Typing:
    """See a file at several times."""
    typing: Typing | None = None
    for at, data in versions:
        typing = seen(typing, base, data, at)
    assert typing is not None
    return typing


def part(typing: Typing, now: float, base: bytes | None = TITLE) -> bytes | None:
    return finished(typing, PAGE, base, SETTLE, now)


def test_a_finished_message_goes_while_the_next_is_typed() -> None:
    typing = watch((0, TITLE + FIRST), (20, TITLE + FIRST + SECOND), (40, TITLE + FIRST + SECOND + b"tence"))
    assert remaining(typing, SETTLE, 45) == 25
    assert part(typing, 29) is None
    assert (part(typing, 45) or b"").strip() == (TITLE + FIRST).strip()
    assert part(typing, 45, base=part(typing, 45)) is None  # nothing new since


def test_a_message_typed_above_a_finished_one_is_held_back_alone() -> None:
    typing = watch((0, TITLE + FIRST), (40, TITLE + SECOND + b"\n" + FIRST))
    assert (part(typing, 45) or b"").replace(b"\n", b"") == (TITLE + FIRST).replace(b"\n", b"")


def test_a_heading_below_a_message_still_belongs_to_it() -> None:
    typing = watch((0, TITLE + FIRST), (25, TITLE + FIRST + b"\n## Seco"), (50, TITLE + FIRST + b"\n## Second\n\n"))
    assert part(typing, 55) is None


def test_what_was_there_before_never_seems_deleted() -> None:
    base = TITLE + FIRST
    changed = base.replace(b"All of it", b"All of i") + SECOND
    assert part(watch((0, changed), base=base), 5, base=base) is None
    typing = watch((0, TITLE + SECOND + b"\n"), (20, TITLE + SECOND + b"\n" + FIRST), base=base)
    assert part(typing, 45, base=base) is None or b"All of it." in (part(typing, 45, base=base) or b"")


def test_a_deleted_line_makes_its_message_restless() -> None:
    full = FIRST + b"And more.\n"
    typing = watch((0, TITLE + full + SECOND), (40, TITLE + FIRST + SECOND))
    assert (part(typing, 45) or b"") == b"" or b"All of it." not in (part(typing, 45) or b"")
    assert b"All of it." in (part(watch((0, TITLE + FIRST), (40, TITLE + FIRST + SECOND)), 45) or b"")


def test_an_autosave_that_never_rests_holds_nothing_for_ever() -> None:
    typing = watch(*((at * 10, TITLE + SECOND + b"x" * at) for at in range(40)))
    assert remaining(typing, SETTLE, 299) > 0
    assert remaining(typing, SETTLE, quiet.LONGEST * SETTLE) <= 0


def test_other_files_are_taken_whole() -> None:
    typing = watch((0, b"a\n"), (40, b"a\n\nb"), base=b"")
    assert finished(typing, "notes.md", b"", SETTLE, 45) is None


class Clock:
    """A clock that a test moves."""

    def __init__(self, computer: Computer) -> None:
        self.now = 1000.0
        computer.engine._capture._now = lambda: self.now


def test_the_finished_message_arrives_once(world: World) -> None:
    one, two = pair(world, settle=SETTLE)
    world.settle()
    clock = Clock(one)
    one.write(PAGE, TITLE + FIRST)
    assert one.cycle().pushed == 0
    clock.now += 20
    one.write(PAGE, TITLE + FIRST + SECOND)
    assert one.cycle().pushed == 0
    clock.now += 15
    typed = TITLE + FIRST + SECOND + b"tence"
    one.write(PAGE, typed)
    result = one.cycle()
    assert (result.state, result.sent) == ("ok", 1)
    assert one.read(PAGE) == typed  # nobody writes below a typing person
    two.sync()
    assert b"Second" not in two.read(PAGE)
    [first] = ids(two.read(PAGE))
    clock.now += 5
    one.write(PAGE, typed + b" and")
    assert one.cycle().pushed == 0
    assert one.read(PAGE) == typed + b" and"
    one.write(PAGE, typed + b".\n")
    one.cycle()
    clock.now += 31
    assert one.cycle().sent == 1
    world.settle()
    assert one.files() == two.files()
    assert ids(two.read(PAGE))[0] == first
    assert len(ids(two.read(PAGE))) == 2
    assert two.read(PAGE).count(b"All of it.") == two.read(PAGE).count(b"Half a sentence.") == 1


def test_a_restart_in_between_sends_nothing_twice(world: World) -> None:
    one, two = pair(world, settle=SETTLE)
    world.settle()
    clock = Clock(one)
    one.write(PAGE, TITLE + FIRST)
    one.cycle()
    clock.now += 31
    one.write(PAGE, TITLE + FIRST + SECOND)
    assert one.cycle().sent == 1
    one.restart()
    one.append(PAGE, "tence.\n")
    one.cycle()
    world.settle()
    assert len(ids(two.read(PAGE))) == 2
    assert two.read(PAGE).count(b"All of it.") == 1
    assert one.files() == two.files()


def test_15_a_long_file_is_no_burden() -> None:
    base = TITLE + FIRST * 4000
    begun = time.process_time()
    typing = watch((0, base + FIRST), (40, base + FIRST + SECOND), base=base)
    assert (part(typing, 45, base=base) or b"").strip() == (base + FIRST).strip()
    assert time.process_time() - begun < 20

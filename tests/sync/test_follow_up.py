"""Text typed directly below an adopted message extends it while nobody has got it (PROTOCOL 4)."""

from __future__ import annotations

from gitsync.protocol.blocks import Block, parse
from gitsync.protocol.lint import lint
from tests.sync.test_hand_edits import HAND, PAGE, pair
from tests.sync.world import Computer, World, ids


def inner(computer: Computer, path: str = PAGE) -> bytes:
    """Give the text of the only message in a file."""
    [block] = [each for each in parse(computer.read(path)) if isinstance(each, Block)]
    return block.inner


def begin(world: World, **settings: object) -> tuple[Computer, Computer, str]:
    """Let computer 1 send a message by hand."""
    one, two = pair(world, **settings)
    one.write(PAGE, "# Messages\n" + HAND)
    world.settle()
    [ident] = ids(two.read(PAGE))
    return one, two, ident


def test_text_typed_below_extends_the_message(world: World) -> None:
    one, two, ident = begin(world)
    one.append(PAGE, "Also at the door.\n")
    world.settle()
    assert ids(two.read(PAGE)) == [ident]
    assert inner(two).endswith(b"At the build.\nAlso at the door.\n")
    assert one.files() == two.files()
    assert lint(two.read(PAGE), PAGE) == ()
    one.append(PAGE, "\nAnd once more.\n")
    world.settle()
    assert inner(two).endswith(b"Also at the door.\n\nAnd once more.\n")
    assert one.files() == two.files()
    assert not any(result.pushed for result in (one.sync(), two.sync()))


def test_what_somebody_has_got_is_left_and_lint_reports_it(world: World) -> None:
    one, two, ident = begin(world)
    one.touched.add(ident)
    two.touched.add(ident)
    one.append(PAGE, "Also at the door.\n")
    world.settle()
    assert inner(two).endswith(b"At the build.\n")
    assert [problem.rule for problem in lint(two.read(PAGE), PAGE)] == ["follow-up"]
    assert not any(result.pushed for result in (one.sync(), two.sync()))


def test_a_message_of_its_own_below_stays_one(world: World) -> None:
    one, two, ident = begin(world)
    one.append(PAGE, HAND.replace("look", "listen"))
    world.settle()
    assert ids(two.read(PAGE))[0] == ident
    assert len(ids(two.read(PAGE))) == 2


def test_what_gitsync_wrote_is_not_extended(world: World) -> None:
    one, two = pair(world)
    one.send("2", "written by send")
    world.settle()
    one.append(PAGE, "a remark\n")
    world.settle()
    assert b"a remark" not in inner(two)
    assert one.files() == two.files()


def test_a_persons_message_is_extended_by_its_recipient_after_a_while(world: World) -> None:
    _, two = pair(world, wrap_delay=0.0)
    world.settle()
    page = "messages/jesse_TO_2.md"
    person = world.person()
    person.commit({page: "# From Jesse\n" + HAND}, "by hand")
    person.push()
    world.settle()
    run = person.path / page
    person.git("pull", "-q", "--rebase")
    person.commit({page: run.read_text() + "One more thing.\n"}, "more")
    person.push()
    world.settle()
    assert inner(two, page).endswith(b"At the build.\nOne more thing.\n")


def test_whoever_goes_on_typing_loses_nothing(world: World) -> None:
    one, two, ident = begin(world)
    one.append(PAGE, "Also at the door.\n")
    typed = one.read(PAGE)

    def type_on(point: str) -> None:
        if point == "5-pushed":
            one.fault = lambda _point: None
            one.write(PAGE, typed + b"And the roof.\n")

    one.fault = type_on
    one.sync()
    world.settle()
    assert ids(two.read(PAGE)) == [ident]
    assert inner(two).endswith(b"At the build.\nAlso at the door.\nAnd the roof.\n")
    assert one.files() == two.files()


def test_what_stood_below_before_this_machine_joined_is_left(world: World) -> None:
    one, two, _ = begin(world)
    one.touched.update(ids(one.read(PAGE)))
    one.append(PAGE, "Also at the door.\n")
    world.settle()
    tip = world.remote.tip()
    assert tip is not None
    one.touched.clear()
    one.journal.set_meta("horizon", tip)
    one.restart()
    assert not one.sync().pushed
    assert inner(two).endswith(b"At the build.\n")

"""The machine ref, doubled ids, claims, the status page, rotation and the pace of pushes."""

from __future__ import annotations

import shutil

from gitsync import clock
from gitsync.ledger.values import receipt_op
from gitsync.protocol.receipts import Receipt
from gitsync.protocol.status import Status
from gitsync.sync.presence import read_beat
from tests.sync.test_hand_edits import PAGE, pair
from tests.sync.world import Computer, World, ids

REF = "refs/gitsync/coordination/machine/1"


def test_the_machine_ref_rides_and_goes_alone(world: World) -> None:
    one = world.computer("1")
    assert one.cycle().pushed == 0
    first = world.remote.refs()[REF]
    beat = read_beat(world.remote.git("log", "-1", "--format=%B", first), 0)
    assert beat is not None
    assert (beat.machine, beat.install, beat.protocol) == ("1", one.engine.install, "1")
    one.send("2")
    one.cycle()
    assert world.remote.refs()[REF] == first  # fresh enough
    quick = world.computer("2", machine_ref_rides=0.0)
    quick.cycle()
    before = world.remote.refs()[REF.replace("/1", "/2")]
    quick.send("1")
    quick.cycle()
    assert world.remote.refs()[REF.replace("/1", "/2")] != before


def copied(world: World, one: Computer) -> Computer:
    one.stop()
    folder = world.root / "copy"
    shutil.copytree(one.folder, folder, symlinks=True)
    one.start()
    copy = Computer(one.name, folder, one.settings, one.remote)
    world.computers.append(copy.start())
    return copy


def test_18_a_copied_clone_is_noticed_and_both_stop(world: World) -> None:
    one, two = pair(world)
    copy = copied(world, one)
    result = copy.cycle()
    assert (result.state, result.kind) == ("halted", "double-id")
    one.send("2", "not while it is unclear who I am")
    assert (one.cycle().state, one.cycle().kind) == ("halted", "double-id")
    two.sync()
    assert not (two.folder / PAGE).exists()
    two.send("1", "still read")
    two.sync()
    assert copy.cycle().kind == "double-id"
    assert (copy.folder / "messages/2_TO_1.md").exists()
    copy.engine.take_over()
    assert copy.cycle().state == "ok"
    assert copy.cycle().state == "ok"
    assert one.cycle().kind == "double-id"
    one.restart()
    assert one.cycle().kind == "double-id"
    assert copy.cycle().state == "ok"
    one.engine.take_over()
    assert one.cycle().sent == 1
    assert copy.cycle().kind == "double-id"


def test_18_a_newcomer_with_a_taken_id(world: World) -> None:
    pair(world)
    other = world.computer("1")
    other.send("2")
    assert other.cycle().kind == "double-id"
    assert PAGE not in world.remote.files()


def test_18_a_sign_of_life_that_arrives_after_its_process_was_killed_is_ours(world: World) -> None:
    """Whoever kills a process does not kill the git that it had started; the next process is at work by then."""
    one = world.computer("1", machine_ref_rides=0.0)
    one.cycle()
    under_way = one.engine._presence.riding(clock.monotonic())
    assert under_way is not None
    one.restart()

    def arrives(point: str) -> None:
        if point == "5-attempted":
            one.fault = lambda _point: None
            lease = f"--force-with-lease={under_way.ref}:{under_way.expect}"
            one.git("push", "-q", lease, "origin", f"{under_way.new}:{under_way.ref}")

    one.fault = arrives
    one.send("2")
    assert one.cycle().state == "ok"
    assert world.remote.refs()[REF] == under_way.new
    assert one.cycle().state == "ok"
    one.send("2")
    assert one.cycle().sent == 1
    assert one.cycle().state == "ok"
    assert world.remote.refs()[REF] != under_way.new


def test_a_lost_journal_in_the_same_place_is_no_double(world: World) -> None:
    one, _ = pair(world)
    one.stop()
    for file in (one.folder / ".git/gitsync").glob("journal*"):
        file.unlink()
    one.start()
    assert one.sync().state == "ok"


def test_a_host_that_refuses_such_refs(world: World) -> None:
    world.remote.hook("update", 'case "$1" in refs/gitsync/*) exit 1;; esac\n')
    one = world.computer("1")
    one.status = lambda: Status(id="1", state="ACTIVE")
    one.send("2")
    assert one.sync().sent == 1
    assert one.cycle().state == "ok"
    assert one.engine.claim("01JD3WQ8Z6T4K9V2M5N7P0R3S8") == "unsupported"
    one.sync()
    assert one.engine.install.encode() in world.remote.read("COMPUTER_1.md")
    other = world.computer("1")
    other.status = one.status
    assert other.cycle().kind == "double-id"


def test_exactly_one_claim_wins(world: World) -> None:
    one, two = pair(world)
    ident = clock.new_id()
    assert one.engine.claim(ident) == "won"
    assert two.engine.claim(ident) == "lost"
    one.restart()
    assert one.engine.claim(ident) == "won"
    one.engine.release(ident)
    assert two.engine.claim(ident) == "won"
    away = world.remote.path.with_name("away")
    world.remote.path.rename(away)
    assert one.engine.claim(clock.new_id()) == "away"
    away.rename(world.remote.path)


def test_i6_a_status_is_written_only_when_it_says_something_new(world: World) -> None:
    one, _ = pair(world)
    state = ["ACTIVE"]
    one.status = lambda: Status(id="1", name="One", state=state[0], refreshed=clock.stamp())
    assert one.sync().pushed == 1
    assert one.sync().pushed == 0
    one.append("COMPUTER_1.md", "\nby hand\n")
    state[0] = "BUSY"
    one.sync()
    page = world.remote.read("COMPUTER_1.md")
    assert b"BUSY" in page
    assert page.endswith(b"\nby hand\n")
    one.restart()
    assert one.sync().pushed == 0


def test_receipts_ride_and_final_ones_push(world: World) -> None:
    one, _ = pair(world)
    ident = clock.new_id()

    def receipt(outcome: str) -> Receipt:
        return Receipt(date="2026-11-20T06:45:12Z", id=ident, sender="2", agent="", outcome=outcome)

    one.queue(receipt_op(receipt("received")))
    assert one.cycle().pushed == 0
    assert one.engine.oldest_pending_age is None
    one.queue(receipt_op(receipt("done")))
    assert one.cycle().pushed == 1
    assert world.remote.read("receipts/1/2026-11.md").count(ident.encode()) == 2
    assert one.cycle().pushed == 0


def test_a_file_that_grew_too_large_is_rotated(world: World) -> None:
    one, two = pair(world)
    for number in range(3):
        sent = [one.send("2", f"{number} " + "x" * 3000) for _ in range(12)]
        one.finals.update(sent)
        one.sync()
    world.settle()
    assert len(one.read(PAGE)) < 64 * 1024
    archived = [path for path in two.files() if path.startswith("archive/")]
    assert archived
    assert len(ids(two.read(PAGE))) + sum(len(ids(two.read(path))) for path in archived) == 36
    assert one.files() == two.files()


def test_a_burst_is_one_push(world: World) -> None:
    one, two = pair(world)
    sent = [one.send("2", f"number {number}") for number in range(500)]
    result = one.cycle()
    assert (result.sent, result.pushed) == (500, 1)
    two.sync()
    arrived = [ident for path in two.files() if "1_TO_2" in path for ident in ids(two.read(path))]
    assert arrived == sent


def test_the_push_budget_of_a_public_host(world: World) -> None:
    one, two = pair(world, push_budget=2.0)
    one.send("2", "a")
    assert one.cycle().sent == 1
    one.send("2", "b")
    result = one.cycle()
    assert (result.sent, result.pending) == (0, 1)
    assert result.retry_after is not None
    assert 0 < result.retry_after <= 60
    two.cycle()
    assert len(ids(two.read(PAGE))) == 1


def test_i3_what_a_person_writes_into_the_status_block_stays(world: World) -> None:
    one, two = pair(world)
    one.status = lambda: Status(id="1", state="ACTIVE")
    one.sync()
    two.sync()
    page = two.read("COMPUTER_1.md")
    two.write("COMPUTER_1.md", page.replace(b"<!-- /status -->", b"Back on Monday.\n<!-- /status -->"))
    one.status = lambda: Status(id="1", state="WORKING")
    one.sync()
    two.sync()
    world.settle()
    for _ in range(2):
        one.status = lambda: Status(id="1", state="IDLE")
        one.sync()
        two.sync()
        text = two.read("COMPUTER_1.md")
        assert text.count(b"Back on Monday.\n") == 1
        assert text.index(b"<!-- /status -->") < text.index(b"Back on Monday.")
    assert one.files() == two.files() == world.remote.files()

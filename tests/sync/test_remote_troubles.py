"""What goes wrong with a remote, by the rows of the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsync.ledger.values import Op
from gitsync.planning import Case
from tests.remotes import Remotes, run_git
from tests.sync.test_hand_edits import PAGE, pair
from tests.sync.world import World, ids


def test_4_a_lost_race_is_retried_within_the_cycle(world: World) -> None:
    one, two = pair(world)
    mine = one.send("2", "mine")

    def race(name: str) -> None:
        if name == "5-attempted":
            one.fault = lambda _name: None
            two.send("1", "theirs")
            assert two.sync().sent == 1

    one.fault = race
    result = one.cycle()
    assert (result.state, result.sent, result.pending) == ("ok", 1, 0)
    assert ids(world.remote.read(PAGE)) == [mine]
    world.settle()
    assert one.files() == two.files()
    assert world.remote.git("rev-list", "--merges", "coordination") == ""


def test_4_a_race_that_is_lost_twice_is_built_anew_from_the_newest_tip(world: World) -> None:
    one, two = pair(world)
    one.append("README.md", "mine\n")  # so that the cycle fetches before it pushes
    left = [1, 2]

    def race(name: str) -> None:
        if name == "5-attempted" and left:
            two.send("1", f"theirs {left.pop()}")
            assert two.sync().sent == 1

    one.fault = race
    result = one.cycle(settle_now=True)
    assert (result.state, result.pushed, result.pending, left) == ("ok", 1, 0, [])
    assert len(ids(world.remote.read("messages/2_TO_1.md"))) == 2
    assert b"mine" in world.remote.read("README.md")


def test_4_without_retry_the_rest_waits_for_the_next_cycle(world: World) -> None:
    one, two = pair(world)
    one.append("README.md", "mine\n")  # so that the cycle fetches before it pushes

    def race(name: str) -> None:
        if name == "5-attempted":
            one.fault = lambda _name: None
            two.send("1", "theirs")
            two.sync()

    one.fault = race
    result = one.cycle(retry=False, settle_now=True)
    assert (result.state, result.pushed, result.pending) == ("ok", 0, 1)
    assert result.retry_after is not None
    assert result.retry_after <= 1.5
    assert one.sync().pushed == 1


def test_4_a_lost_answer_is_looked_up_not_repeated(world: World) -> None:
    one, _ = pair(world)
    ident = one.send("2", "once")

    class PowerCut(Exception):
        pass

    def die(name: str) -> None:
        if name == "5-pushed":
            raise PowerCut

    one.fault = die
    with pytest.raises(PowerCut):
        one.cycle()
    one.fault = lambda _name: None
    one.restart()
    assert one.journal.pending_count() == 1
    result = one.cycle()
    assert (result.state, result.pushed, result.pending) == ("ok", 0, 0)
    assert ids(world.remote.read(PAGE)) == [ident]


def test_4_a_landed_message_that_was_archived_is_not_sent_again(world: World) -> None:
    one, two = pair(world)
    one.send("2", "once")

    class PowerCut(Exception):
        pass

    def die(name: str) -> None:
        if name == "5-pushed":
            raise PowerCut

    one.fault = die
    with pytest.raises(PowerCut):
        one.cycle()
    one.fault = lambda _name: None
    person = world.person()
    block = (person.path / PAGE).read_bytes()
    person.commit({PAGE: None, "archive/2026-11/1_TO_2.md": block[block.index(b"<!-- msg") :]}, "archived")
    person.push()
    one.restart()
    one.sync()
    world.settle()
    assert PAGE not in two.files()


@pytest.mark.parametrize("kind", ["rewritten", "rewound"])
def test_5_a_rewritten_branch_halts_until_it_is_accepted(world: World, kind: str) -> None:
    one, two = pair(world)
    for number in range(2):
        two.send("1", f"number {number}")
        world.settle()
    old = world.remote.tip()
    person = world.person()
    person.git("reset", "-q", "--hard", "HEAD~1")
    if kind == "rewritten":
        person.commit({"other.md": "x\n"}, "rewritten")
    person.push("--force")
    mine = one.send("2", "unpushed")
    result = one.cycle()
    assert (result.state, result.kind, result.case) == ("halted", "rewritten", Case.REWRITTEN)
    assert result.remedy is not None
    assert "--accept-rewrite" in result.remedy
    assert len(ids(one.read("messages/2_TO_1.md"))) == 2
    assert world.remote.tip() != old
    result = one.cycle(accept_rewrite=True)
    assert (result.state, result.sent, result.case) == ("ok", 1, Case.REWRITTEN)
    assert f"refs/gitsync/rescue/rewritten-{(old or '')[:10]}" in one.mailbox.refs("refs/gitsync/rescue/")
    assert len(ids(one.read("messages/2_TO_1.md"))) == 1
    assert ids(world.remote.read(PAGE)) == [mine]
    assert two.cycle(accept_rewrite=True).state == "ok"
    world.settle()
    assert one.files() == two.files() == world.remote.files()


def test_5_a_push_never_resurrects(world: World) -> None:
    one, two = pair(world)
    two.send("1")
    world.settle()
    one.sync()
    person = world.person()
    person.git("reset", "-q", "--hard", "HEAD~1")
    person.push("--force")
    before = world.remote.tip()
    one.send("2")
    assert one.cycle().state == "halted"  # pushed first on the old tip, and refused by the lease
    assert world.remote.tip() == before


def test_6_a_refusal_is_parked(world: World) -> None:
    one, two = pair(world)
    world.remote.hook("pre-receive", "cat >/dev/null; echo 'main is protected' >&2; echo x >> asked; exit 1\n")
    one.send("2")
    result = one.cycle()
    assert result.state == "refused"
    assert result.error is not None
    assert result.pending == 1
    for _ in range(3):
        assert one.cycle().state == "refused"
    assert (world.remote.path / "asked").read_text().count("x") == 1
    (world.remote.path / "hooks/pre-receive").unlink()
    assert one.sync().sent == 1
    two.sync()
    assert one.files() == two.files()


def test_6_what_was_committed_here_stays_when_it_is_refused(world: World) -> None:
    one, _ = pair(world)
    world.remote.hook("pre-receive", "exit 1\n")
    commit = one.person.commit({"notes.md": "x\n"})
    assert one.cycle().state == "refused"
    assert one.git("rev-parse", "HEAD").strip() == commit
    assert one.read("notes.md") == b"x\n"


def test_8_away_and_back(world: World) -> None:
    one, two = pair(world)
    away = world.remote.path.with_name("away")
    world.remote.path.rename(away)
    sent = [one.send("2", f"number {number}") for number in range(3)]
    one.append("README.md", "typed offline\n")
    result = one.cycle(settle_now=True)
    assert (result.state, result.remote_contact) == ("offline", False)
    assert result.pending >= 3
    assert one.engine.oldest_pending_age is not None
    away.rename(world.remote.path)
    world.settle()
    assert ids(two.read(PAGE)) == sent
    assert b"typed offline" in two.read("README.md")
    assert one.engine.oldest_pending_age is None


def test_8_over_http_that_hangs(make_remote: Remotes, tmp_path: Path) -> None:
    remote = make_remote("http")
    world = World(tmp_path, remote)
    world.seed()
    one = world.computer("1", network_timeout=1.0)
    server = make_remote.http
    server.hang = True
    try:
        result = one.cycle()
        assert result.state == "offline"
    finally:
        server.hang = False
        world.close()


def test_9_an_empty_remote_is_begun(empty_world: World) -> None:
    one = empty_world.computer("1")
    assert one.cycle().case == Case.NOTHING
    assert empty_world.remote.tip() is None
    ident = one.send("2")
    assert one.cycle().case == Case.UNBORN
    two = empty_world.computer("2")
    two.sync()
    assert ids(two.read(PAGE)) == [ident]
    assert one.files() == two.files()


def test_9_two_begin_at_once(empty_world: World) -> None:
    one, two = empty_world.computer("1"), empty_world.computer("2")
    one.cycle()
    first, second = one.send("2"), two.send("1")

    def race(name: str) -> None:
        if name == "5-attempted":
            one.fault = lambda _name: None
            two.sync()

    one.fault = race
    assert one.cycle().sent == 1
    empty_world.settle()
    assert ids(one.read("messages/2_TO_1.md")) == [second]
    assert ids(two.read(PAGE)) == [first]


def test_9_a_deleted_branch_asks(world: World) -> None:
    one, two = pair(world)
    one.send("2")
    world.settle()
    before = world.remote.files()
    world.remote.git("update-ref", "-d", "refs/heads/coordination")
    result = one.cycle()
    assert (result.state, result.kind) == ("halted", "gone")
    assert world.remote.tip() is None
    one.send("2")
    assert one.cycle().state == "halted"
    assert one.cycle(accept_rewrite=True).state == "ok"
    assert set(before) <= set(world.remote.files())
    assert two.cycle().state == "ok"
    world.settle()
    assert one.files() == two.files()
    assert len(ids(two.read(PAGE))) == 2


def test_10_unrelated_histories_are_refused(world: World, make_remote: Remotes) -> None:
    one, _ = pair(world)
    other = World(world.root / "other", make_remote("file"))
    other.seed({"README.md": "another mailbox\n"})
    run_git("remote", "set-url", "origin", other.remote.url, cwd=one.folder)
    result = one.cycle()
    assert (result.state, result.kind) == ("halted", "unrelated")
    assert other.remote.files() == {"README.md": b"another mailbox\n"}


def test_10_a_clone_with_other_commits_and_no_journal(world: World) -> None:
    one = world.computer("1")
    one.person.commit({"README.md": "nothing to do with it\n"})
    one.restart()
    result = one.cycle()
    assert (result.state, result.kind) == ("halted", "unrelated")


def test_11_a_shallow_clone_works(world: World) -> None:
    one, two = pair(world)
    for number in range(3):
        two.send("1", f"number {number}")
        two.sync()
    folder = world.root / "shallow"
    run_git("clone", "-q", "--depth", "1", "-b", "coordination", f"file://{world.remote.path}", folder)
    shallow = world.computer("3")
    shallow.stop()
    shallow.folder = folder
    shallow.start()
    old = shallow.person.commit({"notes.md": "x\n"})
    one.send("3")
    world.settle()
    assert one.files() == shallow.files()
    assert one.read("notes.md") == b"x\n"
    assert old


def test_a_journal_that_is_lost_costs_nothing(world: World) -> None:
    one, two = pair(world)
    two.send("1", "first")
    world.settle()
    one.append("README.md", "typed before\n")
    one.stop()
    for file in (one.folder / ".git/gitsync").glob("journal*"):
        file.unlink()
    one.start()
    two.send("1", "second")
    two.sync()
    world.settle()
    assert one.files() == two.files() == world.remote.files()
    assert b"typed before" in two.read("README.md")
    assert len(ids(two.read("messages/2_TO_1.md"))) == 2


def test_i1_what_cannot_reach_the_branch_is_refused_with_a_reason(world: World) -> None:
    one, _ = pair(world)
    one.queue(Op("import", "README.md", "", b"other bytes"))
    assert one.cycle().state == "ok"
    [parked] = one.journal.refused_ops()
    assert "already in the mailbox" in parked.reason


def test_i1_a_message_too_large_for_its_file_is_refused_with_a_reason(world: World) -> None:
    one, _ = pair(world)
    ident = one.send("2", "x" * (8 * 1024 * 1024))
    other = one.send("2", "small")
    assert one.cycle().sent == 1
    [parked] = one.journal.refused_ops()
    assert (parked.op.ident, parked.reason) == (ident, "messages/1_TO_2.md would grow beyond 8 MiB")
    assert ids(world.remote.read(PAGE)) == [other]

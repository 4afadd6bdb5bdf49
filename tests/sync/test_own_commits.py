"""Row 3: a person commits, branches, rebases, resets or detaches inside the mailbox clone."""

from __future__ import annotations

from tests.sync.test_hand_edits import HAND, PAGE, pair
from tests.sync.world import World, ids


def log(world: World) -> list[str]:
    return world.remote.git("log", "--format=%s", "coordination").splitlines()


def test_3_a_commit_on_the_tip_is_pushed_as_it_is(world: World) -> None:
    one, two = pair(world)
    commit = one.person.commit({"notes.md": "x\n"}, "my words")
    one.sync()
    assert world.remote.tip() == commit
    world.settle()
    assert two.read("notes.md") == b"x\n"
    assert one.git("rev-parse", "HEAD").strip() == world.remote.tip()


def test_3_a_commit_beside_the_tip_is_rebuilt_and_rescued(world: World) -> None:
    one, two = pair(world)
    two.append("README.md", "from two\n")
    two.sync()
    old = one.person.commit({"README.md": one.read("README.md") + b"from one\n"}, "my words\n\nand more")
    before = one.git("log", "-1", "--format=%an %ae %at %B", old)
    one.sync()
    world.settle()
    new = one.git("log", "-1", "--format=%an %ae %at %B", "HEAD")
    assert new == before
    assert one.mailbox.refs("refs/gitsync/rescue/") == {f"refs/gitsync/rescue/commits-{old[:10]}": old}
    assert {b"from one", b"from two"} <= set(two.read("README.md").splitlines())
    assert one.files() == two.files()
    assert world.remote.git("rev-list", "--merges", "coordination") == ""


def test_3_several_commits_keep_their_order(world: World) -> None:
    one, two = pair(world)
    two.send("1")
    two.sync()
    for number in range(3):
        one.person.commit({f"n{number}.md": "x\n"}, f"number {number}")
    world.settle()
    assert log(world)[:3] == ["number 2", "number 1", "number 0"]
    assert one.files() == two.files()


def test_3_a_merge_made_by_git_pull_becomes_linear(world: World) -> None:
    one, two = pair(world)
    two.append("README.md", "from two\n")
    two.sync()
    one.person.commit({"notes.md": "x\n"}, "mine")
    one.git("pull", "-q", "--no-rebase", "--no-edit", "origin", "coordination")
    world.settle()
    assert world.remote.git("rev-list", "--merges", "coordination") == ""
    assert two.read("notes.md") == b"x\n"
    assert one.files() == two.files() == world.remote.files()


def test_3_text_that_arrived_by_commit_is_wrapped_at_once(world: World) -> None:
    one, two = pair(world, settle=3600.0)
    one.person.commit({PAGE: "# Messages\n" + HAND})
    assert one.cycle().sent == 1
    two.cycle()
    assert len(ids(two.read(PAGE))) == 1


def test_3_a_reset_backwards_takes_nothing_away(world: World) -> None:
    one, two = pair(world)
    for number in range(3):
        two.send("1", f"number {number}")
        world.settle()
    one.git("reset", "-q", "--hard", "HEAD~2")
    result = one.sync()
    assert result.pushed == 0
    world.settle()
    assert len(ids(world.remote.read("messages/2_TO_1.md"))) == 3
    assert one.files() == two.files()
    assert one.git("status", "--porcelain") == ""


def test_3_a_soft_reset_takes_nothing_away(world: World) -> None:
    one, two = pair(world)
    two.send("1")
    world.settle()
    one.git("reset", "-q", "--soft", "HEAD~1")
    world.settle()
    assert one.files() == two.files() == world.remote.files()
    assert len(ids(world.remote.read("messages/2_TO_1.md"))) == 1


def test_3_an_amended_commit(world: World) -> None:
    one, two = pair(world)
    one.person.commit({"notes.md": "one\n"}, "first")
    one.sync()
    two.append("README.md", "from two\n")
    two.sync()
    one.write("notes.md", "one\ntwo\n")
    one.git("commit", "-q", "-a", "--amend", "-m", "amended")
    world.settle()
    assert one.files() == two.files() == world.remote.files()
    assert set(two.read("notes.md").splitlines()) >= {b"one", b"two"}


def test_3_a_rebase(world: World) -> None:
    one, two = pair(world)
    one.person.commit({"notes.md": "one\n"}, "first")
    two.append("README.md", "from two\n")
    two.sync()
    one.person.commit({"README.md": one.read("README.md") + b"from one\n"}, "second")
    assert "CONFLICT" in one.person.git("pull", "-q", "--rebase", "origin", "coordination", check=False)
    result = one.cycle(settle_now=True)
    assert (result.state, result.folder) == ("ok", "in the middle of a rebase")
    one.write("README.md", "# Mailbox\n\nProtocol: 1\nfrom two\nfrom one\n")
    one.git("add", "README.md")
    one.git("-c", "core.editor=true", "rebase", "--continue")
    world.settle()
    assert one.files() == two.files() == world.remote.files()
    assert two.read("README.md").endswith(b"Protocol: 1\nfrom two\nfrom one\n")


def test_3_on_another_branch_syncing_goes_on(world: World) -> None:
    one, two = pair(world)
    one.git("switch", "-q", "-c", "mine")
    before = one.files()
    two.send("1")
    two.sync()
    ident = one.send("2")
    result = one.cycle()
    assert (result.state, result.sent, result.folder) == ("ok", 1, "on branch mine")
    assert one.files() == before
    two.sync()
    assert ids(two.read(PAGE)) == [ident]
    one.git("switch", "-q", "coordination")
    world.settle()
    assert one.files() == two.files()


def test_3_detached(world: World) -> None:
    one, two = pair(world)
    one.git("checkout", "-q", "--detach")
    two.send("1")
    two.sync()
    assert one.cycle().folder == "HEAD is detached"
    one.git("checkout", "-q", "coordination")
    world.settle()
    assert one.files() == two.files()


def test_3_in_the_middle_of_a_merge(world: World) -> None:
    one, two = pair(world)
    one.git("switch", "-q", "-c", "side")
    one.person.commit({"README.md": "side\n"}, "side")
    one.git("switch", "-q", "coordination")
    one.person.commit({"README.md": "main\n"}, "main")
    assert "CONFLICT" in one.person.git("merge", "side", check=False)
    two.send("1")
    two.sync()
    result = one.cycle()
    assert (result.state, result.folder) == ("ok", "in the middle of a merge")
    assert b"<<<<<<<" in one.read("README.md")
    one.write("README.md", "both\n")
    one.git("commit", "-q", "-a", "-m", "merged")
    world.settle()
    assert one.files() == two.files()
    assert b"both" in two.read("README.md")


def test_3_what_is_staged_stays_staged(world: World) -> None:
    one, two = pair(world)
    one.write("draft.md", "x\n")
    one.git("add", "draft.md")
    two.send("1")
    two.sync()
    one.cycle()
    assert one.git("diff", "--cached", "--name-only").split() == ["draft.md"]
    one.git("commit", "-q", "-m", "mine")
    world.settle()
    assert len(ids(two.read("messages/2_TO_1.md"))) == 1
    assert one.files() == two.files()


def test_3_a_commit_of_a_stale_buffer_deletes_no_open_message(world: World) -> None:
    one, two = pair(world)
    two.send("1", "first")
    world.settle()
    page = "messages/2_TO_1.md"
    stale = one.read(page)
    two.send("1", "second")
    world.settle()
    one.person.commit({page: stale + b"\na remark\n"}, "from an old buffer")
    world.settle()
    assert len(ids(two.read(page))) == 2
    assert b"a remark" in two.read(page)
    assert one.files() == two.files()


def test_24_conflict_markers_are_text(world: World) -> None:
    one, two = pair(world)
    markers = "<<<<<<< HEAD\n## A\n=======\n## B\n>>>>>>> other\n"
    one.person.commit({PAGE: markers, "notes.md": markers})
    world.settle()
    assert two.read("notes.md") == markers.encode()
    one.send("2")
    world.settle()
    assert len(ids(two.read(PAGE))) >= 1


def test_3_an_edit_on_top_of_an_own_commit_starts_from_it(world: World) -> None:
    one, two = pair(world)
    one.person.commit({"README.md": one.read("README.md") + b"committed\n"})
    one.sync()
    two.append("README.md", "from two\n")
    two.sync()
    two.append("README.md", "from two again\n")
    two.sync()
    one.write("README.md", b"typed on top\n" + one.read("README.md"))
    world.settle()
    lines = two.read("README.md").splitlines()
    assert one.files() == two.files()
    assert [lines.count(line) for line in (b"committed", b"from two", b"typed on top")] == [1, 1, 1]


def test_3_git_pull_by_hand_is_as_good(world: World) -> None:
    one, two = pair(world)
    two.append("README.md", "from two\n")
    two.sync()
    one.git("pull", "-q", "--ff-only", "origin", "coordination")
    two.append("README.md", "from two again\n")
    two.sync()
    one.write("README.md", b"typed on top\n" + one.read("README.md"))
    world.settle()
    assert two.read("README.md").splitlines().count(b"from two") == 1
    assert one.files() == two.files()

"""What people write into the folder: nothing of it is lost, and it becomes messages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitsync.ledger.values import Op
from tests.sync.world import Computer, World, ids

PAGE = "messages/1_TO_2.md"
HAND = "\n## Please look\n\n**Priority:** high\n\nAt the build.\n"


def pair(world: World, **settings: object) -> tuple[Computer, Computer]:
    one, two = world.computer("1", **settings), world.computer("2", **settings)
    one.sync()
    two.sync()
    return one, two


def test_i3_a_line_in_any_file_arrives_everywhere(world: World) -> None:
    one, two = pair(world)
    one.append("README.md", "a line from one\n")
    two.append("README.md", "a line from two\n")
    world.settle()
    assert one.files() == two.files()
    assert {b"a line from one", b"a line from two"} <= set(one.read("README.md").splitlines())


def test_a_new_file_and_its_removal(world: World) -> None:
    one, two = pair(world)
    one.write("notes/plan.md", "x\n")
    world.settle()
    assert two.read("notes/plan.md") == b"x\n"
    (two.folder / "notes/plan.md").unlink()
    world.settle()
    assert not (one.folder / "notes").exists()
    assert world.remote.git("log", "--format=%s", "coordination").splitlines()[:2] == [
        "[2] hand edit: notes/plan.md",
        "[1] hand edit: notes/plan.md",
    ]


def test_an_edit_is_taken_up_only_when_it_is_quiet(world: World) -> None:
    one, _ = pair(world, settle=3600.0)
    one.append("README.md", "half a sen")
    result = one.cycle()
    assert (result.state, result.pushed) == ("ok", 0)
    assert result.retry_after is not None
    assert 3500 < result.retry_after <= 3600 or result.retry_after < 901  # the beat may come first
    assert one.sync().pushed == 1


def test_what_arrives_waits_for_an_edit_in_progress(world: World) -> None:
    one, two = pair(world, settle=3600.0)
    two.send("1", "first")
    world.settle()
    page = "messages/2_TO_1.md"
    one.append(page, "half a sen")
    two.send("1", "second")
    two.sync()
    assert one.cycle().pulled == 1
    assert one.read(page).endswith(b"half a sen")
    assert len(ids(one.read(page))) == 1
    one.append(page, "tence.\n")
    world.settle()
    assert b"half a sentence." in two.read(page)
    assert len(ids(two.read(page))) == 2
    assert one.files() == two.files()


def test_an_editor_opened_before_the_last_update_deletes_nothing(world: World) -> None:
    one, two = pair(world)
    two.send("1", "first")
    world.settle()
    page = "messages/2_TO_1.md"
    stale = one.read(page)
    two.send("1", "second")
    world.settle()
    two.send("1", "third")
    world.settle()
    one.finals.update(ids(one.read(page)))  # even though they may be deleted by hand now
    one.write(page, stale + b"\na remark\n")
    world.settle()
    for computer in (one, two):
        assert len(ids(computer.read(page))) == 3
        assert b"a remark" in computer.read(page)


def test_an_open_message_is_put_back_and_a_settled_one_is_not(world: World) -> None:
    one, two = pair(world)
    first, second = two.send("1", "first"), two.send("1", "second")
    world.settle()
    page = "messages/2_TO_1.md"
    one.finals.add(first)
    text = one.read(page)
    one.write(page, text[: text.index(b"<!-- msg")])
    result = one.sync()
    assert [trouble for trouble in result.troubles if second in trouble.text]
    world.settle()
    assert ids(two.read(page)) == [second]


def test_a_withdrawn_message_goes(world: World) -> None:
    one, two = pair(world)
    ident = one.send("2", "oops")
    world.settle()
    one.queue(Op("withdraw", ident, "2"))
    world.settle()
    assert ids(two.read(PAGE)) == []


def test_a_message_by_hand_is_wrapped_by_its_sender(world: World) -> None:
    one, two = pair(world)
    one.write(PAGE, "# Messages\n" + HAND)
    result = one.sync()
    assert result.sent == 1
    world.settle()
    assert len(ids(two.read(PAGE))) == 1
    assert one.files() == two.files()
    unwrapped = b"".join(line for line in two.read(PAGE).splitlines(True) if not line.startswith(b"<!--"))
    assert unwrapped == ("# Messages\n" + HAND).encode()


def test_a_persons_message_is_wrapped_by_its_recipient_after_a_while(world: World) -> None:
    one, two = pair(world, wrap_delay=0.0)
    three = world.computer("3", wrap_delay=0.0)
    world.settle()
    one.write("messages/jesse_TO_2.md", "# Messages\n" + HAND)
    one.sync()
    assert ids(world.remote.read("messages/jesse_TO_2.md")) == []
    three.sync()
    assert ids(world.remote.read("messages/jesse_TO_2.md")) == []  # not addressed to 3
    two.sync()
    assert len(ids(world.remote.read("messages/jesse_TO_2.md"))) == 1
    world.settle()


def test_the_delay_of_a_foreign_wrap_holds(world: World) -> None:
    one, two = pair(world, wrap_delay=600.0)
    one.write("messages/jesse_TO_2.md", "# Messages\n" + HAND)
    one.sync()
    result = two.sync()
    assert ids(world.remote.read("messages/jesse_TO_2.md")) == []
    assert result.retry_after is not None
    assert result.retry_after <= 900.0


def test_drafts_and_forgeries_are_not_wrapped(world: World) -> None:
    one, _ = pair(world)
    one.write(PAGE, "# M\n\n## Draft\n\n**Priority:** low\n**Status:** draft\n\nnot yet\n")
    one.write("messages/1_TO_3.md", "# M\n\n## Forged\n\n**From:** Computer 2\n**Priority:** low\n\nnot me\n")
    world.settle()
    assert ids(world.remote.read(PAGE)) == []
    assert ids(world.remote.read("messages/1_TO_3.md")) == []


def test_what_is_older_than_the_horizon_is_history(empty_world: World) -> None:
    empty_world.seed({PAGE: "# Messages\n" + HAND})
    one = empty_world.computer("1")
    one.sync()
    one.append(PAGE, "\n## New\n\n**Priority:** low\n\nthis one\n")
    one.sync()
    data = empty_world.remote.read(PAGE)
    assert len(ids(data)) == 1
    assert data.index(b"At the build.") < data.index(b"<!-- msg")


def test_ignored_files_stay_at_home(world: World) -> None:
    one, _ = pair(world)
    one.write(".gitignore", "*.log\nprivate/\n")
    for name in ("x.log", "private/diary.md", "README.md~", ".README.md.swp", "seen.md"):
        one.write(name, "x\n")
    world.settle()
    assert set(world.remote.files()) == {"README.md", ".gitignore", "seen.md"}


def test_17_links_and_folders_in_place_of_files_are_refused(world: World, tmp_path: Path) -> None:
    one, two = pair(world)
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    (one.folder / "messages").mkdir()
    (one.folder / PAGE).symlink_to(secret)
    (one.folder / "messages/1_TO_3.md").mkdir()
    one.write("messages/1_TO_4.md", b"x" * (8 * 1024 * 1024 + 1))
    result = one.sync()
    assert {trouble.path for trouble in result.troubles} == {PAGE, "messages/1_TO_3.md", "messages/1_TO_4.md"}
    one.send("2")
    one.sync()
    assert secret.read_text() == "secret\n"
    two.sync()
    assert len(ids(two.read(PAGE))) == 1
    assert "messages/1_TO_4.md" not in two.files()


def test_17_a_linked_folder_is_not_followed(world: World, tmp_path: Path) -> None:
    one, two = pair(world)
    two.send("1")
    world.settle()
    elsewhere = tmp_path / "elsewhere"
    (one.folder / "messages").rename(elsewhere)
    (one.folder / "messages").symlink_to(elsewhere)
    before = {file.name: file.read_bytes() for file in elsewhere.iterdir()}
    two.send("1")
    two.sync()
    result = one.cycle(settle_now=True)
    assert result.state == "ok"
    assert [trouble.path for trouble in result.troubles] == ["messages"]
    assert {file.name: file.read_bytes() for file in elsewhere.iterdir()} == before
    assert len(ids(world.remote.read("messages/2_TO_1.md"))) == 2


def test_17_a_link_on_the_branch_is_not_made_here(world: World) -> None:
    one, _ = pair(world)
    person = world.person()
    (person.path / "messages").mkdir()
    (person.path / "messages/2_TO_1.md").symlink_to("/etc/passwd")
    person.commit()
    person.push()
    assert one.sync().state == "ok"
    assert not os.path.lexists(one.folder / "messages/2_TO_1.md")
    assert one.sync().pushed == 0


def test_14_bytes_are_kept(world: World) -> None:
    one, two = pair(world)
    odd = b"\xef\xbb\xbf# Page\r\nlatin \xe9\xff\0 nul\r\nlone\rcr\nno newline"
    one.write("odd.md", odd)
    one.write("messages/1_TO_9.md", odd)
    world.settle()
    assert two.read("odd.md") == odd
    assert two.read("messages/1_TO_9.md") == odd


def test_13_an_emptied_folder_asks(world: World) -> None:
    one, two = pair(world)
    for number in range(6):
        two.send("1", f"number {number}")
    world.settle()
    one.finals.update(ids(one.read("messages/2_TO_1.md")))
    two.finals.update(one.finals)
    for file in one.folder.iterdir():
        if file.name != ".git":
            subprocess.run(["rm", "-r", str(file)], check=True)
    result = one.cycle(settle_now=True)
    assert (result.state, result.kind) == ("halted", "mass-deletion")
    assert len(ids(world.remote.read("messages/2_TO_1.md"))) == 6
    ident = one.send("2", "still works")
    one.cycle(settle_now=True)
    assert ids(world.remote.read(PAGE)) == [ident]
    one.git("checkout", "--", ".")
    assert one.sync().state == "ok"
    world.settle()
    assert one.files() == two.files() == world.remote.files()


def test_13_the_way_back_that_is_offered_keeps_what_was_written_meanwhile(world: World) -> None:
    one, two = pair(world)
    sent = [two.send("1") for _ in range(6)]
    world.settle()
    (one.folder / "messages/2_TO_1.md").unlink()
    one.append("README.md", "written meanwhile\n")
    result = one.cycle(settle_now=True)
    assert (result.state, result.kind) == ("halted", "mass-deletion")
    assert result.remedy is not None
    command = result.remedy.partition("with: ")[2].partition("   in the folder")[0]
    subprocess.run(["sh", "-c", command], cwd=one.folder, check=True)
    one.sync()
    world.settle()
    assert ids(one.read("messages/2_TO_1.md")) == sent
    assert two.read("README.md").endswith(b"written meanwhile\n")


def test_13_a_mass_deletion_that_arrives_asks(world: World) -> None:
    one, two = pair(world)
    for number in range(6):
        two.send("1", f"number {number}")
    world.settle()
    person = world.person()
    person.commit({"messages/2_TO_1.md": None})
    person.push()
    result = one.cycle()
    assert (result.state, result.kind) == ("halted", "mass-deletion")
    assert len(ids(one.read("messages/2_TO_1.md"))) == 6
    assert one.cycle(accept_deletions=True).state == "ok"
    assert not (one.folder / "messages/2_TO_1.md").exists()


def test_13_moving_to_the_archive_is_no_deletion(world: World) -> None:
    one, two = pair(world)
    for number in range(8):
        one.send("2", f"number {number}")
    world.settle()
    data = one.read(PAGE)
    (one.folder / "archive/2026-11").mkdir(parents=True)
    one.write("archive/2026-11/1_TO_2.md", data[data.index(b"<!-- msg") :])
    (one.folder / PAGE).unlink()
    one.finals.update(ids(data))
    two.finals.update(ids(data))
    world.settle()
    assert one.files() == two.files()
    assert ids(two.read("archive/2026-11/1_TO_2.md")) == ids(data)


def test_a_save_during_the_placement_is_kept(world: World) -> None:
    one, two = pair(world)
    two.send("1", "first")
    world.settle()
    page = "messages/2_TO_1.md"
    before = one.read(page)
    two.send("1", "second")
    two.sync()

    def save(name: str) -> None:
        if name == "6-place-written":
            one.write(page, before + b"\nsaved just now\n")

    one.fault = save
    one.cycle()
    one.fault = lambda _name: None
    world.settle()
    assert b"saved just now" in two.read(page)
    assert len(ids(two.read(page))) == 2
    assert one.files() == two.files()


def test_a_writer_that_holds_the_file_open_is_heard(world: World) -> None:
    one, two = pair(world)
    one.write("notes.md", "one\n")
    world.settle()
    with (one.folder / "notes.md").open("ab") as file:
        two.append("notes.md", "two\n")
        two.sync()
        assert one.sync().changed
        file.write(b"three\n")
    one.restart()  # the next start looks at what was displaced
    world.settle()
    assert {b"one", b"two", b"three"} <= set(two.read("notes.md").splitlines())
    assert one.files() == two.files()
    assert not list((one.folder / ".git/gitsync/displaced").iterdir())


def test_16_a_name_the_file_system_cannot_take_is_never_read_as_deleted(world: World) -> None:
    one, _ = pair(world)
    person = world.person()
    blob = person.git("hash-object", "-w", "README.md").strip()
    name = "x" * 250 + "/" + "y" * 300 + ".md"
    tree = subprocess.run(
        ["git", "mktree"],
        input=f"100644 blob {blob}\tREADME.md\n100644 blob {blob}\t{'y' * 300}.md\n",
        cwd=person.path, text=True, capture_output=True, check=True,
    ).stdout.strip()  # fmt: skip
    commit = person.git("commit-tree", tree, "-p", "HEAD", "-m", name[:10]).strip()
    person.git("push", "-q", "origin", f"{commit}:refs/heads/coordination")
    one.sync()
    one.append("README.md", "a line\n")
    one.sync()
    one.restart()
    one.append("README.md", "another\n")
    one.sync()
    assert world.remote.git("ls-tree", "--name-only", "coordination").splitlines() == ["README.md", "y" * 300 + ".md"]


def test_i3_a_save_that_did_not_see_what_had_just_arrived(world: World) -> None:
    one, two = pair(world)
    one.write("notes.md", "top\n")
    world.settle()
    buffer = one.read("notes.md")
    two.append("notes.md", "from two\n")
    two.sync()
    one.cycle()
    one.write("notes.md", buffer + b"typed at one\n")
    world.settle()
    assert sorted(two.read("notes.md").splitlines()) == [b"from two", b"top", b"typed at one"]
    two.write("notes.md", two.read("notes.md").replace(b"from two\n", b""))
    world.settle()
    assert b"from two" not in one.read("notes.md")


def test_i3_an_editor_opened_on_a_new_name_did_not_see_the_file_that_arrived_under_it(world: World) -> None:
    one, two = pair(world)
    two.write("plan/next.md", "from two\n")
    two.sync()
    one.cycle()
    one.write("plan/next.md", "typed at one\n")
    world.settle()
    assert sorted(two.read("plan/next.md").splitlines()) == [b"from two", b"typed at one"]
    assert one.files() == two.files()


def test_i3_a_save_that_did_not_see_what_had_arrived_is_judged_alike_after_a_restart(world: World) -> None:
    one, two = pair(world)
    one.write("notes.md", "top\n")
    world.settle()
    buffer = one.read("notes.md")
    two.append("notes.md", "from two\n")
    two.sync()
    one.cycle()
    one.write("notes.md", buffer + b"typed at one\n")
    one.restart()
    world.settle()
    assert sorted(two.read("notes.md").splitlines()) == [b"from two", b"top", b"typed at one"]


@pytest.mark.parametrize("away", [False, True])
def test_i3_who_removes_what_was_saved_unseen_removes_no_more(world: World, away: bool) -> None:
    one, two = pair(world)
    one.write("notes.md", "top\n")
    world.settle()
    buffer = one.read("notes.md")
    two.append("notes.md", "from two\n")
    two.sync()
    one.cycle()
    one.write("notes.md", buffer + b"typed at one\n")
    bare, hidden = world.remote.path, world.remote.path.with_name("hidden")
    if away:
        bare.rename(hidden)
    assert (one.cycle().state == "offline") is away
    if away:
        hidden.rename(bare)
    (one.folder / "notes.md").unlink()
    world.settle()
    assert b"from two" in two.read("notes.md")
    assert one.files() == two.files()


def test_a_removed_file_with_an_open_message_comes_back(world: World) -> None:
    one, two = pair(world)
    ident = two.send("1")
    world.settle()
    page = "messages/2_TO_1.md"
    (one.folder / page).unlink()
    result = one.sync()
    assert [trouble.path for trouble in result.troubles] == [page]
    assert ids(one.read(page)) == [ident]
    world.settle()
    assert one.files() == two.files()


def test_a_file_made_here_at_the_moment_another_arrives_keeps_both(world: World) -> None:
    one, two = pair(world)
    two.write("notes.md", "from two\n")
    two.sync()

    def save(name: str) -> None:
        if name == "6-place-written":
            one.write("notes.md", "typed at one\n")

    one.fault = save
    one.cycle()
    one.fault = lambda _name: None
    assert one.read("notes.md") == b"typed at one\n"
    one.restart()
    world.settle()
    assert sorted(two.read("notes.md").splitlines()) == [b"from two", b"typed at one"]
    assert one.files() == two.files()


def test_editor_folders_stay_at_home_unless_the_branch_has_them(world: World) -> None:
    one, two = pair(world)
    one.write(".vscode/settings.json", "{}\n")
    one.write("x.tmp", "mine\n")
    one.sync()
    assert set(world.remote.files()) == {"README.md"}
    person = world.person()
    person.commit({".vscode/launch.json": "[]\n", "y.tmp": "tracked\n"})
    person.push()
    world.settle()
    one.restart()
    one.append("y.tmp", "typed\n")
    world.settle()
    assert set(world.remote.files()) == {"README.md", ".vscode/launch.json", ".vscode/settings.json", "y.tmp"}
    assert two.read("y.tmp") == b"tracked\ntyped\n"


def test_i3_a_file_made_here_and_elsewhere_while_it_is_still_being_written(world: World) -> None:
    one = world.computer("1", settle=30.0)
    one.cycle()
    one.write("NOTES.md", "mine\n")
    person = world.person()
    person.commit({"NOTES.md": "theirs\n"}, "by hand")
    person.push()
    one.cycle()  # takes the branch, leaves the unfinished file alone
    assert one.read("NOTES.md") == b"mine\n"
    one.sync()
    assert set(one.read("NOTES.md").splitlines()) == {b"mine", b"theirs"}
    assert world.remote.read("NOTES.md") == one.read("NOTES.md")


def test_i3_a_file_made_here_while_it_arrives_and_changes_again_and_again(world: World) -> None:
    """The second change of it that arrives finds a version on the branch that was never on this disk."""
    one = world.computer("1", settle=30.0)
    one.cycle()
    one.write("NOTES.md", "mine\n")
    person = world.person()
    text = ""
    for number in range(3):
        text += f"theirs {number}\n"
        person.commit({"NOTES.md": text}, "by hand")
        person.push()
        one.cycle()
    one.sync()
    assert sorted(one.read("NOTES.md").splitlines()) == [b"mine", b"theirs 0", b"theirs 1", b"theirs 2"]
    assert world.remote.read("NOTES.md") == one.read("NOTES.md")


def test_i3_a_file_edited_since_the_clone_while_a_change_of_it_arrives(world: World) -> None:
    person = world.person()
    person.commit({"NOTES.md": "a\nb\nc\n"}, "by hand")
    person.push()
    one = world.computer("1", settle=30.0)
    one.cycle()
    one.write("NOTES.md", "a\nb\nc\nmine\n")
    person.commit({"NOTES.md": "theirs\na\nb\nc\n"}, "by hand")
    person.push()
    one.cycle()
    one.sync()
    assert one.read("NOTES.md") == b"theirs\na\nb\nc\nmine\n"

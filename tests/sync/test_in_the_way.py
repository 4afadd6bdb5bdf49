"""What a plain push can put where our files belong: reported, and everything else goes on."""

from __future__ import annotations

import os
import subprocess

from gitsync.protocol.message import write
from tests.sync.test_hand_edits import PAGE, pair
from tests.sync.world import Computer, World, ids, message


def troubles(computer: Computer) -> dict[str, str]:
    return {trouble.path: trouble.text for trouble in computer.sync().troubles}


def push_tree(world: World, entries: dict[str, bytes]) -> None:
    """Push a tree that git's own commands would refuse to make."""
    git = ["git", "-C", str(world.remote.path)]

    def made(*args: str, data: bytes) -> str:
        return subprocess.run([*git, *args], input=data, capture_output=True, check=True).stdout.decode().strip()

    tip = world.remote.tip() or ""
    lines = world.remote.git("ls-tree", tip).splitlines()
    for name, content in entries.items():
        blob = made("hash-object", "-w", "--stdin", data=content)
        below = made("mktree", data=f"100644 blob {blob}\tconfig\n".encode())
        lines.append(f"040000 tree {below}\t{name}")
    tree = made("mktree", data="".join(f"{line}\n" for line in lines).encode())
    commit = world.remote.git("commit-tree", tree, "-p", tip, "-m", "odd").strip()
    world.remote.git("update-ref", "refs/heads/coordination", commit)


def test_paths_that_leave_the_mailbox_stop_nothing(world: World) -> None:
    one, two = pair(world)
    before = (one.folder / ".git/config").read_bytes()
    push_tree(world, {"..": b"outside\n", ".git": b"evil\n", ".GIT": b"evil\n", "git~1": b"evil\n"})
    assert set(troubles(one)) == set()  # they arrive
    assert set(troubles(one)) == {"../config", ".git/config", ".GIT/config", "git~1/config"}
    assert (one.folder / ".git/config").read_bytes() == before
    assert not (one.folder.parent / "config").exists()
    assert {".GIT", "git~1"}.isdisjoint(os.listdir(one.folder))
    one.send("2")
    one.append("README.md", "by hand\n")
    one.git("commit", "-q", "--allow-empty", "-m", "by git")
    world.settle()
    assert len(ids(two.read(PAGE))) == 1
    assert b"by hand" in two.read("README.md")


def test_17_a_folder_on_the_branch_makes_our_file_wait(world: World) -> None:
    one, two = pair(world)
    person = world.person()
    person.commit({f"{PAGE}/note.md": "kept\n", "messages/2_TO_1.md/note.md": "kept\n"})
    person.push()
    one.sync()
    one.send("2")
    one.send("3")
    result = one.sync()
    assert result.pending == 1
    assert PAGE in {trouble.path for trouble in result.troubles}
    assert world.remote.read(f"{PAGE}/note.md") == b"kept\n"
    assert len(ids(world.remote.read("messages/1_TO_3.md"))) == 1
    person.git("pull", "-q")
    person.commit({f"{PAGE}/note.md": None, "note.md": "kept\n"})
    person.push()
    assert one.sync().sent == 1
    two.sync()
    assert len(ids(two.read(PAGE))) == 1


def test_17_a_file_on_the_branch_where_our_folder_belongs_stays(world: World) -> None:
    one, _ = pair(world)
    person = world.person()
    person.commit({"messages": "somebody's file\n"})
    person.push()
    one.sync()
    one.send("2")
    result = one.sync()
    assert (result.pending, [trouble.path for trouble in result.troubles]) == (1, [PAGE])
    assert world.remote.read("messages") == b"somebody's file\n"


def test_i3_a_file_and_a_folder_of_one_name_both_stay(world: World) -> None:
    one, two = pair(world)
    one.write("notes", "a file\n")
    two.write("notes/today.md", "in a folder\n")
    one.sync()
    assert "notes/today.md" in troubles(two)
    assert world.remote.read("notes") == b"a file\n"
    assert two.read("notes/today.md") == b"in a folder\n"
    one.write("plan/today.md", "in a folder\n")
    two.write("plan", "a file\n")
    one.sync()
    assert "plan" in troubles(two)
    assert world.remote.read("plan/today.md") == b"in a folder\n"
    assert two.read("plan") == b"a file\n"


def test_17_a_folder_that_stood_in_the_way_on_disk_leaves_no_trace(world: World) -> None:
    one, two = pair(world)
    (one.folder / PAGE).mkdir(parents=True)
    two.sync()
    one.send("2")
    one.sync()
    (one.folder / PAGE).rmdir()
    before = world.remote.tip()
    world.settle()
    assert world.remote.tip() == before
    assert one.files() == two.files()


def test_17_links_on_the_branch_are_reported(world: World) -> None:
    one, two = pair(world)
    person = world.person()
    (person.path / "messages").mkdir()
    for name, target in (("2_TO_1.md", "/etc/passwd"), ("1_TO_2.md", "nowhere"), ("3_TO_1.md", "/etc")):
        (person.path / "messages" / name).symlink_to(target)
    person.commit()
    person.push()
    one.sync()
    assert set(troubles(one)) == {"messages/1_TO_2.md", "messages/2_TO_1.md", "messages/3_TO_1.md"}
    one.send("2")
    world.settle()
    assert len(ids(two.read(PAGE))) == 1
    assert set(os.listdir(one.folder / "messages")) == {"1_TO_2.md"}


def test_names_on_disk_that_git_refuses_stop_nothing(world: World) -> None:
    one, two = pair(world)
    one.write("git~1/config", "x\n")
    one.write("notes/GIT~1", "x\n")
    one.write("notes/today.md", "kept\n")
    assert {"git~1/config", "notes/GIT~1"} <= set(troubles(one))
    one.send("2")
    world.settle()
    assert two.read("notes/today.md") == b"kept\n"
    assert len(ids(two.read(PAGE))) == 1
    assert one.read("git~1/config") == b"x\n"


def test_refs_beside_the_branch_that_are_no_commits_stop_nothing(world: World) -> None:
    one, two = pair(world)
    blob = (
        subprocess.run(
            ["git", "-C", str(world.remote.path), "hash-object", "-w", "--stdin"],
            input=b"x",
            capture_output=True,
            check=True,
        )
        .stdout.decode()
        .strip()
    )
    for name in ("machine/3", "machine/BAD", "claim/x", "odd"):
        world.remote.git("update-ref", f"refs/gitsync/coordination/{name}", blob)
    one.send("2")
    world.settle()
    assert len(ids(two.read(PAGE))) == 1


def test_files_with_permissions_of_old_gits_are_files(world: World) -> None:
    one, two = pair(world)
    git = ["git", "-C", str(world.remote.path)]
    text = message("2", "1", "from long ago")
    blob = (
        subprocess.run([*git, "hash-object", "-w", "--stdin"], input=write(text), capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )
    raw = b"100664 2_TO_1.md\0" + bytes.fromhex(blob)
    below = (
        subprocess.run(
            [*git, "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
            input=raw,
            capture_output=True,
            check=True,
        )
        .stdout.decode()
        .strip()
    )
    tree = (
        subprocess.run(
            [*git, "mktree"],
            input=f"{world.remote.git('ls-tree', 'coordination')}040000 tree {below}\tmessages\n".encode(),
            capture_output=True,
            check=True,
        )
        .stdout.decode()
        .strip()
    )
    commit = world.remote.git("commit-tree", tree, "-p", "coordination", "-m", "old").strip()
    world.remote.git("update-ref", "refs/heads/coordination", commit)
    two.send("1")
    world.settle()
    assert ids(one.read("messages/2_TO_1.md"))[0] == text.id
    assert len(ids(one.read("messages/2_TO_1.md"))) == 2

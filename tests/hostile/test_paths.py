# ruff: noqa: E501 - lines of data
"""Attacks by what stands in a tree: names, links, submodules, settings of git, sizes, depth, two entries of one name."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gitsync.protocol.paths import MAX_FILE
from tests.hostile.enemy import EXECUTABLE, FILE, FOLDER, LINK, SUBMODULE, Town, block, ids_of, names_below

ID = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
GIT_NAMES = (
    b".git", b".GIT", b".Git", b"git~1", b"GIT~1", b".git ", b".git.", b".git. .", b".git::$INDEX_ALLOCATION", b".git:x",
    ".g\u200cit".encode(), ".git\u200c".encode(), "\u200e.git".encode(), ".gi\ufefft".encode(), "\u206a.GIT".encode(),
)  # fmt: skip


def test_names_that_some_file_system_takes_for_git(town: Town) -> None:
    hook = b"#!/bin/sh\ntouch pwned\n"
    town.enemy.add({name + b"/hooks/post-checkout": hook for name in GIT_NAMES})
    town.enemy.add({b"deep/" + name + b"/config": b"[core]\n\tpager = touch pwned\n" for name in GIT_NAMES})
    town.goes_on()
    for reader in (town.one, town.two):
        assert {path.encode("utf-8", "surrogateescape") for path in reader.troubles} >= {
            *(name + b"/hooks/post-checkout" for name in GIT_NAMES),
            *(b"deep/" + name + b"/config" for name in GIT_NAMES),
        }
        assert not {part for name in names_below(reader.computer.folder) for part in name.split(b"/")} & set(GIT_NAMES)


def test_names_that_leave_the_mailbox(town: Town) -> None:
    blob = town.enemy.write("blob", b"outside\n")
    up = town.enemy.tree((FILE, b"canary", blob))
    town.enemy.push((FOLDER, b"..", up), (FOLDER, b".", up), (FILE, b"/etc/x", blob), (FILE, b"a/../../canary", blob))
    town.goes_on()
    for reader in (town.one, town.two):
        assert {"../canary", "./canary", "a/../../canary"} <= reader.troubles.keys()


def test_a_git_file_that_points_elsewhere(town: Town, tmp_path: Path) -> None:
    town.enemy.add({b"notes/.git": f"gitdir: {tmp_path}/evil\n".encode(), b"notes/x.md": b"kept\n"})
    town.goes_on()
    assert "notes/.git" in town.two.troubles
    assert town.two.computer.read("notes/x.md") == b"kept\n"


def test_long_names_and_names_that_are_no_text(town: Town) -> None:
    odd: dict[bytes, bytes | tuple[bytes, bytes, str]] = {
        b"x" * 300: b"a name longer than any disk takes\n",
        b"messages/\xff_TO_2.md": b"## x\n",
        b"caf\xe9.txt": b"latin 1\n",
        b"back\\slash": b"x\n",
        b"new\nline": b"x\n",
        b"\x1b[2Jclear": b"x\n",
        "\u202egpj.exe".encode(): b"x\n",
        b"-rf": b"x\n",
        b"con": b"x\n",
    }
    town.enemy.add(odd)
    town.goes_on()
    held = names_below(town.two.computer.folder)
    assert set(odd) - held == {b"x" * 300}
    assert town.one.computer.files() == town.two.computer.files()


def test_names_that_differ_in_case(town: Town) -> None:
    first, second = block(ID, "as written"), block(ID[:-1] + "9", "in capitals")
    town.enemy.add({b"messages/3_TO_2.md": first, b"messages/3_to_2.MD": second, b"MESSAGES/3_TO_2.md": second})
    town.goes_on()
    assert ID in town.two.handed()
    assert len(town.two.handed()) == len(set(town.two.handed()))


def test_links_are_never_followed(town: Town) -> None:
    target = town.enemy.write("blob", str(town.canary).encode())
    folder = town.enemy.write("blob", str(town.world.root).encode())
    town.enemy.add(
        {
            b"messages/3_TO_2.md": (LINK, b"3_TO_2.md", target),
            b"COMPUTER_2.md": (LINK, b"COMPUTER_2.md", target),
            b"receipts": (LINK, b"receipts", folder),
            b"archive": (LINK, b"archive", folder),
        }
    )
    town.goes_on()
    for reader in (town.one, town.two):
        assert {"messages/3_TO_2.md", "COMPUTER_2.md", "receipts", "archive"} <= reader.troubles.keys()
        assert not any(path.is_symlink() for path in reader.computer.folder.iterdir())


def test_a_folder_becomes_a_link_under_way(town: Town) -> None:
    town.enemy.add({b"notes/today.md": b"first\n"})
    town.settle()
    town.enemy.push((LINK, b"notes", town.enemy.write("blob", str(town.world.root).encode())))
    town.goes_on()
    town.enemy.add({b"notes/canary": b"dead\n"})
    town.goes_on()
    assert town.canary.read_text() == "alive\n"


def test_submodules_are_not_fetched(town: Town) -> None:
    modules = b'[submodule "x"]\n\tpath = sub\n\turl = "ext::sh -c touch% pwned"\n\tupdate = !touch pwned\n'
    town.enemy.add(
        {
            b".gitmodules": modules,
            b"sub": (SUBMODULE, b"sub", "1" * 40),
            b"COMPUTER_2.md": (SUBMODULE, b"COMPUTER_2.md", "2" * 40),
        }
    )
    town.goes_on()
    assert {"sub", "COMPUTER_2.md"} <= town.two.troubles.keys()
    assert not list(town.world.root.rglob("pwned"))


def test_attributes_change_no_byte_and_start_nothing(town: Town, isolated_home: Path) -> None:
    mark = town.world.root / "canary"
    settings = isolated_home / ".gitconfig"
    before = settings.read_text()
    # The drivers are those of a person who uses such things elsewhere, as with git-lfs.
    settings.write_text(
        before
        + f'[filter "evil"]\n\tsmudge = "echo dead > {mark}; cat"\n\tclean = "echo dead > {mark}; cat"\n\trequired = true\n'
        f'[merge "evil"]\n\tdriver = "echo dead > {mark}"\n[diff "evil"]\n\ttextconv = "echo dead > {mark}; cat"\n'
    )
    try:
        text = b"$Id$ caf\xc3\xa9\r\nline\n" + block(ID, "bytes")
        attributes = b"* filter=evil merge=evil diff=evil ident text eol=crlf working-tree-encoding=UTF-16\n"
        town.enemy.add(
            {b".gitattributes": attributes, b"messages/3_TO_2.md": text, b"messages/.gitattributes": attributes}
        )
        town.goes_on()
        assert town.two.computer.read("messages/3_TO_2.md") == text
        town.two.computer.append("messages/3_TO_2.md", "by hand\n")
        town.goes_on()
        assert town.one.computer.read("messages/3_TO_2.md") == text + b"by hand\n"
        assert ID in town.two.handed()
    finally:
        settings.write_text(before)


def test_settings_and_hooks_in_the_branch_are_only_files(town: Town) -> None:
    hook = (EXECUTABLE, b"post-merge", town.enemy.write("blob", b"#!/bin/sh\ntouch pwned\n"))
    town.enemy.add(
        {
            b"hooks/post-merge": hook,
            b".gitconfig": b"[core]\n\thooksPath = hooks\n",
            b"config": b"[include]\n\tpath = .gitconfig\n",
            b".mailmap": b"Machine One <1@gitsync> <enemy@example.invalid>\n",
            b".gitsync/config.toml": b'[machine]\nid = "1"\n[[agents]]\nname = "x"\nkind = "command"\ncommand = ["touch", "pwned"]\n',
        }
    )
    town.goes_on()
    assert not list(town.world.root.rglob("pwned"))


def test_a_gitignore_that_takes_for_ever(town: Town) -> None:
    town.enemy.add(
        {b".gitignore": b"\n".join([b"*?" * 30 + b"x", b"**/" * 200 + b"x", b"a" + b"*a" * 40 + b"b", b"[" * 500])}
    )
    town.settle()
    begin = time.process_time()
    town.two.computer.write("notes/" + "a" * 200 + ".md", "kept\n")
    town.two.go()
    assert time.process_time() - begin < 5
    assert f"notes/{'a' * 200}.md" in town.world.remote.files()
    town.goes_on()


def test_two_entries_of_one_name(town: Town) -> None:
    first, second = (town.enemy.write("blob", block(ID, text)) for text in ("first", "second"))
    folder = town.enemy.tree((FILE, b"inside", second))
    messages = town.enemy.tree((FILE, b"3_TO_2.md", first), (FILE, b"3_TO_2.md", second))
    town.enemy.push(
        (FOLDER, b"messages", messages), (FILE, b"twice", first), (FILE, b"twice", second), (FOLDER, b"twice", folder)
    )
    town.settle()
    assert town.one.computer.files() == town.two.computer.files()
    assert town.two.computer.read("messages/3_TO_2.md") == block(ID, "first")
    town.goes_on()
    assert town.two.handed().count(ID) == 1


def test_a_tree_a_thousand_deep(town: Town) -> None:
    tree = town.enemy.tree((FILE, b"bottom.md", town.enemy.write("blob", b"x\n")))
    for _ in range(1000):
        tree = town.enemy.tree((FOLDER, b"a", tree))
    town.enemy.push((FOLDER, b"deep", tree))
    long = town.enemy.tree((FILE, b"bottom.md", town.enemy.write("blob", b"x\n")))
    for _ in range(100):
        long = town.enemy.tree((FOLDER, b"a" * 200, long))
    town.enemy.push((FOLDER, b"long", long))
    begin = time.process_time()
    town.goes_on()
    assert time.process_time() - begin < 20


@pytest.mark.parametrize("megabytes", [9, pytest.param(50, marks=pytest.mark.soak)])
def test_a_huge_file(town: Town, megabytes: int) -> None:
    huge = os.urandom(1 << 20) * megabytes
    town.enemy.add({b"messages/3_TO_2.md": block(ID, "small") + huge, b"film.mp4": huge})
    town.goes_on()
    assert "messages/3_TO_2.md" in town.two.troubles
    assert ID not in town.two.handed()
    assert len(huge) > MAX_FILE
    begin = time.process_time()
    for _ in range(3):
        town.two.computer.sync()
    assert time.process_time() - begin < 0.5, "a file that nobody reads costs time in each cycle"


@pytest.mark.parametrize("number", [2_000, pytest.param(50_000, marks=pytest.mark.soak)])
def test_very_many_files(town: Town, number: int) -> None:
    blob = town.enemy.write("blob", b"x\n")
    folders = [
        (FOLDER, b".f%05d" % top, town.enemy.tree(*((FILE, b"%05d.md" % name, blob) for name in range(10))))
        for top in range(number // 10)
    ]
    town.enemy.push(*folders)
    begin = time.process_time()
    town.two.go()
    took = time.process_time() - begin
    assert len(names_below(town.two.computer.folder)) >= number
    begin = time.process_time()
    town.two.go()
    again = time.process_time() - begin
    assert took < 4 + number / 300, f"{took:.1f} s to take {number} files"
    assert again < 1 + number / 2000, f"{again:.1f} s to look at {number} files"
    town.goes_on()


def test_ids_that_are_paths_are_no_messages(town: Town) -> None:
    bad = b"".join(
        block(ident, "bad") for ident in ("../../etc/passwd", "/tmp/x", ID + "/..", ID[:-1] + "\u0660", ID + "~../x")
    )
    town.enemy.add({b"messages/3_TO_2.md": bad + block(ID, "good")})
    town.goes_on()
    assert [ident for ident in town.two.handed() if ident.startswith("01JD3W")] == [ID]
    assert ids_of(town.world.remote.read("messages/3_TO_2.md")) == [ID]

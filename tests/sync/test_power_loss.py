"""Row 25: power loss. What a step relies on is on the disk before the step: objects, refs, rows, files.

The order is taken down as it happens: each write, fsync and rename of this process, and each git that it starts,
which tells itself how often it flushed (git's own trace).
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gitsync.git import wrapped
from gitsync.ledger.ledger import Ledger
from gitsync.sync import materialise
from tests.sync.test_hand_edits import PAGE, pair
from tests.sync.world import Computer, World, ids

File = tuple[int, int]


@dataclass
class Record:
    """What became of files, in order."""

    synced: set[File] = field(default_factory=set)
    """Files with nothing written since they were synced."""
    written: set[File] = field(default_factory=set)
    moved: list[tuple[str, str, bool]] = field(default_factory=list)
    """Renames: from, to, and whether the bytes were on the disk by then."""
    at_push: list[tuple[list[str], set[str]]] = field(default_factory=list)
    """The pushes: their command lines, and the commits that the journal knew at that moment."""


def _file(info: os.stat_result) -> File:
    return info.st_dev, info.st_ino


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Iterator[Record]:
    """Take down what this process does to files."""
    found = Record()
    write, fsync, rename, swap, place = os.write, os.fsync, os.rename, materialise.swap, materialise.place_new

    def writing(fd: int, data: Any) -> int:
        info = os.fstat(fd)
        if stat.S_ISREG(info.st_mode):
            found.written.add(_file(info))
            found.synced.discard(_file(info))
        return write(fd, data)

    def syncing(fd: int) -> None:
        fsync(fd)
        found.synced.add(_file(os.fstat(fd)))

    def note(source: Any, target: Any) -> None:
        found.moved.append((os.fspath(source), os.fspath(target), _file(os.lstat(source)) in found.synced))

    def renaming(source: Any, target: Any, **options: Any) -> None:
        note(source, target)
        rename(source, target, **options)

    def swapping(source: str, target: str) -> bool:
        note(source, target)
        return swap(source, target)

    def placing(source: str, target: str) -> None:
        note(source, target)
        place(source, target)

    for owner, name, new in (
        (os, "write", writing),
        (os, "fsync", syncing),
        (os, "rename", renaming),
        (materialise, "swap", swapping),
        (materialise, "place_new", placing),
    ):
        monkeypatch.setattr(owner, name, new)
    yield found
    monkeypatch.undo()


def attempts(computer: Computer) -> set[str]:
    """Give the attempted commits that somebody else who opens the journal finds in it."""
    with closing(sqlite3.connect(f"file:{computer.folder}/.git/gitsync/journal.sqlite3?mode=ro", uri=True)) as file:
        return {row[0] for row in file.execute("SELECT commit_id FROM attempts")}


def watch_pushes(computer: Computer, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Note what the journal says whenever a push is about to start."""
    start: Callable[..., Any] = wrapped.start

    def starting(argv: Sequence[str], *args: Any, **options: Any) -> Any:
        if "push" in argv:
            record.at_push.append((list(argv), attempts(computer)))
        return start(argv, *args, **options)

    monkeypatch.setattr(wrapped, "start", starting)


def test_25_what_is_pushed_is_on_the_disk_first(world: World, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = pair(world)
    record.moved.clear()
    watch_pushes(one, record, monkeypatch)
    one.send("2")
    one.append("README.md", "typed\n")
    one.sync()
    two.sync()
    branch = [
        (argv, known) for argv, known in record.at_push if any("refs/heads/coordination" in word for word in argv)
    ]
    assert branch
    for argv, known in branch:
        commit = next(word for word in argv if word.endswith(":refs/heads/coordination") and "=" not in word)
        assert commit.partition(":")[0] in known  # an attempt is a row before it is a push
    objects = [(source, target, safe) for source, target, safe in record.moved if "/objects/" in target]
    assert len(objects) >= 6  # two commits with a tree and a blob each, at least
    assert all(safe for _, _, safe in objects), objects
    made = {target[-41:].replace("/", "") for _, target, _ in objects}
    new = world.remote.git("rev-list", "--objects", "-2", "coordination").split("\n")[:2]
    assert set(new) <= made


def test_25_a_file_is_on_the_disk_before_it_takes_its_place(world: World, record: Record) -> None:
    one, two = pair(world)
    one.send("2", "first")
    one.append("README.md", "typed\n")
    world.settle()
    one.send("2", "second")
    record.moved.clear()
    one.sync()
    two.sync()
    placed = [(source, target, safe) for source, target, safe in record.moved if target.startswith(str(two.folder))]
    placed = [move for move in placed if "/.git/" not in move[1]]
    assert {os.path.relpath(target, two.folder) for _, target, _ in placed} == {PAGE}
    assert all(safe for _, _, safe in placed), placed
    assert all(Path(source).parent == two.folder / ".git/gitsync/place" for source, _, _ in placed)
    index = [safe for _, target, safe in record.moved if target == str(two.folder / ".git/index")]
    assert index == [True] * len(index) != []
    assert len(ids(two.read(PAGE))) == 2


def test_25_the_row_of_a_placement_comes_before_it(world: World, record: Record) -> None:
    """What a power loss leaves half done is known by name at the next start."""
    one, two = pair(world)
    one.send("2")
    one.sync()
    seen = []

    def look(point: str) -> None:
        if point == "6-place-noted":
            with closing(sqlite3.connect(f"file:{two.folder}/.git/gitsync/journal.sqlite3?mode=ro", uri=True)) as file:
                seen.append([row[0] for row in file.execute("SELECT path FROM places")])
            assert not (two.folder / PAGE).exists()

    two.fault = look
    two.sync()
    assert seen == [[PAGE]]
    assert two.journal.places() == []


def test_25_rows_that_stand_for_an_effect_are_synced(world: World, tmp_path: Path) -> None:
    """SQLite syncs at each commit of the journal (FULL), and of the ledger, which is a cache, now and then (NORMAL)."""
    one = world.computer("1")
    with one.journal.db.read() as conn:
        assert conn.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert conn.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    with ledger._db.read() as conn:
        assert conn.execute("PRAGMA synchronous").fetchone()[0] == 1
    ledger.close()


def test_25_git_syncs_the_refs_and_packs_that_it_writes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    trace = tmp_path / "trace.json"
    (home / ".gitconfig").write_text(f"[trace2]\n\teventTarget = {trace}\n")
    one, two = pair(world)
    for computer in (one, two):
        computer.stop()
    monkeypatch.setenv("HOME", str(home))
    for computer in (one, two):
        computer.start()
    for number in range(3):
        one.send("2", f"number {number}")
        one.sync()
    two.sync()
    for computer in (one, two):
        computer.mailbox.close()  # the one that moves refs tells at its end
    told: dict[str, dict[str, Any]] = {}
    for line in trace.read_text().splitlines():
        event = json.loads(line)
        known = told.setdefault(event["sid"], {"argv": [], "flushed": 0})
        if event["event"] == "start":
            known["argv"] = event["argv"]
        if event["event"] == "data" and event["key"] == "fsync/hardware-flush":
            known["flushed"] += int(event["value"])
    ours = [known for known in told.values() if "-c" in known["argv"]]
    assert ours
    for known in ours:
        assert "core.fsync=committed,loose-object,reference" in known["argv"]
    flushed = {
        name: sum(known["flushed"] for known in told.values() if name in known["argv"])
        for name in ("update-ref", "fetch", "unpack-objects", "index-pack")
    }
    assert flushed["update-ref"] > 0
    assert flushed["fetch"] > 0
    assert flushed["unpack-objects"] + flushed["index-pack"] > 0

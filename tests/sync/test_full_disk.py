"""Row 12 on a disk that really is full: no half file, and everything goes on when there is room again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsync.errors import GitsyncError
from tests.disks import SmallDisk, small_disk
from tests.remotes import Remotes
from tests.sync.test_hand_edits import HAND, PAGE, pair
from tests.sync.world import Computer, World, ids

THEIRS = "messages/2_TO_1.md"
PAGES = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 24) as mounted:
        yield mounted


@pytest.fixture
def world(disk: SmallDisk, make_remote: Remotes) -> Iterator[World]:
    """Computers whose clones are on the small disk; the remote has room."""
    world = World(disk.path, make_remote("file"))
    world.seed()
    yield world
    disk.make_room()
    world.close()


def whole(computer: Computer, allowed: dict[str, set[bytes]]) -> None:
    """Insist that each file is one of the versions that somebody wrote."""
    for path, data in computer.files().items():
        if path in allowed:
            assert data in allowed[path], path


@pytest.mark.faults
@pytest.mark.parametrize("pages", [0, 1, 2, 4, 8, 16, 32, 64, 128])
def test_12_a_cycle_on_a_full_disk(world: World, disk: SmallDisk, pages: int) -> None:
    one, two = pair(world, free_space=0)
    world.settle()
    one.send("2", "mine")
    one.write(PAGE, "# Messages\n" + HAND)
    for number in range(5):
        two.send("1", f"{number} " + "x" * 20_000)
        two.write(f"notes/{number}.md", f"{number}\n" * 5_000)
    two.sync()
    allowed = {path: {data} for path, data in two.files().items()}
    for path, data in one.files().items():
        allowed.setdefault(path, set()).add(data)
    disk.fill(leave=pages * PAGES)
    short = [one.cycle(settle_now=True) for _ in range(3)]
    del allowed[PAGE]  # its wrap is made during the cycle
    whole(one, allowed)
    assert b"At the build." in one.read(PAGE)
    for result in short:
        assert result.state == "ok" or result.error
    if pages == 0:
        assert short[-1].state != "ok"
    disk.make_room()
    world.settle(rounds=6)
    assert one.files() == two.files() == world.remote.files()
    assert len(ids(two.read(PAGE))) == 2
    assert len(ids(one.read(THEIRS))) == 5
    assert one.git("status", "--porcelain") == ""
    one.git("fsck", "--strict", "--no-dangling")
    assert one.journal.pending_count() == 0
    assert one.journal.places() == []
    with one.journal.db.read() as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.faults
def test_12_send_on_a_full_disk_is_refused_or_durable(world: World, disk: SmallDisk) -> None:
    one, two = pair(world, free_space=0)
    disk.fill(leave=6 * PAGES)
    accepted, refused = [], list[str]()
    for number in range(40):
        try:
            accepted.append(one.send("2", f"{number} " + "y" * 3_000))
        except GitsyncError as error:
            refused.append(f"{error.what} {error.why}")
    assert refused
    assert all("disk is full" in text for text in refused)
    one.restart()  # nothing was in memory only
    disk.make_room()
    accepted.append(one.send("2", "room again"))
    world.settle()
    assert ids(two.read(PAGE)) == accepted


@pytest.mark.faults
def test_12_a_full_disk_and_a_restart(world: World, disk: SmallDisk) -> None:
    one, two = pair(world, free_space=0)
    two.send("1", "z" * 200_000)
    two.sync()
    one.append("README.md", "typed\n")
    disk.fill(leave=2 * PAGES)
    one.cycle(settle_now=True)
    typed = one.read("README.md")
    assert typed.endswith(b"typed\n")
    disk.make_room()
    one.restart()
    world.settle(rounds=6)
    assert one.files() == two.files()
    assert two.read("README.md").endswith(b"typed\n")
    assert os.path.getsize(one.folder / THEIRS) > 200_000

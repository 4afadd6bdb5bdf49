"""Ten thousand cycles cost what a hundred cost: memory, open files, processes and the repository stay as they are."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.campaign.fleet import Fleets, Member
from tests.campaign.records import record
from tests.remotes import Remote, Remotes, run_git
from tests.sync.world import World

pytestmark = pytest.mark.soak

CYCLES = int(os.environ.get("GITSYNC_CYCLES", "10000"))


class Size(NamedTuple):
    """What a process holds."""

    kib: int
    files: int
    threads: int
    children: int


def size(pid: int) -> Size:
    """Measure a process by what the system knows of it."""
    said = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    files = len(os.listdir(f"/proc/{pid}/fd"))
    return Size(int(said["VmRSS"].split()[0]), files, int(said["Threads"]), len(children))


@pytest.mark.timeout(7200)
def test_a_process_stays_as_it_is(tmp_path: Path, remotes: Remotes) -> None:
    """Ask a real process for cycle after cycle, with a message each way now and then."""
    began = time.monotonic()
    with Fleets(tmp_path, remotes) as fleets:
        fleet = fleets("file", 2)
        fleet.start()
        one, two = fleet.members
        warm: list[Size] = []
        last: list[Size] = []
        for number in range(CYCLES):
            if number % 50 == 0:
                assert fleet.send(one, "2/web")
                assert fleet.send(two, "1/web")
            assert one.call("POST", "/sync", {})[0] == 200
            if number % 20 == 0 and 0.1 <= number / CYCLES < 0.2:
                warm.append(measured(one))
            if number % 20 == 0 and number / CYCLES >= 0.9:
                last.append(measured(one))
        fleet.rest(120)
        fleet.stop()
        found = fleet.check()
        figures = fleet.figures()
    run = {
        "point": "soak", "deed": "process", "remote": "file", "seed": 0, "hit": True, "cycles": CYCLES, **figures,
        "warm": middle(warm)._asdict(), "last": middle(last)._asdict(), "violations": len(found),
        "ms": round(1000 * (time.monotonic() - began)),
    }  # fmt: skip
    record("soak", run)
    assert found == []
    before, after = middle(warm), middle(last)
    assert after.kib < before.kib * 1.15 + 2048, (before, after)
    assert after.kib < 60 * 1024
    assert after.files <= before.files + 2, (before, after)
    assert after.threads <= before.threads + 2, (before, after)
    assert after.children <= before.children + 1, (before, after)


def measured(member: Member) -> Size:
    """Measure the process of a machine."""
    assert member.pid is not None
    return size(member.pid)


def middle(sizes: list[Size]) -> Size:
    """Give the median of each figure."""
    return Size(*(sorted(column)[len(sizes) // 2] for column in zip(*sizes, strict=True)))


@pytest.mark.timeout(7200)
def test_a_repository_grows_by_what_is_said(tmp_path: Path, bare: Remote) -> None:
    """With maintenance as the process does it, the clone takes so much for each message and nothing for each cycle."""
    world = World(tmp_path, bare)
    world.seed()
    one, two = world.computer("1", settle=0.0), world.computer("2", settle=0.0)
    marks: list[tuple[int, int, int]] = []
    before = size(os.getpid())
    try:
        for number in range(CYCLES):
            if number % 10 == 0:
                one.send("2", f"body {number}")
            one.cycle()
            if number % 5 == 0:
                two.cycle()
            if number % 500 == 499:
                for computer in (one, two):
                    computer.mailbox.maintain()
                marks.append((number + 1, kib(one.folder / ".git"), objects(one.folder)))
        world.settle()
        assert one.files() == two.files() == bare.files()
    finally:
        world.close()
    after = size(os.getpid())
    figures = {"cycles": CYCLES, "messages": CYCLES // 10, "marks": marks, "rss": [before.kib, after.kib]}
    run = {"point": "soak", "deed": "repository", "remote": "file", "seed": 0, "hit": True, "ms": 0, "violations": 0}
    record("soak", {**run, **figures})
    assert after.files <= before.files + 2, (before, after)
    assert after.children <= before.children, (before, after)
    middle_kib = marks[len(marks) // 2 - 1][1]
    assert marks[-1][1] < middle_kib * 2.6 + 4096, marks  # twice the messages, about twice the room
    assert marks[-1][2] < 4000, marks  # what is loose is packed


def kib(folder: Path) -> int:
    """Add up what the files of a folder take."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) // 1024


def objects(folder: Path) -> int:
    """Count loose objects."""
    said = dict(line.split(": ") for line in run_git("count-objects", "-v", cwd=folder).splitlines())
    return int(said["count"])

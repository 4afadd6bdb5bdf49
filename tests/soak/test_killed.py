"""Row 2, at random moments: a machine that is killed again and again while it works loses nothing and repeats nothing.

`make faults SEEDS=20` plays twenty of them; one belongs to every run of the tests.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.remotes import Remote
from tests.sync.world import World, ids

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(int(os.environ.get("GITSYNC_SEEDS", "1")))
KILLS = 4

WORK = """
import itertools, sys
from pathlib import Path
from gitsync.sync.settings import SyncSettings
from tests.remotes import Remote
from tests.sync.world import Computer

folder = Path(sys.argv[1])
computer = Computer("1", folder, SyncSettings(settle=0.0), Remote("file", "", Path())).start()
for number in itertools.count():
    print("sent", computer.send("2", f"body {number}"), flush=True)
    line = f"line {sys.argv[2]}-{number}"
    with (folder / "NOTES.md").open("a") as notes:  # one write: a save that is cut short would be our own loss
        notes.write(line + "\\n")
    print("wrote", line, flush=True)
    computer.cycle()
"""


@pytest.mark.faults
@pytest.mark.parametrize("seed", SEEDS)
def test_2_killed_at_any_moment(tmp_path: Path, bare: Remote, seed: int) -> None:
    draw = random.Random(seed)
    world = World(tmp_path, bare)
    world.seed()
    one, two = world.computer("1", settle=0.0), world.computer("2", settle=0.0)
    world.settle()
    sent: list[str] = []
    lines: list[str] = []
    try:
        for life in range(KILLS):
            one.stop()
            said = _work_until_killed(one.folder, life, draw.uniform(0.4, 1.2))
            sent += [word for kind, word in said if kind == "sent"]
            lines += [word for kind, word in said if kind == "wrote"]
            _age_locks(one.folder)
            one.start()
            two.append("NOTES.md", f"line of two {life}\n")
            lines.append(f"line of two {life}")
            world.settle(rounds=8)
        assert sent, "killed before anything was done"
        assert one.files() == two.files() == bare.files()
        found = ids(two.read("messages/1_TO_2.md"))
        assert len(found) == len(set(found))
        assert set(sent) <= set(found)
        notes = two.read("NOTES.md").decode().splitlines()
        assert {line: notes.count(line) for line in lines if notes.count(line) != 1} == {}
        assert one.git("status", "--porcelain") == ""
        one.git("fsck", "--strict", "--no-dangling")
    finally:
        world.close()


def _age_locks(folder: Path) -> None:
    """Let the time pass after which a lock that nobody holds counts as left behind (row 1)."""
    for lock in (folder / ".git").rglob("*.lock"):
        os.utime(lock, (1, 1))


def _work_until_killed(folder: Path, life: int, seconds: float) -> list[tuple[str, str]]:
    """Work in a process of its own for some seconds after its first word, then SIGKILL; return what it said it did."""
    child = subprocess.Popen(
        [sys.executable, "-c", WORK, str(folder), str(life)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(seconds)
    child.kill()
    rest = child.communicate()[0]
    said = [line.partition(" ") for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    return [(kind, word.rstrip("\n")) for kind, _, word in said]

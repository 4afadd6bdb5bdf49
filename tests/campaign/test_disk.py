"""Row 12 with real processes on a disk that really fills up, at moments that a seed draws, and has room again."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.campaign import checker
from tests.campaign.fleet import Fleets
from tests.campaign.records import record
from tests.campaign.seeds import ASKED, replay, seeds
from tests.campaign.test_points import quiet
from tests.disks import small_disk
from tests.remotes import Remotes

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

MEGABYTES = 96


@pytest.mark.parametrize("seed", seeds(20))
def test_12_a_disk_that_fills_up(tmp_path: Path, remotes: Remotes, request: pytest.FixtureRequest, seed: int) -> None:
    """What was accepted on a full disk is sent when there is room; what was not is refused in so many words."""
    began = time.monotonic()
    draw = random.Random(f"disk {seed}")
    run = {"point": "disk", "deed": "really full", "remote": "file", "seed": seed, "hit": True}
    with small_disk(tmp_path / "small", MEGABYTES) as disk, Fleets(disk.path, remotes) as fleets:
        fleet = fleets("file", 2)
        try:
            fleet.pause(0.0)
            fleet.start()
            for _ in range(4 if ASKED else 2):
                fleet.talk(draw, fleet.members, draw.randint(1, 6))
                time.sleep(draw.uniform(0.0, 0.4))
                disk.fill(leave=draw.choice((0, 0, 4096, 65536, 1 << 20)))
                for _ in range(draw.randint(1, 6)):
                    member = draw.choice(fleet.members)
                    fleet.send(member, f"{'1' if member.id == '2' else '2'}/{draw.choice(('web', 'steady'))}")
                if draw.random() < 0.5:
                    draw.choice(fleet.members).kill()
                time.sleep(draw.uniform(0.1, 1.0))
                disk.make_room()
                fleet.start()
            fleet.rest(90)
            idle = quiet(fleet)
            fleet.stop()
            found = fleet.check(idle=idle)
        except Exception as error:
            record("disk", {**run, "violations": 1, "error": str(error)[:2000], "ms": 0})
            raise AssertionError(f"{replay(request.node.nodeid, seed)}\n{error}") from error
        figures = fleet.figures()
    record("disk", {**run, **figures, "violations": len(found), "ms": round(1000 * (time.monotonic() - began))})
    assert not found, f"{replay(request.node.nodeid, seed)}\n{checker.report(found)}"

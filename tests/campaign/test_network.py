"""A bad network between each machine and the remote, and kill -9 at any moment: nothing is lost, nothing twice.

Each wire is a proxy of its own that refuses, resets, delays, swallows, or cuts a connection after some bytes, also in
the middle of a pack; which, when, and for how long is drawn by the seed.
"""

from __future__ import annotations

import random
import time

import pytest

from tests.campaign import checker
from tests.campaign.fleet import Fleet, Fleets
from tests.campaign.records import record
from tests.campaign.seeds import ASKED, replay, seeds
from tests.campaign.test_points import quiet
from tests.campaign.toxics import GOOD, KINDS, Toxic
from tests.remotes import SshServer

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

REMOTES = ("http", *(("ssh",) if SshServer.available() else ()))


@pytest.mark.parametrize("kind", REMOTES if ASKED else ("http",))
@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("killing", [False, True] if ASKED else [True])
def test_8_a_bad_network(fleets: Fleets, request: pytest.FixtureRequest, kind: str, seed: int, killing: bool) -> None:
    began = time.monotonic()
    draw = random.Random(f"network {kind} {seed} {killing}")
    fleet = fleets(kind, 3)
    run = {"point": "network", "deed": "kill" if killing else "toxics", "remote": kind, "seed": seed}
    try:
        harmed, kills = storm(fleet, draw, killing=killing)
        fleet.rest(90)
        idle = quiet(fleet)
        fleet.stop()
        found = fleet.check(idle=idle)
        fleet.remote.git("fsck", "--strict", "--no-dangling")
    except Exception as error:
        record("network", {**run, "violations": 1, "error": str(error)[:2000], "ms": 0})
        raise AssertionError(f"{replay(request.node.nodeid, seed)}\n{error}") from error
    done = {"hit": harmed > 0, "harmed": harmed, "kills": kills, "violations": len(found)}
    record("network", {**run, **fleet.figures(), **done, "ms": round(1000 * (time.monotonic() - began))})
    assert not found, f"{replay(request.node.nodeid, seed)}\n{checker.report(found)}"
    assert harmed, "no connection met a bad wire"


def storm(fleet: Fleet, draw: random.Random, *, killing: bool) -> tuple[int, int]:
    """Let everybody talk for some seconds over wires that change; count connections harmed and processes killed."""
    fleet.pause(0.0)
    fleet.start()
    wires = [member.wire for member in fleet.members if member.wire is not None]
    before = sum(wire.harmed for wire in wires)
    kinds = draw.sample(KINDS[1:], len(KINDS) - 1)  # each kind of harm at least once
    kills = 0
    for step in range(10):
        wire = draw.choice(wires)
        wire.set(Toxic(kinds[step], draw.randint(1, 4000), 0.2) if step < len(kinds) else Toxic.drawn(draw))
        fleet.talk(draw, [member for member in fleet.members if member.pid is not None], draw.randint(1, 3))
        time.sleep(draw.uniform(0.05, 0.7))
        if draw.random() < 0.4:
            draw.choice(wires).set(GOOD)
        if killing and draw.random() < 0.3:
            member = draw.choice(fleet.members)
            if member.pid is not None:
                member.kill()
                kills += 1
                fleet.talk(draw, [member], draw.randint(0, 2))
            fleet.start()
    for wire in wires:
        wire.set(GOOD)
        wire.cut()  # what hangs in a half-open connection is let go
    fleet.start()
    return sum(wire.harmed for wire in wires) - before, kills

"""Row 2, the whole of it: at every numbered point kill, exception, full disk and pause; real processes, real remotes.

A run: machine 1 is started with a fault while everybody talks and types; then it is dead, or held, or goes on. The
others go on all the while. It is started again, all comes to rest, and the checker, which knows git, files and the
agents' own logs alone, judges I1 to I7. `make faults` plays each point with each deed, `make faults-full` many seeds.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import time
import zlib

import pytest

from gitsync.config.faults import table
from tests.campaign import checker
from tests.campaign.fleet import Fleet, Fleets, Member, held_open, waited
from tests.campaign.records import record
from tests.campaign.seeds import ASKED, replay, seeds
from tests.remotes import SshServer

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

DEEDS = ("kill", "raise", "full", "pause")
POINTS = tuple(point.name for point in table())

BEFORE = {"0-settled": "6-place-exchanged:kill", "7-recovering": "7-begun:kill"}
"""What must have happened to a process for the next one to pass these points."""

NO_FULL = {"8-journal-committed", "9-ledger-committed", "8-journal-opened", "9-ledger-opened"}
"""A disk that is full is found before a commit returns, and not by opening what is there."""

FEW = [("5-answered", "kill", "http"), ("6-place-exchanged", "full", "file"), ("7-calling", "kill", "file")]


def remote_of(point: str, deed: str, seed: int) -> str:
    """Give the kind of remote for a run: mostly by path, which is quick."""
    drawn = zlib.crc32(f"{point} {deed} {seed}".encode()) % 8
    return "ssh" if drawn == 0 and SshServer.available() else "http" if drawn < 3 else "file"


def chosen() -> list[tuple[str, str, str, int]]:
    """Give the runs: every point with every deed once, and kill with every seed."""
    if not ASKED:
        return [(point, deed, kind, 0) for point, deed, kind in FEW]
    return [
        (point, deed, remote_of(point, deed, seed), seed)
        for point in POINTS
        for deed in DEEDS
        if deed != "full" or point not in NO_FULL
        for seed in (seeds() if deed == "kill" else seeds(int(os.environ.get("GITSYNC_OTHER_SEEDS", "1"))))
    ]


@pytest.mark.parametrize(("point", "deed", "kind", "seed"), chosen())
def test_2_fault(fleets: Fleets, request: pytest.FixtureRequest, point: str, deed: str, kind: str, seed: int) -> None:
    began = time.monotonic()
    draw = random.Random(f"{point} {deed} {seed}")
    nth = 1 if seed == 0 or point in BEFORE or point[:2] in ("0-", "5-") else draw.choice((1, 1, 2, 3, 5))
    fleet = fleets(kind, 3 if seed % 5 == 4 else 2)
    run = {"point": point, "deed": deed, "nth": nth, "remote": kind, "seed": seed, "machines": len(fleet.members)}
    found: list[checker.Violation] = []
    try:
        hit = play(fleet, point, deed, nth, draw)
        idle = quiet(fleet)
        fleet.stop()
        found = fleet.check(idle=idle)
        fleet.remote.git("fsck", "--strict", "--no-dangling")
    except Exception as error:
        record("points", {**run, "violations": 1, "error": str(error)[:2000], "ms": 0})
        raise AssertionError(f"{replay(request.node.nodeid, seed)}\n{error}") from error
    done = {"hit": hit, "violations": len(found), "ms": round(1000 * (time.monotonic() - began))}
    record("points", {**run, **fleet.figures(), **done})
    assert not found, f"{replay(request.node.nodeid, seed)}\n{checker.report(found)}"
    assert hit or nth > 1, f"the point was not passed; {replay(request.node.nodeid, seed)}"


def play(fleet: Fleet, point: str, deed: str, nth: int, draw: random.Random) -> bool:
    """Let the first machine have its fault in the middle of a conversation; say whether it had it."""
    victim, *others = fleet.members
    fleet.pause(0.4 if point == "7-calling" else 0.0)
    if point in BEFORE:
        victim.start(BEFORE[point])
        assert waited(lambda: victim.ended() is not None, 20), f"{BEFORE[point]} was not passed: {victim.words()}"
    if not point.startswith("5-beat"):  # which a machine with something to push does not pass
        fleet.send(victim, f"{others[0].id}/worker")
        fleet.type(victim, "NOTES.md")
    if point == "7-retried":
        fleet.send(others[0], f"{victim.id}/steady", "stumble")
        assert others[0].gitsync("sync")[0] == 0
    fleet.start(but=victim)
    with held_open(victim.clone / "NOTES.md") if point == "6-place-kept" else contextlib.nullcontext():
        victim.start(f"{point}:{deed}:{nth}")
        hit = converse(fleet, victim, deed, draw)
    if victim.pid is not None and victim.stopped():
        while_it_sleeps(fleet, others, draw)
        victim.signal(signal.SIGCONT)
    elif victim.pid is None:
        fleet.talk(draw, others, draw.randint(0, 3))
        fleet.talk(draw, [victim], draw.randint(0, 2))
    fleet.pause(0.0)
    fleet.start()
    fleet.rest()
    return hit


def converse(fleet: Fleet, victim: Member, deed: str, draw: random.Random) -> bool:
    """Let everybody talk until the fault has happened, or for long enough; note how the process took it."""
    deadline = time.monotonic() + 12
    told, hit = 0, False
    while not hit and time.monotonic() < deadline:
        if told < 12 and "is up" in victim.words():
            fleet.talk(draw, fleet.members, 2)
            told += 1
        hit = bool(waited(lambda: "GITSYNC_FAULT: " in victim.said.read_text(errors="replace"), 0.15))
    if deed == "kill" and hit:
        code = fleet.nursery.wait(victim.pid or 0, 10)
        assert code == -signal.SIGKILL, f"it ended with {code}: {victim.words()}"
        victim.pid = None
    elif deed == "pause" and hit:
        assert waited(victim.stopped, 10), victim.words()
    elif not hit:
        victim.kill()  # the point may still be passed, when nobody is there to start it again
    elif victim.pid is not None:
        fleet.talk(draw, fleet.members, 2)
        waited(lambda: victim.ended() is not None, 0.3)  # some failures end a process that has just begun
    return hit


def while_it_sleeps(fleet: Fleet, others: list[Member], draw: random.Random) -> None:
    """See the others work while one is held in the middle of something."""
    fleet.talk(draw, others, 3)
    for member in others:
        status, answer = member.call("POST", "/sync", {})
        assert (status, answer["state"]) == (200, "ok"), answer


def quiet(fleet: Fleet) -> tuple[str | None, str | None]:
    """Ask everybody to sync until two rounds leave the branch alone; give the tips around the last round (I6)."""
    before = fleet.remote.tip()
    for _ in range(20):
        for member in fleet.members * 2:
            with contextlib.suppress(OSError, http.client.HTTPException):
                member.call("POST", "/sync", {})
        after = fleet.remote.tip()
        if before == after:
            break
        before = after
        time.sleep(0.3)
    return before, after

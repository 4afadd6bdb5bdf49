"""Storms: thirty machines that push at once, and an hour without the remote that everybody talks through."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import time
from collections import defaultdict
from pathlib import Path

import pytest

from gitsync.daemon.schedule import Facts, unhealthy
from gitsync.sync.settings import SyncSettings
from tests.campaign import checker
from tests.campaign.fleet import Fleets
from tests.campaign.records import record
from tests.campaign.replicas import SimClock
from tests.campaign.seeds import ASKED, replay, seeds
from tests.campaign.test_points import quiet
from tests.remotes import Remote
from tests.sync.world import Computer, World

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3000)]

FULL = "GITSYNC_FULL" in os.environ
HOUR = 3600.0


def work(name: str, folder: str, url: str, fleet: list[str], count: int, seed: int, told: str) -> None:
    """Be one machine of the storm, in a process of its own: send, and push against all the others until all is there.

    What is sent is written down beside it, for the judge.
    """
    draw = random.Random(f"{seed} {name}")
    computer = Computer(name, Path(folder), SyncSettings(settle=0.0), Remote("file", url, Path(url))).start()
    left = count
    with open(told, "a", buffering=1) as notes:
        while left or computer.journal.pending_count():
            for _ in range(min(left, draw.randint(0, 8))):
                to = draw.choice([other for other in fleet if other != name])
                body = f"body {left} of {name}"
                notes.write(json.dumps({"id": computer.send(to, body), "to": to, "body": body}) + "\n")
                left -= 1
            result = computer.cycle()
            if result.state not in ("ok", "offline"):
                notes.write(json.dumps({"trouble": f"{result.state}: {result.error}"}) + "\n")
                return
            time.sleep(min(result.retry_after or 0.0, 0.3))
    computer.stop()


@pytest.mark.parametrize("seed", seeds(20 if FULL else 1))
def test_4_a_storm_of_pushes(tmp_path: Path, bare: Remote, request: pytest.FixtureRequest, seed: int) -> None:
    """Many machines push messages at once, each in a process of its own: none lost, none twice, everybody equal."""
    began = time.monotonic()
    machines, count = (30, 100) if ASKED else (6, 12)
    world = World(tmp_path, bare)
    world.seed()
    fleet = [str(number + 1) for number in range(machines)]
    folders = {name: world.computer(name, settle=0.0).folder for name in fleet}
    world.close()
    start = multiprocessing.get_context("forkserver")
    start.set_forkserver_preload(["tests.campaign.test_storms"])
    workers = [
        start.Process(
            target=work, args=(name, str(folders[name]), bare.url, fleet, count, seed, str(tmp_path / f"{name}.jsonl"))
        )
        for name in fleet
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(2400)
    codes = [worker.exitcode for worker in workers]
    pushed = round(1000 * (time.monotonic() - began))
    for computer in world.computers:
        computer.restart()
    try:
        world.settle(rounds=6)
    finally:
        world.close()
    told = {
        name: [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()] for name in fleet
    }
    troubles = [line["trouble"] for lines in told.values() for line in lines if "trouble" in line]
    sent = [checker.Sent(line["id"], name, line["to"], line["body"]) for name, lines in told.items() for line in lines]
    found = checker.check(bare.path, [checker.Machine(name, folders[name]) for name in fleet], [], sent, [], {})
    held = checker.read_branch(bare.path)
    out_of_order = disordered(held, sent)
    run = {"point": "storm", "deed": "engines", "remote": "file", "seed": seed, "machines": machines, "hit": True}
    counts = {
        "sent": len(sent),
        "landed": sum(one.id in held.standing for one in sent),
        "lost": sum(one.id not in held.standing for one in sent),
        "twice": sum(len(places) > 1 for places in held.standing.values()),
        "violations": len(found) + len(out_of_order),
        "ms": round(1000 * (time.monotonic() - began)),
        "push_ms": pushed,
        "commits_on_branch": int(bare.git("rev-list", "--count", "coordination")),
    }
    record("storm", {**run, **counts})
    assert codes == [0] * machines, codes
    assert troubles == []
    assert len(sent) == machines * count
    assert not found, f"{replay(request.node.nodeid, seed)}\n{checker.report(found[:20])}"
    assert out_of_order == []


def disordered(held: checker.Branch, sent: list[checker.Sent]) -> list[str]:
    """Give the files in which the messages of a sender do not stand in the order in which they were accepted."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for one in sent:
        for place in held.standing.get(one.id, []):
            wanted[place].append(one.id)
    return [
        name for name, idents in wanted.items()
        if [ident for ident, _ in checker.blocks(held.files[name]) if ident in set(idents)] != idents
    ]  # fmt: skip


@pytest.mark.parametrize("seed", seeds(20 if FULL else 1))
def test_4_a_storm_of_processes(fleets: Fleets, request: pytest.FixtureRequest, seed: int) -> None:
    """The same with whole processes, agents and receipts."""
    began = time.monotonic()
    machines, count = (30, 100) if FULL else (8, 12) if ASKED else (3, 6)
    draw = random.Random(f"storm {seed}")
    fleet = fleets("file", machines)
    run = {"point": "storm", "deed": "processes", "remote": "file", "seed": seed, "machines": machines, "hit": True}
    try:
        fleet.pause(0.0)
        fleet.start()
        for _ in range(count):
            for member in fleet.members:
                other = draw.choice([one for one in fleet.members if one is not member])
                assert fleet.send(member, f"{other.id}/web"), member.words()
        fleet.rest(1800)
        idle = quiet(fleet)
        fleet.stop()
        found = fleet.check(idle=idle)
    except Exception as error:
        record("storm", {**run, "violations": 1, "error": str(error)[:2000], "ms": 0})
        raise AssertionError(f"{replay(request.node.nodeid, seed)}\n{error}") from error
    done = {"violations": len(found), "ms": round(1000 * (time.monotonic() - began))}
    record("storm", {**run, **fleet.figures(), **done})
    assert not found, f"{replay(request.node.nodeid, seed)}\n{checker.report(found[:20])}"


@pytest.mark.parametrize("seed", seeds(50 if FULL else 3))
def test_8_a_flood_through_an_hour_without_the_remote(
    tmp_path: Path, bare: Remote, request: pytest.FixtureRequest, seed: int
) -> None:
    """For an hour (played by a clock that a test moves) all write into the void; healed, all arrives, in order."""
    began = time.monotonic()
    draw = random.Random(f"hour {seed}")
    machines, steps = (("1", "2", "3"), 120) if ASKED else (("1", "2"), 20)
    sent: list[checker.Sent] = []
    written: list[checker.Written] = []
    with SimClock(seed).installed() as clock:
        world = World(tmp_path, bare)
        world.seed()
        computers = [world.computer(name, settle=0.0, wrap_delay=0.0) for name in machines]
        try:
            world.settle()
            away = bare.path.with_suffix(".away")
            bare.path.rename(away)
            health = set()
            for step in range(steps):
                for computer in computers:
                    for number in range(draw.randint(0, 6)):
                        to = draw.choice([name for name in machines if name != computer.name])
                        body = f"body {step}.{number} of {computer.name}"
                        sent.append(checker.Sent(computer.send(to, body), computer.name, to, body))
                    if draw.random() < 0.2:
                        line = f"line {step} typed at {computer.name}."
                        computer.append("NOTES.md", line + "\n")
                        written.append(checker.Written(line, computer.name))
                    if draw.random() < 0.5:
                        assert computer.cycle().state == "offline"
                    if draw.random() < 0.02:
                        computer.restart()
                clock.pass_time(HOUR / steps)
            for computer in computers:
                assert computer.cycle().state == "offline"
                health.add(unhealthy(facts(computer, clock)) != ())
            assert health == {True}, "green after an hour without the remote"
            away.rename(bare.path)
            healed = time.monotonic()
            for _ in range(40):
                clock.pass_time(5.0)
                changed = [computer.cycle().changed for computer in computers]
                if not any(changed):
                    break
            world.settle(rounds=8)
            assert {unhealthy(facts(computer, clock)) for computer in computers} == {()}
        finally:
            world.close()
    found = checker.check(
        bare.path, [checker.Machine(one.name, one.folder) for one in computers], [], sent, written, {}
    )
    held = checker.read_branch(bare.path)
    out_of_order = disordered(held, sent)
    run = {"point": "hour", "deed": "partition", "remote": "file", "seed": seed, "machines": len(machines)}
    counts = {
        "hit": True,
        "sent": len(sent),
        "landed": sum(one.id in held.standing for one in sent),
        "lost": sum(one.id not in held.standing for one in sent),
        "twice": sum(len(places) > 1 for places in held.standing.values()),
        "lines": len(written),
        "violations": len(found) + len(out_of_order),
        "ms": round(1000 * (time.monotonic() - began)),
        "healed_ms": round(1000 * (time.monotonic() - healed)),
    }
    record("hour", {**run, **counts})
    assert not found, f"{replay(request.node.nodeid, seed)}\n{checker.report(found[:20])}"
    assert out_of_order == []


def facts(computer: Computer, clock: SimClock) -> Facts:
    """Give what the health of a machine is judged by, as its process does."""
    contact = computer.engine.contact
    age = None if contact is None else clock.now - contact
    pending = computer.engine.oldest_pending_age
    return Facts(interval=15.0, contact_age=age, pending_age=pending, halted=None)

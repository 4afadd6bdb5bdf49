"""Programs that are really started, killed, blocked and found again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gitsync.agents.spec import AgentSpec
from gitsync.balancing import Load
from gitsync.errors import Conflict, NotFound, Refused, UsageError
from gitsync.supervisor import pids
from gitsync.supervisor.settings import SuperviseSettings
from tests.agents.benches import parcel
from tests.supervisor.conftest import World, free_port, world

Make = Callable[..., AgentSpec]

FAILS = "import sys; sys.exit('the disk is full')"


def ended(pid: int) -> bool:
    return pids.started(pid) is None


async def test_a_killed_program_comes_back(tmp_path: Path, program: Make) -> None:
    async with world(tmp_path, program()) as there:
        first = await there.state("online")
        assert first["managed"]
        assert first["restarts"] == 0
        os.kill(first["pid"], signal.SIGKILL)
        await there.until(lambda: there["tested"]["pid"] not in (first["pid"], None))
        again = await there.state("online")
        assert again["restarts"] == 1
        assert there.given_up == []
        assert [told["state"] for told in there.told] == ["online", "offline", "starting", "online"]
    assert ended(again["pid"])


async def test_all_six_killed_at_once_come_back(tmp_path: Path, program: Make) -> None:
    names = [f"agent{number}" for number in range(6)]
    async with world(tmp_path, *(program(name=name) for name in names)) as there:
        first = {name: (await there.state("online", name))["pid"] for name in names}
        for pid in first.values():
            os.kill(pid, signal.SIGKILL)
        for name in names:
            await there.until(lambda name=name: there[name]["pid"] not in (first[name], None))
            await there.state("online", name)


async def test_three_failed_restarts_and_no_fourth_until_a_person_says_go(tmp_path: Path, program: Make) -> None:
    runs = tmp_path / "runs"
    code = f"open({str(runs)!r}, 'a').write('x')\n{FAILS}"
    async with world(tmp_path, program(code)) as there:
        crashed = await there.state("crashed")
        assert "the disk is full" in crashed["word"]
        assert there.given_up == [("tested", crashed["word"])]
        (blocker,) = there.registry.blockers()
        assert blocker.startswith("agent tested is given up: 3 restarts in a row failed; exit code 1: the disk is full")
        await asyncio.sleep(1.0)  # long past every pause there could be
        assert runs.read_text() == "xxxx"
        await there.registry.start("tested")
        await there.state("crashed")
        assert runs.read_text() == "x" * 8
        assert len(there.given_up) == 2


@pytest.mark.parametrize("kind", ["processes", "memory"])
async def test_a_program_that_takes_too_much_is_ended_with_all_that_it_started(
    tmp_path: Path, program: Make, kind: str
) -> None:
    left = tmp_path / "left"
    crowd = (
        "import os, time\n"
        "for _ in range(8):\n"
        "    if os.fork() == 0:\n"
        f"        os.setsid(); open({str(left)!r}, 'a').write(f'{{os.getpid()}} '); kept = os.urandom(30 << 20)\n"
        "        time.sleep(60)\n"
    )
    bound = {"processes": 5} if kind == "processes" else {"memory": 100 << 20}
    async with world(tmp_path, program(crowd + "time.sleep(60)", **bound)) as there:
        crashed = await there.state("crashed")
        assert f"ended for taking too much: {kind}: " in crashed["word"]
    assert left.read_text()
    assert all(ended(int(pid)) for pid in left.read_text().split())


async def test_given_up_stays_given_up_when_gitsync_starts_anew_unless_its_settings_change(
    tmp_path: Path, program: Make
) -> None:
    spec = program(FAILS)
    async with world(tmp_path, spec) as there:
        await there.state("crashed")
    async with world(tmp_path, spec) as there:
        await there.state("crashed")
        assert there.given_up == [], "it was told already"
        assert len(there.registry.blockers()) == 1
    async with world(tmp_path, replace(program(), url=spec.url)) as there:
        await there.state("online")
        assert there.registry.blockers() == ()


async def test_ten_that_crash_at_once_leave_the_others_alone(tmp_path: Path, program: Make) -> None:
    broken = [program(FAILS, name=f"broken{number}", kind="inbox") for number in range(10)]
    async with world(tmp_path, *broken, program()) as there:
        pid = (await there.state("online"))["pid"]
        for spec in broken:
            await there.state("crashed", spec.name)
        agent = there.registry._instances["tested"].agent
        outcome = await agent.deliver(parcel())
        assert outcome.reply == f"done by {pid}"
        assert there["tested"]["state"] == "online"
        assert len(there.registry.blockers()) == 10


async def test_where_its_output_cannot_go_a_person_is_told(tmp_path: Path, program: Make) -> None:
    async with world(tmp_path, program(), program(name="inbox", kind="inbox", start=())) as there:
        await there.state("online")
        logs = tmp_path / "logs"
        await there.registry.stop("tested")
        shutil.rmtree(logs)
        logs.write_text("not a folder")
        await there.registry.start("tested")
        crashed = await there.state("crashed")
        assert f"File exists: {logs}" in crashed["word"]
        logs.unlink()
        await there.registry.start("tested")
        await there.state("online")


async def test_a_program_that_is_not_there(tmp_path: Path, program: Make) -> None:
    async with world(tmp_path, program(start=("no-such-program",))) as there:
        crashed = await there.state("crashed")
        assert "cannot start 'no-such-program': No such file or directory" in crashed["word"]


async def test_stop_start_and_restart_by_a_person(tmp_path: Path, program: Make) -> None:
    async with world(tmp_path, program()) as there:
        first = await there.state("online")
        stopped = await there.registry.stop("tested")
        assert (stopped["state"], stopped["word"], stopped["pid"]) == ("offline", "stopped by a person", None)
        assert ended(first["pid"])
        await there.registry.start("tested")
        second = await there.state("online")
        await there.registry.start("tested")
        assert there["tested"]["pid"] == second["pid"], "what runs goes on"
        await there.registry.restart("tested")
        await there.until(lambda: there["tested"]["pid"] not in (second["pid"], None))
        third = await there.state("online")
        assert third["restarts"] == 0, "a person asked for it"


async def test_stopped_stays_stopped_when_gitsync_starts_anew(tmp_path: Path, program: Make) -> None:
    spec = program()
    async with world(tmp_path, spec) as there:
        await there.state("online")
        await there.registry.stop("tested")
    async with world(tmp_path, spec) as there:
        await there.state("offline")
        assert there["tested"]["pid"] is None
        await there.registry.start("tested")
        await there.state("online")


async def test_a_program_that_ignores_the_request_to_end_is_killed_with_its_children(
    tmp_path: Path, program: Make, mark: str
) -> None:
    code = (
        "import signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN);"
        " print(1, flush=True); time.sleep(300)'])\ntime.sleep(300)"
    )
    async with world(tmp_path, program(code, kind="inbox", grace=0.2)) as there:
        await there.until(lambda: len(pids.marked(mark)) == 2)
        await there.registry.stop("tested")
        await there.until(lambda: pids.marked(mark) == [])


async def test_the_request_to_end_is_heard_first(tmp_path: Path, program: Make) -> None:
    code = (
        "import signal, sys, time\n"
        f"signal.signal(15, lambda *_: (open({str(tmp_path / 'bye')!r}, 'w').write('bye'), sys.exit(0)))\n"
        "print('ready', flush=True)\ntime.sleep(300)"
    )
    async with world(tmp_path, program(code, kind="inbox", grace=10)) as there:
        log = tmp_path / "logs" / "tested.log"
        await there.until(lambda: log.exists() and "ready" in log.read_text())
        await there.registry.stop("tested")
    assert (tmp_path / "bye").read_text() == "bye"


async def test_a_busy_agent_is_not_killed_for_being_quiet(tmp_path: Path, program: Make) -> None:
    code = "import socket, time, os\ns = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\ntime.sleep(300)"
    async with world(tmp_path, program(code, health_timeout=0.1)) as there:
        pid = (await there.until(lambda: there["tested"] if there["tested"]["word"] else None))["pid"]
        await asyncio.sleep(1.0)
        assert there["tested"]["pid"] == pid
        assert there["tested"]["restarts"] == 0


# -- ports -----------------------------------------------------------------------------------------


async def test_a_port_that_a_stranger_holds_is_no_crash(tmp_path: Path, program: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        async with world(tmp_path, program(url=f"http://127.0.0.1:{port}")) as there:
            taken = await there.state("error")
            assert f"port {port} is taken by" in taken["word"]
            if sys.platform == "linux":
                assert f"(pid {os.getpid()})" in taken["word"]
            assert taken["restarts"] == 0
            assert taken["pid"] is None
            assert there.registry.health["tested"][0] == "error"
            outcome = await there.registry._instances["tested"].agent.deliver(parcel())
            assert (outcome.kind, outcome.started) == ("failed", False), "nothing is handed to the stranger"
            stranger.close()
            await there.registry.start("tested")
            await there.state("online")
            assert there.given_up == []


async def test_another_port_where_the_agent_allows_it(tmp_path: Path, program: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken, free = stranger.getsockname()[1], free_port()
        spec = program(url=f"http://127.0.0.1:{taken}", ports=(taken, free))
        async with world(tmp_path, spec) as there:
            found = await there.state("online")
            assert found["port"] == free
            agent = there.registry._instances["tested"].agent
            assert agent.url == f"http://127.0.0.1:{free}"  # type: ignore[attr-defined]


async def test_any_port(tmp_path: Path, program: Make) -> None:
    spec = program(url="http://127.0.0.1:{port}", port="any")
    async with world(tmp_path, spec) as there:
        found = await there.state("online")
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{found['port']}/")
        assert answer.status_code == 200


async def test_a_port_that_is_taken_between_the_look_and_the_start(tmp_path: Path, program: Make) -> None:
    """The program finds the port taken and ends: told apart from a crash by who listens then."""
    port = free_port()
    serve = f"s = socket.create_server(('127.0.0.1', {port})); print(1, flush=True); time.sleep(300)"
    other = f"import socket, time; {serve}"
    code = (
        "import subprocess, sys\n"
        f"other = subprocess.Popen([sys.executable, '-c', {other!r}], start_new_session=True, stdout=subprocess.PIPE)\n"
        "other.stdout.readline()\nsys.exit('address in use')"
    )
    async with world(tmp_path, program(code, url=f"http://127.0.0.1:{port}")) as there:
        taken = await there.state("error")
        assert f"port {port} is taken by" in taken["word"]
        assert taken["restarts"] == 0
        holder = pids.holder(port)
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGKILL)
        await there.registry.stop("tested")


# -- what a killed gitsync leaves ------------------------------------------------------------------


async def test_a_program_that_was_left_behind_is_adopted(tmp_path: Path, program: Make) -> None:
    spec = program()
    left = World(tmp_path, _quick())
    await left.have(spec)
    await left.registry.begin()
    first = await left.state("online")
    left.abandon()
    async with world(tmp_path, spec) as there:
        again = await there.state("online")
        assert again["pid"] == first["pid"]
        log = tmp_path / "logs" / "tested.log"
        size = log.stat().st_size
        await there.until(lambda: log.stat().st_size > size)  # it is still heard
        os.kill(first["pid"], signal.SIGKILL)
        await there.until(lambda: there["tested"]["pid"] not in (first["pid"], None))
        await there.state("online")


async def test_a_program_that_was_left_behind_with_other_settings_is_ended(tmp_path: Path, program: Make) -> None:
    left = World(tmp_path, _quick())
    await left.have(program())
    await left.registry.begin()
    first = await left.state("online")
    left.abandon()
    async with world(tmp_path, program(env={"NEW": "1"})) as there:
        again = await there.state("online")
        assert again["pid"] != first["pid"]
        assert ended(first["pid"])


async def test_a_program_of_an_agent_that_is_gone_is_ended(tmp_path: Path, program: Make) -> None:
    left = World(tmp_path, _quick())
    await left.have(program())
    await left.registry.begin()
    first = await left.state("online")
    left.abandon()
    async with world(tmp_path):
        assert ended(first["pid"])


async def test_a_stranger_with_the_number_of_an_ended_program_is_left_alone(tmp_path: Path, program: Make) -> None:
    left = World(tmp_path, _quick())
    spec = program()
    await left.have(spec)
    await left.registry.begin()
    first = await left.state("online")
    left.abandon()
    os.killpg(first["pid"], signal.SIGKILL)
    stranger = await asyncio.create_subprocess_exec("sleep", "300", start_new_session=True)
    try:
        with World(tmp_path, _quick()).journal as journal:
            known = json.loads(journal.meta("supervised") or "")
            known["tested"]["mark"]["pid"] = stranger.pid
            journal.set_meta("supervised", json.dumps(known))
        async with world(tmp_path, spec) as there:
            again = await there.state("online")
            assert again["pid"] not in (first["pid"], stranger.pid)
        assert stranger.returncode is None
        assert not ended(stranger.pid)
    finally:
        stranger.kill()
        await stranger.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc shows the environment of others")
async def test_killed_between_the_start_and_the_note_of_its_number(tmp_path: Path, program: Make) -> None:
    left = World(tmp_path, _quick())
    spec = program()
    await left.have(spec)
    await left.registry.begin()
    first = await left.state("online")
    left.abandon()
    with World(tmp_path, _quick()).journal as journal:
        known = json.loads(journal.meta("supervised") or "")
        known["tested"]["mark"].update(pid=0, start="")
        journal.set_meta("supervised", json.dumps(known))
    async with world(tmp_path, spec) as there:
        again = await there.state("online")
        assert again["pid"] == first["pid"]


# -- output ----------------------------------------------------------------------------------------


async def test_a_flood_is_bounded_and_does_not_hold_up_the_loop(tmp_path: Path, program: Make) -> None:
    code = "import os\nwhile True: os.write(1, b'flood ' * 10000)"
    async with world(tmp_path, program(code, kind="inbox")) as there:
        log = tmp_path / "logs" / "tested.log"
        await there.until(lambda: log.with_name("tested.log.2").exists())
        begun = time.monotonic()
        for _ in range(100):
            await asyncio.sleep(0)
        assert time.monotonic() - begun < 5
        files = list((tmp_path / "logs").glob("tested.log*"))
        assert sum(file.stat().st_size for file in files) <= 3 * 5 * 1024 * 1024 + 65536
        assert len(files) <= 3
        assert all(file.stat().st_mode & 0o077 == 0 for file in files)


# -- registry --------------------------------------------------------------------------------------


async def test_unwell_and_well_again(tmp_path: Path, program: Make) -> None:
    async with world(tmp_path, program()) as there:
        await there.state("online")
        (tmp_path / "unwell").touch()
        there.registry.failed("tested")
        found = await there.state("error")
        assert found["word"] == "health answers 500"
        assert found["pid"] is not None
        (tmp_path / "unwell").unlink()
        assert "checks failed: health answers 500" in (await there.state("degraded"))["word"]
        found = await there.state("online")
        assert found["response_ms"]["p50"] <= found["response_ms"]["p95"]
        assert found["last_check"]


async def test_one_that_is_well_and_fails_at_its_work_is_in_error(tmp_path: Path, program: Make) -> None:
    async with world(tmp_path, program()) as there:
        await there.state("online")
        there.work.load["tested"] = Load(failing="no whole answer")
        there.registry.failed("tested")
        assert (there["tested"]["state"], there["tested"]["word"]) == (
            "error",
            "the last hand-over failed: no whole answer",
        )
        assert there.told[-1]["state"] == "error"
        there.work.load["tested"] = Load()
        there.registry.failed("tested")
        assert (there["tested"]["state"], there["tested"]["word"]) == ("online", "")
        assert there.told[-1]["state"] == "online"


async def test_health_by_command(tmp_path: Path, program: Make) -> None:
    well = tmp_path / "well"
    ask = (sys.executable, "-c", f"import os, sys; sys.exit(0 if os.path.exists({str(well)!r}) else 'not yet')")
    spec = program("import time; time.sleep(300)", kind="inbox", health_command=ask)
    async with world(tmp_path, spec) as there:
        found = await there.until(lambda: there["tested"] if there["tested"]["word"] else None)
        assert (found["state"], found["word"]) == ("starting", "health_command: exit code 1: not yet")
        well.touch()
        await there.state("online")


async def test_settings_reread_keep_what_is_unchanged(tmp_path: Path, program: Make) -> None:
    kept, changed, gone = program(name="kept"), program(name="changed"), program(name="gone")
    async with world(tmp_path, kept, changed, gone) as there:
        first = {name: (await there.state("online", name))["pid"] for name in ("kept", "changed", "gone")}
        await there.have(replace(kept, specialty="new words"), replace(changed, env={**changed.env, "NEW": "1"}))
        assert there["kept"]["pid"] == first["kept"]
        assert there["kept"]["specialty"] == "new words"
        await there.state("online", "changed")
        assert there["changed"]["pid"] != first["changed"]
        assert ended(first["gone"])
        with pytest.raises(NotFound):
            there["gone"]


async def test_added_at_run_time_and_kept(tmp_path: Path) -> None:
    document = {"name": "desk", "kind": "inbox", "types": ["review"]}
    async with world(tmp_path) as there:
        added = await there.registry.add(document)
        assert (added["name"], added["origin"], added["managed"]) == ("desk", "run time", False)
        with pytest.raises(Conflict):
            await there.registry.add({"name": "Desk", "kind": "inbox"})
        with pytest.raises(UsageError, match="kind"):
            await there.registry.add({"name": "other", "kind": "nonsense"})
        for more in ({"kind": "command", "argv": ["true"]}, {"kind": "inbox", "start": ["true"]}):
            with pytest.raises(Refused):
                await there.registry.add({"name": "other", **more})
    async with world(tmp_path, AgentSpec(name="fixed", kind="inbox")) as there:
        assert [one["name"] for one in there.registry.instances()] == ["fixed", "desk"]
        await there.state("online", "desk")
        with pytest.raises(Refused):
            await there.registry.remove("fixed")
        await there.have(AgentSpec(name="desk", kind="inbox", specialty="of the settings"))
        assert (there["desk"]["origin"], there["desk"]["specialty"]) == ("settings", "of the settings")
        with pytest.raises(Refused):
            await there.registry.remove("desk")
        await there.have()
        await there.registry.remove("desk")
        with pytest.raises(NotFound, match="no agent desk"):
            there["desk"]
    async with world(tmp_path) as there:
        assert there.registry.instances() == []


async def test_what_gitsync_does_not_run_it_does_not_start(tmp_path: Path) -> None:
    async with world(tmp_path, AgentSpec(name="desk", kind="inbox")) as there:
        with pytest.raises(UsageError, match="does not run"):
            await there.registry.start("desk")
        with pytest.raises(NotFound) as caught:
            there.registry.drain("dsk")
        assert caught.value.near == ("desk",)
        assert there.registry.drain("desk")["draining"]
        assert there.registry.draining == {"desk"}
        assert not there.registry.resume("desk")["draining"]


def _quick() -> SuperviseSettings:
    return SuperviseSettings(backoff=0.05, health_every=0.3)

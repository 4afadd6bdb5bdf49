"""What is particular to programs: no shell, a built environment, and nothing left running."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitsync import clock
from gitsync.agents.base import Outcome
from gitsync.agents.opening import open_agent
from gitsync.agents.spec import AgentSpec
from tests.agents.benches import ENVIRON, parcel


def run(root: Path, *argv: str, **spec: Any) -> Outcome:
    async def play() -> Outcome:
        agent = open_agent(AgentSpec(name="c", kind="command", argv=argv, **spec), root, environ=ENVIRON)
        return await agent.deliver(parcel(**given))

    given = spec.pop("given", {})
    return asyncio.run(play())


def python(root: Path, code: str, **spec: Any) -> Outcome:
    return run(root, sys.executable, "-c", code, **spec)


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def within(limit: float, holds: Callable[[], bool]) -> bool:
    end = clock.monotonic() + limit
    while not holds():
        if clock.monotonic() > end:
            return False
        clock.sleep(0.02)
    return True


def test_the_message_is_on_standard_input_and_never_a_shell_word(tmp_path: Path) -> None:
    evil = "$(touch owned); `touch owned` && touch owned"
    told = run(tmp_path, "/bin/cat", given={"body": evil, "subject": evil})
    assert json.loads(told.reply) == parcel(body=evil, subject=evil).json()
    assert not (tmp_path / "owned").exists()


def test_the_environment_is_built_not_inherited(tmp_path: Path) -> None:
    code = "import os,json; print(json.dumps(dict(os.environ)))"
    told = python(tmp_path, code, env={"MINE": "1"}, given={"thread": "T\x00X", "attempt": 3})
    env = json.loads(told.reply)
    assert env["GITSYNC_ID"] == "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
    assert env["GITSYNC_KEY"] == parcel().key
    assert (env["GITSYNC_THREAD"], env["GITSYNC_ATTEMPT"]) == ("TX", "3")
    assert (env["GITSYNC_FROM"], env["GITSYNC_TYPE"], env["MINE"]) == ("1/mechanic", "deployment", "1")
    assert "TEST_KEY" not in env
    allowed = {"PATH", "HOME", "LANG", "USER", "TMPDIR", "MINE", "LC_CTYPE"}
    assert {name for name in env if not name.startswith("GITSYNC_")} <= allowed


def test_it_runs_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert run(tmp_path, "/bin/pwd").reply == str(tmp_path)
    assert run(tmp_path, "/bin/pwd", cwd="sub").reply == str(tmp_path / "sub")
    told = run(tmp_path, "/bin/pwd", cwd="none")
    assert not told.started
    assert "does not exist" in told.reason


def test_a_file_that_is_not_executable_has_not_started(tmp_path: Path) -> None:
    (tmp_path / "agent.sh").write_text("#!/bin/sh\n")
    told = run(tmp_path, "./agent.sh")
    assert (told.kind, told.started) == ("failed", False)
    assert "ermission denied" in told.reason


def test_a_program_that_never_reads_a_large_message_is_not_waited_for(tmp_path: Path) -> None:
    assert run(tmp_path, "/bin/true", given={"body": "x" * 3_000_000}) == Outcome(kind="done")


def test_exit_code_and_signal_are_named(tmp_path: Path) -> None:
    assert python(tmp_path, "import sys; sys.exit(3)").reason == "exit code 3"
    assert python(tmp_path, "import os; os.kill(os.getpid(), 9)").reason == "ended by signal 9"


FORK = """
import os, sys, time
child = os.fork()
if child == 0:
    {apart}
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
os._exit(0)
"""


def test_children_left_in_the_group_are_ended(tmp_path: Path) -> None:
    before = clock.monotonic()
    told = python(tmp_path, FORK.format(apart="pass"))
    assert clock.monotonic() - before < 5
    assert within(3, lambda: gone(int(told.reply)))


def test_a_child_that_left_the_group_and_holds_the_output_does_not_hang_us(tmp_path: Path) -> None:
    before = clock.monotonic()
    told = python(tmp_path, FORK.format(apart="os.setsid()"))  # it ended well, so who left on purpose is let alone
    try:
        assert told.kind == "done"
        assert clock.monotonic() - before < 5
    finally:
        os.kill(int(told.reply), 9)


def test_at_the_time_limit_the_whole_group_ends_also_when_it_ignores_sigterm(tmp_path: Path) -> None:
    code = (
        "import os,signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "if child: open('pids', 'w').write(f'{os.getpid()} {child}')\n"
        "time.sleep(60)"
    )
    told = python(tmp_path, code, timeout=1.0, grace=0.3)
    assert told.reason == "time-out after 1 s"
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert within(3, lambda: all(gone(pid) for pid in pids))


def test_a_fork_bomb_of_sleepers_is_ended_with_its_group(tmp_path: Path) -> None:
    code = (
        "import os,time\n"
        "pids = []\n"
        "for _ in range(20):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        time.sleep(60)\n"
        "    pids.append(pid)\n"
        "print(*pids)"
    )
    told = python(tmp_path, code)
    assert within(3, lambda: all(gone(int(pid)) for pid in told.reply.split()))


@pytest.mark.parametrize("error", [False, True])
def test_the_result_object_of_a_coding_agent_is_understood(error: bool, tmp_path: Path) -> None:
    document = {
        "type": "result",
        "is_error": error,
        "result": "Fixed the bug.",
        "total_cost_usd": 0.25,
        "usage": {"input_tokens": 7, "service_tier": "standard"},
    }
    told = python(tmp_path, f"print({json.dumps(document)!r})")
    assert told.kind == ("failed" if error else "done")
    assert (told.reason if error else told.reply) == "Fixed the bug."
    assert told.usage == {"input_tokens": 7, "cost_usd": 0.25}


def test_descriptors_do_not_leak(tmp_path: Path) -> None:
    async def play() -> tuple[int, int]:
        agent = open_agent(AgentSpec(name="c", kind="command", argv=("/bin/cat",), timeout=5), tmp_path)
        absent = open_agent(AgentSpec(name="d", kind="command", argv=("/no/such",), timeout=5), tmp_path)
        await agent.deliver(parcel())
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            await agent.deliver(parcel())
            await absent.deliver(parcel())
        await asyncio.sleep(0.05)
        return before, len(os.listdir("/proc/self/fd"))

    before, after = asyncio.run(play())
    assert after <= before

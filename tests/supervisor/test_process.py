"""The whole of it: a background process with the example's six agents, and with one that cannot be helped."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitsync.supervisor import pids
from tests.daemon.conftest import QUICK, Computer, eventually, http
from tests.supervisor.conftest import free_port

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "six-agents"
NAMES = ["analyst", "builder", "watcher", "tracker", "deployer", "mechanic"]


@pytest.fixture
def six(mark: str, one: Computer, stop_processes: list[Computer]) -> Computer:
    """Computer 1 with the example as it is shipped, but for free ports and a mark to find its programs by."""
    name, _, value = mark.partition("=")
    shutil.copytree(EXAMPLE, one.root / "six-agents")
    text = (EXAMPLE / "config.toml").read_text()
    for port in set(re.findall(r"\b(?:8001|8004|8014|7777|6000|6010|5000|5010)\b", text)):
        text = text.replace(port, str(free_port()))
    text = text.replace('cwd = "six-agents"', f'cwd = "six-agents"\nenv = {{ {name} = {json.dumps(value)} }}')
    one.config.write_text(text.replace('"10s"', '"500ms"') + QUICK + '[api]\nport = 0\n[dispatch]\ndrain = "2s"\n')
    stop_processes.append(one)
    return one


def instances(computer: Computer) -> dict[str, Any]:
    status, rows = http(computer, "GET", "/instances")
    assert status == 200, rows
    return {row["name"]: row for row in rows}


def all_online(computer: Computer) -> Callable[[], dict[str, Any] | None]:
    def look() -> dict[str, Any] | None:
        found = instances(computer)
        return found if all(row["state"] == "online" for row in found.values()) else None

    return look


def test_six_agents_start_work_and_come_back(six: Computer) -> None:
    six.ok("up", "--detach")
    first = eventually(all_online(six))
    assert list(first) == NAMES
    assert "mean 10" in six.ok("send", "self/analyst", "Numbers", "-m", "3 5 8 13 21", "--wait", "20")
    for row in first.values():
        os.kill(row["pid"], signal.SIGKILL)
    eventually(lambda: all(row["restarts"] == 1 and row["pid"] for row in instances(six).values()))
    again = eventually(all_online(six))
    assert not {row["pid"] for row in first.values()} & {row["pid"] for row in again.values()}
    assert "built: 1 blocks" in six.ok("send", "self/builder", "Code", "-m", "print('it runs')", "--wait", "20")

    # gitsync itself is killed: its programs run on, and the next process goes on with them.
    daemon = json.loads((six.root / ".gitsync" / "daemon.json").read_text())["pid"]
    os.kill(daemon, signal.SIGKILL)
    eventually(lambda: pids.started(daemon) is None)
    six.ok("up", "--detach")
    adopted = eventually(all_online(six))
    assert [row["pid"] for row in adopted.values()] == [row["pid"] for row in again.values()]

    assert six.ok("agents", "stop", "tracker").startswith("tracker: offline, stopped by a person")
    assert six.ok("agents", "start", "tracker").startswith("tracker: starting")
    assert "gets nothing new" in six.ok("agents", "drain", "watcher")
    assert "gets nothing new" not in six.ok("agents", "resume", "watcher")
    assert six("agents", "start", "nobody").code == 2
    rows = {row["name"]: row for row in six.ask("agents")}
    assert rows["builder"]["pid"] == again["builder"]["pid"]
    six.ok("down")
    assert not [row for row in again.values() if pids.started(row["pid"])]


def test_one_that_cannot_be_helped_is_a_blocker_and_an_urgent_message(
    one: Computer, two: Computer, stop_processes: list[Computer]
) -> None:
    one.settings(
        QUICK
        + '[supervise]\nbackoff = "50ms"\nnotify = ["2"]\n'
        + '[[agents]]\nname = "broken"\nkind = "inbox"\nstart = ["sh", "-c", "echo no disk >&2; exit 3"]\n'
        + '[[agents]]\nname = "desk"\nkind = "inbox"\n'
    )
    stop_processes.append(one)
    one.ok("up", "--detach")
    status = eventually(lambda: found if (found := one.ask("status"))["blockers"] else None)
    (blocker,) = status["blockers"]
    assert blocker.startswith("agent broken is given up: 3 restarts in a row failed; exit code 3: no disk")
    assert {row["name"]: row["state"] for row in status["agents"]} == {"broken": "crashed", "desk": "online"}

    def told() -> Any:
        two.ok("sync")
        return two.ask("inbox")

    (message,) = eventually(told)
    assert message["subject"] == "Agent broken on computer 1 is given up"
    assert message["priority"] == "urgent"
    page = two.mailbox / "COMPUTER_1.md"
    eventually(lambda: two.ok("sync") and "agent broken is given up" in page.read_text())
    one.ok("agents", "start", "broken")
    eventually(lambda: len(two.ok("sync") and two.ask("inbox")) == 2)
    one.settings(QUICK + '[[agents]]\nname = "desk"\nkind = "inbox"\n')
    assert http(one, "POST", "/reload", {})[0] == 200
    assert one.ask("status")["blockers"] == []

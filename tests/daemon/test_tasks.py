"""Tasks in running processes: asked for on the command line and over HTTP, done here and on another computer."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import pytest

from tests.daemon.conftest import QUICK, Computer, eventually, http


def agent(name: str, code: str, more: str = "") -> str:
    return f"""
[[agents]]
name = "{name}"
kind = "command"
argv = ["{sys.executable}", "-S", "-c", "import json,sys,time; task=json.load(sys.stdin); {code}"]
{more}
"""


ECHO = agent("echo", "print('did: ' + task['body'])", 'types = ["fix"]\ndefault = true')
SLOW = agent("slow", "time.sleep(60)", 'types = ["wait"]\ngrace = "0s"') + '[dispatch]\ndrain = "0s"\n'


def start(computer: Computer, stop_processes: list[Computer], settings: str = "") -> int:
    computer.settings(QUICK + settings)
    stop_processes.append(computer)
    computer.ok("up", "--detach")
    pid: int = computer.ask("status")["process"]["pid"]
    return pid


def task(computer: Computer, ident: str) -> Any:
    return computer.ask("task", "show", ident)


def test_asked_for_without_a_process_done_by_one(one: Computer, stop_processes: list[Computer]) -> None:
    one.settings(QUICK + ECHO + SLOW + '[tasks]\nqueue_limit = 3\ndeadline = "1h"\n')
    asked = one("task", "submit", "fix", "-", "--priority", "high", stdin="the door\nof the shed")
    assert asked.code == 0
    assert "no process is running" in asked.err
    ident = asked.out.strip()
    other = one.ok("task", "submit", "wait", "a minute", "--retries", "2").strip()
    gone = one.ok("task", "submit", "fix", "nothing").strip()
    full = one("task", "submit", "fix", "one too many")
    assert (full.code, "3 tasks are under way" in full.err) == (75, True)
    assert one.ok("task", "cancel", gone[:20]).strip() == f"{gone}: cancelled"
    rows = {row["task_id"]: row["status"] for row in one.ask("tasks")}
    assert rows == {ident: "QUEUED", other: "QUEUED", gone: "FAILED"}
    assert task(one, ident)["deadline"]
    assert one("task", "show", "ZZZZ").code == 2
    start(one, stop_processes, ECHO + SLOW)
    eventually(lambda: task(one, ident)["status"] == "COMPLETED")
    assert task(one, ident)["result"].strip() == "did: the door\nof the shed"
    eventually(lambda: task(one, other)["status"] == "IN_PROGRESS")
    assert one.ok("tasks", "--status", "IN_PROGRESS").splitlines()[1].startswith(other)
    shown = one.ok("task", "show", ident)
    for word in ("COMPLETED", "R3: lists type fix", "echo", "asked by 1", "attempt 1"):
        assert word in shown
    assert one.ok("task", "submit", "fix", "at once", "--wait", "20").strip() == "did: at once"
    assert one("task", "submit", "wait", "too long", "--wait", "1").code == 75
    assert one("task", "submit", "fix", "x", "--to", "ecko").code == 2
    assert http(one, "GET", "/tasks?status=COMPLETED")[1][-1]["task_id"] == ident
    assert http(one, "GET", f"/tasks/{ident}")[1]["history"][0]["status"] == "QUEUED"


def test_a_process_that_is_killed_loses_no_task(one: Computer, stop_processes: list[Computer]) -> None:
    pid = start(one, stop_processes, ECHO + SLOW)
    running = one.ok("task", "submit", "wait", "x").strip()
    waiting = one.ok("task", "submit", "wait", "y").strip()
    eventually(lambda: task(one, running)["status"] == "IN_PROGRESS")
    os.kill(pid, signal.SIGKILL)
    assert task(one, waiting)["status"] in ("QUEUED", "ASSIGNED")
    one.settings(QUICK + ECHO.replace('["fix"]', '["fix", "wait"]') + SLOW.replace('["wait"]', '["never"]'))
    one.ok("up", "--detach")
    eventually(lambda: task(one, waiting)["status"] == "COMPLETED")
    assert task(one, running)["status"] == "BLOCKED", "nobody can know how far it came"
    assert "gitsync ended" in task(one, running)["error"]
    one.ok("task", "cancel", running)
    assert one.ask("status")["blockers"] == []


@pytest.mark.timeout(90)
def test_another_computer_does_it(one: Computer, two: Computer, stop_processes: list[Computer]) -> None:
    start(two, stop_processes, ECHO.replace("default = true", ""))
    start(one, stop_processes)
    eventually(lambda: any(row["id"] == "2" and row["agents"] for row in one.ask("status")["computers"]), seconds=40)
    ident = one.ok("task", "submit", "fix", "the door").strip()
    eventually(lambda: task(one, ident)["status"] == "COMPLETED", seconds=40)
    found = task(one, ident)
    assert (found["result"].strip(), found["assigned_to"], found["machine"]) == ("did: the door", "2/echo", "2")
    assert one.ask("inbox", "--unread") == []
    # And as a message that asks for it.
    one.ok("send", "2", "please", "-m", "type: fix\nthe window", "--type", "task", "--wait", "40")
    (done,) = two.ask("tasks")
    assert (done["type"], done["sender"], done["status"]) == ("fix", "1", "COMPLETED")


def test_a_message_from_here_that_asks_for_a_task_is_one_at_once_or_when_there_is_room(
    one: Computer, stop_processes: list[Computer]
) -> None:
    start(one, stop_processes, ECHO + SLOW + "[tasks]\nqueue_limit = 2\n")
    first = one.ok("task", "submit", "wait", "a minute").strip()

    def send(text: str) -> None:
        ask = {"to": "self/echo", "message": f"type: fix\n{text}", "type": "task"}
        assert http(one, "POST", "/send", ask)[0] == 200

    def done() -> list[str]:
        return [row["result"].strip() for row in one.ask("tasks") if row["status"] == "COMPLETED"]

    send("the window")
    eventually(lambda: done() == ["did: the window"], seconds=10)
    one.ok("task", "submit", "wait", "another")
    send("the door")
    assert len(one.ask("tasks")) == 3
    assert http(one, "POST", f"/tasks/{first}/cancel", {})[0] == 200
    eventually(lambda: done() == ["did: the door", "did: the window"], seconds=10)


def test_who_waits_for_a_blocked_task_is_told_why(one: Computer, stop_processes: list[Computer]) -> None:
    start(one, stop_processes, ECHO)
    one.ok("agents", "drain", "echo")
    asked = one("task", "submit", "fix", "--wait", "1", "the door")
    assert asked.code == 75
    assert "is BLOCKED after 1 s" in asked.err
    assert "echo: draining" in asked.err

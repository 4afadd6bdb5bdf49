"""The running process: hand edits, settings reread, crashes, a remote that goes away, quiet."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.daemon.conftest import QUICK, Computer, eventually, http
from tests.remotes import Remote

ECHO = f"""
[[agents]]
name = "echo"
kind = "command"
argv = ["{sys.executable}", "-c", "import json,sys; print('heard: ' + json.load(sys.stdin)['subject'])"]
default = true
"""


def start(computer: Computer, stop_processes: list[Computer], settings: str = "") -> int:
    computer.settings(QUICK + settings)
    stop_processes.append(computer)
    computer.ok("up", "--detach")
    pid: int = computer.ask("status")["process"]["pid"]
    return pid


def running(pid: int) -> bool:
    """Tell whether a process still runs; one that nobody has reaped does not."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def rests(computer: Computer, *, seconds: float) -> bool:
    """Tell whether no cycle ran for that long."""
    before = http(computer, "GET", "/")[1]["totals"]["cycles"]
    time.sleep(seconds)
    return bool(http(computer, "GET", "/")[1]["totals"]["cycles"] == before)


def count_commits(remote: Remote) -> int:
    return int(remote.git("rev-list", "--count", "coordination").strip())


def states(computer: Computer) -> dict[str, str]:
    return {entry["subject"]: entry["state"] for entry in computer.ask("inbox")}


def test_a_hand_edit_on_disk_is_taken_up_and_answered(
    bare: Remote, one: Computer, two: Computer, stop_processes: list[Computer]
) -> None:
    start(one, stop_processes)
    start(two, stop_processes, ECHO)
    path = one.mailbox / "messages" / "1_TO_2.md"
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write("\n## Please look at the roof\n\n**Priority:** high\n\nIt leaks.\n")
    eventually(lambda: "Re: Please look at the roof" in states(one))
    assert "It leaks." in path.read_text()
    assert "<!-- msg " in path.read_text()


def test_i6_an_idle_process_makes_no_commit(bare: Remote, one: Computer, stop_processes: list[Computer]) -> None:
    start(one, stop_processes, ECHO)

    def pushed() -> int:
        status, done = http(one, "POST", "/sync", {})
        assert (status, done["state"]) == (200, "ok")
        return int(done["pushed"])

    eventually(lambda: all(agent["state"] == "online" for agent in one.ask("agents")))
    eventually(lambda: pushed() == 0)
    before = count_commits(bare)
    (one.mailbox / "README.md").touch()
    assert sum(pushed() for _ in range(30)) == 0
    assert count_commits(bare) == before


def test_settings_are_reread_on_sighup_and_a_mistake_changes_nothing(
    one: Computer, stop_processes: list[Computer]
) -> None:
    pid = start(one, stop_processes)
    assert one.ask("agents") == []
    one.settings(QUICK + ECHO)
    os.kill(pid, signal.SIGHUP)
    eventually(lambda: [agent["name"] for agent in one.ask("agents")] == ["echo"])
    one.ok("send", "self/echo", "after reload", "-m", "x", "--wait", "20")
    one.settings(QUICK + ECHO.replace("argv", "agrv"))
    assert http(one, "POST", "/reload", {})[0] == 422
    os.kill(pid, signal.SIGHUP)
    log = one.root / ".gitsync" / "gitsync.log"
    eventually(lambda: "settings not taken" in log.read_text())
    assert http(one, "POST", "/send", {"to": "self/echo", "subject": "still there", "message": "x"})[0] == 200
    one.settings(QUICK + ECHO)
    eventually(lambda: states(one).get("still there") == "done")
    assert one.ask("status")["process"]["pid"] == pid


def test_killed_in_the_middle_of_a_delivery_it_is_uncertain_and_not_repeated(
    one: Computer, stop_processes: list[Computer], tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    agent = f"""
[[agents]]
name = "slow"
kind = "command"
argv = ["{sys.executable}", "-c", "import time; open('{calls}', 'a').write('x'); time.sleep(60)"]
"""
    pid = start(one, stop_processes, agent)
    ident = one.ask("send", "self/slow", "Launch", "-m", "once")["id"]
    eventually(lambda: calls.exists() and calls.read_text() == "x")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not running(pid))
    assert one.ask("status")["process"] is None
    one.ok("up", "--detach")
    eventually(lambda: one.ask("show", ident)["state"] == "uncertain")
    assert one.ask("sync")["state"] == "ok"
    assert calls.read_text() == "x"


def test_i7_the_ledger_may_vanish_while_the_process_runs(
    bare: Remote, one: Computer, two: Computer, stop_processes: list[Computer]
) -> None:
    start(one, stop_processes)
    start(two, stop_processes, ECHO)
    one.ok("send", "2/echo", "first", "-m", "x", "--wait", "20")
    for file in (two.root / ".gitsync").glob("ledger.sqlite3*"):
        file.unlink()
    one.ok("send", "2/echo", "second", "-m", "x", "--wait", "20")
    assert states(two) == {"first": "done", "second": "done"}
    assert [entry["subject"] for entry in one.ask("inbox")].count("Re: first") == 1


def test_a_remote_that_goes_away_turns_health_red_in_time_and_everything_arrives_later(
    bare: Remote, one: Computer, two: Computer, stop_processes: list[Computer]
) -> None:
    start(one, stop_processes)
    eventually(lambda: http(one, "GET", "/health")[0] == 200)
    hidden = bare.path.with_name(bare.path.name + ".away")
    bare.path.rename(hidden)
    result = one("sync")
    assert result.code == 75
    ids = [one.ask("send", "2", f"while away {number}", "-m", "x")["id"] for number in range(3)]
    status = one.ask("status")
    assert status["sync"]["error"]
    assert status["sync"]["pending"] >= 3
    hidden.rename(bare.path)
    eventually(lambda: one.ask("status")["sync"]["pending"] == 0)
    two.ok("sync")
    assert [entry["id"] for entry in reversed(two.ask("inbox"))] == ids


def test_stopping_waits_for_a_running_agent(one: Computer, stop_processes: list[Computer], tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    agent = f"""
[[agents]]
name = "slow"
kind = "command"
argv = ["{sys.executable}", "-c", "import time; open('{begun}', 'w').close(); time.sleep(1.5); print('finished')"]
"""
    pid = start(one, stop_processes, agent)
    ident = one.ask("send", "self/slow", "Work", "-m", "x")["id"]
    eventually(begun.exists)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: one.ask("status")["process"] is None)
    assert one.ask("show", ident)["state"] == "done"


def test_a_second_process_on_the_clone_says_who_has_it(one: Computer, stop_processes: list[Computer]) -> None:
    pid = start(one, stop_processes)
    second = one("up")
    assert second.code == 1
    assert str(pid) in second.err
    assert one.ask("status")["process"]["pid"] == pid


def test_wake_brings_what_was_pushed_elsewhere_at_once(
    bare: Remote, one: Computer, two: Computer, stop_processes: list[Computer]
) -> None:
    start(two, stop_processes)
    two.settings('[sync]\nfastest = "10m"\nslowest = "10m"\n')
    assert http(two, "POST", "/reload", {})[0] == 200
    two.ok("sync")
    eventually(lambda: rests(two, seconds=2.5))  # nothing is left that would bring another cycle by itself
    one.ok("send", "2", "news", "-m", "x")
    one.ok("sync")
    assert "news" not in states(two)
    assert http(two, "POST", "/wake", {})[0] == 200
    eventually(lambda: "news" in states(two), seconds=5)


def test_log_and_files_are_private_and_hold_no_password(
    bare: Remote, one: Computer, stop_processes: list[Computer]
) -> None:
    start(one, stop_processes)
    state = one.root / ".gitsync"
    for name in ("gitsync.log", "daemon.json", "token"):
        assert (state / name).stat().st_mode & 0o077 == 0, name
    one.git("-C", str(one.mailbox), "remote", "set-url", "origin", "http://ann:s3cret@127.0.0.1:9/x.git")
    assert one("sync").code in (1, 75)
    assert "s3cret" not in (state / "gitsync.log").read_text()
    assert "s3cret" not in str(one.ask("status"))


def test_nothing_stays_behind(one: Computer, stop_processes: list[Computer]) -> None:
    pid = start(one, stop_processes, ECHO)
    one.ok("send", "self/echo", "x", "-m", "x", "--wait", "20")
    one.ok("down")
    assert not (one.root / ".gitsync" / "daemon.json").exists()
    rest = subprocess.run(["ps", "-eo", "pid,ppid,sid,args"], capture_output=True, text=True, check=True).stdout
    assert str(one.root) not in "\n".join(line for line in rest.splitlines() if "pytest" not in line)
    assert not running(pid)
    journal = sqlite3.connect(one.mailbox / ".git" / "gitsync" / "journal.sqlite3")
    assert journal.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    journal.close()


def test_a_copy_of_everything_hands_over_nothing(
    one: Computer, two: Computer, stop_processes: list[Computer], tmp_path: Path
) -> None:
    """Two that share an id find the same messages; neither acts until a person has said which of them shall."""
    calls = tmp_path / "calls"
    agent = f"""
[[agents]]
name = "worker"
kind = "command"
argv = ["{sys.executable}", "-c", "open('{calls}', 'a').write('x')"]
default = true
"""
    one.settings(QUICK + agent)
    two.ask("send", "1", "Launch", "-m", "once")
    two.ok("sync")
    assert one.ask("sync")["received"] == 1
    copy = Computer(tmp_path / "copy", "1")
    shutil.copytree(one.root, copy.root, symlinks=True)
    copy("init", "--id", "1")  # it says that the id is taken; the settings are this person's from now on
    for computer in (copy, one):
        stop_processes.append(computer)
        computer.ok("up", "--detach")
    for computer in (copy, one):
        eventually(lambda computer=computer: "another machine uses" in (computer.ask("status")["sync"]["error"] or ""))
        computer("send", "self/worker", "Local", "-m", "once")
    time.sleep(1.5)
    assert not calls.exists()
    one.ok("down")
    one.ok("init", "--id", "1", "--take-over")
    one.ok("up", "--detach")
    eventually(lambda: calls.exists() and calls.read_text() == "xx")


def test_a_process_waits_for_a_command_that_works_on_the_clone(one: Computer, stop_processes: list[Computer]) -> None:
    one.settings(QUICK)
    stop_processes.append(one)
    hold = (
        "import sys; from pathlib import Path; from gitsync.sync.lock import CloneLock;"
        "CloneLock(Path(sys.argv[1])).acquire(); print('held', flush=True); sys.stdin.read()"
    )
    lock = one.mailbox / ".git" / "gitsync" / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"held\n"
        timer = threading.Timer(1.5, command.kill)
        timer.start()
        one.ok("up", "--detach")
        timer.join()
    assert one.ask("status")["process"] is not None


def test_a_burst_of_500_messages_takes_few_pushes(bare: Remote, one: Computer, stop_processes: list[Computer]) -> None:
    start(one, stop_processes)
    one.ok("sync")
    before = count_commits(bare)
    for number in range(500):
        assert http(one, "POST", "/send", {"to": "2", "subject": f"number {number}", "message": "x"})[0] == 200
    eventually(lambda: one.ask("status")["sync"]["pending"] == 0)
    assert count_commits(bare) - before <= 10
    text = bare.read("messages/1_TO_2.md").decode()
    assert [text.count(f"## number {number}\n") for number in range(500)] == [1] * 500

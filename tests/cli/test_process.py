"""The background process by its commands."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitsync.cli.client import alive
from tests.cli.conftest import Computer

SETTINGS = '[sync]\nfastest = "1s"\nslowest = "2s"\nsettle = "100ms"\n'


@pytest.fixture
def up(one: Computer, stop_processes: list[Computer]) -> Computer:
    one.settings(SETTINGS)
    stop_processes.append(one)
    assert "running: pid" in one.ok("up", "--detach")
    return one


def test_life(up: Computer) -> None:
    status = up.ask("status")
    pid = status["process"]["pid"]
    assert status["machine"]["state"] == "ACTIVE"
    assert json.loads((up.root / ".gitsync" / "daemon.json").read_text())["pid"] == pid
    assert "already running" in up.ok("up", "--detach")
    assert up("up").code == 1
    assert up.ask("sync")["state"] == "ok"
    assert up.ask("agents") == []
    up.ok("restart")
    again = up.ask("status")["process"]["pid"]
    assert again != pid
    assert "stopped" in up.ok("down")
    assert up.ask("status")["process"] is None
    assert "no process" in up.ok("down")
    assert not alive(again)


def test_a_message_goes_at_once(up: Computer, two: Computer) -> None:
    ident = up.ask("send", "2", "Quick", "-m", "now")["id"]
    deadline = time.monotonic() + 10
    while not two.ask("sync")["received"]:
        assert time.monotonic() < deadline
    answer = two.ask("reply", ident, "-m", "got it")["id"]
    two.ok("ack", ident)
    two.ok("sync")
    deadline = time.monotonic() + 15
    while [entry["id"] for entry in up.ask("inbox")] != [answer]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_wait_for_a_local_agent(one: Computer, stop_processes: list[Computer]) -> None:
    one.settings(
        SETTINGS
        + '[[agents]]\nname = "echo"\nkind = "command"\nargv = ["sh", "-c", "echo heard; cat >/dev/null"]\n'
        + '[[agents]]\nname = "broken"\nkind = "command"\nargv = ["sh", "-c", "echo sorry >&2; exit 3"]\nattempts = 1\n'
    )
    stop_processes.append(one)
    one.ok("up", "--detach")
    told = one.ask("send", "echo", "Hello", "-m", "x", "--wait", "20")
    assert told["outcome"] == "done"
    assert told["reply"]["body"].strip() == "heard"
    failed = one("send", "self/broken", "Hello", "-m", "x", "--wait", "20")
    assert failed.code == 1
    assert "sorry" in failed.err or "3" in failed.err


def test_a_port_in_use(one: Computer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        one.config.write_text(f'[machine]\nid = "1"\n[api]\nport = {port}\n')
        for args in (("up", "--detach"), ("up",)):
            result = one(*args)
            assert result.code == 1
            assert f"127.0.0.1:{port}" in result.err
            assert "port = 0" in result.err
            assert "Traceback" not in result.err
    assert one.ask("status")["process"] is None


def test_wrong_settings_stop_the_start(one: Computer) -> None:
    one.config.write_text('[machine]\nid = "1"\nnmae = "x"\n')
    for args in (("up", "--detach"), ("up",), ("status",), ("sync",)):
        result = one(*args)
        assert result.code == 2
        assert "config.toml:3" in result.err
        assert "'name'" in result.err


def test_killed_and_started_again(up: Computer) -> None:
    pid = up.ask("status")["process"]["pid"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while up.ask("status")["process"] is not None:
        assert time.monotonic() < deadline
    assert up.ask("sync")["state"] == "ok"
    up.ok("up", "--detach")
    assert up.ask("status")["process"]["pid"] != pid


def test_in_the_foreground_until_interrupted(one: Computer) -> None:
    one.settings(SETTINGS)
    process = subprocess.Popen(
        [sys.executable, "-m", "gitsync", "up"],
        cwd=one.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 20
        while one.ask("status")["process"] is None:
            assert time.monotonic() < deadline
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert process.returncode in (0, 130)
    assert b"Traceback" not in err


def test_a_process_id_used_again_is_not_ours(up: Computer) -> None:
    """A killed process leaves its notes behind; whoever has its number now must not be stopped."""
    os.kill(up.ask("status")["process"]["pid"], signal.SIGKILL)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        for note in (up.root / ".gitsync" / "daemon.json", *up.mailbox.glob(".git/gitsync/*.lock")):
            note.write_text(json.dumps({**json.loads(note.read_text()), "pid": stranger.pid}))
        assert up.ask("status")["process"] is None
        assert "no process" in up.ok("down")
        up.ok("up", "--detach")
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_send_beside_a_process_that_dies(up: Computer, two: Computer) -> None:
    """It is durable without the process's word, which may never come."""
    pid = up.ask("status")["process"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        ident = up.ask("send", "2", "Last words", "-m", "take care")["id"]
    finally:
        os.kill(pid, signal.SIGKILL)
    up.ok("up", "--detach")
    deadline = time.monotonic() + 15
    while [entry["id"] for entry in two.ask("inbox")] != [ident]:
        assert time.monotonic() < deadline
        two.ok("sync")


def test_right_after_a_kill(up: Computer) -> None:
    """A killed process looks alive for a moment; nobody may be told that it runs, or be left without an answer."""
    for _ in range(5):
        os.kill(up.ask("status")["process"]["pid"], signal.SIGKILL)
        assert up.ask("sync")["state"] == "ok"
        assert "running: pid" in up.ok("up", "--detach")
        pid = up.ask("status")["process"]["pid"]
        os.kill(pid, signal.SIGKILL)
        assert f"pid {pid}" not in up.ok("up", "--detach")


def test_killed_while_it_is_asked(up: Computer) -> None:
    """Who waits for its answer to `sync` does the work alone."""
    pid = up.ask("status")["process"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    up.ok("send", "1", "To myself", "-m", "x")
    with subprocess.Popen(
        [sys.executable, "-m", "gitsync", "sync", "--json"], cwd=up.root, stdout=subprocess.PIPE
    ) as asking:
        deadline = time.monotonic() + 20
        while not _connected(asking.pid):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        assert asking.stdout is not None
        assert json.loads(asking.stdout.read())["state"] == "ok"
    assert asking.returncode == 0


def _connected(pid: int) -> bool:
    """Tell whether a process holds a TCP connection open."""
    table = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    established = {line.split()[9] for line in table if line.split()[3] == "01"}
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(file)
            if target.startswith("socket:[") and target[8:-1] in established:
                return True
    return False


def test_settings_that_are_wrong_keep_nobody_from_stopping(up: Computer) -> None:
    right = up.config.read_text()
    up.config.write_text(right + "[dispach]\n")
    assert up("restart").code == 2  # what runs goes on: it could not be started again
    assert "stopped pid" in up.ok("down")
    up.config.write_text(right)
    assert up.ask("status")["process"] is None


def test_a_mailbox_that_is_removed_can_be_had_again(up: Computer) -> None:
    """The process ends by itself, no command makes half a clone in its place, and init makes a whole one."""
    pid = up.ask("status")["process"]["pid"]
    shutil.rmtree(up.mailbox)
    for args in (("status",), ("sync",), ("send", "2", "x"), ("up", "--detach")):
        result = up(*args)
        assert result.code == 1
        assert "gitsync init" in result.err
    deadline = time.monotonic() + 30
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    up.mailbox.mkdir(exist_ok=True)
    (up.mailbox / "left.md").write_text("typed by somebody\n")
    assert "lost-mailbox" in up("init", "--id", "1").err
    (left,) = up.config.parent.glob("lost-mailbox-*/left.md")
    assert left.read_text() == "typed by somebody\n"
    assert up.ask("sync")["state"] == "ok"
    up.ok("up", "--detach")


def test_beside_a_process_of_another_version(up: Computer, two: Computer) -> None:
    """A process that keeps its ledger differently is pointed out, and nobody is taken for unknown meanwhile."""
    two.ok("sync")
    up.ok("sync")
    ledger = up.config.with_name("ledger.sqlite3")
    with contextlib.closing(sqlite3.connect(ledger)) as file, file:
        file.execute("UPDATE meta SET value = 'of another version' WHERE key = 'layout'")
    result = up("send", "2", "Are you there?", "-m", "Hello.")
    assert result.code == 0
    assert "gitsync restart" in result.err
    assert "held" not in result.err
    up.ok("restart")
    assert up("send", "2", "And now?", "-m", "Hello.").err == ""

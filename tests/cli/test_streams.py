"""Standard streams that are closed, full or read by nobody: no traceback, the work is done, and the code tells."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cli.calls import PROJECT
from tests.cli.conftest import Computer

CALLS = [("status",), ("log", "--json"), ("send", "2", "Hello", "-m", "x")]


def shell(computer: Computer, redirect: str, *args: str) -> tuple[int, str]:
    """Run a command from a shell with its streams redirected; return its code and what came through."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}  # what it holds back counts
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirect}', "sh", sys.executable, "-m", "gitsync", *args],
        cwd=computer.root,
        env={**env, "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("args", CALLS, ids=lambda args: " ".join(args[:2]))
def test_output_that_nobody_gets(one: Computer, args: tuple[str, ...]) -> None:
    one.ok("sync")
    for redirect in (">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full", "| :"):
        code, told = shell(one, redirect, *args)
        assert code == 0, (redirect, told)
        assert "Traceback" not in told
        assert "unexpected" not in told
    code, told = shell(one, ">/dev/full", *args)
    assert code == 1
    lines = [line for line in told.splitlines() if "held:" not in line and "no process" not in line]
    assert lines == [
        "gitsync: cannot write the output",
        "  No space left on device",
        "  what was asked for may be done all the same",
    ]
    if args[0] == "send":
        assert one.ask("status")["sync"]["pending"] >= 6


def test_a_failure_keeps_its_code_without_anybody_to_tell(one: Computer) -> None:
    code, _ = shell(one, "", "show", "nothing-like-it")
    assert code not in (0, 1)
    for redirect in (">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"):
        assert shell(one, redirect, "show", "nothing-like-it")[0] == code


def test_a_closed_stream_is_not_taken_by_a_file(one: Computer) -> None:
    """The lowest free number goes to the next file that is opened: a store must never be where output goes."""
    before = {file.name: file.read_bytes()[:16] for file in (one.mailbox / ".git/gitsync").glob("*.sqlite3")}
    assert before
    for _ in range(2):
        assert shell(one, "<&- >&- 2>&-", "send", "2", "Hello", "-m", "x")[0] == 0
    assert {file.name: file.read_bytes()[:16] for file in (one.mailbox / ".git/gitsync").glob("*.sqlite3")} == before
    assert one.ask("sync")["sent"] == 2

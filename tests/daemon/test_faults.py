"""Row 2 with the real process: killed by SIGKILL at each numbered point, started again, and everything holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.calls import PROJECT
from tests.daemon.conftest import QUICK, Computer, eventually
from tests.remotes import Remote

AGENT = """
[[agents]]
name = "scribe"
kind = "command"
argv = ["{python}", "{program}"]
default = true
idempotent = {idempotent}
"""

PROGRAM = """
import json, os, sys
task = json.load(sys.stdin)
with open({calls!r}, "a") as file:
    file.write(task["subject"] + " " + os.environ["GITSYNC_KEY"] + "\\n")
print("written down: " + task["subject"])
"""

ENDS = {
    ("7-begun", False): ("uncertain", 0),
    ("7-begun", True): ("done", 1),
    ("7-answered", False): ("uncertain", 1),
    ("7-answered", True): ("done", 2),
    ("7-concluded", False): ("done", 1),
    ("7-concluded", True): ("done", 1),
}
"""What becomes of the message, and how often the agent is called. All points, with all that may happen at each, are
played by `tests/campaign`."""


def prepare(computer: Computer, *, idempotent: bool) -> Path:
    """Give a computer an agent that writes down what it is called for; return the file it writes."""
    calls = computer.root / "calls"
    program = computer.root / "scribe.py"
    program.write_text(PROGRAM.format(calls=str(calls)))
    said = AGENT.format(python=sys.executable, program=program, idempotent=str(idempotent).lower())
    computer.settings(QUICK + said)
    return calls


@pytest.mark.faults
@pytest.mark.parametrize(("point", "idempotent"), [("5-pushed", False), ("6-ref", False), *ENDS])
def test_2_a_process_is_killed(
    bare: Remote, one: Computer, two: Computer, stop_processes: list[Computer], point: str, idempotent: bool
) -> None:
    calls = prepare(two, idempotent=idempotent)
    task = one.ask("send", "2", "task", "-m", "please")["id"]
    (one.mailbox / "new.md").write_text("a file from one\n")
    one.ok("sync")
    word = two.ask("send", "1", "word", "-m", "mine")["id"]
    (two.mailbox / "typed.md").write_text("typed at two\n")

    victim = subprocess.run(
        [sys.executable, "-m", "gitsync", "--dir", two.root, "up"],
        cwd=PROJECT, env={**os.environ, "GITSYNC_FAULT": point},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert victim.returncode == -9, victim.stdout + victim.stderr

    stop_processes.append(two)
    two.ok("up", "--detach")
    state = eventually(lambda: state_of(two, task))
    eventually(lambda: pushed(bare, "typed.md"))
    one.ok("sync")
    two.ok("sync")
    if not idempotent and state == "uncertain":
        assert len(written(calls)) <= 1
    else:
        assert state == "done"
        assert len(set(written(calls))) == 1  # the key of every attempt is the same
    if (point, idempotent) in ENDS:
        assert (state, len(written(calls))) == ENDS[point, idempotent]
    arrived = sorted(entry["subject"] for entry in one.ask("inbox") if entry["from"].startswith("2"))
    assert arrived == (["Re: task", "word"] if state == "done" else ["word"])
    assert len(two.ask("show", task)["receipts"]) == len({(r["outcome"], r["attempt"]) for r in receipts(two, task)})
    assert one.ask("show", word)["body"].strip() == "mine"
    assert (one.mailbox / "typed.md").read_text() == "typed at two\n"
    assert (two.mailbox / "new.md").read_text() == "a file from one\n"
    bare.git("fsck", "--strict", "--no-dangling")


def state_of(computer: Computer, ident: str) -> str | None:
    """Give what became of a message, once that is settled."""
    found = {entry["id"]: entry["state"] for entry in computer.ask("inbox")}.get(ident)
    return found if found in ("done", "uncertain", "failed") else None


def receipts(computer: Computer, ident: str) -> list[dict[str, str]]:
    """Give the receipts of a message."""
    found: list[dict[str, str]] = computer.ask("show", ident)["receipts"]
    return found


def written(calls: Path) -> list[str]:
    """Give what the agent was called for."""
    return calls.read_text().splitlines() if calls.exists() else []


def pushed(remote: Remote, path: str) -> bool:
    """Say whether a file is on the branch."""
    return path in remote.git("ls-tree", "--name-only", "coordination").split()

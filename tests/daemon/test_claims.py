"""The work of a machine that claimed a message and is gone: a person gives it to another one (PROTOCOL 6)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.daemon.conftest import QUICK, Computer, eventually
from tests.daemon.test_running import ECHO, start
from tests.remotes import Remote

SLEEPS = """
[[agents]]
name = "sleeper"
kind = "command"
argv = ["sh", "-c", "cat >/dev/null; echo x >> {calls}; exec sleep 120"]
default = true
"""


def outcomes(computer: Computer, ident: str) -> list[tuple[str, str]]:
    """Give what machines have said of a message."""
    return [(one["machine"], one["outcome"]) for one in computer.ask("show", ident)["receipts"]]


@pytest.mark.parametrize("told", [False, True])
def test_a_person_takes_over_what_a_dead_machine_has_claimed(
    bare: Remote, one: Computer, two: Computer, stop_processes: list[Computer], tmp_path: Path, told: bool
) -> None:
    """The claim is a ref; the line that tells of it goes along with the next push, which may never come."""
    calls = tmp_path / "calls"
    one.settings(QUICK + ECHO)
    two.ok("sync")
    one.ok("sync")
    pid = start(two, stop_processes, SLEEPS.format(calls=calls))
    ident = one.ask("send", "ANY", "Whoever", "-m", "please")["id"]
    one.ok("sync")
    eventually(calls.exists)
    if told:
        two.ok("send", "1", "Something else", "-m", "x")
        eventually(lambda: one.ask("sync") and ("2", "claimed") in outcomes(one, ident))
    os.kill(pid, signal.SIGKILL)
    claim = f"refs/gitsync/coordination/claim/{ident}"
    assert claim in bare.refs()

    taken = one("ack", ident, "--again")
    assert taken.code == 0, taken
    assert "claim of 2 is removed" in taken.err
    assert claim not in bare.refs()
    start(one, stop_processes, ECHO)
    eventually(lambda: ("1", "done") in outcomes(one, ident))
    one.ok("sync")

    two.ok("up", "--detach")  # it was not dead after all: what it had begun is neither repeated nor called done
    two.ok("sync")
    eventually(lambda: ("1", "done") in outcomes(two, ident))
    assert calls.read_text() == "x\n"
    assert ("2", "done") not in outcomes(one, ident)
    assert one("ack", ident, "--again").code == 3

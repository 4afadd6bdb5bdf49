"""Row 7 at a real terminal: where git and ssh would ask a person, the program says what to do instead."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.calls import PROJECT
from tests.cli.conftest import Computer
from tests.remotes import GitHttpServer, Remote, Remotes

ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "gitsync", *sys.argv[1:]])
"""


def at_terminal(computer: Computer, *args: str) -> tuple[int, str]:
    """Run a command in a session whose terminal is a real one; return its exit code and all that was shown there."""
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, *args],
            cwd=computer.root,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # EIO: the last one at the terminal has left
            while piece := os.read(ours, 65536):
                shown += piece
        return process.wait(60), shown.decode(errors="replace")
    finally:
        os.close(ours)


@pytest.fixture
def locked_out(one: Computer, bare: Remote) -> Callable[[str], Computer]:
    """Point a computer that was set up at another place of its remote."""

    def point(url: str) -> Computer:
        one.ok("send", "2", "For later", "-m", "x")
        one.git("-C", str(one.mailbox), "remote", "set-url", "origin", url)
        return one

    return point


def test_7_nobody_is_asked_for_a_password(locked_out: Callable[[str], Computer], bare: Remote) -> None:
    with GitHttpServer(bare.path.parent, auth=("user", "secret")) as server:
        one = locked_out(f"{server.url}/{bare.path.name}")
        code, shown = at_terminal(one, "sync")
        assert code == 1, shown
        assert "does not accept our credentials" in shown
        assert "git ls-remote" in shown
        assert "Traceback" not in shown
        one.git(
            "-C",
            str(one.mailbox),
            "remote",
            "set-url",
            "origin",
            server.url.replace("//", "//user:secret@") + "/" + bare.path.name,
        )
        code, shown = at_terminal(one, "sync")
        assert code == 0, shown
        assert "1 sent" in shown


def test_7_nobody_is_asked_about_a_host_key(
    locked_out: Callable[[str], Computer], remotes: Remotes, bare: Remote, tmp_path: Path
) -> None:
    one = locked_out(f"{remotes.ssh.url}{bare.path}")
    ssh = f"ssh -F {remotes.ssh.client_config} -o StrictHostKeyChecking=ask -o ControlPath=none"
    one.git("-C", str(one.mailbox), "config", "core.sshCommand", f"{ssh} -o UserKnownHostsFile={tmp_path}/known")
    code, shown = at_terminal(one, "sync")
    assert code == 1, shown
    assert "host key of the remote is unknown" in shown
    assert "fingerprint" in shown
    assert "(yes/no" not in shown
    one.git("-C", str(one.mailbox), "config", "core.sshCommand", ssh)
    assert one.ask("sync")["sent"] == 1


def test_7_a_process_says_so_and_is_not_healthy(
    locked_out: Callable[[str], Computer], bare: Remote, stop_processes: list[Computer]
) -> None:
    with GitHttpServer(bare.path.parent, auth=("user", "secret")) as server:
        one = locked_out(f"{server.url}/{bare.path.name}")
        stop_processes.append(one)
        one.ok("up", "--detach")
        assert one("sync").code == 1
        told = one.ask("status")["sync"]
        assert told["state"] == "error"
        assert "credentials" in told["error"]
        assert "git ls-remote" in told["remedy"]
        assert told["pending"] > 0
        server.auth = None
        assert one.ask("sync")["state"] == "ok"
        assert one.ask("status")["sync"]["pending"] == 0

"""Start `gitsync` many times without loading it many times: a process that has loaded the program forks for each start.

What is forked is a process of its own, in a session of its own, with its own arguments, folder, environment and output;
only the imports are saved, so that a campaign of thousands of starts costs the program and not the loading of it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

PROJECT = Path(__file__).resolve().parents[2]
ROOMS = ("agents", "api", "cli", "config", "daemon", "dispatch", "git", "inbox", "ledger", "protocol", "supervisor")


class Nursery:
    """The process that forks, and the line to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign.nursery", str(theirs.fileno())],
            cwd=PROJECT,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._line = ours
        self._answers = ours.makefile("r")

    def start(self, args: Sequence[str | Path], cwd: Path, env: Mapping[str, str], said: Path) -> int:
        """Start the program; its output is appended to `said`. Return its process id."""
        call = {"args": [str(arg) for arg in args], "cwd": str(cwd), "env": dict(env), "said": str(said)}
        return int(self._ask(call))

    def code(self, pid: int) -> int | None:
        """Return the exit code (negative: the signal) of a process that was started here; None while it lives."""
        found = self._ask({"poll": pid})
        return None if found is None else int(found)

    def wait(self, pid: int, seconds: float) -> int | None:
        """Wait for the end of a process; None when it does not come in time."""
        deadline = time.monotonic() + seconds
        while (code := self.code(pid)) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return code

    def run(self, args: Sequence[str | Path], cwd: Path, env: Mapping[str, str], said: Path) -> int:
        """Run the program to its end; a command that hangs is an error."""
        pid = self.start(args, cwd, env, said)
        code = self.wait(pid, 60)
        if code is None:
            os.killpg(pid, 9)
            raise AssertionError(f"gitsync {' '.join(map(str, args))} does not end: {said.read_text()[-2000:]}")
        return code

    def _ask(self, what: object) -> Any:
        self._line.sendall(json.dumps(what).encode() + b"\n")
        return json.loads(self._answers.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._answers.close()
        self._line.close()
        self._process.wait(10)


def serve(line: socket.socket) -> None:
    """Fork for each call, and tell what became of it, until the line is closed."""
    for room in ROOMS:
        package = importlib.import_module(f"gitsync.{room}")
        for module in pkgutil.iter_modules(package.__path__, f"gitsync.{room}."):
            with contextlib.suppress(ImportError):  # who needs it will say so
                importlib.import_module(module.name)
    from gitsync.git import wrapped  # noqa: F401

    codes: dict[int, int] = {}
    for asked in line.makefile("r"):
        call = json.loads(asked)
        if "poll" in call:
            pid = call["poll"]
            if pid not in codes:
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    codes[pid] = os.waitstatus_to_exitcode(status)
            answer = codes.get(pid)
        else:
            answer = os.fork()
            codes.pop(answer, None)  # the system gives numbers again
            if answer == 0:
                line.detach()
                _become(call)
        line.sendall(json.dumps(answer).encode() + b"\n")


def _become(call: Mapping[str, Any]) -> None:
    code = 70
    try:
        os.setsid()
        os.closerange(3, 64)
        os.chdir(call["cwd"])
        os.environ.clear()
        os.environ.update(call["env"])
        time.tzset()
        out = os.open(call["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.close(out)
        os.close(null)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww")
        )
        sys.argv = ["gitsync", *call["args"]]
        from gitsync.cli.main import main

        code = main(call["args"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

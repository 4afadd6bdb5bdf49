"""Run the command line many times without loading it many times.

A process of its own loads the program once and forks for each call. A call is still a process, with its own arguments,
folder, environment, standard streams and exit code; only the 0.2 s of imports are saved. What is about starting (speed,
what is loaded, signals, several at once) starts the program anew.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Self

PROJECT = Path(__file__).resolve().parents[2]


class Calls:
    """The process that forks, and the line to it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.calls", str(theirs.fileno())], cwd=PROJECT, pass_fds=[theirs.fileno()]
        )
        theirs.close()
        self._answers = self._line.makefile("rb")

    def run(self, args: list[str], cwd: Path, stdin: bytes) -> tuple[int, bytes, bytes]:
        """Run one call to its end; return exit code and output."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin)
            given.seek(0)
            asked = json.dumps({"args": args, "cwd": str(cwd), "env": dict(os.environ)}).encode() + b"\n"
            socket.send_fds(self._line, [b"\n"], [given.fileno(), out.fileno(), err.fileno()])
            self._line.sendall(asked)
            code = int(self._answers.readline())
            out.seek(0)
            err.seek(0)
            return code, out.read(), err.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._answers.close()
        self._line.close()
        self._process.wait(10)


def serve(line: socket.socket) -> None:
    """Fork for each call until the line is closed."""
    import gitsync.cli
    import gitsync.sync.engine
    from gitsync.git import wrapped  # noqa: F401

    for module in pkgutil.iter_modules(gitsync.cli.__path__):
        importlib.import_module(f"gitsync.cli.{module.name}")
    asked = line.makefile("rb")
    while True:
        _, fds, _, _ = socket.recv_fds(line, 1, 3)
        if not fds:
            return
        call = json.loads(asked.readline())
        child = os.fork()
        if child == 0:
            _call(call["args"], call["cwd"], call["env"], fds)
        for fd in fds:
            os.close(fd)
        _, status = os.waitpid(child, 0)
        line.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _call(args: list[str], cwd: str, env: dict[str, str], fds: list[int]) -> None:
    code = 70
    try:
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        time.tzset()
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww")
        )
        sys.argv = ["gitsync", *args]
        from gitsync.cli.main import main

        code = main(args)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

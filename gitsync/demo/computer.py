"""One computer of the demonstration: a home of its own, a clone, settings, one background process."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PACKAGE_ROOT = Path(__file__).resolve().parent.parent.parent
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class CheckFailed(Exception):
    """Something that the demonstration promises did not come true."""


def wait_for(what: str, look: Callable[[], T | None], *, seconds: float = 20.0, every: float = 0.04) -> T:
    """Look again and again until there is something to see; return it.

    Raises `CheckFailed` with ``what`` when the time is up.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise CheckFailed(f"{what}: not within {seconds:g} s")
        time.sleep(every)


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment in which neither git nor gitsync sees the person's own settings."""
    keep = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "GITSYNC_", "XDG_", "SSH_", "PYTHONPATH"))
    }
    return {
        **keep,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "PYTHONPATH": str(PACKAGE_ROOT),
        "NO_COLOR": "1",
    }


class Process:
    """A child process with a log, ended by its own id and nothing else."""

    def __init__(self, argv: list[str], *, log: Path, env: dict[str, str], cwd: Path) -> None:
        with log.open("ab") as sink:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def running(self) -> bool:
        return self._child.poll() is None

    def end(self, *, patience: float = 15.0) -> int:
        """Ask it to stop, then insist; return its exit code (negative: the signal)."""
        if self.running():
            self._child.terminate()
            try:
                self._child.wait(patience)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._child.pid, signal.SIGKILL)  # the group is its own: see start_new_session
        return self._child.wait()

    def wait(self, seconds: float) -> int:
        """Wait for it to end by itself.

        Raises `CheckFailed` when it does not.
        """
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise CheckFailed(f"process {self.pid} does not end") from None


class Computer:
    """A machine of the fleet, used only as its owner could use it."""

    def __init__(self, base: Path, ident: str, name: str, role: str) -> None:
        self.id = ident
        self.name = name
        self.role = role
        self.root = base / f"computer-{ident}"
        self.home = base / f"home-{ident}"
        self.logs = base / "logs"
        self.home.mkdir()
        self.logs.mkdir(exist_ok=True)
        self.env = clean_environment(self.home)
        self.daemon: Process | None = None
        (self.home / ".gitconfig").write_text(
            f"[user]\n\tname = {name}\n\temail = computer-{ident}@demo.invalid\n", encoding="utf-8"
        )

    @property
    def mailbox(self) -> Path:
        return self.root / "coordination"

    @property
    def log(self) -> Path:
        return self.logs / f"computer-{self.id}.log"

    def run(self, *argv: str, stdin: str = "", cwd: Path | None = None, here: bool = True) -> str:
        """Run ``gitsync`` as this computer's owner; return what it prints.

        Raises `CheckFailed` with its errors when it does not exit with 0.
        """
        call = [sys.executable, "-m", "gitsync", *(["--dir", str(self.root)] if here else []), *argv]
        done = subprocess.run(
            call,
            input=stdin.encode(),
            capture_output=True,
            env=self.env,
            cwd=cwd or self.home,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise CheckFailed(f"computer {self.id}: gitsync {' '.join(argv)} ended with {done.returncode}: {said}")
        return done.stdout.decode(errors="replace")

    def leave_command(self, place: Path) -> None:
        """Write a program by which a person uses ``gitsync`` as this computer's owner."""
        own = ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "PYTHONPATH")
        settings = " ".join(shlex.quote(f"{name}={self.env[name]}") for name in own)
        call = shlex.join([sys.executable, "-m", "gitsync", "--dir", str(self.root)])
        place.write_text(f'#!/bin/sh\nexec env {settings} {call} "$@"\n', encoding="utf-8")
        place.chmod(0o700)

    def ask(self, *argv: str) -> Any:
        """Run a command with ``--json`` and decode what it prints."""
        return json.loads(self.run(*argv, "--json"))

    def init(self, remote: str) -> None:
        """Set this computer up in a new folder."""
        self.run(
            "init",
            remote,
            str(self.root),
            "--id",
            self.id,
            "--name",
            self.name,
            "--role",
            self.role,
            here=False,
        )

    def configure(self, agents: str) -> None:
        """Write this machine's settings."""
        (self.root / ".gitsync" / "config.toml").write_text(
            f'[machine]\nid = "{self.id}"\nname = "{self.name}"\nrole = "{self.role}"\n\n'
            '[sync]\nfastest = "1s"\nslowest = "10s"\nsettle = "1s"\n\n'
            f"[api]\nport = 0\n\n{agents}",
            encoding="utf-8",
        )

    def start(self) -> None:
        """Start the background process without waiting for it."""
        call = [sys.executable, "-m", "gitsync", "--dir", str(self.root), "up"]
        self.daemon = Process(call, log=self.log, env=self.env, cwd=self.home)

    def up(self) -> None:
        """Start the background process, unless it was, and wait until it answers."""
        if self.daemon is None or not self.daemon.running():
            self.start()
        daemon = self.daemon
        assert daemon is not None

        def answers() -> bool:
            if not daemon.running():
                raise CheckFailed(f"computer {self.id}: `gitsync up` ended with {daemon.wait(1)}")
            with contextlib.suppress(OSError, ValueError, KeyError):
                told = json.loads((self.root / ".gitsync" / "daemon.json").read_text())
                return told["pid"] == daemon.pid and self.get("/") is not None
            return False

        wait_for(f"computer {self.id} answers on its port", answers)

    def down(self) -> None:
        """Stop the background process the way a person does."""
        assert self.daemon is not None
        self.run("down")
        self.daemon.wait(15)

    @property
    def port(self) -> int:
        return int(json.loads((self.root / ".gitsync" / "daemon.json").read_text())["port"])

    def get(self, path: str) -> Any:
        """Ask the running process over HTTP; None while it does not answer."""
        try:
            with _DIRECT.open(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except (OSError, ValueError):
            return None

    def messages(self) -> list[dict[str, Any]]:
        """Return the newest messages that this computer knows."""
        found = self.get("/messages?limit=500")
        return found if isinstance(found, list) else []

    def send(self, to: str, subject: str, text: str, *more: str) -> str:
        """Send a message; return its id."""
        return str(self.ask("send", to, subject, "-m", text, *more)["id"])

    def reply_to(self, ident: str, *, sender: str = "", seconds: float = 20.0) -> dict[str, Any]:
        """Wait for an answer in the thread of a message; return its entry."""

        def look() -> dict[str, Any] | None:
            for entry in self.messages():
                answers = entry["id"] != ident and ident in (entry.get("in_reply_to"), entry.get("thread"))
                foreign = entry["from"].partition("/")[0] != self.id
                if answers and (entry["from"] == sender if sender else foreign):
                    return entry
            return None

        return wait_for(
            f"computer {self.id}: an answer to {ident}" + (f" from {sender}" if sender else ""),
            look,
            seconds=seconds,
        )

    def body(self, ident: str) -> str:
        """Return the text of a message."""
        return str(self.ask("show", ident)["body"])

"""One machine whose real process serves all tests of this folder."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from gitsync.client import AsyncClient
from tests.remotes import run_git

PROJECT = Path(__file__).resolve().parents[3]

SETTINGS = """
[machine]
id = "1"
[api]
port = 0
[sync]
fastest = "500ms"
slowest = "1s"
settle = "100ms"
[tasks]
queue_limit = 5

[[agents]]
name = "echo"
kind = "http"
url = "{url}"
health = "/health"
deliver = "/work"
types = ["build_project"]

[[agents]]
name = "desk"
kind = "inbox"
types = ["by_hand"]

[[agents]]
name = "other"
kind = "inbox"
types = ["nothing"]
"""


class _Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._say(b"{}")

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._say(f"heard {message['subject']}".encode())

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Machine:
    """A machine and its process."""

    def __init__(self, root: Path, env: dict[str, str]) -> None:
        self.root = root
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, *args: str) -> None:
        """Run a command that must not fail."""
        command = [sys.executable, "-m", "gitsync", *args]
        done = subprocess.run(
            command, cwd=self.root, env=self._env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr

    def up(self) -> None:
        """Start the process, and wait until it answers."""
        (self.root / ".gitsync" / "daemon.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "gitsync", "up"]
        self._process = subprocess.Popen(command, cwd=self.root, env=self._env, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while not (self.root / ".gitsync" / "daemon.json").exists():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < until, self.log
            time.sleep(0.02)

    def down(self) -> None:
        """Stop the process."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(30) == 0, self.log
            self._process = None

    def kill(self) -> None:
        """End the process without a word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        self._process = None

    @property
    def log(self) -> str:
        """What the process has written."""
        return (self.root / ".gitsync" / "gitsync.log").read_text()

    @property
    def url(self) -> str:
        """Where it answers."""
        port = json.loads((self.root / ".gitsync" / "daemon.json").read_text())["port"]
        return f"http://127.0.0.1:{port}"

    @property
    def token(self) -> str:
        """What lets one change something."""
        return (self.root / ".gitsync" / "token").read_text().strip()

    @property
    def bearer(self) -> dict[str, str]:
        """The header with the token."""
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with an agent that answers, and two that pull."""
    base = tmp_path_factory.mktemp("live")
    root = base / "code"
    root.mkdir()
    run_git("init", "-q", "--bare", str(base / "remote.git"), cwd=base)
    run_git("init", "-q", cwd=root)
    run_git("remote", "add", "origin", str(base / "remote.git"), cwd=root)
    env = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "XDG_CONFIG_HOME": str(base / "xdg"),
        "XDG_STATE_HOME": str(base / "state"),
    }
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as echo:
        threading.Thread(target=echo.serve_forever, daemon=True).start()
        found = Machine(root, env)
        found.call("init", "--id", "1", "--port", "0")
        (root / ".gitsync" / "config.toml").write_text(SETTINGS.format(url=f"http://127.0.0.1:{echo.server_port}"))
        found.up()
        try:
            yield found
        finally:
            found.down()
            echo.shutdown()


Scene = Callable[[AsyncClient], Awaitable[None]]


@pytest.fixture
def play(machine: Machine) -> Callable[[Scene], None]:
    """Run a scene with the client that programs use."""

    def run(scene: Scene) -> None:
        async def go() -> None:
            async with AsyncClient.find(machine.root) as client:
                await scene(client)

        asyncio.run(go())

    return run


@pytest.fixture
def raw(machine: Machine) -> Iterator[httpx.Client]:
    """A client for requests that no well-behaved client makes."""
    with httpx.Client(base_url=machine.url, trust_env=False, timeout=30) as client:
        yield client


async def eventually(check: Callable[[], Awaitable[Any]], *, seconds: float = 20) -> Any:
    """Return what ``check`` gives once it is true; fail when it never is."""
    until = time.monotonic() + seconds
    while not (found := await check()):
        assert time.monotonic() < until, f"never came true: {check}"
        await asyncio.sleep(0.05)
    return found

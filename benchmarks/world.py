"""What is measured and what it is measured against: computers with gitsync, and clones with nothing but git."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gitsync.config.read import read_settings
from gitsync.demo.computer import Computer, clean_environment
from gitsync.machine import Opened, open_machine
from tests.remotes import GitHttpServer

BRANCH = "coordination"
TUNED = (
    *("-c", "core.fsync=committed,loose-object,reference", "-c", "core.fsyncMethod=fsync"),
    *("-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.hooksPath=/dev/null"),
)
FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class World:
    """A folder with remotes, computers and plain clones, gone when the measurement is over."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.home = base / "home"
        self.home.mkdir()
        self.env = clean_environment(self.home)
        (self.home / ".gitconfig").write_text("[user]\n\tname = Plain\n\temail = plain@bench.invalid\n")
        self._stack = contextlib.ExitStack()
        self._http: GitHttpServer | None = None

    def git(self, *argv: str, cwd: Path | None = None, check: bool = True, stdin: bytes = b"") -> str:
        """Run plain git."""
        done = subprocess.run(
            ["git", *argv], cwd=cwd or self.base, env=self.env, input=stdin, capture_output=True, check=False
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"git {' '.join(argv)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def remote(self, kind: str = "file", name: str = "") -> tuple[str, Path]:
        """Make a bare repository that remembers every push; return its URL and its place."""
        name = name or f"remote-{len(list(self.base.glob('*.git')))}.git"
        path = self.base / name
        self.git("init", "--quiet", "--bare", "--initial-branch", BRANCH, str(path))
        settings = {
            "core.logAllRefUpdates": "always", "http.receivepack": "true", "gc.auto": "0", "receive.autogc": "false",
            "core.fsync": "committed,loose-object,reference",
        }  # fmt: skip
        for key, value in settings.items():
            self.git("config", key, value, cwd=path)
        if kind == "file":
            return str(path), path
        if self._http is None:
            self._http = self._stack.enter_context(GitHttpServer(self.base))
        return f"{self._http.url}/{name}", path

    def pushes(self, bare: Path) -> int:
        """Count how often the branch of a bare repository was moved."""
        log = bare / "logs" / "refs" / "heads" / BRANCH
        return len(log.read_bytes().splitlines()) if log.exists() else 0

    def commits(self, bare: Path) -> int:
        """Count the commits of the branch."""
        return int(self.git("rev-list", "--count", BRANCH, cwd=bare))

    def computer(self, ident: str, url: str, agents: str = "", **sync: str) -> Computer:
        """Set a computer up; its process is not started."""
        folder = self.base / f"fleet-{len(list(self.base.glob('fleet-*')))}"
        folder.mkdir()
        computer = Computer(folder, ident, f"Machine {ident}", "measured")
        computer.init(url)
        pace = {"fastest": "1s", "slowest": "5m", "settle": "1s", **sync}
        lines = "".join(f'{key} = "{value}"\n' for key, value in pace.items())
        (computer.root / ".gitsync" / "config.toml").write_text(
            f'[machine]\nid = "{ident}"\nname = "Machine {ident}"\n\n[sync]\n{lines}\n[api]\nport = 0\n\n{agents}',
            encoding="utf-8",
        )

        def stop() -> None:
            if computer.daemon is not None:
                computer.daemon.end()

        self._stack.callback(stop)
        return computer

    def opened(self, computer: Computer) -> Opened:
        """Open a computer's stores in this process, without its background process."""
        os.environ["HOME"] = str(computer.home)
        opened = open_machine(read_settings(computer.root / ".gitsync" / "config.toml"))
        self._stack.callback(opened.close)
        return opened

    def plain_clone(self, url: str, name: str) -> Path:
        """Make a clone with nothing but git."""
        path = self.base / name
        self.git("clone", "--quiet", url, str(path))
        return path

    def sink(self) -> Sink:
        """Start an HTTP agent that notes when it is called."""
        sink = Sink()
        self._stack.callback(sink.close)
        return sink

    def messages_api(self) -> str:
        """Start the bundled stand-in for the Claude API in a process of its own; return its URL."""
        child = subprocess.Popen(
            [sys.executable, "-m", "gitsync.demo.messages_api"],
            stdout=subprocess.PIPE, env={**self.env, "PYTHONPATH": os.getcwd()}, text=True,
        )  # fmt: skip

        def end() -> None:
            child.terminate()
            child.communicate()

        self._stack.callback(end)
        assert child.stdout is not None
        return child.stdout.readline().strip()

    def close(self) -> None:
        """End everything that was started."""
        self._stack.close()


@contextlib.contextmanager
def world() -> Iterator[World]:
    """Make a world in a temporary folder and take it down again."""
    base = Path(tempfile.mkdtemp(prefix="gitsync-bench-")).resolve()
    made = World(base)
    before = os.environ.get("HOME")
    try:
        yield made
    finally:
        made.close()
        if before is not None:
            os.environ["HOME"] = before
        shutil.rmtree(base, ignore_errors=True)


class Sink:
    """An HTTP agent that answers nothing and knows when each message reached it."""

    def __init__(self) -> None:
        self.calls: dict[str, float] = {}
        self._called = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(200)

            def do_POST(self) -> None:
                now = time.perf_counter()
                data = self.rfile.read(int(self.headers["Content-Length"]))
                with outer._called:
                    outer.calls.setdefault(json.loads(data)["subject"], now)
                    outer._called.notify_all()
                self._answer(204)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def settings(self, name: str = "sink") -> str:
        """Return the settings of this agent."""
        return (
            f'[[agents]]\nname = "{name}"\nkind = "http"\nurl = "{self.url}"\nhealth = "/"\ndeliver = "/do"\n'
            'timeout = "10s"\nconcurrency = 8\ndefault = true\n'
        )

    def wait(self, subject: str, *, seconds: float = 30.0) -> float:
        """Wait for a call; return when it came, on the clock of `time.perf_counter`."""
        with self._called:  # not by asking again and again: two processors are all there may be
            if not self._called.wait_for(lambda: subject in self.calls, timeout=seconds):
                raise TimeoutError(f"no call with {subject!r} within {seconds:g} s")
            return self.calls[subject]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def post(computer: Computer, path: str, document: dict[str, Any] | None = None, *, timeout: float = 60.0) -> Any:
    """POST to a computer's process, with its token."""
    token = (computer.root / ".gitsync" / "token").read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{computer.port}{path}",
        data=json.dumps(document or {}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    with _DIRECT.open(request, timeout=timeout) as answer:
        return json.load(answer)


def tip(bare: Path) -> str:
    """Read where the branch of a bare repository stands, without starting git."""
    try:
        return (bare / "refs" / "heads" / BRANCH).read_text()
    except FileNotFoundError:
        return ""


def quiet(bare: Path, *, seconds: float = 1.0, limit: float = 30.0) -> None:
    """Wait until nothing has been pushed for a while."""
    seen, since, deadline = tip(bare), time.monotonic(), time.monotonic() + limit
    while time.monotonic() - since < seconds and time.monotonic() < deadline:
        time.sleep(0.02)
        if tip(bare) != seen:
            seen, since = tip(bare), time.monotonic()

"""A computer for a browser to look at: a real process with real agents, reached as its owner would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.remotes import run_git

PROJECT = Path(__file__).resolve().parents[2]

AGENT = '''\
"""Answer what is handed over, once no file `hold` is in the folder; end with the folder."""
import json, os, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

folder, port = Path(sys.argv[1]), int(sys.argv[2])

class Agent(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, text):
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer("well")

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        while (folder / "hold").exists():
            time.sleep(0.05)
        self.answer("I have read: " + given["subject"])

def watch():
    while folder.exists():
        time.sleep(0.2)
    os._exit(0)

threading.Thread(target=watch, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", port), Agent).serve_forever()
'''

SETTINGS = """\
[machine]
id = "{id}"
name = "{name}"
role = "implementation, deployment"

[api]
port = {port}

[sync]
fastest = "500ms"
slowest = "1s"
settle = "100ms"
network_timeout = "5s"
"""


def free_port() -> int:
    """Return a port that nobody has at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def eventually(check: Callable[[], Any], *, seconds: float = 20) -> Any:
    """Return what `check` gives once it is true; fail when it never is."""
    until = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < until, f"never came true: {check}"
        time.sleep(0.05)


class Station:
    """One computer, its settings and its process."""

    def __init__(self, folder: Path, remote: str, ident: str, name: str, env: dict[str, str]) -> None:
        self.root = folder / f"computer-{ident}"
        self.alive = folder / f"agents-{ident}"
        self.id = ident
        self.remote = remote
        self.name = name
        self.port = free_port()
        self.env = env
        self.process: subprocess.Popen[bytes] | None = None
        self.agents: list[str] = []
        self._said = folder / f"said-{ident}.log"
        self.root.mkdir(parents=True)
        self.alive.mkdir()
        (folder / "agent.py").write_text(AGENT)
        self._script = folder / "agent.py"
        run_git("init", "-q", cwd=self.root)
        run_git("remote", "add", "origin", remote, cwd=self.root)
        self("init", "--id", ident, "--port", str(self.port))

    def __call__(self, *args: str, stdin: str = "") -> str:
        """Run a command that must not fail; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "gitsync", *args],
            cwd=self.root,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"gitsync {args}: {done}"
        return done.stdout

    def agent(self, name: str, *types: str, more: str = "") -> None:
        """Have an agent that the process starts."""
        port = free_port()
        start = json.dumps([sys.executable, str(self._script), str(self.alive), str(port)])
        self.agents.append(
            f'\n[[agents]]\nname = "{name}"\nkind = "http"\nurl = "http://127.0.0.1:{port}"\nhealth = "/"\n'
            f'deliver = "/"\nstart = {start}\ntypes = {json.dumps(types)}\nhealth_every = "1s"\ntimeout = "1m"\n{more}'
        )

    def settings(self, more: str = "") -> None:
        """Write the settings."""
        text = SETTINGS.format(id=self.id, name=self.name, port=self.port)
        (self.root / ".gitsync" / "config.toml").write_text(text + "".join(self.agents) + more)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Start the process; return when it answers."""
        with self._said.open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gitsync", "up"],
                cwd=self.root,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        eventually(self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self._said.read_text()
        try:
            return self.http("GET", "/")[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        """End the process as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def down(self) -> None:
        """End the process as its owner would."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            finally:
                if self.process.poll() is None:
                    self.kill()

    def close(self) -> None:
        """End everything; agents that a crash has left behind end when their folder is gone."""
        (self.alive / "hold").unlink(missing_ok=True)
        try:
            self.down()
        finally:
            self.alive.rmdir()

    @property
    def token(self) -> str:
        return (self.root / ".gitsync" / "token").read_text().strip()

    def http(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Call the process as a script would."""
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def post(self, path: str, body: object) -> Any:
        """Call what must succeed."""
        status, answer = self.http("POST", path, body)
        assert status < 300, answer
        return answer

    def send(self, to: str, subject: str, text: str, **more: str) -> str:
        """Send a message; return its id."""
        return str(self.post("/send", {"to": to, "subject": subject, "message": text, **more})["id"])

    def instance(self, name: str) -> Any:
        """Return what the registry says of an agent."""
        return self.http("GET", f"/instances/{name}")[1]


def owner(folder: Path) -> dict[str, str]:
    """Make a home; return the environment of a person who lives there and has nothing else."""
    home = folder / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Test Person\n\temail = test@example.invalid\n")
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "XDG_RUNTIME_DIR": str(home),
    }


class Fleet:
    """Computers that share a remote and an owner."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._env = owner(folder)
        self._remote = folder / "remote.git"
        self._made: list[Station] = []
        run_git("init", "-q", "--bare", "-b", "main", self._remote)

    def make(self, ident: str, name: str) -> Station:
        """Set another computer up."""
        station = Station(self._folder, str(self._remote), ident, name, self._env)
        self._made.append(station)
        return station

    def close(self) -> None:
        """End all their processes."""
        for station in self._made:
            station.close()

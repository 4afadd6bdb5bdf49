"""A fleet of real processes on one real remote, that can be put back to where it began and played again.

Machines, clones and remote are made once and copied aside; each run begins with a copy at the very same place, so that
a machine finds itself at home (PROTOCOL 7 binds an id to its place) and a run costs a second instead of ten.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.campaign import checker
from tests.campaign.nursery import Nursery
from tests.campaign.toxics import Proxy
from tests.remotes import Remote, Remotes, run_git

AGENT = """
import json, os, sys, time
folder, machine, agent, idempotent = sys.argv[1:]
task = json.load(sys.stdin)
def note(event):
    line = {"machine": machine, "agent": agent, "id": task["id"], "event": event, "at": time.time()}
    if idempotent:
        line["idempotent"] = True
    log = os.open(f"{folder}/{machine}-{agent}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(log, json.dumps(line).encode() + b"\\n")
    os.close(log)
note("begun")
time.sleep(float(open(f"{folder}/pause").read()))
if idempotent and "stumble" in task["subject"] and os.environ["GITSYNC_ATTEMPT"] == "1":
    sys.exit("stumbled")
print("done by", agent)
"""

SETTINGS = """
[machine]
id = "{id}"
[api]
port = 0
[sync]
fastest = "400ms"
slowest = "800ms"
settle = "50ms"
network_timeout = "{timeout}"
[dispatch]
drain = "3s"
[supervise]
health_every = "60s"
[[agents]]
name = "worker"
kind = "command"
argv = ["{python}", "-I", "-S", "{program}", "{logs}", "{id}", "worker", ""]
default = true
concurrency = 2
[[agents]]
name = "steady"
kind = "command"
argv = ["{python}", "-I", "-S", "{program}", "{logs}", "{id}", "steady", "yes"]
idempotent = true
[[agents]]
name = "web"
kind = "http"
url = "http://127.0.0.1:{port}/{id}/web"
timeout = "20s"
"""

AGENTS = ("worker", "steady", "web")
NOTES = ("NOTES.md", "plan/next.md")
ENDED = frozenset({"done", "failed", "refused", "dead", "uncertain", "held"})


class WebAgents:
    """The agents that are services: they write each call to the log of the machine that called, then answer."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                return

            def do_POST(self) -> None:
                task = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                _, machine, agent, *_ = self.path.split("/")
                line = {"machine": machine, "agent": agent, "id": task["id"], "event": "begun", "at": time.time()}
                with (outer.logs / f"{machine}-{agent}.jsonl").open("ab", buffering=0) as log:
                    log.write(json.dumps(line).encode() + b"\n")
                time.sleep(float((outer.logs / "pause").read_text()))
                with contextlib.suppress(OSError):
                    self.send_response(200)
                    self.send_header("Content-Length", "7")
                    self.end_headers()
                    self.wfile.write(b"done by")

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Member:
    """One machine of the fleet: its repository, its process, its wire."""

    id: str
    root: Path
    fleet: Fleet
    wire: Proxy | None = None
    pid: int | None = None
    env: dict[str, str] = field(default_factory=dict)

    @property
    def clone(self) -> Path:
        """The mailbox folder."""
        return self.root / "coordination"

    @property
    def said(self) -> Path:
        """What the process printed."""
        return self.root / ".gitsync" / "said"

    def start(self, fault: str = "") -> None:
        """Start `gitsync up`; with a fault where one is named."""
        assert self.pid is None, f"machine {self.id} runs already"
        env = {**self.env, **({"GITSYNC_FAULT": fault} if fault else {})}
        self.pid = self.fleet.nursery.start(["--dir", self.root, "up"], self.root, env, self.said)

    def ended(self) -> int | None:
        """Say how the process ended, and forget it; None while it runs."""
        assert self.pid is not None
        code = self.fleet.nursery.code(self.pid)
        if code is not None:
            self.pid = None
        return code

    def stopped(self) -> bool:
        """Say whether the process is held by SIGSTOP."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        assert self.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process by SIGKILL, now."""
        if self.pid is not None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
            self.fleet.nursery.wait(self.pid, 10)
            self.pid = None

    def up(self, seconds: float = 20) -> bool:
        """Wait until the process answers; False when it ended before."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.pid is None or self.fleet.nursery.code(self.pid) is not None:
                return False
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                place = json.loads((self.root / ".gitsync" / "daemon.json").read_text())
                if place["pid"] == self.pid and self.call("GET", "/health")[0] in (200, 503):
                    return True
            time.sleep(0.02)
        raise AssertionError(f"machine {self.id} does not answer: {self.words()}")

    def call(self, method: str, path: str, body: object = None, *, seconds: float = 20) -> tuple[int, Any]:
        """Ask the process over HTTP; OSError where it does not answer."""
        place = json.loads((self.root / ".gitsync" / "daemon.json").read_text())
        line = http.client.HTTPConnection("127.0.0.1", place["port"], timeout=seconds)
        try:
            token = (self.root / ".gitsync" / "token").read_text().strip()
            header = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            line.request(method, path, None if body is None else json.dumps(body), header)
            answer = line.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            line.close()

    def gitsync(self, *args: str | Path, fault: str = "") -> tuple[int, str]:
        """Run a command to its end; give exit code and output."""
        said = self.fleet.live / f"said-{self.id}-{time.monotonic_ns()}"
        env = {**self.env, **({"GITSYNC_FAULT": fault} if fault else {})}
        code = self.fleet.nursery.run(["--dir", self.root, *args], self.root, env, said)
        text = said.read_text(errors="replace")
        said.unlink()
        return code, text

    def words(self) -> str:
        """Give the last of what the process said and logged."""
        return self.said.read_text(errors="replace")[-6000:] if self.said.exists() else ""


_FLEETS = itertools.count(1)
"""Tests of one process share the folder of remotes."""


class Fleet:
    """Machines, remote, agents, and what was promised so far."""

    def __init__(self, root: Path, remotes: Remotes, kind: str, count: int, nursery: Nursery) -> None:
        self.root, self.kind, self.nursery = root, kind, nursery
        self.live, self.aside = root / "live", root / "aside"
        self.logs = self.live / "logs"
        self.logs.mkdir(parents=True)
        self.web = WebAgents(self.logs)
        self.remote: Remote = remotes(kind, name=f"campaign-{os.getpid()}-{next(_FLEETS)}.git")
        self.members = [Member(str(number + 1), self.live / f"m{number + 1}", self) for number in range(count)]
        self.sent: list[checker.Sent] = []
        self.written: list[checker.Written] = []
        self.outside: dict[Path, Mapping[str, str]] = {}
        self._numbers = 0
        for member in self.members:
            self._make(member, remotes)
        self._begin()

    def close(self) -> None:
        """End everything that was started."""
        for member in self.members:
            member.kill()
            if member.wire is not None:
                member.wire.close()
        self.web.close()

    # -- beginning ---------------------------------------------------------------------------------

    def _make(self, member: Member, remotes: Remotes) -> None:
        url = self.remote.url
        if self.kind in ("http", "ssh"):
            port = remotes.http.port if self.kind == "http" else remotes.ssh.port
            member.wire = Proxy(port)
            url = url.replace(f":{port}", f":{member.wire.port}", 1)
            if self.kind == "ssh":
                key = (remotes.ssh.folder / "host.pub").read_text()
                with (remotes.ssh.folder / "known_hosts").open("a") as known:
                    known.write(f"[127.0.0.1]:{member.wire.port} {key}")
        member.root.mkdir(parents=True)
        run_git("init", "-q", "--template=", cwd=member.root)
        run_git("remote", "add", "origin", url, cwd=member.root)
        (member.root / "code.py").write_text("print('mine')\n")
        run_git("add", "code.py", cwd=member.root)
        run_git("commit", "-q", "-m", "code", cwd=member.root)
        (member.root / ".git" / "info").mkdir()
        (member.root / ".git" / "info" / "exclude").touch()
        self.outside[member.root] = checker.snapshot(member.root)  # before anything of gitsync ran here
        member.env = {**os.environ, "XDG_CONFIG_HOME": str(self.live / "xdg" / member.id)}
        code, said = member.gitsync("init", "--id", member.id, "--port", "0")
        assert code == 0, said
        program = self.live / "agent.py"
        program.write_text(AGENT)
        (member.root / ".gitsync" / "config.toml").write_text(
            SETTINGS.format(
                id=member.id,
                python=sys.executable,
                program=program,
                logs=self.logs,
                port=self.web.port,
                timeout="10s" if self.kind == "ssh" else "4s",
            )
        )

    def _begin(self) -> None:
        """Let everybody live and talk once; then leave work behind for the first machine, and keep a copy."""
        self.pause(0.0)
        self.start()
        for member, other in zip(self.members, [*self.members[1:], self.members[0]], strict=True):
            self.send(member, f"{other.id}/worker")
        self.rest()
        self.stop()
        first, *others = self.members
        for other in others[:2]:
            self.send(other, f"{first.id}/worker")
            self.send(other, f"{first.id}/steady")
            self.type(other, "NOTES.md")
            code, said = other.gitsync("sync")
            assert code == 0, said
        self.aside.mkdir()
        _copy(self.live, self.aside / "live")
        _copy(self.remote.path, self.aside / "remote")
        self._base = (len(self.sent), len(self.written))

    def again(self) -> None:
        """Put everything back to where it began."""
        for member in self.members:
            member.kill()
            if member.wire is not None:
                member.wire.toxic = type(member.wire.toxic)()
        for here, there in ((self.live, "live"), (self.remote.path, "remote")):
            for entry in here.iterdir():
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            _copy(self.aside / there, here)
        del self.sent[self._base[0] :]
        del self.written[self._base[1] :]

    # -- playing -----------------------------------------------------------------------------------

    def start(self, but: Member | None = None) -> None:
        """Start all processes, or all but one, and wait until they answer."""
        found = [member for member in self.members if member is not but and member.pid is None]
        for member in found:
            member.start()
        for member in found:
            assert member.up(), f"machine {member.id} ended with {member.ended()}: {member.words()}"

    def stop(self) -> None:
        """Stop all processes as a person does, and insist that they end."""
        running = [member for member in self.members if member.pid is not None]
        for member in running:
            member.signal(signal.SIGTERM)
        late = [member.id for member in running if self.nursery.wait(member.pid or 0, 20) is None]
        for member in running:
            member.kill()
        assert not late, f"machines {late} do not stop"

    def pause(self, seconds: float) -> None:
        """Let the agents take so long for each message."""
        (self.logs / "pause").write_text(str(seconds))

    def number(self) -> int:
        """Give a number that no text of this fleet has had."""
        self._numbers += 1
        return self._numbers

    def send(self, member: Member, to: str, subject: str = "word") -> bool:
        """Send a message; what was accepted is remembered as promised. Say whether it was."""
        body = f"body {self.number()} of {member.id}."
        if member.pid is None:
            code, said = member.gitsync("send", to, subject, "-m", body, "--json")
            if code:
                return False
            ident = json.loads(said[said.index("{") :])["id"]
        else:
            try:
                status, answer = member.call(
                    "POST", "/send", {"from": "", "to": to, "message": body, "subject": subject}, seconds=5
                )
            except (OSError, ValueError, http.client.HTTPException):
                return False  # nobody knows; nothing was promised
            if status >= 300:
                return False
            ident = answer["id"]
        self.sent.append(checker.Sent(ident, member.id, to, body, reach=(to.partition("/")[0],)))
        return True

    def type(self, member: Member, name: str) -> None:
        """Save a line in a file of the folder, as a person with an editor that appends."""
        line = f"line {self.number()} typed at {member.id}."
        file = member.clone / name
        file.parent.mkdir(exist_ok=True)
        with file.open("a") as opened:
            opened.write(line + "\n")
        self.written.append(checker.Written(line, f"{member.id}:{name}"))

    def talk(self, draw: random.Random, members: Sequence[Member], count: int) -> None:
        """Let these machines and their people do some things at random."""
        for _ in range(count):
            member = draw.choice(members)
            if draw.random() < 0.35:
                self.type(member, draw.choice(NOTES))
                continue
            other = draw.choice([one for one in self.members if one is not member])
            self.send(member, draw.choice([f"{other.id}/{agent}" for agent in AGENTS] + [other.id]))

    # -- ending ------------------------------------------------------------------------------------

    def rest(self, seconds: float = 60) -> None:
        """Wait until all that was promised has come to its end everywhere; AssertionError when it does not."""
        deadline = time.monotonic() + seconds
        while True:
            missing = self._missing()
            if not missing:
                return
            if time.monotonic() > deadline:
                words = "\n".join(f"--- machine {member.id}\n{member.words()}" for member in self.members)
                raise AssertionError("never came to rest:\n" + "\n".join(missing[:20]) + "\n" + words)
            time.sleep(0.05)

    def _missing(self) -> list[str]:
        missing = []
        for member in self.members:
            try:
                status, answer = member.call("POST", "/sync", {})
            except (OSError, ValueError, http.client.HTTPException) as error:
                return [f"machine {member.id} does not answer: {error!r}"]
            if status != 200 or answer["state"] != "ok" or answer["folder"] != "ok":
                missing.append(f"machine {member.id}: {status} {answer}")
            elif answer["pending"] and (waits := self._waits(member)):
                missing.append(f"machine {member.id} has {waits} pending")
        if missing:
            return missing
        held = checker.read_branch(self.remote.path)
        for one in self.sent:
            place = one.to.partition("/")[0]
            said = {outcome for machine, _, outcome in held.receipts.get(one.id, ()) if place in (machine, "any")}
            if not said & ENDED:
                missing.append(f"message {one.id} from {one.sender} to {one.to}: {sorted(said)}")
        text = b"\n".join(held.files.values())
        missing += [f"{line.text} ({line.where})" for line in self.written if line.text.encode() not in text]
        tip = self.remote.tip()
        for member in self.members:
            here = run_git("rev-parse", "-q", "--verify", "refs/heads/coordination", cwd=member.clone, check=False)
            if here.strip() != tip:
                missing.append(f"machine {member.id} is at {here[:10]}, the remote at {(tip or '')[:10]}")
            elif checker.read_folder(member.clone) != held.files:
                missing.append(f"the folder of machine {member.id} is not what the branch says")
        return missing

    def _waits(self, member: Member) -> int:
        """Count what causes a push; receipts that only say `received` wait for company."""
        told = member.call("GET", "/status")[1]["sync"]
        return int(told["pending"] - told["pending_quiet"])

    def check(self, *, idle: tuple[str | None, str | None] | None = None) -> list[checker.Violation]:
        """Have the independent checker judge it."""
        return checker.check(
            self.remote.path,
            [checker.Machine(member.id, member.clone, member.root) for member in self.members],
            sorted(self.logs.glob("*.jsonl")),
            self.sent,
            self.written,
            self.outside,
            idle=idle,
        )

    def figures(self) -> dict[str, int]:
        """Count what became of everything."""
        held = checker.read_branch(self.remote.path)
        calls = [call for call in checker.read_logs(sorted(self.logs.glob("*.jsonl"))) if call["event"] == "begun"]
        once = [(call["machine"], call["agent"], call["id"]) for call in calls if not call.get("idempotent")]
        return {
            "sent": len(self.sent),
            "landed": sum(one.id in held.standing for one in self.sent),
            "dispatched": len({(call["machine"], call["agent"], call["id"]) for call in calls}),
            "lost": sum(one.id not in held.standing for one in self.sent),
            "twice": len(once) - len(set(once)),
            "uncertain": sum(any(end == "uncertain" for *_, end in held.receipts.get(one.id, ())) for one in self.sent),
            "lines": len(self.written),
        }


class Fleets:
    """The fleets of a test session, each made when it is first asked for."""

    def __init__(self, root: Path, remotes: Remotes) -> None:
        self._root, self._remotes = root, remotes
        self._nursery: Nursery | None = None
        self._made: dict[tuple[str, int], Fleet] = {}

    def __call__(self, kind: str, count: int) -> Fleet:
        """Give a fleet that is where it began."""
        if self._nursery is None:
            self._nursery = Nursery()
        if (kind, count) not in self._made:
            made = Fleet(self._root / f"{kind}{count}", self._remotes, kind, count, self._nursery)
            self._made[kind, count] = made
        found = self._made[kind, count]
        found.again()
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for fleet in self._made.values():
            fleet.close()
        if self._nursery is not None:
            self._nursery.__exit__()


def waited(check: Callable[[], Any], seconds: float) -> Any:
    """Give what `check` says once it is true; its last word when it never is."""
    deadline = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def held_open(file: Path) -> Iterator[None]:
    """Have a program that keeps this file open for writing, as some editors do."""
    with file.open("a"):
        yield


def _copy(here: Path, there: Path) -> None:
    there.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{here}/.", str(there)], check=True)

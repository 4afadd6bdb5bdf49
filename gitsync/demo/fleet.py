"""Three computers, six agents and the remote between them: put up, looked at, taken down."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gitsync.demo.computer import CheckFailed, Computer, Process, clean_environment, wait_for

AGENTS = Path(__file__).resolve().parent / "agents"
BRANCH = "coordination"

MECHANIC = """\
[[agents]]
name = "mechanic"
kind = "claude"
model = "{model}"
system = "prompts/mechanic.md"
api_key_env = "{key_env}"
base_url = "{base_url}"
specialty = "answers questions about the work"

[[agents]]
name = "desk"
kind = "inbox"
specialty = "where a person or a coding agent looks when it has time"
"""

BUILDER = """\
[[agents]]
name = "builder"
kind = "http"
url = "{url}"
health = "/api/health"
deliver = "/api/build"
timeout = "10s"
specialty = "writes files"

[[agents]]
name = "reviewer"
kind = "command"
argv = {argv}
timeout = "10s"
concurrency = 2
specialty = "reads texts"
default = true
"""

ANALYST = """\
[[agents]]
name = "analyst"
kind = "command"
argv = {argv}
timeout = "10s"
concurrency = 2
specialty = "numbers"
default = true

[[agents]]
name = "watcher"
kind = "http"
url = "{url}"
health = "/health"
deliver = "/look"
timeout = "10s"
specialty = "how this machine is doing"
"""


class Fleet:
    """The folder of the demonstration and everything that lives in it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.remote = base / "remote.git"
        self.logs = base / "logs"
        self.mechanic = Computer(base, "1", "Mechanic", "questions about the work")
        self.workshop = Computer(base, "2", "Workshop", "building and reviewing")
        self.observatory = Computer(base, "3", "Observatory", "numbers and watching")
        self.computers = (self.mechanic, self.workshop, self.observatory)
        self.claude = ""
        self._helpers: list[Process] = []
        self._env = clean_environment(self.mechanic.home)
        self._shown: str | None = None

    # -- putting up and taking down --------------------------------------------------------------------------

    def build(self) -> None:
        """Make the remote, the agents and the computers; nothing of gitsync runs yet."""
        self._git("init", "--quiet", "--bare", "--initial-branch", BRANCH, str(self.remote))
        builder = self._serve("builder", str(self.base / "builds"), str(self._agent_log("builder")))
        watcher = self._serve("watcher", str(self.base), str(self._agent_log("watcher")))
        for computer in self.computers:
            computer.init(str(self.remote))
        model, key_env, base_url = self._claude()
        prompts = self.mechanic.root / "prompts"
        prompts.mkdir()
        (prompts / "mechanic.md").write_text("You are the mechanic of a small fleet. Answer in one or two sentences.\n")
        self.mechanic.configure(MECHANIC.format(model=model, key_env=key_env, base_url=base_url))
        self.workshop.configure(BUILDER.format(url=builder, argv=self._command("reviewer")))
        self.observatory.configure(ANALYST.format(url=watcher, argv=self._command("analyst")))

    def close(self) -> None:
        """End every process that was started, the computers first."""
        for computer in self.computers:
            if computer.daemon is not None:
                with contextlib.suppress(ProcessLookupError):
                    computer.daemon.end()
        for helper in self._helpers:
            with contextlib.suppress(ProcessLookupError):
                helper.end(patience=3)

    def _claude(self) -> tuple[str, str, str]:
        model = os.environ.get("GITSYNC_DEMO_MODEL", "claude-sonnet-4-5")
        if os.environ.get("ANTHROPIC_API_KEY"):
            self.claude = f"the Claude API with your ANTHROPIC_API_KEY, model {model}"
            return model, "ANTHROPIC_API_KEY", ""
        url = self._start_and_read_url("messages_api", [sys.executable, "-m", "gitsync.demo.messages_api"])
        self.mechanic.env["GITSYNC_DEMO_KEY"] = "not-a-secret"
        self.claude = f"a bundled stand-in for the Claude API on {url}, because ANTHROPIC_API_KEY is not set"
        return model, "GITSYNC_DEMO_KEY", url

    def _serve(self, name: str, folder: str, log: str) -> str:
        Path(folder).mkdir(exist_ok=True)
        return self._start_and_read_url(name, [sys.executable, str(AGENTS / f"{name}.py"), folder, log])

    def _start_and_read_url(self, name: str, argv: list[str]) -> str:
        log = self.logs / f"{name}.out"
        process = Process(argv, log=log, env=self._env, cwd=self.base)
        self._helpers.append(process)

        def address() -> str | None:
            if not process.running():
                raise CheckFailed(f"{name} ended at once: {log.read_text(errors='replace')[-500:]}")
            words = log.read_text(errors="replace").split()
            return next((word for word in words if word.startswith("http://127.0.0.1:")), None)

        return wait_for(f"{name} listens", address)

    def _command(self, name: str) -> str:
        return json.dumps([sys.executable, str(AGENTS / f"{name}.py"), str(self._agent_log(name))])

    # -- looking ---------------------------------------------------------------------------------------------

    def _agent_log(self, name: str) -> Path:
        return self.logs / f"{name}.jsonl"

    def calls(self, ident: str) -> list[dict[str, Any]]:
        """Return what the agents' own logs say about a message, oldest first."""
        found: list[dict[str, Any]] = []
        for log in self.logs.glob("*.jsonl"):
            lines = log.read_text(encoding="utf-8").splitlines()
            found += [note for note in map(json.loads, lines) if note.get("id") == ident]
        return sorted(found, key=lambda note: float(note["time"]))

    def called(self, ident: str, *, seconds: float = 20.0) -> dict[str, Any]:
        """Wait until an agent has noted that it was called with a message; return the first note."""
        return wait_for(f"an agent is called with {ident}", lambda: self.calls(ident), seconds=seconds)[0]

    def landed(self, ident: str) -> bool:
        """Say whether a message is on the remote, by the trailers of the commits there."""
        return f"Gitsync-Message: {ident}" in self._git("log", "--format=%B", BRANCH).splitlines()

    def new_history(self) -> Iterator[str]:
        """Yield the commits that reached the remote since this was last asked, oldest first."""
        tip = self._git("rev-parse", "--verify", "--quiet", f"refs/heads/{BRANCH}", may_fail=True).strip()
        if tip and tip != self._shown:
            span = f"{self._shown}..{tip}" if self._shown else tip
            yield from self._git("log", "--reverse", "--format=%h %s", span).splitlines()
            self._shown = tip

    def tails(self, lines: int = 12) -> Iterator[str]:
        """Yield the ends of all logs, for when something went wrong."""
        paths = [*self.logs.glob("*"), *(c.root / ".gitsync" / "gitsync.log" for c in self.computers)]
        for path in sorted(paths):
            text = path.read_text(errors="replace").splitlines() if path.exists() else []
            if text:
                yield f"--- {path.relative_to(self.base)}"
                yield from text[-lines:]

    def _git(self, *argv: str, may_fail: bool = False) -> str:
        where = ["-C", str(self.remote)] if self.remote.exists() else []
        done = subprocess.run(["git", *where, *argv], capture_output=True, env=self._env, cwd=self.base, check=False)
        if done.returncode != 0 and not may_fail:
            raise CheckFailed(f"git {argv[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.base, ignore_errors=True)

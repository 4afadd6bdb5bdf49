"""Computers whose owner uses the real command line, each beside a repository of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.remotes import Remote, run_git

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    """What a call left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, decoded."""
        return json.loads(self.out)


def gitsync(*args: str | Path, cwd: Path, stdin: str | bytes = "", timeout: float = 60) -> Result:
    """Run the program as a person would."""
    done = subprocess.run(
        [sys.executable, "-m", "gitsync", *map(str, args)],
        cwd=cwd,
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


class Computer:
    """A repository with a remote, and gitsync in it."""

    def __init__(self, root: Path, ident: str) -> None:
        self.root = root
        self.id = ident

    @property
    def mailbox(self) -> Path:
        return self.root / "coordination"

    @property
    def config(self) -> Path:
        return self.root / ".gitsync" / "config.toml"

    def __call__(self, *args: str | Path, stdin: str | bytes = "") -> Result:
        """Run a command that may fail."""
        return gitsync(*args, cwd=self.root, stdin=stdin)

    def ok(self, *args: str | Path, stdin: str | bytes = "") -> str:
        """Run a command that must not fail; return what it printed."""
        result = self(*args, stdin=stdin)
        assert result.code == 0, f"gitsync {args}: {result}"
        return result.out

    def ask(self, *args: str | Path, stdin: str | bytes = "") -> Any:
        """Run a command with --json that must not fail."""
        return json.loads(self.ok(*args, "--json", stdin=stdin))

    def init(self, *more: str | Path) -> None:
        """Set it up, with a port that nobody else has."""
        self.ok("init", "--id", self.id, "--port", "0", *more)

    def settings(self, text: str) -> None:
        """Replace the settings behind [machine]."""
        self.config.write_text(f'[machine]\nid = "{self.id}"\n[api]\nport = 0\n{text}')

    def git(self, *args: str) -> str:
        """Run plain git in the repository."""
        return run_git(*args, cwd=self.root)


@pytest.fixture(autouse=True)
def own_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a list of machines of its own; let git's own children find the checkout."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def make_computer(tmp_path: Path) -> Callable[[Remote | str, str], Computer]:
    """Make a computer with a repository, not yet set up."""

    def make(remote: Remote | str, ident: str) -> Computer:
        root = tmp_path / f"code-{ident}"
        root.mkdir()
        run_git("init", "-q", cwd=root)
        run_git("remote", "add", "origin", remote if isinstance(remote, str) else remote.url, cwd=root)
        (root / "code.py").write_text("print('mine')\n")
        run_git("add", "code.py", cwd=root)
        run_git("commit", "-q", "-m", "code", cwd=root)
        return Computer(root, ident)

    return make


@pytest.fixture
def one(bare: Remote, make_computer: Callable[[Remote | str, str], Computer]) -> Computer:
    """Computer 1, set up on an empty remote."""
    computer = make_computer(bare, "1")
    computer.init()
    return computer


@pytest.fixture
def two(bare: Remote, one: Computer, make_computer: Callable[[Remote | str, str], Computer]) -> Computer:
    """Computer 2, joined."""
    computer = make_computer(bare, "2")
    computer.init()
    return computer


@pytest.fixture
def stop_processes() -> Iterator[list[Computer]]:
    """Collect computers whose process must be stopped at the end."""
    started: list[Computer] = []
    yield started
    for computer in started:
        computer("down")

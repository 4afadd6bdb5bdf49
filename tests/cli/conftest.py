"""Computers whose owner uses the real command line, each beside a repository of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calls import PROJECT, Calls
from tests.remotes import Remote, run_git


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


_running: list[Calls] = []


def gitsync(*args: str | Path, cwd: Path, stdin: str | bytes = "") -> Result:
    """Run the program as a person would."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    code, out, err = _running[0].run([str(arg) for arg in args], cwd, given)
    return Result(code, out.decode(errors="replace"), err.decode(errors="replace"))


@pytest.fixture(scope="session", autouse=True)
def calls() -> Iterator[None]:
    """Have a process at hand that has loaded the program."""
    with Calls() as started:
        _running.append(started)
        yield
        _running.clear()


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

"""One computer on an empty remote, set up once; each test gets it back as it was, at the same place."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gitsync import clock
from gitsync.signing.store import KeyStore
from tests.cli.calls import PROJECT
from tests.cli.conftest import Computer, Result, calls, gitsync, stop_processes
from tests.remotes import Remote, init_bare, run_git

__all__ = ["calls", "stop_processes"]

Picture = dict[str, tuple[str, int, bytes]]


@dataclass(frozen=True)
class Patient:
    """The computer, and what a doctor says of it."""

    computer: Computer
    remote: Remote

    @property
    def root(self) -> Path:
        return self.computer.root

    @property
    def clone(self) -> Path:
        return self.computer.mailbox

    @property
    def git_dir(self) -> Path:
        return self.clone / ".git"

    @property
    def private(self) -> Path:
        return self.git_dir / "gitsync"

    @property
    def state(self) -> Path:
        return self.root / ".gitsync"

    def git(self, *args: str) -> str:
        """Run plain git in the clone."""
        return run_git(*args, cwd=self.clone)

    def run(self, *args: str | Path) -> Result:
        """Call the doctor."""
        return gitsync("doctor", *args, cwd=self.root)

    def examine(self, *args: str | Path, online: bool = False) -> Any:
        """Call the doctor for JSON; its exit code says what its document says."""
        result = self.run("--json", *args, *([] if online else ["--offline"]))
        assert result.out, result
        document = result.json
        assert result.code == (1 if document["state"] == "fail" else 0), result
        return document

    def check(self, name: str, *args: str | Path, online: bool = False) -> Any:
        """Return the worst check of a name."""
        return named(self.examine(*args, online=online), name)

    def picture(self) -> Picture:
        """Describe every file of clone and settings, but what the doctor keeps for itself."""
        found: Picture = {}
        for top in (self.state, self.clone, self.root / ".git" / "info"):
            for folder, _, files in os.walk(top):
                for path in (Path(folder), *(Path(folder) / name for name in files)):
                    name = str(path.relative_to(self.root))
                    if f"{name}/".find("gitsync/doctor/") >= 0 or name.endswith(("gitsync/lock", "-shm", "-wal")):
                        continue
                    info = path.lstat()
                    data = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
                    kind = stat.filemode(info.st_mode)
                    found[name] = (kind, stat.S_IMODE(info.st_mode), data)
        return found


def named(document: Any, name: str) -> Any:
    """Return the worst check of a name from a document."""
    return next(check for check in document["checks"] if check["name"] == name)


@pytest.fixture(scope="session")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the place where the computer lives."""
    return tmp_path_factory.mktemp("ward")


@pytest.fixture(autouse=True)
def own_list(ward: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the list of machines be that of the ward."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(ward / "live" / "xdg"))
    monkeypatch.setenv("XDG_STATE_HOME", str(ward / "live" / "state"))


@pytest.fixture
def patient(ward: Path, own_list: None) -> Iterator[Patient]:
    """Give a healthy computer with a message sent and received; made once, copied to the same place for each test."""
    live, kept = ward / "live", ward / "kept"
    remote = Remote("file", str(live / "remote.git"), live / "remote.git")
    computer = Computer(live / "code", "1")
    if not kept.exists():
        shutil.rmtree(live, ignore_errors=True)
        live.mkdir()
        init_bare(remote.path)
        computer.root.mkdir()
        run_git("init", "-q", cwd=computer.root)
        run_git("remote", "add", "origin", remote.url, cwd=computer.root)
        computer.init()
        KeyStore(computer.mailbox / ".git" / "gitsync" / "keys", "1").create(bytes(range(36)), clock.stamp())
        computer.ok("send", "2", "Hello", "-m", "how are you")
        computer.ok("sync")
        computer.ok("status")
        shutil.copytree(live, kept, symlinks=True)
    else:
        shutil.copytree(kept, live, symlinks=True)
    yield Patient(computer, remote)
    _remove(live)


def _remove(folder: Path) -> None:
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o700)
    shutil.rmtree(folder)

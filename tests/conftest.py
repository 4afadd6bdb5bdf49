"""What every test gets: a home of its own, and real remotes over file, http and ssh."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.remotes import KINDS, Person, Remote, Remotes

settings.register_profile(
    "default",
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=2000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell without job control: every program that a test starts would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def runtime_folder() -> Iterator[Path]:
    """Make a folder whose name is short enough for the sockets below it."""
    with tempfile.TemporaryDirectory(prefix="gs", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one home directory with a git identity, for the whole session."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test Person\n\temail = test@example.invalid\n"
        "[init]\n\tdefaultBranch = main\n[commit]\n\tgpgSign = false\n"
    )
    return home


@pytest.fixture(autouse=True)
def isolation(isolated_home: Path, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it impossible to touch the developer's own home, git settings or gitsync settings."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "GITSYNC_", "SSH_", "ANTHROPIC_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(isolated_home))
    for name, folder in (
        ("XDG_CONFIG_HOME", ".config"),
        ("XDG_DATA_HOME", ".local/share"),
        ("XDG_STATE_HOME", ".local/state"),
        ("XDG_CACHE_HOME", ".cache"),
    ):
        monkeypatch.setenv(name, str(isolated_home / folder))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(isolated_home / ".gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime_folder))
    monkeypatch.setenv("PATH", f"{isolated_home / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture(scope="session")
def remotes(tmp_path_factory: pytest.TempPathFactory, isolated_home: Path, runtime_folder: Path) -> Iterator[Remotes]:
    """Start the http and ssh servers when a test first asks for them; end them with the session."""
    with Remotes(tmp_path_factory.mktemp("remotes"), isolated_home, runtime_folder) as served:
        yield served


@pytest.fixture
def make_remote(remotes: Remotes) -> Remotes:
    """Make bare repositories on demand: ``make_remote('http')``."""
    return remotes


@pytest.fixture(params=KINDS)
def remote(request: pytest.FixtureRequest, remotes: Remotes) -> Remote:
    """An empty bare repository, reached by path, by smart HTTP and by SSH."""
    return remotes(request.param)


@pytest.fixture
def bare(remotes: Remotes) -> Remote:
    """An empty bare repository, reached by path."""
    return remotes("file")


@pytest.fixture
def person(bare: Remote, tmp_path: Path) -> Person:
    """A person with a plain clone of ``bare``."""
    return Person.clone(bare.url, tmp_path / "person")

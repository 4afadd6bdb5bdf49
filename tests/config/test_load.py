"""Settings are used only if they are the user's own, and come back when they are lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitsync.config import find, load, places
from gitsync.config.places import Registered, register
from gitsync.errors import ConfigError
from tests.remotes import run_git

TEXT = '[machine]\nid = "1"\n'


@pytest.fixture(autouse=True)
def own_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with settings that init has registered, and a folder that stands for the clone."""
    folder = tmp_path / "repo"
    folder.mkdir()
    run_git("init", "-q", cwd=folder)
    (folder / ".gitsync").mkdir()
    (folder / ".gitsync" / "config.toml").write_text(TEXT)
    (folder / "coordination" / ".git").mkdir(parents=True)
    register(Registered(folder, folder / "coordination", "1"))
    return folder


def test_found_from_below(root: Path) -> None:
    deep = root / "a" / "b"
    deep.mkdir(parents=True)
    assert find(deep) == root
    assert load(deep).root == root


def test_named_by_option_and_by_environment(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(tmp_path, root).machine.id == "1"
    assert load(tmp_path, root / ".gitsync").machine.id == "1"
    monkeypatch.setenv("GITSYNC_DIR", str(root))
    assert load(tmp_path).machine.id == "1"
    with pytest.raises(ConfigError, match="there is no folder"):
        load(tmp_path, tmp_path / "nowhere")


def test_nothing_here(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not set up here") as caught:
        load(tmp_path)
    assert "gitsync init" in caught.value.remedy


def test_settings_that_nobody_registered_are_not_used(root: Path) -> None:
    places.forget(root)
    with pytest.raises(ConfigError, match="not used") as caught:
        load(root)
    assert "not on your list" in caught.value.why
    assert "gitsync init" in caught.value.remedy


@pytest.mark.parametrize("version", [2, 3, 4])
def test_tracked_settings_are_not_used(root: Path, version: int) -> None:
    run_git("config", "index.version", str(version), cwd=root)
    run_git("add", "-f", ".gitsync/config.toml", cwd=root)
    run_git("update-index", f"--index-version={version}", cwd=root)
    with pytest.raises(ConfigError, match="not used") as caught:
        load(root)
    assert "tracked by git" in caught.value.why


def test_other_tracked_files_do_not_matter(root: Path) -> None:
    (root / "config.toml").write_text("x")
    run_git("add", "config.toml", cwd=root)
    run_git("update-index", "--index-version=4", cwd=root)
    assert load(root).machine.id == "1"


def test_a_link_is_not_followed(root: Path, tmp_path: Path) -> None:
    (root / ".gitsync").rename(tmp_path / "elsewhere")
    (root / ".gitsync").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="not used"):
        load(root)


def test_what_is_no_file_is_not_opened(root: Path) -> None:
    file = root / ".gitsync" / "config.toml"
    for make in (os.mkfifo, os.mkdir):
        file.unlink()
        make(file)
        with pytest.raises(ConfigError, match="are not a file"):
            load(root)
        file.rmdir() if file.is_dir() else None


def test_settings_that_others_may_write_are_not_used(root: Path) -> None:
    (root / ".gitsync" / "config.toml").chmod(0o666)
    with pytest.raises(ConfigError, match="not used"):
        load(root)


def test_lost_settings_come_back_from_the_clone(root: Path) -> None:
    assert not load(root).restored
    for file in (root / ".gitsync").iterdir():
        file.unlink()
    (root / ".gitsync").rmdir()
    again = load(root / "coordination")
    assert again.restored
    assert (root / ".gitsync" / "config.toml").read_text() == TEXT
    assert (root / ".gitsync" / "config.toml").stat().st_mode & 0o777 == 0o600
    assert not load(root).restored


def test_the_copy_is_the_last_valid_text(root: Path) -> None:
    load(root)
    (root / ".gitsync" / "config.toml").write_text("[machine]\nid = 5\n")
    with pytest.raises(ConfigError):
        load(root)
    assert (root / "coordination" / ".git" / "gitsync" / "config.toml").read_text() == TEXT


def test_a_mailbox_elsewhere_leads_to_its_root(root: Path, tmp_path: Path) -> None:
    far = tmp_path / "far" / "mail"
    far.mkdir(parents=True)
    register(Registered(root, far, "1"))
    assert find(far) == root


def test_a_broken_list_is_an_error(root: Path) -> None:
    (places.user_dir() / places.REGISTRY).write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(root)

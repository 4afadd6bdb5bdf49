"""Setting a mailbox up beside a person's repository, and leaving that alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsync.errors import RemoteAway, UsageError
from gitsync.git.repo import Head, Mailbox
from gitsync.git.setup import (
    Progress,
    clone,
    exclude,
    find_repo,
    git_version,
    is_tracked,
    remote_url,
)
from tests.remotes import GitHttpServer, Person, Remote, init_bare, run_git


@pytest.fixture
def project(remote: Remote, tmp_path: Path) -> Person:
    """A person's repository with code on ``main``."""
    person = Person.clone(remote.url, tmp_path / "project")
    person.commit({"code.py": "print()\n"})
    person.push()
    return person


def snapshot(person: Person) -> dict[str, bytes]:
    files = (path for path in person.path.rglob("*") if path.is_file() and "coordination" not in path.parts)
    return {str(path.relative_to(person.path)): path.read_bytes() for path in files}


def test_a_branch_that_is_not_there_yet(remote: Remote, project: Person) -> None:
    before = snapshot(project)
    dest = project.path / "coordination"
    assert clone(project.path, dest, "coordination") is False
    with Mailbox(dest, "coordination") as mailbox:
        assert mailbox.head() == Head("coordination", None)
        assert mailbox.fetch().tip is None
    assert [path.name for path in dest.iterdir()] == [".git"]
    assert snapshot(project) == before
    assert list(remote.refs()) == ["refs/heads/main"]


def test_a_branch_that_is_there(remote: Remote, project: Person, tmp_path: Path) -> None:
    other = Person.clone(remote.url, tmp_path / "other")
    other.switch("coordination")
    tip = other.commit({"messages/1_TO_2.md": "a\r\nb\n", ".gitattributes": "* -text\n"})
    other.push()
    heard: list[Progress] = []
    dest = project.path / "coordination"
    assert clone(project.path, dest, "coordination", progress=heard.append) is True
    assert (dest / "messages/1_TO_2.md").read_bytes() == b"a\r\nb\n"
    assert run_git("status", "--porcelain", "--branch", cwd=dest) == "## coordination...origin/coordination\n"
    with Mailbox(dest, "coordination") as mailbox:
        assert mailbox.head() == Head("coordination", tip)
        assert list(mailbox.refs("refs/")) == ["refs/heads/coordination", "refs/remotes/origin/coordination"]
    assert run_git("config", "merge.gitsync.driver", cwd=dest).startswith("gitsync merge-driver")
    run_git("pull", "-q", cwd=dest)


def test_progress_is_told(bare: Remote, tmp_path: Path) -> None:
    person = Person.clone(bare.url, tmp_path / "person")
    person.switch("coordination")
    person.commit({f"f{n}": f"{n}" * 500 for n in range(200)})
    person.push()
    heard: list[Progress] = []
    clone(bare.url, tmp_path / "dest", "coordination", progress=heard.append)
    assert any(step.percent == 100 for step in heard), heard
    assert {"Counting objects", "Compressing objects"} & {step.phase for step in heard}


def test_the_settings_of_the_repository_are_taken_along(tmp_path: Path) -> None:
    init_bare(tmp_path / "served" / "x.git")
    project = tmp_path / "project"
    run_git("init", "-q", project)
    with GitHttpServer(tmp_path / "served", auth=("me", "secret")) as server:
        for key, value in (
            ("remote.up.url", "short:x.git"),
            (f"url.{server.url}/.insteadOf", "short:"),
            ("credential.helper", "!f() { echo username=me; echo password=secret; }; f"),
            ("http.userAgent", "us"),
            ("user.name", "Only Here"),
            ("core.editor", "not taken"),
        ):
            run_git("config", key, value, cwd=project)
        worktree = tmp_path / "linked"
        Person(project).commit({"a": "1"})
        run_git("worktree", "add", "-q", worktree, cwd=project)
        assert clone(worktree, worktree / "coordination", "coordination", remote="up") is False
    dest = worktree / "coordination"
    local = run_git("config", "--local", "--list", cwd=dest)
    assert "user.name=Only Here" in local
    assert "http.useragent=us" in local
    assert "core.editor" not in local
    assert remote_url(dest, "up") == "short:x.git"
    assert exclude(worktree, ["/coordination/"])
    assert run_git("status", "--porcelain", cwd=worktree) == ""


def test_a_relative_remote_still_leads_there(bare: Remote, tmp_path: Path) -> None:
    project = Person.clone(bare.url, tmp_path / "project")
    project.git("remote", "set-url", "origin", "../alias.git")
    (tmp_path / "alias.git").symlink_to(bare.path)
    assert clone(project.path, tmp_path / "deep/er/dest", "coordination") is False


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RemoteAway):
        clone(str(tmp_path / "missing.git"), tmp_path / "new/dest", "coordination")
    assert not (tmp_path / "new/dest").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(RemoteAway):
        clone(str(tmp_path / "missing.git"), tmp_path / "empty", "coordination")
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_folder_in_use_is_left_alone_and_half_a_clone_is_not(bare: Remote, tmp_path: Path) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "mine").touch()
    with pytest.raises(UsageError, match="in use"):
        clone(bare.url, used, "coordination")
    assert (used / "mine").exists()
    half = tmp_path / "half"
    (half / ".git").mkdir(parents=True)
    (half / ".git/gitsync-incomplete").touch()
    assert clone(bare.url, half, "coordination") is False
    assert find_repo(half) == half


def test_a_repository_without_that_remote(repo: Person, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no remote called origin"):
        clone(repo.path, tmp_path / "dest", "coordination")


def test_finding_the_repository(repo: Person, tmp_path: Path) -> None:
    deep = repo.path / "a/b"
    deep.mkdir(parents=True)
    assert find_repo(deep) == repo.path
    assert find_repo(tmp_path) is None
    (deep / ".git").mkdir()
    assert find_repo(deep) == repo.path


def test_excluding_is_done_once_and_keeps_what_is_there(repo: Person) -> None:
    file = repo.path / ".git/info/exclude"
    file.write_text("*.bak")
    assert exclude(repo.path, ["/coordination/", "/.gitsync/"])
    assert not exclude(repo.path, ["/.gitsync/", "/coordination/"])
    assert file.read_text() == "*.bak\n/coordination/\n/.gitsync/\n"


def test_what_is_tracked(repo: Person) -> None:
    repo.commit({"coordination/x": "1", "*odd*": "1"})
    assert is_tracked(repo.path, "coordination")
    assert is_tracked(repo.path, "*odd*")
    assert not is_tracked(repo.path, "coord")
    assert not is_tracked(repo.path, "c*")


def test_the_version_is_known() -> None:
    assert git_version() >= (2, 34, 0)

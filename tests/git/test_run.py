"""How a git process is started and ended."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from gitsync.errors import GitFailed, GitsyncError, RemoteAway
from gitsync.git.environment import environment, socket_folder
from gitsync.git.run import run
from tests.remotes import Person


def test_output_exit_code_and_words(repo: Person) -> None:
    assert run("rev-parse", "--is-inside-work-tree", cwd=repo.path).out == b"true\n"
    assert run("config", "no.such", cwd=repo.path, ok=(0, 1)).code == 1
    with pytest.raises(GitFailed) as caught:
        run("rev-parse", "--verify", "nothing", cwd=repo.path)
    assert (caught.value.code, caught.value.argv) == (128, ("rev-parse", "--verify", "nothing"))
    assert "Needed a single revision" in caught.value.why


def test_much_goes_in_and_out_at_once(repo: Person) -> None:
    names = b"%040d\n" % 0 * 50_000
    done = run("cat-file", "--batch-check", cwd=repo.path, data=names)
    assert done.out.count(b"missing\n") == 50_000


def test_the_environment_is_fresh() -> None:
    inherited = {
        "HOME": "/h",
        "PATH": "/bin",
        "GIT_DIR": "/x",
        "GIT_SSH_COMMAND": "evil",
        "GIT_ASKPASS": "gui",
        "SSH_ASKPASS": "gui",
        "SSH_AUTH_SOCK": "/s",
        "https_proxy": "p",
        "LANG": "de_DE.UTF-8",
        "LC_MESSAGES": "de_DE.UTF-8",
        "ANTHROPIC_API_KEY": "k",
        "GITSYNC_TOKEN": "t",
        "GH_TOKEN": "for the helper",
    }
    env = environment(inherited=inherited)
    assert {name: env[name] for name in inherited if name in env} == {
        "HOME": "/h",
        "PATH": "/bin",
        "SSH_AUTH_SOCK": "/s",
        "https_proxy": "p",
        "GH_TOKEN": "for the helper",
    }
    assert (env["GIT_TERMINAL_PROMPT"], env["LC_ALL"], env["GIT_OPTIONAL_LOCKS"]) == ("0", "C", "0")


def alias(repo: Person, script: str) -> str:
    repo.git("config", "alias.play", f"!{script}")
    return "play"


def lives(pid: int) -> bool:
    """Say whether a process runs; one that only waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "], ids=["polite", "stubborn"])
def test_a_deadline_ends_every_child(repo: Person, trap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsync.git.run.GRACE", 0.3)
    script = repo.path / "script"
    script.write_text(
        f"{trap}echo $$ > pids\n(echo $$; sleep 60) & sh -c 'echo $$ >> pids; {trap}sleep 60; sleep 60'\n"
    )
    started = time.monotonic()
    with pytest.raises(RemoteAway, match="does not answer"):
        run(alias(repo, "sh script"), cwd=repo.path, timeout=0.5, network=True)
    assert time.monotonic() - started < 5
    pids = [int(line) for line in (repo.path / "pids").read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 5
    while any(map(lives, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(lives, pids))


def test_signs_of_life_move_the_deadline(repo: Person) -> None:
    script = "for i in 1 2 3 4 5; do sleep 0.2; echo working >&2; done"
    heard: list[bytes] = []
    assert run(alias(repo, script), cwd=repo.path, timeout=0.6, heard=heard.append).code == 0
    assert b"".join(heard).count(b"working") == 5
    with pytest.raises(GitFailed, match="exit code -1"):
        run("play", cwd=repo.path, timeout=0.04)  # at most 20 times as long


def test_something_left_running_does_not_hold_us_up(repo: Person) -> None:
    started = time.monotonic()
    done = run(alias(repo, "sh -c 'sleep 3 & echo done'"), cwd=repo.path, timeout=20)
    assert done.out == b"done\n"
    assert time.monotonic() - started < 2.5


def test_standard_input_is_empty_and_there_is_no_terminal(repo: Person) -> None:
    script = "sh -c 'cat; (echo x > /dev/tty) 2>/dev/null && echo terminal; echo end'"
    assert run(alias(repo, script), cwd=repo.path).out == b"end\n"


def test_a_folder_or_a_git_that_is_gone(repo: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GitsyncError, match="not there any more"):
        run("status", cwd=tmp_path / "gone")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitsyncError, match="not installed"):
        run("status", cwd=repo.path)


def test_the_folder_for_shared_connections_must_be_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = Path(os.environ["XDG_RUNTIME_DIR"])
    assert socket_folder() == short / "gitsync-ssh"
    (short / "open").mkdir()
    (short / "open" / "gitsync-ssh").mkdir()
    (short / "open" / "gitsync-ssh").chmod(0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short / "open"))
    assert socket_folder() != short / "open" / "gitsync-ssh"
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"/tmp/{'x' * 60}")
    assert socket_folder() in (None, Path(f"/tmp/gitsync-ssh-{os.getuid()}"))
    shutil.rmtree(short / "open")


def test_reading_refs_does_not_import_gitpython(repo: Person) -> None:
    repo.commit({"a": "1"})
    code = (
        "import sys; from pathlib import Path; from gitsync.git.repo import Mailbox\n"
        "m = Mailbox(Path(sys.argv[1]), 'coordination'); assert m.head().commit; assert m.refs('refs/'); m.close()\n"
        "assert 'git' not in sys.modules, 'GitPython was imported'"
    )
    import subprocess

    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, repo.path], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

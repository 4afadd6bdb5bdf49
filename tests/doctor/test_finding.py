"""What is found and left to a person: each thing broken for real."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from gitsync.cli.client import alive
from gitsync.ledger.journal import Journal
from gitsync.ledger.values import Intent, Op
from tests import remotes as served
from tests.cli.conftest import Computer
from tests.doctor.conftest import Patient, named
from tests.remotes import GitHttpServer, Person, run_git


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


# -- the computer ------------------------------------------------------------------------------------------------------


def test_a_git_that_is_too_old(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which("git")
    _program(
        tmp_path / "bin",
        "git",
        f'for word; do if [ "$word" = version ]; then echo git version 2.20.0; exit; fi; done\nexec {real} "$@"',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    document = patient.examine()
    found = named(document, "git")
    assert (found["state"], "2.20.0" in found["what"]) == ("fail", True)
    assert named(document, "branch")["state"] == "ok", "the rest is examined all the same"


def test_no_git_at_all(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    document = patient.examine()
    assert named(document, "git")["state"] == "fail"
    assert named(document, "journal")["state"] == "ok"


# -- what is the user's own --------------------------------------------------------------------------------------------


def test_not_set_up(patient: Patient, tmp_path: Path) -> None:
    from tests.cli.conftest import gitsync

    result = gitsync("doctor", "--json", cwd=tmp_path)
    assert result.code == 1
    assert "init" in named(result.json, "registration")["remedy"]
    assert gitsync("doctor", "--fix", cwd=tmp_path).code == 1
    assert gitsync("doctor", "--undo", "20260101T000000Z", cwd=tmp_path).code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_cannot_be_read(patient: Patient) -> None:
    (Path(os.environ["XDG_CONFIG_HOME"]) / "gitsync" / "machines.json").write_text("{ not json")
    document = patient.examine("--fix")
    assert named(document, "registration")["state"] == "fail"
    assert named(document, "settings")["state"] == "fail"


def test_settings_of_a_stranger_are_not_used(patient: Patient, tmp_path: Path) -> None:
    """A clone could have brought them: nothing that they name is looked at, let alone started."""
    (Path(os.environ["XDG_CONFIG_HOME"]) / "gitsync" / "machines.json").unlink()
    patient.computer.settings(
        f'[[agents]]\nname = "a"\nkind = "http"\nurl = "http://127.0.0.1:9"\nhealth_command = ["touch", "{tmp_path}/x"]'
    )
    document = patient.examine("--fix")
    assert named(document, "registration")["state"] == "fail"
    assert named(document, "settings")["state"] == "fail"
    assert {check["name"] for check in document["checks"]} <= {
        *("registration", "settings", "git", "python", "disk", "inodes", "watches", "exclude"),
    }
    assert not (tmp_path / "x").exists()


def test_settings_with_a_mistake(patient: Patient) -> None:
    with patient.computer.config.open("a") as file:
        file.write("[sync]\nfastset = 5\n")
    document = patient.examine()
    found = named(document, "settings")
    assert found["state"] == "fail"
    assert "config.toml" in found["what"]
    assert "last valid" in found["remedy"]
    assert named(document, "journal")["state"] == "ok", "the copy of the valid ones is gone by"


def test_settings_that_git_tracks(patient: Patient) -> None:
    run_git("add", "-f", ".gitsync/config.toml", cwd=patient.root)
    found = patient.check("settings", "--fix")
    assert (found["state"], "tracked" in found["why"]) == ("fail", True)


def test_files_of_another_user(patient: Patient) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(patient.state / "token", 12345, 12345)
    found = patient.check("owner")
    assert (found["state"], "12345" in found["what"]) == ("fail", True)


def test_settings_of_another_user(patient: Patient) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(patient.computer.config, 12345, 12345)
    assert patient.check("settings")["state"] == "fail"


# -- the clone ---------------------------------------------------------------------------------------------------------


def test_another_branch(patient: Patient) -> None:
    patient.git("switch", "-q", "-c", "ideas")
    found = patient.check("branch")
    assert (found["state"], "ideas" in found["what"], found["fixable"]) == ("warn", True, False)


@pytest.mark.parametrize("what", ["merge", "rebase", "cherry-pick", "bisect"])
def test_an_operation_under_way(patient: Patient, what: str) -> None:
    if what == "bisect":
        patient.git("bisect", "start")
    else:
        patient.git("switch", "-q", "-c", "side")
        person = Person(patient.clone)
        person.commit({"notes.txt": "one\n"})
        patient.git("switch", "-q", "coordination")
        person.commit({"notes.txt": "other\n"})
        assert "CONFLICT" in run_git(what, "side", cwd=patient.clone, check=False)
    found = patient.check("branch")
    assert (found["state"], what in found["what"]) == ("warn", True)
    assert f"{what} --abort" in found["remedy"] or "bisect reset" in found["remedy"]


def test_a_branch_that_diverged(patient: Patient, tmp_path: Path) -> None:
    Person(patient.clone).commit({"notes.txt": "here\n"})
    person = Person.clone(patient.remote.url, tmp_path / "person", "-b", "coordination")
    person.commit({"other.txt": "there\n"})
    person.push()
    patient.git("fetch", "-q", "origin")
    document = patient.examine()
    assert named(document, "diverged")["state"] == "warn"
    assert named(document, "rewritten")["state"] == "ok"


def test_the_repository_has_moved(patient: Patient, bare: served.Remote) -> None:
    patient.computer.git("remote", "set-url", "origin", bare.url)
    found = patient.check("remote-url")
    assert (found["state"], found["fixable"], bare.url in found["what"]) == ("warn", False, True)


def test_a_config_that_git_cannot_read(patient: Patient) -> None:
    (patient.git_dir / "config").write_text("[broken\n")
    assert patient.check("git-config")["state"] == "fail"


def test_old_rescue_refs(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = patient.git("rev-parse", "HEAD^{tree}").strip()
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2020-01-01T00:00:00Z")
    old = patient.git("commit-tree", tree, "-m", "old").strip()
    patient.git("update-ref", "refs/gitsync/rescue/commits-1", old)
    found = patient.check("rescue")
    assert (found["state"], "refs/gitsync/rescue/commits-1" in found["remedy"]) == ("warn", True)


# -- the stores --------------------------------------------------------------------------------------------------------


def test_what_is_under_way(patient: Patient) -> None:
    with Journal(patient.private / "journal.sqlite3") as journal:
        journal.enqueue(Op("message", "01JD3WQ8Z6T4K9V2M5N7P0R3S8", "2", b"", created="2026-01-01T00:00:00Z"))
        journal.refuse(journal.enqueue(Op("import", "too-large.md")), "larger than 8 MiB")
        journal.displace("messages/2_TO_1.md", "displaced/1", "0" * 40)
        journal.begin(Intent(message_key="2_TO_1/x", message_id="x", agent="coder"))
        journal.finish("2_TO_1/x", "coder", "uncertain")
    document = patient.examine()
    assert "oldest" in named(document, "outbox")["what"]
    assert "too-large.md" in named(document, "parked")["what"]
    assert "1 uncertain" in named(document, "blockers")["what"]
    assert "messages/2_TO_1.md" in named(document, "displaced")["details"][0]
    assert document["state"] == "warn"


def test_a_text_that_is_held_back(patient: Patient) -> None:
    patient.computer("send", "2", "The key", "-m", "token = ghp_" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2")
    found = patient.check("quarantine")
    assert (found["state"], "gitsync release" in found["remedy"]) == ("warn", True)


def test_a_mass_deletion_waits(patient: Patient) -> None:
    for number in range(6):
        patient.computer.ok("send", "2", f"Number {number}", "-m", "x")
    patient.computer.ok("sync")
    (patient.clone / "messages" / "1_TO_2.md").unlink()
    assert patient.computer("sync").code == 1
    found = patient.check("cycle")
    assert found["state"] == "fail"
    assert "--accept-deletions" in found["remedy"]


def test_a_clone_that_was_copied(patient: Patient) -> None:
    """Two clones by `cp -r`, the copy put on the list by hand: both checks see it."""
    copy = patient.root.with_name("copy")
    shutil.copytree(patient.root, copy, symlinks=True)
    registry = Path(os.environ["XDG_CONFIG_HOME"]) / "gitsync" / "machines.json"
    data = json.loads(registry.read_text())
    data["machines"][str(copy)] = {"mailbox": str(copy / "coordination"), "machine": "1"}
    registry.write_text(json.dumps(data))
    document = Patient(Computer(copy, "1"), patient.remote).examine()
    assert "copied" in named(document, "identity")["what"]
    assert named(document, "registration")["state"] == "warn"
    assert named(document, "machine-id")["state"] == "fail"
    assert named(patient.examine(), "identity")["state"] == "ok"


def test_an_id_in_other_hands(patient: Patient) -> None:
    tree = patient.git("rev-parse", "HEAD^{tree}").strip()
    sign = patient.git("commit-tree", tree, "-m", "machine 1\n\nInstall: other\nBound: elsewhere").strip()
    patient.git("update-ref", "refs/gitsync/remote/coordination/machine/1", sign)
    found = patient.check("machine-id")
    assert (found["state"], "--take-over" in found["remedy"]) == ("fail", True)


def test_own_pages_and_hooks(patient: Patient) -> None:
    with (patient.clone / "messages" / "1_TO_2.md").open("a") as file:
        file.write("\n<<<<<<< HEAD\nx\n")
    patient.computer.ok("hooks", "install")
    assert named(patient.examine(), "hooks")["state"] == "ok"
    (patient.git_dir / "hooks" / "post-merge").unlink()
    hook = patient.git_dir / "hooks" / "pre-commit"
    lines = [
        'gitsync() { /nowhere/python "$@"; }' if "gitsync() {" in line else line
        for line in hook.read_text().split("\n")
    ]
    hook.write_text("\n".join(lines))
    document = patient.examine()
    assert "1_TO_2.md" in named(document, "lint")["what"]
    assert named(document, "hooks")["details"] == ["missing post-merge", "dead pre-commit"]


def test_keys(patient: Patient) -> None:
    from gitsync.signing.store import KeyStore

    other = KeyStore(patient.root / "other", "2").create(bytes(range(100, 136)), "2026-01-01T00:00:00Z")
    store = KeyStore(patient.private / "keys", "1")
    store.note("2", str(other), "", "2026-01-01T00:00:00Z")
    found = patient.check("keys")
    assert (found["state"], other.fingerprint in found["what"]) == ("warn", True)
    (patient.private / "keys" / "id_ed25519").chmod(0o644)
    document = patient.examine("--fix")
    assert named(document, "modes")["state"] == "ok"
    assert named(document, "keys")["state"] == "warn", "the new key still waits"
    shutil.rmtree(patient.private / "keys")
    assert "no key" in patient.check("keys")["what"]


@pytest.mark.parametrize("where", ["messages/1_TO_2.md", ".git/gitsync/journal.sqlite3", ".git/hooks/pre-commit"])
def test_a_pipe_in_the_place_of_a_file_hangs_nothing(patient: Patient, where: str) -> None:
    path = patient.clone / where
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    begun = time.monotonic()
    patient.examine()
    assert time.monotonic() - begun < 8


# -- the remote --------------------------------------------------------------------------------------------------------


def _move_to(patient: Patient, url: str) -> None:
    patient.git("remote", "set-url", "origin", url)
    patient.computer.git("remote", "set-url", "origin", url)


def _over_http(patient: Patient, server: GitHttpServer) -> None:
    _move_to(patient, f"{server.url}/{patient.remote.path.name}")


def test_a_remote_that_hangs(patient: Patient) -> None:
    with GitHttpServer(patient.remote.path.parent) as server:
        _over_http(patient, server)
        server.hang = True
        begun = time.monotonic()
        document = patient.examine(online=True)
        taken = time.monotonic() - begun
        server.hang = False
    assert named(document, "remote")["state"] == "warn"
    assert taken < 10


@pytest.mark.parametrize(
    ("url", "name", "state"),
    [
        ("http://127.0.0.1:1/x.git", "remote", "warn"),
        ("https://gitsync.invalid/x.git", "remote", "warn"),
        ("/nowhere/at/all.git", "remote", "warn"),
    ],
)
def test_a_remote_that_is_away(patient: Patient, url: str, name: str, state: str) -> None:
    _move_to(patient, url)
    assert patient.check(name, online=True)["state"] == state


def test_credentials_and_the_right_to_push(patient: Patient) -> None:
    with GitHttpServer(patient.remote.path.parent, auth=("me", "geheim-42")) as server:
        _over_http(patient, server)
        found = patient.check("credentials", online=True)
        assert (found["state"], found["fixable"]) == ("fail", False)
        _move_to(patient, f"http://me:geheim-42@127.0.0.1:{server.port}/{patient.remote.path.name}")
        document = patient.examine(online=True)
        assert named(document, "remote")["state"] == "ok"
        assert named(document, "push")["state"] == "ok"
        assert named(document, "clock")["state"] == "ok"
        assert "geheim" not in json.dumps(document)
        patient.remote.git("config", "http.receivepack", "false")
        refs = patient.remote.refs()
        assert patient.check("push", online=True)["state"] == "fail"
        assert patient.remote.refs() == refs


def test_a_clock_that_is_wrong(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(_self: Any, _at: Any = None) -> str:
        return formatdate(time.time() + 3 * 86400, usegmt=True)

    monkeypatch.setattr(served._GitHandler, "date_time_string", lie)
    with GitHttpServer(patient.remote.path.parent) as server:
        _over_http(patient, server)
        found = patient.check("clock", online=True)
    assert (found["state"], "3 days behind" in found["what"]) == ("warn", True)


def test_another_machine_that_lives_in_the_future(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = patient.git("rev-parse", "HEAD^{tree}").strip()
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{int(time.time()) + 7200} +0000")
    sign = patient.git("commit-tree", tree, "-m", "machine 2\n\nInstall: other\nBound: elsewhere").strip()
    patient.git("update-ref", "refs/gitsync/remote/coordination/machine/2", sign)
    assert "machine 2" in patient.check("clock")["what"]


# -- what lives here ---------------------------------------------------------------------------------------------------


def test_the_process(patient: Patient, stop_processes: list[Computer]) -> None:
    stop_processes.append(patient.computer)
    patient.computer.ok("up", "--detach")
    document = patient.examine()
    pid = int(json.loads((patient.state / "daemon.json").read_text())["pid"])
    assert str(pid) in named(document, "process")["what"]
    assert named(document, "health")["state"] in ("ok", "warn")
    (patient.git_dir / "shallow.lock").touch()
    os.utime(patient.git_dir / "shallow.lock", (1, 1))
    os.kill(pid, signal.SIGSTOP)
    try:
        document = patient.examine("--fix")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "does not answer" in named(document, "process")["what"]
    if document["fixes"]:  # it may have taken the lock away itself just before
        assert "gitsync down" in document["fixes"][0]["failed"]
    patient.computer.ok("down")
    assert not alive(pid)


def test_a_process_of_another_version() -> None:
    from gitsync.config.settings import Settings
    from gitsync.doctor.ground import Ground, Running
    from gitsync.doctor.life import process
    from gitsync.protocol.identity import Machine
    from gitsync.sync.settings import SyncSettings

    settings = Settings(root=Path("/x"), mailbox=Path("/x/c"), machine=Machine("1", "", ""), sync=SyncSettings())
    live = Running(pid=1, port=2, since="", version="0.0.1", health={"reasons": ["the remote is away"]})
    found = list(process(Ground(start=Path("/x"), root=Path("/x"), settings=settings, running=live)))
    assert "0.0.1" in found[0].what
    assert found[0].remedy == "gitsync restart"
    assert "remote is away" in found[1].what


def test_a_port_that_is_taken(patient: Patient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        patient.computer.config.write_text(f'[machine]\nid = "1"\n[api]\nport = {port}\n')
        found = patient.check("port")
    assert (found["state"], str(os.getpid()) in found["what"]) == ("fail", True)


AGENTS = """
[[agents]]
name = "gone"
kind = "command"
argv = ["no-such-program-anywhere"]
[[agents]]
name = "there"
kind = "command"
argv = ["sh", "-c", "exit 1"]
[[agents]]
name = "mute"
kind = "http"
url = "http://127.0.0.1:{silent}"
[[agents]]
name = "well"
kind = "http"
url = "http://127.0.0.1:{well}"
health = "/"
[[agents]]
name = "crowded"
kind = "http"
url = "http://127.0.0.1:{held}"
start = ["sh"]
[[agents]]
name = "model"
kind = "claude"
model = "m"
max_tokens = 10
api_key_env = "SOME_KEY"
"""


def test_agents(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(socket.socket())
        held.bind(("127.0.0.1", 0))
        held.listen()
        web = stack.enter_context(GitHttpServer(patient.root))
        web.answer = 200
        ports = {"silent": 1, "well": web.port, "held": held.getsockname()[1]}
        patient.computer.settings(AGENTS.format(**ports))
        document = patient.examine()
        states = {check["name"]: check["state"] for check in document["checks"] if check["name"].startswith("agent")}
        assert states == {
            "agent gone": "fail",
            "agent there": "ok",
            "agent mute": "warn",
            "agent well": "ok",
            "agent crowded": "warn",
            "agent model": "warn",
        }
        assert str(os.getpid()) in named(document, "agent crowded")["what"]
        monkeypatch.setenv("SOME_KEY", "sk-very-secret-value")
        text = json.dumps(patient.examine())
        assert "very-secret" not in text


# -- for people --------------------------------------------------------------------------------------------------------


def test_what_a_person_reads(patient: Patient) -> None:
    (patient.state / "token").chmod(0o644)
    result = patient.run("--offline")
    lines = result.out.splitlines()
    assert result.code == 1
    assert lines[0].startswith("fail  others on this computer")
    assert any("gitsync doctor --fix" in line for line in lines)
    assert lines[-1].startswith("everything else is well")
    assert len(lines) < 20
    mended = patient.run("--offline", "--fix")
    assert mended.code == 0
    assert mended.out.startswith("mended: ")
    assert "--undo" in mended.out


Break = Callable[[Patient], object]

WRECKS: dict[str, Break] = {
    "no clone": lambda p: shutil.rmtree(p.clone),
    "no git folder": lambda p: shutil.rmtree(p.git_dir),
    "clone is a file": lambda p: (shutil.rmtree(p.clone), p.clone.write_text("x")),
    "no state": lambda p: shutil.rmtree(p.state),
    "no HEAD": lambda p: (p.git_dir / "HEAD").unlink(),
    "no objects": lambda p: shutil.rmtree(p.git_dir / "objects"),
    "garbage refs": lambda p: (p.git_dir / "packed-refs").write_bytes(os.urandom(4096)),
    "garbage index": lambda p: (p.git_dir / "index").write_bytes(os.urandom(4096)),
    "journal is a folder": lambda p: (
        (p.private / "journal.sqlite3").unlink(),
        (p.private / "journal.sqlite3").mkdir(),
    ),
}


@pytest.mark.parametrize("wreck", WRECKS.values(), ids=WRECKS)
def test_it_works_when_everything_is_broken(patient: Patient, wreck: Break) -> None:
    """There is a document, in time, and no traceback; what cannot be mended stays as it is."""
    wreck(patient)
    document = patient.examine()
    assert not [check for check in document["checks"] if "could not be examined" in check["what"]]
    assert patient.examine("--fix")["checks"]

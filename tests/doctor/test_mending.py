"""Everything that the doctor mends: broken for real, mended, healthy again, and put back byte by byte."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Computer, gitsync
from tests.doctor.conftest import Patient, named
from tests.remotes import GitHttpServer, Person, run_git


@dataclass(frozen=True)
class Case:
    """One way to break a computer, and the check that must find it."""

    check: str
    state: str
    break_it: Callable[[Patient], object]


def _old(file: Path, data: bytes = b"") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    before = time.time() - 600
    os.utime(file, (before, before))


def _locks(patient: Patient) -> None:
    for name in ("index.lock", "packed-refs.lock", "refs/heads/coordination.lock", "config.lock"):
        _old(patient.git_dir / name)


def _garbage(file: Path) -> None:
    mode = file.stat().st_mode
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    file.write_bytes(b"this was a database once\n" * 400)
    file.chmod(mode)


def _truncate(file: Path) -> None:
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    os.truncate(file, file.stat().st_size // 2)


def _other_layout(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as conn:
        conn.execute("PRAGMA user_version = 99")


def _pins(patient: Patient) -> None:
    ref = patient.git_dir / "refs" / "gitsync" / "local" / "lost"
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text("1234567890" * 4 + "\n")


def _dead_process(patient: Patient) -> None:
    (patient.state / "daemon.json").write_text('{"pid": 999999999, "port": 1, "since": "2026-01-01T00:00:00Z"}')
    (patient.state / "daemon.json").chmod(0o600)


def _half_clone(patient: Patient) -> None:
    folder = patient.state / "new-clone"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "gitsync-incomplete").touch()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/coordination\n")


CASES = {
    "token": Case("modes", "fail", lambda p: (p.state / "token").chmod(0o644)),
    "journal mode": Case("modes", "warn", lambda p: (p.private / "journal.sqlite3").chmod(0o664)),
    "settings folder": Case("modes", "warn", lambda p: p.state.chmod(0o755)),
    "writable settings": Case("settings", "fail", lambda p: p.computer.config.chmod(0o666)),
    "lost settings": Case("settings", "fail", lambda p: p.computer.config.unlink()),
    "exclude": Case("exclude", "warn", lambda p: (p.root / ".git/info/exclude").write_bytes(b"*.o")),
    "upstream": Case("upstream", "warn", lambda p: p.git("branch", "--unset-upstream", "coordination")),
    "remote gone": Case("remote-url", "fail", lambda p: p.git("config", "--unset", "remote.origin.url")),
    "detached": Case("branch", "warn", lambda p: p.git("checkout", "-q", "--detach")),
    "empty ref": Case("branch", "fail", lambda p: os.truncate(p.git_dir / "refs/heads/coordination", 0)),
    "no ref": Case("branch", "fail", lambda p: p.git("update-ref", "-d", "refs/heads/coordination")),
    "locks": Case("locks", "warn", _locks),
    "killed process": Case("process", "warn", _dead_process),
    "pins": Case("pins", "fail", _pins),
    "garbage journal": Case("journal", "fail", lambda p: _garbage(p.private / "journal.sqlite3")),
    "truncated journal": Case("journal", "fail", lambda p: _truncate(p.private / "journal.sqlite3")),
    "empty journal": Case("journal", "fail", lambda p: os.truncate(p.private / "journal.sqlite3", 0)),
    "garbage ledger": Case("ledger", "fail", lambda p: _garbage(p.state / "ledger.sqlite3")),
    "missing ledger": Case("ledger", "warn", lambda p: (p.state / "ledger.sqlite3").unlink()),
    "newer ledger": Case("ledger", "warn", lambda p: _other_layout(p.state / "ledger.sqlite3")),
    "half clone": Case("clone", "warn", _half_clone),
}


def test_a_healthy_computer_has_nothing_to_mend(patient: Patient) -> None:
    document = patient.examine("--fix", online=True)
    assert [check for check in document["checks"] if check["state"] == "fail"] == []
    assert {check["name"] for check in document["checks"] if check["state"] == "warn"} <= {"process", "watches", "disk"}
    assert document["fixes"] == []
    assert document["undo"] is None
    assert not (patient.private / "doctor").exists()


def test_looking_changes_nothing(patient: Patient) -> None:
    before, refs = patient.picture(), patient.remote.refs()
    patient.examine(online=True)
    assert patient.picture() == before
    assert patient.remote.refs() == refs


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_found_mended_and_put_back(patient: Patient, case: Case) -> None:
    case.break_it(patient)
    before = patient.picture()
    found = patient.check(case.check)
    assert (found["state"], found["fixable"]) == (case.state, True)
    assert found["what"]
    assert found["why"]
    assert found["remedy"]
    assert patient.picture() == before, "looking changed something"

    document = patient.examine("--fix")
    assert [fix["failed"] for fix in document["fixes"]] == [None] * len(document["fixes"])
    healed = named(document, case.check)
    assert not healed["fixable"], healed
    assert healed["state"] == "ok" or case.check == "process", healed
    assert patient.picture() != before

    undone = patient.run("--undo", document["undo"])
    assert undone.code == 0, undone
    assert patient.picture() == before


@pytest.mark.parametrize("name", ["garbage ledger", "empty ref", "no ref", "detached", "locks", "lost settings"])
def test_mended_is_good_to_work_with(patient: Patient, name: str) -> None:
    CASES[name].break_it(patient)
    patient.examine("--fix")
    ident = patient.computer.ask("send", "2", "Again", "-m", "still here")["id"]
    assert patient.computer.ask("sync")["state"] == "ok"
    assert ident.encode() in patient.remote.read("messages/1_TO_2.md")
    assert patient.git("status", "--porcelain") == ""
    assert patient.examine("--fix")["fixes"] == []


def test_what_a_broken_journal_still_says_is_sent(patient: Patient) -> None:
    """I1: the rows that can be read are taken over; the file itself is kept."""
    idents = [patient.computer.ask("send", "2", f"Number {n}", "-m", "x" * 3000)["id"] for n in range(12)]
    journal = patient.private / "journal.sqlite3"
    with contextlib.closing(sqlite3.connect(journal)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = conn.execute("PRAGMA page_count").fetchone()[0]
        size = conn.execute("PRAGMA page_size").fetchone()[0]
    data = bytearray(journal.read_bytes())
    data[(pages - 3) * size : (pages - 2) * size] = os.urandom(size)
    journal.write_bytes(data)
    assert patient.check("journal")["state"] == "fail"
    document = patient.examine("--fix")
    assert named(document, "journal")["state"] == "ok"
    with contextlib.closing(sqlite3.connect(journal)) as conn:
        kept = [row[0] for row in conn.execute("SELECT ident FROM ops WHERE state = 'pending' AND kind = 'message'")]
    assert len(kept) >= len(idents) // 2
    assert set(kept) <= set(idents)
    assert patient.computer.ask("sync")["state"] == "ok"
    there = patient.remote.read("messages/1_TO_2.md").decode()
    assert all(there.count(f"<!-- msg {ident} -->") == 1 for ident in kept)
    assert any(path.read_bytes() == bytes(data) for path in (patient.private / "doctor").rglob("0*"))


def test_undo_refuses_what_was_changed_since(patient: Patient) -> None:
    CASES["token"].break_it(patient)
    CASES["exclude"].break_it(patient)
    stamp = patient.examine("--fix")["undo"]
    (patient.root / ".git/info/exclude").write_bytes(b"mine\n")
    refused = patient.run("--undo", stamp)
    assert refused.code == 1
    assert "exclude" in refused.err
    assert (patient.root / ".git/info/exclude").read_bytes() == b"mine\n"
    assert (patient.state / "token").stat().st_mode & 0o777 == 0o600, "it is all or nothing"


def test_undo_once_and_by_its_name_only(patient: Patient) -> None:
    CASES["token"].break_it(patient)
    stamp = patient.examine("--fix")["undo"]
    assert patient.run("--undo", "../../etc").code == 2
    assert stamp in patient.run("--undo", "20200101T000000Z").err
    assert patient.run("--undo", stamp).code == 0
    assert "undone already" in patient.run("--undo", stamp).err
    assert patient.run("--undo", stamp, "--fix").code == 2


def test_settings_that_others_changed_are_not_trusted_again(patient: Patient) -> None:
    with patient.computer.config.open("a") as file:
        file.write('[[agents]]\nname = "evil"\nkind = "command"\nargv = ["sh"]\n')
    patient.computer.config.chmod(0o666)
    found = patient.check("settings", "--fix")
    assert (found["state"], found["fixable"]) == ("fail", False)
    assert patient.computer.config.stat().st_mode & 0o777 == 0o666


def test_nothing_is_mended_beside_a_working_process(patient: Patient) -> None:
    from gitsync.sync.lock import CloneLock

    _locks(patient)
    with CloneLock(patient.private / "lock"):
        document = patient.examine("--fix")
    assert "gitsync down" in document["fixes"][0]["failed"]
    assert document["undo"] is None
    assert (patient.git_dir / "index.lock").exists()


def test_missing_objects_come_back_from_the_remote(patient: Patient) -> None:
    tip = patient.git("rev-parse", "HEAD").strip()
    blob = patient.git("rev-parse", "HEAD:messages/1_TO_2.md").strip()
    for sha in (blob, tip):
        (patient.git_dir / "objects" / sha[:2] / sha[2:]).unlink()
    assert patient.check("objects")["state"] == "fail"
    found = patient.check("objects", online=True)
    assert found["fixable"]
    assert blob in found["details"]
    document = patient.examine("--fix", online=True)
    assert named(document, "objects")["state"] == "ok"
    assert patient.git("cat-file", "-t", blob).strip() == "blob"


def test_a_lost_clone_is_cloned_again(patient: Patient) -> None:
    import shutil

    shutil.rmtree(patient.clone)
    (patient.clone / ".git").mkdir(parents=True)
    (patient.clone / ".git" / "gitsync-incomplete").touch()
    (patient.clone / ".git" / "HEAD").write_text("ref: refs/heads/coordination\n")
    found = patient.check("clone")
    assert found["state"] == "fail"
    assert "half" in found["what"]
    document = patient.examine("--fix", online=True)
    assert [fix["failed"] for fix in document["fixes"]] == [None]
    assert named(document, "clone")["state"] == "ok"
    assert patient.computer.ask("sync")["state"] == "ok"
    assert (patient.clone / "messages/1_TO_2.md").exists()
    refused = patient.run("--undo", document["undo"])
    assert refused.code == 1
    assert "another one" in refused.err


def test_an_init_that_was_killed(patient: Patient) -> None:
    """A real one, ended by kill -9 while the remote keeps it waiting; `init` can then be done again."""
    root = patient.root.with_name("second")
    with GitHttpServer(patient.remote.path.parent) as server:
        server.hang = True
        root.mkdir()
        run_git("init", "-q", cwd=root)
        run_git("remote", "add", "origin", f"{server.url}/{patient.remote.path.name}", cwd=root)
        call = [sys.executable, "-m", "gitsync", "init", "--id", "2", "--port", "0"]
        with subprocess.Popen(call, cwd=root, stderr=subprocess.DEVNULL, start_new_session=True) as process:
            deadline = time.monotonic() + 20
            while not (root / ".gitsync/new-clone/.git/config").exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGKILL)
        assert gitsync("doctor", "--offline", cwd=root).code == 1
        server.hang = False
        assert gitsync("init", "--id", "2", "--port", "0", cwd=root).code == 0
        document = Patient(Computer(root, "2"), patient.remote).examine()
        assert named(document, "clone")["state"] == "ok"


def test_a_fix_that_was_killed_can_be_undone(patient: Patient) -> None:
    """The list is on disk before anything changes: what was begun is put back, what was not is left."""
    from gitsync.doctor import mend
    from gitsync.doctor.ground import survey
    from gitsync.doctor.values import Check, Fix

    first, second = patient.state / "token", patient.git_dir / "index.lock"
    before = first.read_bytes()
    _old(second, b"held")

    def killed() -> None:
        first.write_bytes(b"half")
        raise KeyboardInterrupt

    fix = Fix(says="mend", touches=(first,), aside=(second,), act=killed)
    ground = survey(patient.root, running=lambda _: None, offline=True)
    with pytest.raises(KeyboardInterrupt):
        mend.mend(ground, [Check(name="x", state="fail", what="x", fix=fix)])
    (stamp,) = mend.runs(ground)
    assert (first.read_bytes(), second.exists()) == (b"half", False)
    assert patient.run("--undo", stamp).code == 0
    assert (first.read_bytes(), second.read_bytes()) == (before, b"held")
    assert any(path.read_bytes() == b"half" for path in (patient.private / "doctor" / stamp).glob("undone-*"))


def test_a_fix_that_fails_is_taken_back_at_once(patient: Patient) -> None:
    from gitsync.doctor import mend
    from gitsync.doctor.ground import survey
    from gitsync.doctor.values import Check, Fix

    file, lock = patient.state / "token", patient.git_dir / "index.lock"
    before = file.read_bytes()
    _old(lock, b"held")

    def fall() -> None:
        file.write_bytes(b"half")
        raise OSError("the disk is gone")

    fix = Fix(says="mend", touches=(file,), aside=(lock,), act=fall)
    ground = survey(patient.root, running=lambda _: None, offline=True)
    stamp, done = mend.mend(ground, [Check(name="x", state="fail", what="x", fix=fix)])
    assert (stamp, done[0].failed) == (None, "the disk is gone")
    assert (file.read_bytes(), lock.read_bytes()) == (before, b"held")


def test_a_rewritten_remote_is_for_a_person_to_judge(patient: Patient, tmp_path: Path) -> None:
    known = patient.remote.tip()
    person = Person.clone(patient.remote.url, tmp_path / "person", "-b", "coordination")
    person.git("checkout", "-q", "--orphan", "new")
    person.commit({"README.md": "all new\n"})
    person.git("push", "-q", "-f", "origin", "new:coordination")
    patient.git("fetch", "-q", "origin")
    found = patient.check("rewritten")
    assert found["state"] == "fail"
    assert "--accept-rewrite" in found["remedy"]
    document = patient.examine("--fix")
    assert named(document, "rewritten")["state"] == "fail"
    assert patient.git("for-each-ref", "--format=%(objectname)", "refs/gitsync/rescue/").split() == [known]
    assert patient.run("--undo", document["undo"]).code == 0
    assert patient.git("for-each-ref", "refs/gitsync/rescue/") == ""


def test_the_persons_repository_is_left_alone(patient: Patient) -> None:
    """I4: whatever is mended, only the ignore list may gain its lines."""
    run_git("commit", "-q", "--allow-empty", "-m", "mine", cwd=patient.root)
    _old(patient.root / ".git" / "index.lock")

    def theirs() -> dict[str, bytes]:
        top = patient.root / ".git"
        return {
            str(path): path.read_bytes()
            for path in top.rglob("*")
            if path.is_file() and path != top / "info" / "exclude"
        }

    before = theirs()
    for name in ("exclude", "upstream", "garbage ledger", "token", "locks"):
        CASES[name].break_it(patient)
    document = patient.examine("--fix")
    assert len(document["fixes"]) == 5
    assert theirs() == before


@pytest.mark.parametrize("set_up", [False, True], ids=["a clone", "a clone that was set up before"])
def test_a_repository_brings_no_list_of_what_to_put_back(patient: Patient, tmp_path: Path, set_up: bool) -> None:
    root = patient.computer.root if set_up else tmp_path / "somebodys"
    victim = tmp_path / "victim"
    victim.write_text("precious")
    stamp = "20260101T000000Z"
    run = root / ".gitsync" / "doctor" / stamp
    run.mkdir(parents=True)
    (run / "0001").write_text("evil")
    old = {"kind": "file", "mode": 0o600, "sha256": "0"}
    entry = {
        "name": "x",
        "says": "x",
        "lock": False,
        "state": "planned",
        "files": [{"path": str(victim), "old": old, "saved": "0001"}],
        "refs": [],
    }
    (run / "manifest.json").write_text(json.dumps({"stamp": stamp, "undone": None, "entries": [entry]}))
    if set_up:
        run_git("add", "-f", ".gitsync/doctor", cwd=root)
    else:
        (root / ".gitsync" / "config.toml").write_text("")
    refused = gitsync("doctor", "--undo", stamp, cwd=root)
    assert (refused.code, "is not used" in refused.err) == (3, True), refused
    assert victim.read_text() == "precious"

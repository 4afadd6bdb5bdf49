"""The report: what helps is in it, what is secret or said between agents is not."""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from gitsync.doctor.bundle import OUT, _log_line, settings_of
from tests.doctor.conftest import Patient

SECRETS = {
    "password of a URL": "geheim-in-der-url",
    "key in the environment": "sk-ant-planted-environment-value",
    "plain value of an agent's environment": "planted-agent-environment",
    "argument of a program": "planted-argument-value",
    "header in git's settings": "planted-extra-header",
    "body of a message": "planted-body-of-a-message",
    "subject of a message": "planted-subject-line",
    "word of an agent in the log": "planted-words-of-an-agent",
    "value in a traceback": "planted-exception-value",
    "token in a log line": "ghp_" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2",
    "text that was refused": "planted-refusal",
}


@pytest.fixture
def report(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plant secrets everywhere, and make a report."""
    secret = SECRETS
    patient.computer.ok("send", "2", secret["subject of a message"], "-m", secret["body of a message"])
    patient.computer.ok("sync")
    patient.computer.ok("status")
    patient.computer.settings(
        '[[agents]]\nname = "coder"\nkind = "command"\n'
        f'argv = ["sh", "-c", "{secret["argument of a program"]}"]\n'
        f'[agents.env]\nHARMLESS = "{secret["plain value of an agent" + chr(39) + "s environment"]}"\n'
    )
    monkeypatch.setenv("PLANTED_API_KEY", secret["key in the environment"])
    patient.git("remote", "set-url", "origin", f"https://me:{secret['password of a URL']}@gitsync.invalid/customer.git")
    patient.git("config", "http.extraHeader", f"Authorization: {secret['header in git' + chr(39) + 's settings']}")
    token = (patient.state / "token").read_text().strip()
    (patient.state / "gitsync.log").write_text(
        f"2026-11-20 06:45:00,123 WARNING gitsync.dispatch.lanes: {secret['word of an agent in the log']}\n"
        f"2026-11-20 06:45:01,123 INFO    gitsync.sync.engine: pushed with {secret['token in a log line']}\n"
        f"2026-11-20 06:45:02,123 INFO    gitsync.daemon.main: Bearer {token} and {secret['key in the environment']}\n"
        f"2026-11-20 06:45:03,123 ERROR   gitsync.sync.engine: the cycle failed\n"
        "  Traceback (most recent call last):\n"
        '    File "/opt/gitsync/sync/engine.py", line 7, in cycle\n'
        f"  ValueError: {secret['value in a traceback']}\n"
    )
    from gitsync.ledger.journal import Journal
    from gitsync.ledger.values import Op

    with Journal(patient.private / "journal.sqlite3") as journal:
        journal.refuse(journal.enqueue(Op("message", "x", "2")), secret["text that was refused"])
    file = tmp_path / "report.tar.gz"
    result = patient.run("--offline", "--bundle", file)
    assert "Traceback" not in result.err, result
    assert "look through it" in result.out
    return file


def test_no_secret_is_in_a_report(report: Path, patient: Patient) -> None:
    with tarfile.open(report) as archive:
        files = {member.name: found.read() for member in archive.getmembers() if (found := archive.extractfile(member))}
    everything = b"\n".join([*files.values(), *(name.encode() for name in files)])
    for what, value in SECRETS.items():
        assert value.encode() not in everything, f"{what} is in the report"
    assert (patient.state / "token").read_text().strip().encode() not in everything
    for key in (patient.private / "keys" / "id_ed25519").read_text().splitlines()[1:-1]:
        assert key.encode() not in everything
    assert b"customer" not in everything


def test_what_helps_is_in_a_report(report: Path) -> None:
    with tarfile.open(report) as archive:
        members = {member.name.removeprefix("gitsync-report/"): member for member in archive.getmembers()}

        def read(name: str) -> str:
            found = archive.extractfile(members[name])
            assert found is not None
            return found.read().decode()

        checks = {check["name"]: check for check in json.loads(read("doctor.json"))}
        assert checks["git"]["state"] == "ok"
        assert json.loads(read("versions.json"))["git"][0].isdigit()
        assert json.loads(read("settings.json"))["agents"][0]["env"] == {"HARMLESS": OUT}
        assert json.loads(read("rows.json"))["journal"]["ops"] >= 1
        assert "remote.origin.url=https://gitsync.invalid/(left out)" in read("git/config.txt")
        assert "gitsync.sync.engine: the cycle failed" in read("logs/gitsync.log")
        assert 'File "/opt/gitsync/sync/engine.py", line 7, in cycle' in read("logs/gitsync.log")
        assert len(read("git/commits.txt").splitlines()) >= 2
    assert report.stat().st_mode & 0o777 == 0o600


def test_a_zip_and_names(patient: Patient, tmp_path: Path) -> None:
    assert patient.run("--offline", "--bundle", tmp_path / "report.rar").code == 2
    document = patient.examine("--bundle", tmp_path / "report.zip")
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        assert sorted(archive.namelist()) == sorted(f"gitsync-report/{name}" for name in document["bundle"]["items"])
    again = patient.run("--offline", "--bundle", tmp_path / "report.zip")
    assert (again.code, "is there already" in again.err) == (2, True)


def test_a_report_of_a_wreck(patient: Patient, tmp_path: Path) -> None:
    patient.computer.config.write_text("[[[ not toml")
    (patient.git_dir / "config").write_text("[broken\n")
    os.truncate(patient.private / "journal.sqlite3", 100)
    document = patient.examine("--bundle", tmp_path / "report.zip")
    assert "doctor.json" in document["bundle"]["items"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "2026-11-20 06:45:00,1 INFO    gitsync.git.repo: fetched",
            "2026-11-20 06:45:00,1 INFO    gitsync.git.repo: fetched",
        ),
        (
            "2026-11-20T06:45:00Z WARNING gitsync.machine: a word",
            f"2026-11-20T06:45:00Z WARNING gitsync.machine: {OUT}",
        ),
        ("    raise ValueError(secret)", OUT),
        ("  gitsync.errors.GitFailed: secret", f"gitsync.errors.GitFailed: {OUT}"),
        ("anything at all", OUT),
    ],
)
def test_lines_of_a_log(line: str, shown: str) -> None:
    assert _log_line(line) == shown


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[broken")
    assert settings_of(tmp_path / "config.toml") == {"unreadable": "TOMLDecodeError"}

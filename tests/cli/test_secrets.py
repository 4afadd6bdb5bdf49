"""Secrets stay home: what a person sees who sends one, and what nobody sees of those that this machine lives by."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Computer
from tests.remotes import GitHttpServer, Remote, run_git
from tests.secrets.samples import TOKENS

TOKEN = TOKENS["GitHub token"]
SETTINGS = '[sync]\nfastest = "1s"\nslowest = "2s"\nsettle = "100ms"\n'


def leaked(bare: Remote) -> bool:
    return TOKEN in bare.git("cat-file", "--batch-all-objects", "--batch")


def test_a_message_with_a_key_in_it(bare: Remote, one: Computer, two: Computer) -> None:
    one.ok("sync")
    refused = one("send", "2", "The key", "-m", f"Here:\n\n{TOKEN}\n")
    assert refused.code == 3
    assert "line 3" in refused.err
    assert "GitHub token" in refused.err
    assert "gitsync release" in refused.err
    assert TOKEN not in refused.err + refused.out
    (held,) = one.ask("quarantine")
    assert (held["kind"], held["place"], held["state"]) == ("message", "2", "held")
    assert held["found"][0]["line"] == 3
    assert one("send", "2", "The key", "-m", f"Here:\n\n{TOKEN}\n").code == 3
    assert [row["id"] for row in one.ask("quarantine")] == [held["id"]], "the same text is held once"
    assert any(held["id"] in line and "line 3" in line for line in one.ask("status")["blockers"])
    shown = one.ok("quarantine", "show", held["id"][:12])
    assert "Here:" in shown
    assert TOKEN not in shown
    assert TOKEN not in json.dumps(one.ask("quarantine", "show", held["id"]))
    one.ok("sync")
    assert not leaked(bare)

    assert one("release", held["id"], "--reason", "").code == 2
    assert one("release", held["id"], "--reason", f"the key {TOKEN}").code == 2
    assert one("release", "01JD3WQ8", "--reason", "why not").code == 2
    one.ok("release", held["id"][:12], "--reason", "a test key")
    assert one("release", held["id"], "--reason", "a test key").code == 3
    one.ok("sync")
    two.ok("sync")
    assert TOKEN in two.ask("show", held["id"])["body"]
    assert "Gitsync-Override: GitHub token: a test key" in bare.git("log", "-1", "--format=%B", "coordination")
    assert one.ask("quarantine") == []
    (told,) = one.ask("quarantine", "--all")
    assert (told["state"], told["reason"], told["commit"]) == ("released", "a test key", bare.tip())


def test_a_kept_back_message_can_be_dropped(bare: Remote, one: Computer, two: Computer) -> None:
    one.ok("sync")
    ident = two.ask("send", "1", "Q", "-m", "?")["id"]
    two.ok("sync")
    one.ok("sync")
    assert one("reply", ident, "-m", TOKEN).code == 3
    (held,) = one.ask("quarantine")
    assert "dropped" in one.ok("withdraw", held["id"])
    assert one.ask("quarantine") == []
    assert one("release", held["id"], "--reason", "too late").code == 3
    one.ok("sync")
    assert not leaked(bare)


def test_what_is_allowed_by_its_fingerprint_goes(bare: Remote, one: Computer, two: Computer) -> None:
    one.ok("sync")
    assert one("send", "2", "S", "-m", TOKEN).code == 3
    mark = one.ask("quarantine")[0]["found"][0]["fingerprint"]
    one.settings(f'[secrets]\nallow = ["{mark}"]\n')
    one.ok("send", "2", "S", "-m", TOKEN)
    one.settings("[secrets]\nscan = false\n")
    one.ok("send", "2", "S", "-m", TOKENS["Slack token"])
    one.settings('[secrets]\nallow = ["nonsense"]\n')
    assert one("status").code == 2


def test_the_hook_refuses_a_commit_with_a_key(one: Computer) -> None:
    one.ok("hooks", "install")
    (one.mailbox / "notes.txt").write_text(f"first\nthe key is {TOKEN}\n")
    run_git("add", "notes.txt", cwd=one.mailbox)
    call = ["git", "commit", "-q", "-m", "notes"]
    refused = subprocess.run(call, cwd=one.mailbox, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "notes.txt:2: GitHub token" in refused.stderr
    assert "--no-verify" in refused.stderr
    assert TOKEN not in refused.stderr
    subprocess.run([*call, "--no-verify"], cwd=one.mailbox, check=True)
    assert "secret" in one.ok("sync") + one.ok("status")


ENV_SECRET = "Zq7-agent.Env/Value9"
URL_SECRET = "hunter2-In.The+Url"
OTHER_ENV = "kX93mmQpl0"


@pytest.fixture
def planted(one: Computer, stop_processes: list[Computer], monkeypatch: pytest.MonkeyPatch) -> Computer:
    """Run a machine whose agents die with their environment on their lips."""
    monkeypatch.setenv("STATION_TOKEN", OTHER_ENV)
    dying = one.root / "dying.py"
    dying.write_text(
        "import os, sys\nfor name, value in os.environ.items():\n    print(name, '=', value, file=sys.stderr)\n"
        "sys.stderr.write('half ' + os.environ['DB_PASSWORD'][:9]); sys.stderr.flush()\n"
        "sys.stderr.write(os.environ['DB_PASSWORD'][9:] + ' line'); sys.exit(3)\n"
    )
    leaking = one.root / "leaking.py"
    leaking.write_text("import os\nprint('the key is', os.environ['LEAK'])\n")
    env = f'env = {{ DB_PASSWORD = "{ENV_SECRET}" }}\n'
    one.settings(
        SETTINGS
        + f'[[agents]]\nname = "dying"\nkind = "command"\nargv = ["{sys.executable}", "{dying}"]\nattempts = 1\n{env}'
        + f'[[agents]]\nname = "leaking"\nkind = "command"\nargv = ["{sys.executable}", "{leaking}"]\n'
        + f'env = {{ LEAK = "{TOKEN}" }}\n'
        + f'[[agents]]\nname = "service"\nkind = "inbox"\nstart = ["{sys.executable}", "{dying}"]\n{env}'
        + f'[[agents]]\nname = "sick"\nkind = "http"\nurl = "http://u:{URL_SECRET}@127.0.0.1:1/x"\nattempts = 1\n'
        + f'[[agents]]\nname = "check"\nkind = "inbox"\nhealth_command = ["{sys.executable}", "{dying}"]\n{env}'
    )
    stop_processes.append(one)
    one.ok("up", "--detach")
    return one


def served(one: Computer, token: str) -> str:
    """Return all that the process serves."""
    port = json.loads((one.root / ".gitsync" / "daemon.json").read_text())["port"]
    found = ""
    for path in ("/", "/health", "/status", "/metrics", "/instances", "/messages", "/inbox", "/blockers", "/tasks",
                 "/dashboard", "/computers", "/nothing?token=" + token):  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        found += connection.getresponse().read().decode("utf-8", "replace")
        connection.close()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    connection.request("GET", "/events", headers={"Authorization": f"Bearer {token}", "Last-Event-ID": "0"})
    answer = connection.getresponse()
    try:
        while line := answer.readline():
            found += line.decode("utf-8", "replace")
    except TimeoutError:
        pass
    connection.close()
    return found


def written(one: Computer, *but: str) -> str:
    """Return all that was written below the state folder and the mailbox's own, except where a secret lives."""
    found = ""
    for file in sorted([*(one.root / ".gitsync").rglob("*"), *(one.mailbox / ".git" / "gitsync").rglob("*")]):
        if file.is_file() and file.name not in ("config.toml", "token", *but):
            found += file.read_bytes().decode("utf-8", "replace")
    return found


def test_what_this_machine_lives_by_is_told_nowhere(bare: Remote, planted: Computer, two: Computer) -> None:
    one = planted
    token = (one.root / ".gitsync" / "token").read_text().strip()
    two.ok("sync")
    for agent in ("dying", "leaking", "sick"):
        two.ok("send", f"1/{agent}", "Work", "-m", "please")
    two.ok("sync")
    deadline = time.monotonic() + 30
    while True:
        one.ask("sync")
        told = bare.files().items()
        receipts = b"".join(data for path, data in told if path.startswith("receipts/1")).decode()
        if " done " in receipts and " failed " in receipts:
            break
        assert time.monotonic() < deadline, receipts
        time.sleep(0.2)
    assert "exit code 3" in receipts
    assert "is kept back" in receipts, receipts
    assert any(row["kind"] == "message" for row in one.ask("quarantine"))
    everything = served(one, token) + written(one, "journal.sqlite3", "journal.sqlite3-wal") + receipts
    everything += "".join(data.decode("utf-8", "replace") for _, data in told)
    everything += one.ok("status") + one.ok("agents") + one.ok("inbox") + json.dumps(one.ask("status"))
    for secret in (ENV_SECRET, URL_SECRET, TOKEN, token, OTHER_ENV):
        at = everything.find(secret)
        assert at < 0, everything[max(0, at - 300) : at + 60]
    log = "".join(file.read_text() for file in (one.root / ".gitsync" / "agents").glob("*.log*"))
    assert "half [redacted] line" in log
    # The journal is this machine's own; even there only the answer that is kept back may hold a secret.
    one.ok("down")
    journal = written(one)
    for secret in (ENV_SECRET, URL_SECRET, token, OTHER_ENV):
        assert secret not in journal


def test_a_wrong_password_for_the_remote(one: Computer, tmp_path: Path, stop_processes: list[Computer]) -> None:
    with GitHttpServer(tmp_path, auth=("jesse", "right-Password1")) as server:
        url = server.url.replace("://", f"://jesse:{URL_SECRET}@") + "/nothing.git"
        one.git("-C", str(one.mailbox), "remote", "set-url", "origin", url)
        one.settings(SETTINGS)
        stop_processes.append(one)
        told = one("sync")
        assert told.code != 0
        one.ok("up", "--detach")
        again = one("sync")
        token = (one.root / ".gitsync" / "token").read_text().strip()
        everything = served(one, token) + written(one) + told.out + told.err + again.out + again.err + one.ok("status")
        assert "credentials" in everything
        for secret in (URL_SECRET, URL_SECRET.replace("+", "%2B"), token):
            assert secret not in everything
        one.ok("down")


def test_an_unexpected_failure_tells_no_environment(one: Computer) -> None:
    """Break something that nobody expects, with a token in the environment and in the words of the failure."""
    script = (
        "import sys, gitsync.cli.status as s\n"
        "def broken(args): raise ZeroDivisionError('at ' + __import__('os').environ['DEPLOY_TOKEN'])\n"
        "s.status = broken\n"
        "from gitsync.cli.main import main\n"
        "sys.exit(main(['status']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=one.root,
        env={**os.environ, "DEPLOY_TOKEN": "plain-words-0f-no-shape"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    log = (one.root / ".gitsync" / "gitsync.log").read_text()
    assert "ZeroDivisionError" in log
    assert "plain-words-0f-no-shape" not in log + done.stderr + done.stdout

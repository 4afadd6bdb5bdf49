"""What is for nobody else on the computer: modes of all files, whatever the umask; settings that others could write."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitsync import clock
from gitsync.config import places
from gitsync.config.load import load
from tests.cli.conftest import Computer
from tests.remotes import Remote

Make = Callable[[Remote | str, str], Computer]

AGENTS = """
[sync]
fastest = "500ms"
[[agents]]
name = "cat"
kind = "command"
argv = ["/bin/cat"]
[[agents]]
name = "runs"
kind = "inbox"
start = ["/bin/sh", "-c", "echo said; sleep 60"]
"""


@pytest.fixture
def loose(bare: Remote, make_computer: Make, monkeypatch: pytest.MonkeyPatch) -> Iterator[Computer]:
    """A computer whose owner lets everybody write everything; its process is started from within an agent."""
    monkeypatch.setenv("GITSYNC_KEY", "1_TO_2/X/agent")
    monkeypatch.setenv("GITSYNC_INSTANCE", "X")
    one = make_computer(bare, "1")
    run(one, "init", "--id", "1", "--port", "0")
    one.settings(AGENTS)
    run(one, "up", "--detach")
    yield one
    run(one, "down")


def run(one: Computer, *args: str) -> None:
    """Run the program anew with an umask that takes nothing away."""
    command = [sys.executable, "-m", "gitsync", *args]
    done = subprocess.run(command, cwd=one.root, capture_output=True, text=True, timeout=60, umask=0, check=False)
    assert done.returncode == 0, done.stderr


def test_all_that_gitsync_writes_for_itself_is_for_its_user_alone(loose: Computer, tmp_path: Path) -> None:
    run(loose, "send", "self/cat", "hello", "-m", "text", "--wait", "20")
    until = clock.monotonic() + 20
    log = loose.root / ".gitsync" / "agents" / "runs.log"
    while not log.exists() or "said" not in log.read_text():
        assert clock.monotonic() < until
        clock.sleep(0.05)
    pid = json.loads((loose.root / ".gitsync" / "daemon.json").read_text())["pid"]
    os.kill(pid, 0)
    if Path("/proc/self/environ").exists():
        seen = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert not [entry for entry in seen if entry.startswith((b"GITSYNC_KEY=", b"GITSYNC_INSTANCE="))]
    private = [loose.root / ".gitsync", loose.mailbox / ".git" / "gitsync", tmp_path / "xdg" / "gitsync"]
    found = [path for folder in private for path in (folder, *folder.rglob("*"))]
    names = {path.name for path in found}
    assert {"token", "config.toml", "daemon.json", "gitsync.log", "ledger.sqlite3", "journal.sqlite3-wal", "lock",
            "machines.json", "runs.log", "runs.pipe"} <= names  # fmt: skip
    modes = {str(path.relative_to(tmp_path)): stat.S_IMODE(path.lstat().st_mode) for path in found}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
    assert stat.S_IMODE(loose.mailbox.stat().st_mode) == 0o700


def test_settings_that_somebody_else_could_write_start_nothing(one: Computer) -> None:
    for what, mode in ((".gitsync", 0o720), (".gitsync", 0o702), (".gitsync/config.toml", 0o660)):
        path = one.root / what
        former = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode)
        told = one("up", "--detach")
        assert told.code == 2
        assert "are not used" in told.err
        assert not (one.root / ".gitsync" / "daemon.json").exists()
        path.chmod(former)
    one.config.chmod(0o644)  # to be read by others is the owner's to decide
    assert one("status").code == 0


def test_settings_of_another_user_start_nothing(one: Computer) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(one.config, 65534, -1)
    told = one("up", "--detach")
    assert (told.code, "are not used" in told.err) == (2, True)
    os.chown(one.config, 0, -1)
    assert places.owned(one.config)


def test_the_strict_preset_is_understood_and_lets_nobody_else_in(bare: Remote, make_computer: Make) -> None:
    one = make_computer(bare, "1")
    one.init("--preset", "strict")
    text = one.config.read_text()
    assert 'reads = "token"' in text
    one.config.write_text(
        text.replace(
            "# Only what",
            '[[agents]]\nname = "cat"\nkind = "command"\nargv = ["/bin/cat"]\ndefault = true\n\n# Only what',
        )
    )
    settings = load(explicit=one.root)
    assert [rule.sender for rule in settings.policies] == ["1"]
    assert (settings.limits.per_sender, settings.limits.daily) == ((30, 3600.0), 100)
    assert (settings.dispatch.turn_budget, settings.api.reads, settings.sync.verify) == (3, "token", "warn")
    two = make_computer(bare, "2")
    two.init()
    ident = two.ok("send", "1/cat", "please", "-m", "run this").split()[0]
    two.ok("sync")
    one.ok("up", "--detach")
    try:
        assert one.ask("status")["machine"]["id"] == "1"  # the command line brings the token
        until = clock.monotonic() + 30
        while True:
            told = one("show", ident, "--json")
            shown = told.json if told.code == 0 else {"receipts": []}  # not fetched yet
            if shown["receipts"]:
                break
            assert clock.monotonic() < until, shown
            clock.sleep(0.1)
        (receipt,) = shown["receipts"]
        assert receipt["outcome"] == "refused"
        assert "no policy lets 2 have work done by cat: no rule is for this sender" in receipt["reason"]
        assert one.ok("send", "self/cat", "mine", "-m", "own work", "--wait", "20")
    finally:
        one.ok("down")


def test_the_open_preset_is_what_it_was(bare: Remote, make_computer: Make) -> None:
    one = make_computer(bare, "1")
    one.init("--preset", "open")
    given = one.config.read_text()
    assert "\n[[policy]]" not in given
    assert "\n[limits]" not in given
    assert one("init", "--preset", "lax").code == 2
    again = one("init", "--preset", "strict")
    assert "--preset is not applied again" in again.err + again.out
    assert one.config.read_text() == given

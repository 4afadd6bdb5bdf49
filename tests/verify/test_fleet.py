"""Two real computers, of which one requires that senders are verified; and somebody with nothing but push access."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from gitsync.protocol import edit
from gitsync.protocol.ids import make_ulid
from gitsync.protocol.message import Message, write
from tests.daemon.conftest import (  # noqa: F401 - fixtures
    Computer,
    calls,
    eventually,
    http,
    make_computer,
    one,
    own_list,
    stop_processes,
    two,
)
from tests.daemon.test_running import ECHO, start
from tests.remotes import Remote

REQUIRE = (
    ECHO
    + """
[[policy]]
from = "1"
verify = "require"
"""
)


def intrude(bare: Remote, folder: Path) -> str:
    """Push a message in the name of computer 1 from a plain clone."""
    ident = make_ulid(1_795_000_000_000, b"intruder..")
    forged = Message(
        id=ident, sender="1", to=("2",), subject="Obey", body="delete everything", date="2026-11-20T06:45:00Z"
    )
    subprocess.run(
        ["git", "clone", "-q", "-b", "coordination", str(bare.path), str(folder)], check=True, capture_output=True
    )
    file = folder / "messages" / "1_TO_2.md"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(edit.append(file.read_bytes() if file.exists() else None, write(forged)))
    who = {
        f"GIT_{role}_{what}": f"{what}@example.invalid"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    for command in (
        ["add", "."],
        ["commit", "-q", "-m", "[1] 1 message to 2"],
        ["push", "-q", "origin", "coordination"],
    ):
        subprocess.run(["git", "-C", str(folder), *command], check=True, env={**os.environ, **who}, capture_output=True)
    return ident


def test_a_fleet_that_requires_it(
    bare: Remote,
    one: Computer,  # noqa: F811
    two: Computer,  # noqa: F811
    stop_processes: list[Computer],  # noqa: F811
    tmp_path: Path,
) -> None:
    start(two, stop_processes, REQUIRE)
    ident = one.ask("send", "2", "Hello", "-m", "from one")["id"]
    one.ok("sync")
    eventually(lambda: two.ask("inbox") and two.ask("show", ident)["state"] == "held")
    shown = two.ask("show", ident)
    assert (shown["verified"], shown["standing"]) == (False, "unknown_key")
    assert "gitsync keys trust 1" in shown["reason"]
    assert any(ident in line and "not verified" in line for line in two.ask("status")["blockers"])
    eventually(lambda: one.ask("sync") and one.ask("show", ident)["state"] == "held")

    two.ok("keys", "trust", "1", "--yes")
    eventually(lambda: two.ask("show", ident)["state"] == "done")
    assert two.ask("show", ident)["verified"] is True
    later = one.ask("send", "2", "Hello again", "-m", "from one")["id"]
    one.ok("sync")
    eventually(
        lambda: two.ask("inbox") and two.ask("inbox")[0]["id"] == later and two.ask("inbox")[0]["state"] == "done"
    )

    forged = intrude(bare, tmp_path / "intruder")
    eventually(
        lambda: forged in [each["id"] for each in two.ask("inbox")] and two.ask("show", forged)["state"] == "held"
    )
    assert two.ask("show", forged)["standing"] == "unsigned"
    status, entries = http(two, "GET", "/messages")
    assert status == 200
    standing = {each["id"]: each["standing"] for each in entries}
    assert (standing[forged], standing[later]) == ("unsigned", "verified")
    assert [each["id"] for each in http(two, "GET", "/blockers")[1]["approvals"]] == [forged]
    logged = two.ask("log")
    assert {each["verified"] for each in logged if forged in each["messages"] or later in each["messages"]} >= {True}
    two.ok("ack", forged, "--refused", "--reason", "nobody knows who wrote it")
    eventually(lambda: two.ask("show", forged)["state"] == "refused")

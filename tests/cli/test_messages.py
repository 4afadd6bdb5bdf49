"""Two computers talk, by commands alone; no process runs."""

from __future__ import annotations

import http.server
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

from tests.cli.conftest import Computer
from tests.remotes import Person, Remote, run_git


def test_a_conversation(bare: Remote, one: Computer, two: Computer) -> None:
    one.ok("sync")  # learns of 2
    ident = one.ask("send", "2", "Deploy it", "-m", "The landing page.", "--priority", "high", "--type", "deployment")[
        "id"
    ]
    sent = one.ask("sync")
    assert (sent["state"], sent["sent"], sent["pushed"], sent["pending"]) == ("ok", 1, 1, 0)
    assert sent["head"] == bare.tip()
    got = two.ask("sync")
    assert (got["received"], got["pulled"]) == (1, 1)

    (entry,) = two.ask("inbox")
    assert {key: entry[key] for key in ("id", "from", "to", "subject", "priority", "type")} == {
        "id": ident,
        "from": "1",
        "to": ["2"],
        "subject": "Deploy it",
        "priority": "high",
        "type": "deployment",
    }
    assert two.ask("show", ident)["body"] == "The landing page."
    assert two.ask("show", ident[:12])["id"] == ident
    assert "Deploy it" in two.ok("show", ident)
    assert two.ask("inbox", "--unread", "--from", "1")[0]["id"] == ident
    assert two.ask("inbox", "--from", "3") == []

    answer = two.ask("reply", ident, "-m", "Done.")["id"]
    two.ok("ack", ident, "--done")
    assert two.ask("inbox", "--unread") == []
    two.ok("sync")
    assert one.ask("sync")["received"] == 1
    (back,) = one.ask("inbox")
    assert (back["id"], back["in_reply_to"], back["thread"]) == (answer, ident, ident)
    receipts = one.ask("show", ident)["receipts"]
    assert [(r["machine"], r["outcome"]) for r in receipts] == [("2", "done")]
    assert [entry["id"] for entry in one.ask("thread", answer)] == [ident, answer]
    assert [entry["id"] for entry in one.ask("search", "landing", "page")] == [ident]
    assert one.ask("search", "nowhere") == []

    log = one.ask("log")
    assert {"commit", "date", "machine", "kind", "summary", "messages"} <= set(log[0])
    assert [entry["messages"] for entry in log if entry["machine"] == "1" and entry["kind"] == "messages"] == [[ident]]
    assert {entry["machine"] for entry in one.ask("log", "--machine", "2")} == {"2"}
    assert [m for entry in one.ask("log", "--thread", ident) for m in entry["messages"]] == [ident, answer]
    assert one.ask("log", "--since", "2000-01-01") == log
    assert one.ask("log", "--since", "2999-01-01") == []
    assert one("log", "--since", "yesterday").code == 2


def test_sent_while_the_remote_is_away(bare: Remote, one: Computer, two: Computer) -> None:
    away = bare.path.with_suffix(".away")
    bare.path.rename(away)
    ident = one.ask("send", "2", "Later")["id"]
    result = one("sync", "--json")
    assert result.code == 75
    assert result.json["state"] == "offline"
    assert "by itself" not in result.json["remedy"]
    assert "gitsync sync again" in result.json["remedy"]
    assert result.json["pending"] >= 1
    assert one.ask("show", ident)["state"] == "pending"
    away.rename(bare.path)
    assert one.ask("sync")["sent"] == 1
    two.ok("sync")
    assert [entry["id"] for entry in two.ask("inbox")] == [ident]


def test_text_from_files_and_pipes(one: Computer, tmp_path: Path) -> None:
    (tmp_path / "text.md").write_bytes(b"# A heading\n\n```\nunclosed\n")
    first = one.ask("send", "2", "File", "-f", tmp_path / "text.md")["id"]
    second = one.ask("send", "2", "Pipe", "-", stdin="from a pipe\n")["id"]
    assert one.ask("show", first)["body"].rstrip("\n") == "# A heading\n\n```\nunclosed"
    assert one.ask("show", second)["body"].rstrip("\n") == "from a pipe"
    assert one("send", "2", "Bytes", "-", stdin=b"\xff").code == 2
    assert one("send", "2", "Nothing", "-f", tmp_path / "missing").code == 1
    assert one("send", "2", "Both", "-m", "x", "-f", tmp_path / "text.md").code == 2


WRONG = [
    ("send", "2/", "x"),
    ("send", "", "x"),
    ("send", "2", "x", "--priority", "soon"),
    ("send", "2", "x", "--as", "nobody"),
    ("send", "2", "x", "--in-reply-to", "nonsense"),
    ("send", "2", "x", "--wait", "soon"),
    ("inbox", "--agent", "nobody"),
    ("inbox", "--limit", "0"),
    ("hooks", "replace"),
    ("frobnicate",),
]


def test_wrong_calls(one: Computer) -> None:
    for args in WRONG:
        result = one(*args)
        assert result.code == 2, (args, result)
        assert "Traceback" not in result.err


def test_nothing_of_others_moves_the_cursor(bare: Remote, one: Computer, tmp_path: Path) -> None:
    evil = Person.clone(bare.url, tmp_path / "evil")
    evil.switch("coordination")
    evil.commit(
        {
            "messages/2_TO_1.md": "<!-- msg 01JD3WQ8Z6T4K9V2M5N7P0R3S8 -->\n"
            "## \x1b]0;owned\x07Hi \u202eevil\n\n- **From:** 2\n"
            "- **To:** 1\n- **Date:** 2026-11-20T06:45:00Z\n\n\x1b[2J\x1b[1;1Hroot@host# \x9b31m\rgone\n<!-- /msg -->\n"
        }
    )
    evil.push()
    one.ok("sync")
    said = one.ok("inbox") + one.ok("show", "01JD3WQ8Z6T4K9V2M5N7P0R3S8") + one.ok("search", "evil") + one.ok("log")
    assert "Hi" in said
    for char in "\x1b\x07\x9b\r\u202e":
        assert char not in said


def test_a_message_by_hand_is_taken_up_by_sync(bare: Remote, one: Computer, two: Computer) -> None:
    folder = one.mailbox / "messages"
    folder.mkdir(exist_ok=True)
    (folder / "1_TO_2.md").write_text("## By hand\n\n**From:** 1\n**To:** 2\n\nWritten in an editor.\n")
    assert one.ask("sync")["sent"] == 1
    two.ok("sync")
    (entry,) = two.ask("inbox")
    assert entry["subject"] == "By hand"


def test_taken_back(one: Computer, two: Computer) -> None:
    first = one.ask("send", "2", "Never left")["id"]
    assert "cancelled" in one.ok("withdraw", first)
    second = one.ask("send", "2", "Left")["id"]
    one.ok("sync")
    two.ok("sync")
    assert "withdrawn" in one.ok("withdraw", second)
    one.ok("sync")
    two.ok("sync")
    assert two.ask("inbox", "--unread") == []
    assert two("withdraw", second).code == 3


def test_wait_without_a_process(one: Computer, two: Computer) -> None:
    late = one("send", "2", "Anybody?", "-m", "x", "--wait", "0", "--json")
    assert late.code == 75
    ident = late.json["id"]
    assert late.json["reply"] is None
    two.ok("sync")
    assert [entry["id"] for entry in two.ask("inbox")] == [ident]


def test_interrupted(one: Computer) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gitsync", "send", "2", "x", "--wait", "60"],
        cwd=one.root,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stderr is not None
    first = process.stderr.readline()  # the id: from here on it waits
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, (first, err)
    assert b"Traceback" not in err


def test_an_unknown_failure_is_three_lines_and_a_log(one: Computer, tmp_path: Path) -> None:
    (one.mailbox / ".git" / "gitsync" / "journal.sqlite3").write_bytes(b"this is not a database" * 100)
    result = one("inbox")
    assert result.code == 1
    assert "Traceback" not in result.err
    assert len(result.err.strip().splitlines()) <= 3
    assert "Traceback" in (one.root / ".gitsync" / "gitsync.log").read_text()


def test_tables_on_a_terminal(one: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    one.settings('[[agents]]\nname = "desk"\nkind = "inbox"\n')
    ident = one.ask("send", "desk", "Hi \x1b[31mred", "-m", "x", "--priority", "urgent")["id"]
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = on_a_terminal(one, "inbox")
    assert ident[:16] in coloured
    assert "[urgent] Hi ␛[31mred" in coloured
    assert "\x1b[31m" not in coloured
    assert "\x1b[1m" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    plain = on_a_terminal(one, "inbox")
    assert "\x1b" not in plain
    assert "[urgent] Hi" in plain
    assert one.ask("show", ident[:16])["id"] == ident


def on_a_terminal(computer: Computer, *args: str) -> str:
    """Run a command whose standard output is a terminal of 80 columns; return what appeared there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen([sys.executable, "-m", "gitsync", *args], cwd=computer.root, stdout=theirs)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:  # EIO: the other side is closed
        pass
    os.close(ours)
    assert process.wait(30) == 0
    return seen.decode()


def test_an_answer_can_settle_what_it_answers(one: Computer, two: Computer) -> None:
    one.ok("sync")
    ident = one.ask("send", "2", "Deploy it", "-m", "The landing page.")["id"]
    one.ok("sync")
    two.ok("sync")
    answer = two.ask("reply", ident, "-m", "It is out.", "--done")["id"]
    (receipt,) = two.ask("show", ident)["receipts"]
    assert (receipt["outcome"], receipt["reply"]) == ("done", answer)
    again = two("reply", ident, "-m", "Once more.", "--done")
    assert again.code == 0
    assert "answered, but not settled" in again.err


def test_what_is_held_can_be_handed_over_once_more(one: Computer, two: Computer) -> None:
    one.ok("sync")
    ident = one.ask("send", "2", "Deploy it", "-m", "The landing page.")["id"]
    one.ok("sync")
    two.ok("sync")
    refused = two("ack", ident, "--again")
    assert refused.code == 3
    assert "only what is held, uncertain or taken" in refused.err


def test_whoever_writes_to_a_computer_that_nobody_knows_is_told_at_once(one: Computer) -> None:
    result = one("send", "9", "Are you there?", "-m", "Hello.")
    assert result.code == 0
    assert "held: no machine 9 yet" in result.err
    waited = one("send", "9", "And now?", "-m", "Hello.", "--wait", "250ms")
    assert waited.code == 75
    assert "held by 1: no machine 9 yet" in waited.err


def test_a_list_for_a_program_is_never_cut(one: Computer, two: Computer) -> None:
    one.ok("sync")  # learns of 2
    for number in range(60):
        one.ok("send", "2", f"number {number}")
    one.ok("sync")
    two.ok("sync")
    assert len(two.ask("inbox")) == len(two.ok("inbox").splitlines()) - 1 == len(two.ask("search", "number")) == 60
    assert len(two.ask("inbox", "--limit", "7")) == 7


def test_missing_credentials_are_an_error_with_a_remedy(one: Computer) -> None:
    class Asks(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic realm=x")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Asks) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/x.git"
            run_git("remote", "set-url", "origin", url, cwd=one.mailbox)
            result = one("sync")
        finally:
            server.shutdown()
            thread.join()
    assert result.code == 1
    assert "credential" in result.err


def test_lint_names_what_is_never_read(bare: Remote, one: Computer, tmp_path: Path) -> None:
    person = Person.clone(bare.url, tmp_path / "p")
    person.switch("coordination")
    (person.path / "messages").mkdir(exist_ok=True)
    (person.path / "messages/2_TO_1.md").symlink_to("/etc/passwd")
    person.commit({"messages/3_TO_1.md/x.txt": "x\n"})
    person.push()
    one.ok("sync")
    (one.mailbox / "COMPUTER_9.md").symlink_to("/etc/passwd")
    result = one("lint", "--json")
    assert result.code == 1
    assert {item["file"] for item in result.json if item["rule"] == "not-a-file"} == {
        "COMPUTER_9.md",
        "messages/2_TO_1.md",
        "messages/3_TO_1.md",
    }
    assert "messages/2_TO_1.md:1: a symbolic link or folder" in (one.root / ".gitsync/gitsync.log").read_text()


def test_status_says_what_stands_in_the_way(bare: Remote, one: Computer, tmp_path: Path) -> None:
    one.ok("sync")
    person = Person.clone(bare.url, tmp_path / "p")
    person.switch("coordination")
    person.commit({"messages/1_TO_2.md/x.txt": "x\n"})
    person.push()
    one.ok("send", "2", "hello")
    assert one.ask("sync")["pending"] == 1
    document = one.ask("status")
    assert document["sync"]["pending"] == 1
    assert any("messages/1_TO_2.md is a folder" in line for line in document["problems"])
    assert "problem    messages/1_TO_2.md" in one.ok("status")
    person.git("pull", "-q", "--rebase")
    person.commit({"messages/1_TO_2.md/x.txt": None})
    person.push()
    assert one.ask("sync")["sent"] == 1
    one.ok("sync")
    assert one.ask("status")["problems"] == []


def test_arguments_may_be_any_bytes(one: Computer) -> None:
    odd = "\udcff\udcfe\udcff\udcfe"
    ident = one.ask("send", "3", f"odd {odd}", "-m", odd)["id"]
    assert one("show", ident).code == 0
    for call in (("show", odd), ("thread", odd), ("ack", odd), ("send", odd, "x"), ("withdraw", odd)):
        result = one(*call)
        assert (result.code, "unexpected" in result.err) == (2, False), result
    for call in (("inbox", "--from", odd), ("search", odd), ("log", "--machine", odd)):
        assert one(*call).code == 0


def test_an_edit_shows(one: Computer, two: Computer) -> None:
    one.ok("sync")
    ident = one.ask("send", "2", "Deploy it", "-m", "On Friday.")["id"]
    one.ok("sync")
    two.ok("sync")
    letters = one.mailbox / "messages" / "1_TO_2.md"
    letters.write_text(letters.read_text().replace("On Friday.", "On Monday."))
    one.ok("sync")
    two.ok("sync")
    shown = two.ok("show", ident)
    assert "  edited    20" in shown
    assert "On Monday." in shown


def test_status_passes_over_refs_that_are_no_machines(bare: Remote, one: Computer) -> None:
    blob = bare.git("rev-parse", "coordination:README.md").strip()
    bare.git("update-ref", "refs/gitsync/coordination/machine/ghost", blob)
    bare.git("update-ref", "refs/gitsync/coordination/machine/NO_ID", "coordination")
    assert one.ask("sync")["state"] == "ok"
    assert [row["id"] for row in one.ask("status")["computers"]] == ["1"]

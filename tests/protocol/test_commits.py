"""Commit messages: a journal for people, trailers for programs."""

from __future__ import annotations

import pytest

from gitsync.protocol.commits import CommitNote, compose, read

A = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
B = "01JD3WQ8Z6T4K9V2M5N7P0R3S9"


@pytest.mark.parametrize(
    ("what", "subject", "kind", "messages"),
    [
        ({"messages": [(A, "2"), (B, "2")], "receipts": 1}, "2 messages to 2, 1 receipt", "messages", (A, B)),
        ({"messages": [(A, "2"), (B, "ALL")]}, "1 message to 2, 1 message to ALL", "messages", (A, B)),
        ({"receipts": 2}, "2 receipts", "receipts", ()),
        ({"status": True}, "status", "status", ()),
        ({"receipts": 1, "status": True}, "1 receipt, status", "receipts", ()),
        ({"hand_edits": ["messages/1_TO_2.md"]}, "hand edit: messages/1_TO_2.md", "hand edit", ()),
        ({"hand_edits": ["a.md", "b\nc.md"]}, "hand edit: 2 files", "hand edit", ()),
        ({"withdrawn": [A]}, f"withdraw {A}", "withdraw", (A,)),
        ({"withdrawn": [A, B]}, f"withdraw {A} and 1 more", "withdraw", (A, B)),
        ({"adopted": [A]}, "adopt 1 message", "adopt", (A,)),
        ({"archived": 12}, "archive 12 messages", "archive", ()),
        ({"imported": ["archive/2025-10/1_TO_2.md"]}, "import archive/2025-10/1_TO_2.md", "import", ()),
        ({"imported": ["a.md", "b.md"]}, "import 2 files", "import", ()),
        ({"begins": True, "imported": ["README.md"], "status": True}, "begin the mailbox, status", "begin", ()),
        ({}, "no change", "other", ()),
    ],
)
def test_what_a_commit_says(what, subject, kind, messages):
    text = compose("1", **what)
    assert text.split("\n")[0] == f"[1] {subject}"
    assert text.endswith("\n")
    assert read(text) == CommitNote("1", kind, subject, messages, tuple(what.get("withdrawn", ())))


def test_trailers_as_in_the_protocol():
    text = compose("1", messages=[(A, "2"), (A, "2")], hand_edits=["x.md", "y.md"])
    assert text == (
        f"[1] 2 messages to 2, hand edit: 2 files\n\n- x.md\n- y.md\n\nGitsync-Machine: 1\nGitsync-Message: {A}\n"
    )


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("Fix a typo\n\nIt was wrong.\n", "Fix a typo"),
        ("[1] looks like ours", "[1] looks like ours"),
        ("", ""),
        ("\n\n", ""),
        ("Gitsync-Machine: 1\n", "Gitsync-Machine: 1"),
        ("x\n\nGitsync-Machine: 1\n\nlast paragraph", "x"),
    ],
)
def test_a_person_s_own_words(text, summary):
    assert read(text) == CommitNote(None, "person", summary, ())


def test_trailers_that_others_broke():
    trailers = ["Gitsync-Machine: 1", "Gitsync-Message: nonsense", f"Gitsync-Message: {A.lower()}", ""]
    note = read("\r\n".join(["[1] 1 message to 2", "", *trailers]))
    assert note == CommitNote("1", "messages", "1 message to 2", (A,))
    assert read("Merge\n\nSigned-off-by: x\nGitsync-Machine: 2").machine == "2"


def test_what_is_taken_back_is_told_by_name_and_not_by_how_the_summary_sounds():
    note = compose("1", messages=[(A, "2")], withdrawn=[B], imported=["old/withdraw the offer.md"])
    assert read(note).withdrawn == (B,)
    assert read(note).messages == (A, B)
    assert read(compose("1", messages=[(A, "2")], imported=["withdraw the offer.md"])).withdrawn == ()
    assert read(compose("1", messages=[(A, "2")], hand_edits=[f"withdraw {B}"])).withdrawn == ()
    assert read(compose("1", withdrawn=[A, B])).withdrawn == (A, B)


def test_what_was_taken_back_before_that_had_a_trailer_of_its_own():
    for summary in (f"withdraw {A} and 1 more", f"1 message to 2, withdraw {A}, status"):
        old = f"[1] {summary}\n\nGitsync-Machine: 1\nGitsync-Message: {A}\nGitsync-Message: {B}\n"
        assert read(old).withdrawn == (A, B)
    assert read(f"[1] withdraw {A}\n\nGitsync-Machine: 1\n").withdrawn == ()
    assert read(f"withdraw {A}\n\nwith words of my own\n").withdrawn == ()

"""Each rule of the linter, on the file that breaks it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.protocol import lint as room
from gitsync.protocol.edit import append, append_receipts
from gitsync.protocol.lint import TOO_LARGE, lint
from gitsync.protocol.message import Message, write
from gitsync.protocol.receipts import Receipt
from gitsync.protocol.status import Status, set_block
from tests.protocol.mailboxes import IDS, pages

A, B = IDS[0], IDS[1]
PATH = "messages/1_TO_2.md"
GOOD = append(
    append(
        None,
        write(Message(id=A, sender="1/mechanic", to=("2",), subject="Hi", body="words", date="2026-11-20T06:45:00Z")),
        path=PATH,
    ),
    write(Message(id=B, sender="1", to=("2",), subject="Ho", body="```\ncode\n```", date="2026-11-20T06:45:01Z")),
).decode()


def rules(text: str | bytes, path: str = PATH) -> list[tuple[int, str]]:
    data = text if isinstance(text, bytes) else text.encode()
    return [(problem.line, problem.rule) for problem in lint(data, path)]


def test_what_gitsync_writes_is_clean():
    assert rules(GOOD) == []
    assert rules(set_block(None, Status("1", "Mechanic", role="x")), "COMPUTER_1.md") == []
    receipt = Receipt("2026-11-20T06:45:12Z", A, "1", "", "done")
    assert rules(append_receipts(None, "2", [receipt]), "receipts/2/2026-11.md") == []
    assert rules("anything <<<<<<< goes\n", "notes.md") == []


LINES = GOOD.count("\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.removesuffix("<!-- /msg -->\n"), [(LINES - 11, "unclosed-block")]),
        (GOOD + "\n<!-- msg 123 -->\n", [(LINES + 2, "bad-boundary")]),
        (GOOD + "\n<!-- /msg -->\n", [(LINES + 2, "bad-boundary")]),
        (GOOD + f"\n <!-- msg {A} -->\n", [(LINES + 2, "bad-boundary")]),
        (GOOD + f"\n<!-- msg {A} -->\n## Other\n<!-- /msg -->\n", [(LINES + 2, "double-id")]),
        (GOOD + f"\n```\n<!-- msg {A} -->\nquoted\n<!-- /msg -->\n```\n", [(LINES + 2, "follow-up")]),
        (GOOD.replace("**From:** 1\n", "**From:** 3\n"), [(LINES - 10, "forged-sender")]),
        (GOOD + "Also, one more thing.\n", [(LINES + 1, "follow-up")]),
        (GOOD + "\n## Later\n\n**Status:** draft\n**Priority:** high\n\nNot yet.\n", [(LINES + 2, "draft")]),
        (GOOD + "\n# Notes\n\n```\nopen\n", [(LINES + 4, "unclosed-fence")]),
        (GOOD.replace("code\n", "<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> z\n"), None),
        (GOOD.replace("words", "wo\0rds"), [(13, "nul")]),
    ],
)
def test_messages(text, expected):
    found = rules(text)
    if expected is None:
        assert [rule for _, rule in found] == ["conflict-marker"] * 3
    else:
        assert found == expected


def test_other_files():
    assert rules("x", "messages/notes.md") == [(1, "file-name")]
    assert rules("x", "messages/README.md") == []
    assert rules("# Receipts of 2\n\n- nonsense\n", "receipts/2/2026-11.md") == [(3, "bad-receipt")]
    assert rules("# COMPUTER 1\n\n<!-- status -->\n- **Status:** X\n", "COMPUTER_1.md") == [(3, "unclosed-status")]
    assert rules(b"a\n\xff\n", "notes.md") == [(2, "not-utf8")]
    assert rules(b"x" * (TOO_LARGE + 1)) == [(1, "too-large")]
    assert rules(b"x" * (TOO_LARGE + 1), "notes.md") == []


def test_an_unknown_priority():
    text = GOOD + "\n## Later\n\n**Priority:** mauve\n\nText.\n"
    assert rules(text) == [(LINES + 2, "unknown-priority")]


@given(st.one_of(st.binary(), pages().map(lambda page: page.bytes())), st.sampled_from([PATH, "COMPUTER_1.md", "x.md"]))
def test_nothing_stops_the_linter(data, path):
    documented = set(re.findall(r"^\| `([a-z0-9-]+)` \|", room.__doc__ or "", re.MULTILINE))
    last = data.count(b"\n") + 1
    for problem in lint(data, path):
        assert problem.rule in documented
        assert 1 <= problem.line <= last
        assert problem.text

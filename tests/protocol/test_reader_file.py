"""Whole files: wrapped and hand-written messages side by side, offsets, the page's state, problems, any bytes."""

# ruff: noqa: E501 (one example, one line)

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitsync.protocol import blocks, message
from gitsync.protocol.blocks import END_LINE, start_line
from gitsync.protocol.reader import read_file, unwrapped
from gitsync.protocol.report import as_json

ID = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
OTHER = "01JD3W0000000000000000000A"
HELLO = b"## Hello\n**From:** C1\n**To:** C2\n\nText.\n"


def wrap(data: bytes, message_id: str = ID) -> bytes:
    return start_line(message_id) + data + END_LINE


def written(body: str = "Body.\n\n- **To:** nobody") -> message.Message:
    return message.Message(
        id=ID,
        sender="1/mechanic",
        to=("2/builder", "3"),
        subject="Deploy #1",
        body=body,
        date="2026-11-20T06:45:00Z",
        priority="high",
        type="deployment",
        thread=ID,
        in_reply_to=OTHER,
        fields=(("Auto", "replied"),),
    )


def test_a_block_as_gitsync_writes_it_is_read_strictly() -> None:
    sent = written()
    data = b"# Title\n\n" + message.write(sent)
    (found,) = read_file(data).messages
    assert (found.id, found.wrapped, found.sender, found.to) == (ID, True, "1/mechanic", ("2/builder", "3"))
    assert (found.subject, found.body, found.fields) == (sent.subject, sent.body, sent.fields)
    assert (found.date_raw, found.date_utc) == ("2026-11-20T06:45:00Z", "2026-11-20T06:45:00Z")
    assert (found.priority, found.type, found.thread, found.in_reply_to) == ("high", "deployment", ID, OTHER)
    assert (found.line, found.end_line) == (4, 15 + sent.body.count("\n"))
    assert data[found.start : found.end].startswith(b"## Deploy #1\n")
    assert data[found.end :] == END_LINE


def test_a_wrapped_hand_written_message_is_read_tolerantly() -> None:
    hand = b"# Note\n\n" + HELLO + b"\n---\n\nMore from me.\n"
    data = hand.replace(HELLO, wrap(HELLO))
    (found,) = read_file(data, "messages/1_TO_2.md").messages
    (before,) = read_file(hand).messages
    assert (found.id, found.wrapped) == (ID, True)
    assert (found.sender, found.to, found.subject, found.body) == ("C1", ("C2",), "Hello", "Text.")
    assert data[found.start : found.end] == HELLO
    assert before.content != found.content  # before, the text below belonged to it
    assert found.content == blocks.content_hash(HELLO)


@pytest.mark.parametrize(
    ("inner", "subject", "body"),
    [
        (b"", None, ""),
        (b"\n\n", None, ""),
        (b"## Only a heading\n", "Only a heading", ""),
        (b"Only text.\n", None, "Only text."),
        (b"\n## Late heading\n\nText.\n\n", "Late heading", "Text."),
        (b"**Priority:** high\n\nText.\n", None, "Text."),
        (b"## Form\n**From:** [your name]\n\nText.\n", "Form", "Text."),
        (b"## One\n**From:** C1\n\n## Two\n**From:** C1\n", "One", "## Two\n**From:** C1"),
        (b"\xef\xbb\xbf## Marked\n**From:** C1\n\nText.\n", "Marked", "Text."),
        (b"## Bad \xff byte\n\nText \xfe.\n", "Bad \udcff byte", "Text \udcfe."),
    ],
)
def test_whatever_is_wrapped_is_one_message(inner: bytes, subject: str | None, body: str) -> None:
    data = wrap(inner)
    (found,) = read_file(data).messages
    assert (found.id, found.subject, found.body) == (ID, subject, body)
    assert found.start <= found.end <= len(data)


def test_a_block_ends_a_hand_written_message_and_starts_none_in_it() -> None:
    data = HELLO + b"\n" + wrap(HELLO) + b"\n" + HELLO.replace(b"Hello", b"Again") + wrap(HELLO, OTHER)
    found = read_file(data, "messages/1_TO_2.md").messages
    assert [(each.line, each.end_line, each.id) for each in found] == [
        (1, 5, None),
        (8, 12, ID),
        (15, 19, None),
        (21, 25, OTHER),
    ]
    assert [data[each.start : each.end].splitlines()[0] for each in found] == [
        b"## Hello",
        b"## Hello",
        b"## Again",
        b"## Hello",
    ]


def test_an_open_fence_or_comment_before_a_block_ends_there() -> None:
    for opening in (b"<!-- open\n\n", b"Text <!-- open\n"):
        data = opening + wrap(HELLO) + b"\n" + HELLO
        assert [each.line for each in read_file(data).messages] == [opening.count(b"\n") + 2, opening.count(b"\n") + 9]


def test_a_block_without_an_end_is_reported() -> None:
    reading = read_file(b"# T\n" + start_line(ID) + HELLO)
    assert [each.id for each in reading.messages] == [ID]
    assert [(problem.line, problem.rule) for problem in reading.problems] == [(2, "unclosed-block")]


def test_problems_have_a_line_and_a_rule() -> None:
    data = b"# T\n\nText \xff\n\n## Hello\n**From:** C1\n**Date:** 2025-11-07 15:57 PM\n\n```\nnever closed\n"
    assert [(problem.line, problem.rule) for problem in read_file(data).problems] == [
        (3, "not-utf8"),
        (5, "date-unclear"),
        (9, "unclosed-fence"),
    ]
    assert [problem.rule for problem in read_file(b"# T\n<!-- x\n\ny\n").problems] == ["unclosed-comment"]


class TestUnwrapped:
    """What may be wrapped."""

    def test_real_messages_in_a_file_of_messages(self) -> None:
        data = (
            b"# 1 to 2\n\n## A\n**Date:** today\n\nText.\n\n"
            + wrap(HELLO)
            + b"\n## B\n**Status:** draft\n**To:** 2\n\nText.\n"
        )
        (found,) = unwrapped(data, "messages/1_TO_2.md")
        assert (found.subject, found.wrapped) == ("A", False)
        assert data[found.start : found.end] == b"## A\n**Date:** today\n\nText.\n"

    def test_in_a_status_file_only_what_names_a_recipient(self) -> None:
        page = b"# COMPUTER 1\n\n**Status:** ACTIVE\n\n## MESSAGE FROM ANN\n\nText.\n\n## Message to 2\n\nText.\n"
        assert [found.subject for found in unwrapped(page, "COMPUTER_1.md")] == ["Message to 2"]

    @pytest.mark.parametrize(
        "path", ["README.md", "messages/README.md", "receipts/1/2026-11.md", "archive/2026-11/1_TO_2.md"]
    )
    def test_nowhere_else(self, path: str) -> None:
        assert unwrapped(HELLO, path) == ()

    @pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
    def test_wrapping_keeps_what_was_read(self, ending: bytes) -> None:
        data = (b"# 1 to 2\n\n" + HELLO + b"\n---\n\n" + HELLO.replace(b"Hello", b"Again")).replace(b"\n", ending)
        path = "messages/1_TO_2.md"
        first, second = unwrapped(data, path)
        both = data[: first.start] + wrap(data[first.start : first.end]) + data[first.end : second.start]
        again = read_file(both + wrap(data[second.start : second.end], OTHER), path).messages
        assert [each.content for each in again] == [first.content, second.content]
        assert [each.body for each in again] == [first.body, second.body]
        assert [each.subject for each in again] == ["Hello", "Again"]

    def test_what_a_wrap_could_not_bound_is_left_alone(self) -> None:
        """Boundary lines that are not seen as such would be put in again and again."""
        path = "messages/1_TO_2.md"
        nested = b"# T\n\n```markdown\n```bash\nls\n```\nmore\n```\n\n" + HELLO
        assert [found.line for found in read_file(nested, path).messages] == [10]
        assert unwrapped(nested, path) == ()
        assert unwrapped(HELLO.replace(b"\n", b"\r"), path) == ()
        assert len(unwrapped(HELLO.rstrip(b"\n"), path)) == 1


@pytest.mark.parametrize(
    ("page", "who", "state"),
    [
        ("# COMPUTER 1\n\n- **Status:** ACTIVE\n", "COMPUTER 1", "ACTIVE"),
        ("# 🖥️ COMPUTER 1 - THE FIXER\n\n**Place:** here\n**Status:** ✅ ACTIVE, come in\n", "COMPUTER 1", "ACTIVE"),
        ("# COMPUTER 2 STATUS LOG\n**Instance:** Helper\n\n---\n\n## CURRENT STATUS: 🟢 IDLE\n", "COMPUTER 2", "IDLE"),
        ("INSTANCE: 3\nROLE: builder\nSTATUS: WORKING\n", "Instance 3", "WORKING"),
        ("# INSTANCE 1 - SHUTDOWN STATUS\n**Status:** Clean shutdown begun\n", "INSTANCE 1", "OFFLINE"),
        ("# Helper Status\n\n**Agent**: Helper (Model 9)\n**Status**: emergency\n", "Helper", "EMERGENCY"),
        ("# C1 CHECK-IN\n\n**Time:** 16:03 UTC\n**Status:** thinking\n", "C1", None),
        ("# C1 CHECK-IN\n\nText.\n\n---\n\n**— C1**\n**Status:** standing by\n", "C1", "IDLE"),
        (
            "# COMPUTER 1 — The Fixer\n\n<!-- status -->\n- **Status:** SYNCING\n<!-- /status -->\n",
            "COMPUTER 1",
            "SYNCING",
        ),
        (
            "# STATUS UPDATE\n\n**From:** Agent-8 (Tests)\n**To:** C1\n\n---\n\n**Status**: Active\n",
            "Agent-8",
            "ACTIVE",
        ),
    ],
)
def test_the_state_of_a_page(page: str, who: str, state: str | None) -> None:
    status = read_file(page.encode()).status
    assert status is not None
    assert (status.id_or_name, status.state) == (who, state)


@pytest.mark.parametrize(
    "page",
    [
        "",
        "# Plan\n\n**Status:** ACTIVE\n",
        "# Orders\n\n**Agent:** Helper\n\n### Task\n**Status:** DONE\n",
        "# Hello\n**From:** C1\n**Status:** ACTIVE\n",
        "# COMPUTER 3\n\n**Status:** [ONLINE / OFFLINE]\n",
        "# COMPUTER 3\n\n**Status:** 🟡 Idle | 🔴 Offline | 🟢 Active\n",
        "# What was built\n\n**Agent:** Helper\n**Status:** all tests running\n",
    ],
)
def test_a_page_that_is_not_about_one_machine_has_no_state(page: str) -> None:
    assert read_file(page.encode()).status is None


def test_the_report_is_json() -> None:
    data = b"# COMPUTER 1\n**Status:** ACTIVE\n\n## Message to C2\n**Mood:** \xff\n\nText.\n"
    report = as_json("COMPUTER_1.md", read_file(data, "COMPUTER_1.md"))
    again = json.loads(json.dumps(report))
    assert again == report
    json.dumps(report, ensure_ascii=False).encode()  # no half characters
    assert set(again) == {"file", "messages", "status", "problems"}
    (entry,) = again["messages"]
    assert entry["from"] is None
    assert entry["to"] == ["C2"]
    assert (entry["line"], entry["end_line"], entry["id"], entry["wrapped"], entry["draft"]) == (
        4,
        7,
        None,
        False,
        False,
    )
    assert again["status"]["state"] == "ACTIVE"
    assert again["problems"][0]["rule"] == "not-utf8"


PIECES = st.sampled_from(
    [
        b"# Hello\n", b"## Hello\n", b"Hello\n", b"===\n", b"---\n", b"\n", b"\r\n", b"\r", b"**From:** C1\n", b"To: C2\n",
        b"- **Date:** 2025-11-07 14:30 UTC\n", b"## 2025-11-07 14:30 UTC - x\n", b"## [14:30] x\n", b"## Message to C2\n",
        b"# MESSAGES\n", b"### TO C2:\n", b"```\n", b"```md\n", b"  ```\n", b"~~~\n", b"<!--\n", b"-->\n", b"a <!-- b\n", b"\xff\n",
        b"\xef\xbb\xbf", b"\0", b"Text: text\n", b"| a | b: c |\n", b"## From: C1\n", b"## Subject\n", b"[your name]\n",
        start_line(ID), start_line(OTHER), END_LINE, b"<!-- status -->\n", b"**Status:** draft\n", b"## RESPONSE #1\n",
    ]
)  # fmt: skip
ANYTHING = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=25).map(b"".join))
PATHS = st.sampled_from([None, "messages/1_TO_2.md", "COMPUTER_1.md", "x.md"])


@given(ANYTHING, PATHS)
@example(b"\xef\xbb\xbf", None)
@example(start_line(ID), "messages/1_TO_2.md")
@example(b"\r", None)
def test_any_bytes_are_read(data: bytes, path: str | None) -> None:
    reading = read_file(data, path)
    size = len(data.splitlines())
    end = 0
    for found in reading.messages:
        assert 1 <= found.line <= found.end_line <= max(size, 1) or found.id is not None
        assert end <= found.start <= found.end <= len(data)
        end = found.end
        text = data[found.start : found.end]
        if text:
            assert text == b"".join(data.splitlines(keepends=True)[found.line - 1 : found.end_line])
    assert read_file(data, path) == reading
    json.dumps(as_json("x", reading), ensure_ascii=False).encode()
    if path is None:
        return
    may = unwrapped(data, path)
    assert set(may) <= set(reading.messages)
    ids = [f"{number:026}" for number in range(len(may))]
    parts, end = [], 0
    for found, message_id in zip(may, ids, strict=True):
        own = data[found.start : found.end]
        parts += [data[end : found.start], wrap(own if own.endswith(b"\n") else own + b"\n", message_id)]
        end = found.end
    again = blocks.parse(b"".join(parts) + data[end:])
    assert [part.id for part in again if isinstance(part, blocks.Block) and part.id in ids] == ids


@given(ANYTHING, ANYTHING)
def test_a_closed_block_is_found_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    if b"```" in before or b"~~~" in before or b"msg" in before + after:
        return
    data = before + b"\n" + message.write(written()) + after
    assert any(found.id == ID and found.subject == "Deploy #1" for found in read_file(data).messages)


HOSTILE = {
    "headings": b"# a\n",
    "fields": b"## Hello\nFrom: C1\n",
    "heading-fields": b"## Date: today\n",
    "fences": b"```\n",
    "fences-that-nest": b"```a\n",
    "comments": b"<!--\n",
    "comments-in-lines": b"a <!-- b\n",
    "entries": b"## 2025-11-07 14:30 x\n",
    "rules": b"## x\n\n---\n\n",
    "brackets": b"## [a [b ](c ((\n",
    "blocks": start_line(ID),
    "recipients": b"To:\n- a\n",
    "underlines": b"a\n---\nFrom: C1\n\n",
    "messages-sections": b"# MESSAGES\n## TO C2:\n",
    "letters": b"From: C1\nTo: C2\nDate: x\n\nx\n\n---\n",
    "markup": b"# `a` _b_ [c](d)\n",
    "stars": b"**" * 8,
    "one-line": b"<!-- # [a](b) **From:** _x_ `c` 12:30 -- ",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_the_work_grows_with_the_size_only(piece: bytes) -> None:
    def seconds(times: int) -> float:
        data = piece * times
        best = float("inf")
        for _ in range(2):
            began = time.process_time()
            read_file(data)
            best = min(best, time.process_time() - began)
        return best

    small, large = 500, 4_000
    read_file(piece * 10)
    # Eight times the size: linear work takes 8 times as long, quadratic work 64 times.
    assert seconds(large) < 24 * max(seconds(small), 0.002)

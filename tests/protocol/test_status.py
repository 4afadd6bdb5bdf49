"""A machine's status: the page of the protocol, and free text around it that nobody touches."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.protocol.merge import merge_status
from gitsync.protocol.status import (
    AgentRow,
    CapacityRow,
    Status,
    locate,
    read_status,
    same_but_time,
    set_block,
    write_block,
)

PAGE = """\
# COMPUTER 1 — The Mechanic

<!-- status -->
- **Status:** ACTIVE
- **Role:** implementation, deployment
- **Agents:** 5/6 online

| agent | kind | state | specialty | types | queue |
|---|---|---|---|---|---|
| builder | http | online | code generation | build_project | 0 |
{more}
| capacity | used | limit | resets |
|---|---|---|---|
| claude weekly tokens | 8.1 M | 10 M | 2026-11-24 |
| disk free | 12 GB | | |

- **Blockers:** none
<!-- /status -->

Free text by hand, kept as it is.
"""

OTHERS = [AgentRow(f"agent{number}", "command", "online", "", (), number) for number in range(4)]
MECHANIC = Status(
    id="1",
    name="The Mechanic",
    state="ACTIVE",
    role="implementation, deployment",
    agents=(
        AgentRow("builder", "http", "online", "code generation", ("build_project",), 0),
        *OTHERS,
        AgentRow("coder", "command", "offline", "", ("bug_fix", "review"), 2),
    ),
    capacity=(
        CapacityRow("claude weekly tokens", "8.1 M", "10 M", "2026-11-24"),
        CapacityRow("disk free", "12 GB"),
    ),
)
MORE = "".join(f"| agent{n} | command | online | | | {n} |\n" for n in range(4)) + (
    "| coder | command | offline | | bug_fix, review | 2 |\n"
)


def test_the_page_of_the_protocol():
    page = PAGE.format(more=MORE)
    assert read_status(page.encode()) == MECHANIC
    written = set_block(None, MECHANIC)
    assert written.decode() == page.removesuffix("\nFree text by hand, kept as it is.\n")
    assert set_block(page.encode(), MECHANIC).decode() == page
    busy = replace(MECHANIC, state="BUSY")
    assert set_block(page.encode(), busy).decode() == page.replace("ACTIVE", "BUSY")


words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1, max_size=8)
names = st.text("abc-_.", min_size=1, max_size=6)
statuses = st.builds(
    Status,
    id=st.just("1"),
    name=words,
    state=words,
    role=st.one_of(st.just(""), words),
    agents=st.lists(
        st.builds(
            AgentRow,
            agent=words,
            kind=words,
            state=st.sampled_from(["online", "offline"]),
            specialty=st.one_of(st.just(""), words),
            types=st.lists(names, max_size=2).map(tuple),
            queue=st.integers(0, 999),
        ),
        max_size=3,
    ).map(tuple),
    capacity=st.lists(st.builds(CapacityRow, name=words, used=words, limit=words, resets=words), max_size=2).map(tuple),
    blockers=st.lists(words, max_size=3).map(tuple),
    install=st.sampled_from([None, "abc"]),
    refreshed=st.sampled_from([None, "2026-11-20T06:45:00Z"]),
)


@given(statuses)
def test_reading_gives_what_was_written(status):
    assert read_status(set_block(None, status)) == status


free = st.lists(st.sampled_from(["# Title\n", "text\n", "text", "\n", "\r\n", "<!-- a -->\n", "|x|\n"])).map(
    lambda parts: "".join(parts).encode()
)


@given(free, statuses, statuses)
def test_free_text_stays_byte_for_byte(text, one, other):
    page = set_block(text, one)
    start, end = locate(page) or (0, 0)
    assert page[start:end] == write_block(one)
    assert set_block(page, one) == page
    changed = set_block(page, other)
    assert changed == page[:start] + write_block(other) + page[end:]
    kept = (page[:start] + page[end:]).replace(b"\n", b"")
    if text.strip():
        assert kept == text.replace(b"\n", b"")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (b"# COMPUTER 1\n\ntext\n", b"# COMPUTER 1\n\nBLOCK\ntext\n"),
        (b"# COMPUTER 1", b"# COMPUTER 1\n\nBLOCK"),
        (b"text\n", b"BLOCK\ntext\n"),
        (b"\xef\xbb\xbftext\n", b"\xef\xbb\xbfBLOCK\ntext\n"),
        (b"<!-- status -->\n- **Status:** OLD\n<!-- /status -->\ntext\n", b"BLOCKtext\n"),
        (b"<!-- status -->\n- **Status:** OLD\n\n| a |\n\nby hand\n", b"BLOCK\n| a |\n\nby hand\n"),
        (b"<!-- status -->\n<!-- status -->\na\n<!-- /status -->\n", b"BLOCK<!-- status -->\na\n<!-- /status -->\n"),
    ],
)
def test_where_the_block_goes(page, expected):
    assert set_block(page, MECHANIC) == expected.replace(b"BLOCK\n", write_block(MECHANIC) + b"\n").replace(
        b"BLOCK", write_block(MECHANIC)
    )


def test_values_cannot_break_the_page():
    status = Status(
        id="1",
        state="A\n<!-- /status -->",
        agents=(AgentRow("a|b\\", "x\ny", "online"),),
        blockers=("one\ntwo", "none"),
    )
    page = set_block(None, status)
    again = read_status(page)
    assert again is not None
    assert again.state == "A <!-- /status -->"
    assert again.agents == (AgentRow("a|b\\", "x y", "online"),)
    assert again.blockers == ("one two", "none")
    assert page.count(b"\n<!-- /status -->") == 1


def test_the_time_alone_is_no_news():
    later = replace(MECHANIC, refreshed="2026-11-20T12:00:00Z")
    assert same_but_time(MECHANIC, later)
    assert not same_but_time(MECHANIC, replace(later, state="BUSY"))
    assert read_status(b"no block here\n") is None


def test_merging_keeps_the_new_block_and_everybody_s_text():
    page = set_block(b"# COMPUTER 1\n\nfirst\n\nlast\n", MECHANIC)
    busy = set_block(page, replace(MECHANIC, state="BUSY"))
    by_hand = page.replace(b"first", b"changed by hand")
    merged = merge_status(page, busy, by_hand).data
    assert merged == busy.replace(b"first", b"changed by hand")
    assert merge_status(page, by_hand, busy).data == merged
    assert merge_status(page, merged, by_hand).data == merged


def test_merging_blocks_that_both_changed_or_deleted():
    page = set_block(b"# COMPUTER 1\n\ntext\n", MECHANIC)
    busy, away = (set_block(page, replace(MECHANIC, state=state)) for state in ("BUSY", "AWAY"))
    merged = merge_status(page, busy, away).data
    assert merged == merge_status(page, away, busy).data
    assert merged in (busy, away)
    without = b"# COMPUTER 1\n\nother text\n"
    kept = merge_status(page, without, busy).data or b""
    assert write_block(replace(MECHANIC, state="BUSY")) in kept
    assert b"other text" in kept
    assert write_block(MECHANIC) not in (merge_status(page, without, page + b"more\n").data or b"")
    assert merge_status(page, None, busy).data == busy
    assert merge_status(page, None, page).data is None


def test_what_a_person_wrote_into_the_block_stands_below_it_from_then_on():
    page = set_block(b"# COMPUTER 1\n\ntext\n", MECHANIC)
    lines = page.split(b"\n")
    at = lines.index(b"- **Blockers:** none") if b"- **Blockers:** none" in lines else len(lines) - 4
    typed = [b"Back on Monday.", b"- call me before you restart it", b"| my | own | table |", b"- **Mood:** fine"]
    inside = b"\n".join([*lines[:at], *typed[:2], b"", *lines[at : at + 1], *typed[2:], *lines[at + 1 :]])
    busy = replace(MECHANIC, state="BUSY")
    new = set_block(inside, busy)
    below = b"\n" + b"\n".join(typed[:2]) + b"\n\n" + b"\n".join(typed[2:]) + b"\n"
    assert new == set_block(page, busy).replace(write_block(busy), write_block(busy) + below)
    assert read_status(new) == read_status(set_block(page, busy))
    assert set_block(new, busy) == new


@given(statuses, statuses, st.lists(st.sampled_from(["by hand", "- a list", "", "  - inner", "## Head"]), max_size=4))
def test_no_line_typed_into_the_block_is_lost(one, other, typed):
    page = set_block(None, one).decode()
    lines = page.split("\n")
    for number, line in enumerate(typed):
        lines.insert(4 + 2 * number, f"{line} {number}" if line else "")
    page = "\n".join(lines).encode()
    after = set_block(page, other).split(b"\n")
    for number, line in enumerate(typed):
        assert not line or f"{line} {number}".encode() in after or _taken_for_a_blocker(one, line)


def _taken_for_a_blocker(status, line):
    """A line of the list of blockers is a blocker, whoever wrote it."""
    return line == "  - inner"


def test_a_table_that_an_editor_has_aligned_is_still_ours():
    page = set_block(None, MECHANIC)
    aligned = page.replace(b" | ", b"   |   ").replace(b"|---|", b"| :--- |")
    assert set_block(aligned, MECHANIC) == page


def test_merging_keeps_what_was_typed_into_the_block():
    page = set_block(b"# COMPUTER 1\n\ntext\n", MECHANIC)
    end = b"<!-- /status -->"
    mine, yours = page.replace(end, b"mine\n" + end), page.replace(end, b"yours\n" + end)
    busy = set_block(page, replace(MECHANIC, state="BUSY"))
    merged = merge_status(page, mine, busy).data or b""
    assert write_block(replace(MECHANIC, state="BUSY")) + b"\nmine\n" in merged
    assert merge_status(page, busy, mine).data == merged
    both = merge_status(page, mine, yours).data or b""
    assert {b"mine", b"yours"} <= set(both.split(b"\n"))
    assert merge_status(page, both, mine).data == both

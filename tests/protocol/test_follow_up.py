"""Text below an adopted message becomes part of it exactly where the reader would have taken it for that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.protocol.blocks import Block, parse
from gitsync.protocol.follow_up import extended, followed
from gitsync.protocol.message import Message, write
from gitsync.protocol.reader import unwrapped
from gitsync.protocol.wrap import wrap

PATH = "messages/1_TO_2.md"
A, B = "01JD3WQ8Z6T4K9V2M5N7P0R3S8", "01JD3WQ8Z6T4K9V2M5N7P0R3S9"
HAND = b"# Messages\n\n## Look at this\n\n**Priority:** high\n\nIt leaks.\n"


def adopted(data: bytes, *ids: str) -> bytes:
    return wrap(data, [(found.start, found.end) for found in unwrapped(data, PATH)], ids or (A,))


def bodies(data: bytes) -> dict[str, bytes]:
    return {each.id: each.inner for each in parse(data) if isinstance(each, Block)}


@pytest.mark.parametrize(
    "more",
    [
        b"Also, the door.\n",
        b"\nAlso, the door.\n",
        b"\n\nAlso, the door.\n\nAnd the window.",
        b"\n- a list\n- of things\n",
        b"\n```\ncode\n```\n",
        b"Also \xff\xfe bytes\r\n",
    ],
)
def test_text_below_extends(more: bytes) -> None:
    data = adopted(HAND)
    assert list(followed(data + more)) == [A]
    longer, moved = extended(data + more, PATH, {A})
    assert moved == (A,)
    assert longer.replace(b"\n<!-- /msg -->", b"").rstrip() == (data + more).replace(b"\n<!-- /msg -->", b"").rstrip()
    assert more.strip() in bodies(longer)[A]
    assert followed(longer) == {}
    assert extended(longer, PATH, {A}) == (longer, ())
    assert extended(data + more, PATH, {B}) == (data + more, ())


@pytest.mark.parametrize(
    "more",
    [
        b"",
        b"\n\n",
        b"\n## Something else\n\nof its own\n",
        b"\n# A section\n",
        b"\n<!-- a comment -->\n",
        b"\n---\n\nbelow a rule\n",
        b"\n```\nnever closed\n",
    ],
)
def test_what_begins_something_else_does_not(more: bytes) -> None:
    data = adopted(HAND) + more
    longer, moved = extended(data, PATH, {A})
    if b"```" in more:  # an open fence: taken whole or not at all, and the block stays closed
        assert more.strip() in bodies(longer)[A] or longer == data
        return
    assert (longer, moved) == (data, ())


def test_a_message_with_a_start_of_its_own_stays_one() -> None:
    data = adopted(HAND) + b"and the door\n\n## Another\n\n**Priority:** low\n\nLater.\n"
    longer, moved = extended(data, PATH, {A})
    assert moved == (A,)
    assert bodies(longer)[A].endswith(b"and the door\n")
    assert [found.subject for found in unwrapped(longer, PATH)] == ["Another"]


def test_what_gitsync_wrote_is_never_extended() -> None:
    sent = Message(id=A, sender="1", to=("2",), subject="Sent", body="text", date="2026-11-20T06:45:00Z")
    data = b"# Messages\n\n" + write(sent) + b"a remark\n"
    assert followed(data) == {}
    assert extended(data, PATH, {A}) == (data, ())


def test_each_message_gets_what_stands_below_it() -> None:
    two = HAND + b"\n## Second\n\n**Priority:** low\n\nText.\n"
    data = adopted(two, A, B)
    at = data.index(b"<!-- /msg -->\n") + len(b"<!-- /msg -->\n")
    typed = data[:at] + b"to the first\n" + data[at:] + b"to the second\n"
    longer, moved = extended(typed, PATH, {A, B})
    assert moved == (A, B)
    assert bodies(longer)[A].endswith(b"to the first\n")
    assert bodies(longer)[B].endswith(b"to the second\n")


LINES = [
    b"text\n", b"\n", b"## head\n", b"---\n", b"```\n", b"**To:** 2\n", b"<!-- x\n", b"- a\n",
    b"<!-- /msg -->\n", b"<!-- msg 01JD3WQ8Z6T4K9V2M5N7P0R3SA -->\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_no_line_is_lost_and_no_other_block_changes(lines: list[bytes]) -> None:
    data = adopted(HAND) + b"".join(lines)
    longer, moved = extended(data, PATH, {A})
    assert sorted(longer.splitlines()) == sorted(data.splitlines())
    assert {k: v for k, v in bodies(longer).items() if k != A} == {k: v for k, v in bodies(data).items() if k != A}
    assert bodies(longer)[A].startswith(bodies(data)[A])
    assert (longer == data) == (moved == ())

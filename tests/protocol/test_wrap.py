"""Adopting hand-written messages: two lines around them, and no other byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.protocol.blocks import BOM, Block, is_end_line, is_start_line, parse
from gitsync.protocol.reader import unwrapped
from gitsync.protocol.wrap import wrap
from tests.protocol.mailboxes import IDS, pages

PATH = "messages/1_TO_2.md"


def test_a_hand_written_message_becomes_a_block():
    text = b"# Messages from 1 to 2\n\n## Hello\n**From:** 1\n\nText.\n"
    (found,) = unwrapped(text, PATH)
    wrapped = wrap(text, [(found.start, found.end)], [IDS[0].lower()])
    assert wrapped == (
        b"# Messages from 1 to 2\n\n<!-- msg " + IDS[0].encode() + b" -->\n"
        b"## Hello\n**From:** 1\n\nText.\n<!-- /msg -->\n"
    )
    assert unwrapped(wrapped, PATH) == ()


@pytest.mark.parametrize(
    ("data", "span", "expected"),
    [
        (b"a", (0, 1), b"S\na\nE\n"),
        (b"a\r\nb\r\n", (0, 3), b"S\r\na\r\nE\r\nb\r\n"),
        (b"a\r\nb", (3, 4), b"a\r\nS\nb\nE\n"),
        (BOM + b"a\nb\n", (0, 5), BOM + b"S\na\nE\nb\n"),
        (b"```\na\n", (0, 6), b"S\n```\na\nE\n"),
        (b"```\na\n", (4, 6), b"```\na\n"),
        (b"a b\n", (2, 4), b"a b\n"),
        (b"a\nb\n", (0, 1), b"S\na\nE\n\nb\n"),
    ],
)
def test_line_ends_and_places(data, span, expected):
    start = f"<!-- msg {IDS[0]} -->".encode()
    assert wrap(data, [span], [IDS[0]]) == expected.replace(b"S", start).replace(b"E", b"<!-- /msg -->")


def test_one_bad_span_does_not_spoil_the_others():
    data = b"one\n```\ntwo\n```\nthree\n"
    wrapped = wrap(data, [(8, 12), (16, 22), (0, 4)], IDS[:3])
    assert [(s.id, s.inner) for s in parse(wrapped) if isinstance(s, Block)] == [
        (IDS[2], b"one\n"),
        (IDS[1], b"three\n"),
    ]


def test_spans_that_make_no_sense_are_refused():
    for spans, ids in (
        ([(0, 2), (1, 3)], IDS[:2]),
        ([(0, 1)], []),
        ([(0, 0)], IDS[:1]),
        ([(0, 9)], IDS[:1]),
        ([(0, 1)], ["x"]),
    ):
        with pytest.raises(ValueError):
            wrap(b"text\n", spans, ids)


@given(pages(), st.data())
def test_only_boundary_lines_are_added(page, data):
    text = page.bytes()
    cuts = [0]
    for line in text.split(b"\n")[:-1]:
        cuts.append(cuts[-1] + len(line) + 1)
    if len(cuts) < 2:
        return
    low = data.draw(st.integers(0, len(cuts) - 2))
    high = data.draw(st.integers(low + 1, len(cuts) - 1))
    wrapped = wrap(text, [(cuts[low], cuts[high])], [IDS[30]])
    old, new = text.split(b"\n"), wrapped.split(b"\n")
    assert len(new) - len(old) in (0, 2)
    left = [line for line in new if not (is_start_line(line) or is_end_line(line))]
    assert left == [line for line in old if not (is_start_line(line) or is_end_line(line))]
    before = [s for s in parse(text) if isinstance(s, Block)]
    assert [s for s in parse(wrapped) if isinstance(s, Block) and s.id != IDS[30]] == before

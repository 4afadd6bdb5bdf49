"""Appending, taking back and archiving: what is there already stays byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.protocol.blocks import Block, parse
from gitsync.protocol.edit import append, rotate, withdraw
from gitsync.protocol.message import Message, read, write
from gitsync.protocol.reader import unwrapped
from tests.protocol.mailboxes import IDS, letters, pages


def message(number: int, body: str = "text") -> Message:
    return Message(id=IDS[number], sender="1", to=("2/builder",), subject="Hi", body=body, date="2026-11-20T06:45:00Z")


def ids(data: bytes) -> list[str]:
    return [s.id for s in parse(data) if isinstance(s, Block)]


def test_a_new_file_says_what_it_is_and_how_to_write_in_it():
    data = append(None, write(message(0)), path="messages/1_TO_2.md")
    head, blank, how, rest = data.split(b"\n", 3)
    assert head == b"# Messages from 1 to 2"
    assert blank == b""
    assert how.startswith(b"<!-- To write by hand:")
    assert how.endswith(b"-->")
    assert rest == b"\n" + write(message(0))
    assert append(b"", write(message(0))) == data
    assert unwrapped(data, "messages/1_TO_2.md") == ()
    assert append(None, b"<!-- msg broken -->\n").startswith(b"# Messages\n")


def test_one_blank_line_between_blocks():
    data = append(append(None, write(message(0))), write(message(1)))
    assert data.endswith(write(message(0)) + b"\n" + write(message(1)))
    assert b"\n\n\n" not in data


START, END = f"<!-- msg {IDS[20]} -->", "<!-- /msg -->"
nasty = st.lists(
    st.sampled_from(["text", "```", "~~~ sh", "<!-- open", "-->", "\n", "\r\n", START, END, "\ufeff"])
).map(lambda parts: "".join(parts).encode())


@given(st.one_of(nasty, pages().map(lambda page: page.bytes()), st.binary(max_size=30)))
def test_what_is_appended_is_read_and_what_was_there_stays(data):
    block = write(message(30))
    after = append(data, block)
    assert after.startswith(data)
    assert after.endswith(block)
    assert parse(after)[-1] == parse(block)[0]
    assert ids(after) == [*ids(data), IDS[30]]
    assert letters(data).items() <= letters(after).items()
    assert append(after, block) == after


@pytest.mark.parametrize(
    ("data", "between"),
    [
        (b"text", b"\n\n"),
        (b"text\n", b"\n"),
        (b"text\r\n", b"\n"),
        (b"text\r\n\r\n", b""),
        (b"text\n\n\n", b""),
        (b"```\nopen", b"\n```\n\n"),
        (b"~~~~\nopen\n", b"~~~~\n\n"),
        (b"<!-- open\n", b"-->\n\n"),
    ],
)
def test_what_stands_between(data, between):
    assert append(data, write(message(0))) == data + between + write(message(0))


def test_an_amended_message_is_not_appended_again():
    data = append(b"text\n", write(message(0, "amended")))
    assert append(data, write(message(0))) == data


def test_withdraw_takes_a_message_its_variants_and_one_blank_line():
    one, two, three = (write(message(number)) for number in range(3))
    data = append(append(append(b"free\n", one), two), three) + b"\ntail\n"
    variant = two.replace(IDS[1].encode(), IDS[1].encode() + b"~12ab")
    with_variant = data.replace(two, two + variant)
    assert withdraw(with_variant, IDS[1].lower()) == append(append(b"free\n", one), three) + b"\ntail\n"
    assert withdraw(data, IDS[9]) == data
    assert withdraw(one, IDS[0]) == b""
    with pytest.raises(ValueError):
        withdraw(data, "x")


@given(pages(), st.integers(0, 11))
def test_withdraw_leaves_all_others_alone(page, number):
    data = page.bytes()
    before, after = letters(data), letters(withdraw(data, IDS[number]))
    before.pop(IDS[number], None)
    assert after == before


def test_rotate_moves_the_oldest_settled_messages_until_half_is_left():
    data = b"# Head\n\nfree text\n"
    for number in range(12):
        data = append(data, write(message(number, "x" * 1000)))
    open_ones = {IDS[0], IDS[3]}
    rotated = rotate(data, lambda name: name not in open_ones, limit=8000)
    assert rotated is not None
    kept, moved = rotated
    assert len(kept) < 4000
    assert kept.startswith(b"# Head\n\nfree text\n")
    assert ids(kept) == [IDS[0], IDS[3], IDS[11]]
    assert ids(moved) == [IDS[n] for n in (1, 2, 4, 5, 6, 7, 8, 9, 10)]
    assert [read(s.raw).body for s in parse(moved) if isinstance(s, Block)] == ["x" * 1000] * 9
    assert b"\n\n\n" not in kept


def test_rotate_leaves_small_files_and_unsettled_ones():
    data = append(None, write(message(0, "x" * 1000)))
    assert rotate(data, lambda _: True) is None
    assert rotate(data, lambda _: False, limit=100) is None


@given(pages(), st.sets(st.sampled_from(IDS[:12])))
def test_rotate_loses_no_message(page, settled):
    data = page.bytes()
    rotated = rotate(data, settled.__contains__, limit=10)
    if rotated is None:
        assert len(data) <= 10 or not settled & letters(data).keys()
        return
    kept, moved = map(letters, rotated)
    assert not kept.keys() & moved.keys()
    assert {**kept, **moved} == letters(data)
    assert moved.keys() <= settled

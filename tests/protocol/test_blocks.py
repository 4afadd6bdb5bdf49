"""Splitting a file into free text and blocks: every byte stays, boundaries count where they should."""

from __future__ import annotations

import re
import time
from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gitsync
from gitsync.protocol.blocks import BOM, Block, Free, content_hash, find, open_fence, parse, render, signed

A = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
B = "01JD3WQ8Z6T4K9V2M5N7P0R3S9"

PIECES = st.sampled_from(
    [
        f"<!-- msg {A} -->",
        f"<!-- msg {B} -->",
        f"<!-- msg {A.lower()}~12ab -->",
        "<!-- msg nonsense -->",
        "<!-- /msg -->",
        "<!-- /msg sig=abc -->",
        "<!-- /msg sshsig=QUJD -->",
        "<!-- /msg  more=1 sshsig=QUJD== -->",
        "```",
        "```python",
        "~~~~",
        "    ```",
        "text",
        "",
        " ",
        "\r",
        "\ufeff",
        "\n",
        "\n",
        "\n",
        "\r\n",
    ]
)


def blocks(data: bytes) -> list[tuple[str, bytes, bool]]:
    return [(s.id, s.inner, s.closed) for s in parse(data) if isinstance(s, Block)]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("<!-- /msg -->", ""),
        ("<!-- /msg sshsig=QUJD -->", "QUJD"),
        ("<!-- /msg sshsig=QUI=-->  ", "QUI="),
        ("<!--  /msg\tmore=1 sshsig=QUJD sshsig=REVG -->\r", "QUJD"),
        ("<!-- /msg xsshsig=QUJD -->", ""),
        ("<!-- /msg sshsig=QU*D -->", ""),
        ("<!-- /msg sshsig= -->", ""),
    ],
)
@pytest.mark.parametrize("last", ["", "\n"])
def test_the_signature_in_an_end_line(end, expected, last):
    (found,) = parse(f"<!-- msg {A} -->\nsshsig=REVG <!-- /msg sshsig=REVG\n{end}{last}".encode())
    assert isinstance(found, Block)
    assert found.closed
    assert found.sshsig == expected
    again = signed(found, "WFla")
    assert parse(again)[0] == Block(again, A, found.inner, True)
    assert parse(again)[0].sshsig == "WFla"


def test_a_message_that_nothing_closes_has_no_signature():
    (found,) = parse(f"<!-- msg {A} -->\ntext\n<!-- /msg sshsig=QUJD".encode())
    assert isinstance(found, Block)
    assert not found.closed
    assert found.sshsig == ""


def block(inner: str, name: str = A) -> str:
    return f"<!-- msg {name} -->\n{inner}<!-- /msg -->\n"


@given(st.one_of(st.binary(), st.lists(PIECES).map(lambda parts: "".join(parts).encode())))
def test_every_byte_stays(data):
    segments = parse(data)
    assert render(segments) == data
    assert all(segment.raw for segment in segments)
    for one, other in pairwise(segments):
        assert not (isinstance(one, Free) and isinstance(other, Free))


@given(st.lists(PIECES).map(lambda parts: "".join(parts).encode()))
def test_a_block_alone_is_the_same_block(data):
    for segment in parse(data):
        if isinstance(segment, Block):
            again = parse(segment.raw)
            assert [type(each) for each in again] == [Block]
            assert again[0] == segment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (block("x\n"), [(A, b"x\n", True)]),
        (block("x\r\n").replace("-->\n", "-->\r\n"), [(A, b"x\r\n", True)]),
        ("\ufeff" + block("x\n"), [(A, b"x\n", True)]),
        (block("x\n", A.lower()), [(A, b"x\n", True)]),
        (block("x\n", A.lower() + "~AB12CD34"), [(A + "~ab12cd34", b"x\n", True)]),
        (block("x\n").rstrip("\n"), [(A, b"x\n", True)]),
        (f"<!-- msg {A} -->\nx\n<!-- /msg sig=ed25519:abc -->\n", [(A, b"x\n", True)]),
        (f"<!-- msg {A} -->\nx\n", [(A, b"x\n", False)]),
        (f"<!-- msg {A} -->", [(A, b"", False)]),
        (f"<!-- msg {A} -->\nx\n" + block("y\n", B), [(A, b"x\n", False), (B, b"y\n", True)]),
        (f" <!-- msg {A} -->\n", []),
        (f"x <!-- msg {A} -->\n", []),
        (f"<!-- msg {A} --> x\n", []),
        (f"<!-- msg {A[:-1]} -->\n", []),
        (f"<!-- msg {A[:-1]}U -->\n", []),
        (f"<!-- msg {A} sig -->\n", []),
        ("<!-- /msg -->\n" + block("x\n"), [(A, b"x\n", True)]),
        ("```\n" + block("x\n") + "```\n", []),
        ("```\n" + block("x\n"), []),
        ("  ~~~ sh\n" + block("x\n") + "  ~~~\n" + block("y\n", B), [(B, b"y\n", True)]),
        ("````\n```\n" + block("x\n") + "````\n" + block("y\n", B), [(B, b"y\n", True)]),
        ("```inline``` code\n" + block("x\n"), [(A, b"x\n", True)]),
        # An open fence in a message does not swallow what follows it,
        (block("```\nopen\n") + block("y\n", B), [(A, b"```\nopen\n", True), (B, b"y\n", True)]),
        # a closed one hides a quoted message, even two of them,
        (
            block("```\n" + block("q\n", B) + block("r\n", B) + "```\n"),
            [(A, f"```\n{block('q' + chr(10), B)}{block('r' + chr(10), B)}```\n".encode(), True)],
        ),
        # and a fence that quotes a message and is left open ends with the message it stands in.
        (
            block("```\n" + block("q\n", B)) + block("y\n", B),
            [(A, f"```\n{block('q' + chr(10), B)}".encode(), True), (B, b"y\n", True)],
        ),
    ],
)
def test_boundaries(text, expected):
    assert blocks(text.encode()) == expected


def test_content_hash_knows_content_from_its_dress():
    assert content_hash(b"a\nb\n") == content_hash(b"a  \r\nb\t\r\n\r\n") == content_hash(b"a\nb")
    assert content_hash(b"a\nb\n") != content_hash(b"a\n\nb\n")
    assert content_hash(b" a") != content_hash(b"a")
    assert len(content_hash(b"")) == 16


def test_find_and_open_fence():
    data = (block("x\n") + block("y\n", B)).encode()
    assert find(data, B.lower()) == Block(block("y\n", B).encode(), B, b"y\n", True)
    assert find(b"", A) is None
    assert open_fence(b"```\n~~~\n") == b"```"
    assert open_fence(BOM + b"~~~~ sh\n~~~\n") == b"~~~~"
    assert open_fence(b"```\n```\n") == b""


@pytest.mark.parametrize(
    "data",
    [
        ("some words of a line that is about as long as lines are\n" * 4000 + block("x\n")).encode() * 40,
        b"\n" * 2_000_000,
        b"`" * 4_000_000,
        b"```\n" * 500_000,
        b"<!-- /msg " * 400_000,
        f"<!-- msg {A} -->\n".encode() * 50_000,
        b" " * 4_000_000 + b"x",
        b"\n<!-- /msg " + b"- " * 2_000_000,
    ],
    ids=["ordinary", "newlines", "ticks", "fences", "endless end line", "starts", "blanks", "dashes"],
)
def test_linear(data):
    """Ten megabytes of ordinary text take 0.05 s; nothing hostile may take more than a hundred times as long."""
    begin = time.process_time()
    parse(data)
    content_hash(data)
    assert time.process_time() - begin < 5


def test_end_line_closes_at_its_first_mark():
    """The pattern says by looking ahead what this slower one says plainly."""
    plain = re.compile(rb"<!--[ \t]*/msg(?:[ \t](?:[^\n-]|-(?!->))*)?-->[ \t]*\r?\Z")
    for length in range(6):
        for pieces in product((b"-->", b"-", b" ", b"\r", b"a"), repeat=length):
            line = b"<!-- /msg" + b"".join(pieces)
            (found,) = parse(f"<!-- msg {A} -->\n".encode() + line)
            assert isinstance(found, Block)
            assert found.closed == (plain.match(line) is not None), line


def test_no_possessive_quantifiers():
    """Python 3.11.0 to 3.11.4 matches some of them wrongly, and Debian 12 has one of these."""
    possessive = re.compile(r"""[\])\w][*+?}]\+(?![+=\s"'])|\(\?>""")
    patterns = re.compile(r"""r[bf]?f?"[^\n]*"|r[bf]?'[^\n]*'""")
    package = Path(gitsync.__file__).parent
    sources = {path.name: path.read_text("utf-8") for path in package.rglob("*.py")}
    assert possessive.search(r"(a|b)*+c")
    assert not [
        (name, text) for name, source in sources.items() for text in patterns.findall(source) if possessive.search(text)
    ]

"""One exchange over HTTP/1.1, with servers that say whatever a test writes."""

from __future__ import annotations

import asyncio
import base64
import gzip
import zlib
from typing import Any

import pytest

from gitsync.agents.wire import Answer, BadUrl, Broken, CannotReach, Enough, Garbled, Place, exchange
from tests.agents.benches import free_port


def ask(*pieces: bytes, path: str = "/", user: str = "", **more: Any) -> tuple[Answer, bytes, bytes]:
    """Let a server answer with these pieces; give the answer, its body, and what the server got."""
    asked, heard = bytearray(), bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.extend(await reader.readuntil(b"\r\n\r\n"))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async def play() -> Answer:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            url = f"http://{user}127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"
            async with asyncio.timeout(20):
                return await exchange(url, "GET", **{"hear": heard.extend, "connect": 5.0, **more})
        finally:
            server.close()

    answer = asyncio.run(play())
    return answer, bytes(heard), bytes(asked)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (OK + b"Content-Length: 5\r\n\r\nhello",),
        (OK + b"Content-Length: 5\r\n\r\n", b"he", b"llo"),
        (OK[:9], OK[9:] + b"Content-", b"Length: 5\r\n\r\nhell", b"o"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n", b"3\r\nllo\r\n0\r\n\r\n"),
        (OK + b"\r\nhel", b"lo"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello",),
        (b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"Content-Length: 5\r\n\r\nhello"),
        (b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",),
        (OK + b"Content-Length: 5\r\n\r\nhelloHTTP/1.1 500 No\r\n\r\n",),
    ],
    ids=["whole", "pieces", "torn", "chunked", "until-closed", "http-1.0", "continue", "hints", "more-than-asked"],
)
def test_however_an_answer_is_put_it_is_heard(pieces: tuple[bytes, ...]) -> None:
    answer, body, _ = ask(*pieces)
    assert (answer.status, body) == (200, b"hello")


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_what_is_packed_unasked_is_unpacked(name: str, pack: Any) -> None:
    packed = pack(b"hello" * 100_000)
    head = f"Content-Encoding: {name}\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    assert ask(OK + head, packed)[1] == b"hello" * 100_000


@pytest.mark.parametrize(
    "said",
    [
        b"",
        OK,
        OK + b"Content-Length: 9\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x16\x03\x01\x00\xff\xfe",
        OK + b"X-Long: " + b"x" * 200_000,
        OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=[
        "nothing",
        "half-a-header",
        "half-a-body",
        "half-the-chunks",
        "ssh",
        "tls",
        "long-header",
        "not-gzip",
        "only-100",
    ],
)
def test_what_is_no_whole_answer_is_broken(said: bytes) -> None:
    with pytest.raises(Broken) as caught:
        ask(said)
    nothing = said in (b"", b"HTTP/1.1 100 Continue\r\n\r\n")
    assert isinstance(caught.value, Garbled) is not nothing


def test_a_bomb_is_heard_in_pieces_and_may_be_ended() -> None:
    packed = gzip.compress(bytes(50_000_000))
    most = 0

    def hear(piece: bytes) -> None:
        nonlocal most
        most = max(most, len(piece))
        raise Enough

    with pytest.raises(Enough):
        ask(OK + f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode() + packed, hear=hear)
    assert 0 < most <= 65536


def test_the_header_may_be_all_that_is_wanted() -> None:
    answer, body, _ = ask(b"HTTP/1.1 204 Fine\r\nX-Word: yes\r\nContent-Length: 900\r\n\r\n", hear=None)
    assert (answer.status, answer.header["x-word"], body) == (204, "yes", b"")


def test_what_the_service_is_asked() -> None:
    _, _, asked = ask(OK + b"Content-Length: 0\r\n\r\n", path="/päth one?a=b c", user="me:p%40ss@")
    lines = asked.decode().split("\r\n")
    assert lines[0] == "GET /p%C3%A4th%20one?a=b%20c HTTP/1.1"
    assert f"Authorization: Basic {base64.b64encode(b'me:p@ss').decode()}" in lines
    assert "Connection: close" in lines
    assert [line for line in lines if line.startswith("Host: 127.0.0.1:")]


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://", "http://[bad", "http://a:b/", "", "http://" + "a" * 80])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(BadUrl):
        Place.of(url)


def test_an_ipv6_address_keeps_its_brackets() -> None:
    place = Place.of("https://[::1]:8004/x")
    assert (place.host, place.port, place.name, place.tls) == ("::1", 8004, "[::1]:8004", True)


def test_where_nobody_listens_nothing_was_sent() -> None:
    with pytest.raises(CannotReach):
        asyncio.run(exchange(f"http://127.0.0.1:{free_port()}/", "GET", hear=None, connect=5.0))

"""Slow clients, and too many of them: the times of a connection, over real sockets; the times are made short here."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from gitsync.api import peers
from gitsync.api.app import create_app
from gitsync.daemon import connections
from gitsync.daemon.server import Server, listen
from tests.api.test_surface import BEARER, TOKEN, Recorder


@asynccontextmanager
async def serving(reads: str = "user") -> AsyncIterator[int]:
    """Serve; give the port."""
    sock = listen("127.0.0.1", 0)
    server = Server(create_app(Recorder(), token=lambda: TOKEN, reads=reads), sock)  # type: ignore[arg-type]
    await server.start()
    try:
        yield sock.getsockname()[1]
    finally:
        await server.stop()
        sock.close()


async def status(port: int, path: str = "/health", **fields: str) -> int:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        return (await client.get(f"http://127.0.0.1:{port}{path}", headers=fields)).status_code


async def ends(reader: asyncio.StreamReader) -> bytes:
    """Read until the other side ends the connection."""
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""


@pytest.mark.parametrize("said", [b"", b"GET /health HTT", b"GET /health HTTP/1.1\r\nX-A: b\r\n", b"\r\n\r\n"])
def test_a_head_that_does_not_come_ends_the_connection(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(connections, "HEAD_TIME", 0.3)

    async def play() -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            heard = await ends(reader)
            assert heard.startswith(b"HTTP/1.1 408 ") if said.strip() else b"408" in heard or heard == b""
            writer.close()
            assert await status(port) == 200

    asyncio.run(play())


def test_a_head_that_comes_byte_by_byte_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_TIME", 0.5)

    async def play() -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
            writer.write(whole)
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
            sent = 0
            try:  # the second request of a connection is no better than the first
                for byte in whole:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    sent += 1
                    await asyncio.sleep(0.05)
            except ConnectionError:
                pass
            heard = await ends(reader)
            assert b"HTTP/1.1 200" not in heard
            assert b"408" in heard or sent < len(whole)
            writer.close()

    asyncio.run(play())


def test_a_client_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_TIME", 0.3)
    long = [{"id": "x" * 1000}] * 20_000

    async def computers(_: Recorder) -> list[dict[str, str]]:
        return long

    monkeypatch.setattr(Recorder, "computers", computers)

    async def play() -> None:
        async with serving() as port:
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(sock, ("127.0.0.1", port))
                await loop.sock_sendall(sock, b"GET /computers HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await asyncio.sleep(1.5)
                heard = 0
                try:
                    while data := await loop.sock_recv(sock, 1 << 20):
                        heard += len(data)
                except ConnectionError:
                    pass
                assert heard < 20_000_000
            assert await status(port) == 200

    asyncio.run(play())


def test_too_many_connections_end_the_one_that_says_nothing_for_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "most", lambda: 8)

    async def play() -> None:
        async with serving() as port:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
            for _ in range(3):
                assert await status(port) == 200
            assert await ends(silent[0][0]) == b""
            last = silent[-1][1]
            last.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert (await ends(silent[-1][0])).startswith(b"HTTP/1.1 200")
            for _, writer in silent:
                writer.close()

    asyncio.run(play())


def test_how_many_there_may_be_leaves_files_for_the_stores_and_git() -> None:
    assert 16 <= connections.most() <= connections.MOST


@pytest.mark.parametrize(
    ("reads", "owner", "expected"),
    [
        ("open", 4242, 200),
        ("user", 4242, 401),
        ("user", None, 401),
        ("user", os.geteuid(), 200),
        ("user", 0, 200),
        ("token", os.geteuid(), 401),
    ],
)
def test_who_may_read_without_the_token(
    monkeypatch: pytest.MonkeyPatch, reads: str, owner: int | None, expected: int
) -> None:
    monkeypatch.setattr(connections, "owner_of", lambda *_: owner)
    monkeypatch.setattr(peers, "tells", lambda: True)

    async def play() -> None:
        async with serving(reads) as port:
            assert await status(port, "/status") == expected
            assert await status(port, "/status", **BEARER) == 200
            assert await status(port, "/openapi.json") == 200
            assert await status(port, "/openapi.jsonx") in (401, 404)

    asyncio.run(play())


@pytest.mark.skipif(not peers.tells(), reason="this system does not tell whose a connection is")
@pytest.mark.parametrize("way", ["asked", "read"])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["v4", "v6"])
def test_the_system_tells_whose_a_connection_is(
    family: socket.AddressFamily, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def filtered(*_: object) -> None:
        raise PermissionError

    if way == "read":
        monkeypatch.setattr(peers, "_asked", filtered)
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.socket(family) as server, socket.socket(family) as client:
        try:
            server.bind((host, 0))
        except OSError:
            pytest.skip("no IPv6 here")
        server.listen()
        client.connect(server.getsockname()[:2])
        taken, _ = server.accept()
        ours, theirs = taken.getpeername()[:2], taken.getsockname()[:2]
        assert peers.owner_of(ours, theirs) == os.geteuid()
        assert peers.owner_of((host, 1), theirs) is None
        assert peers.owner_of(("192.0.2.1", ours[1]), theirs) is None
        client.close()
        assert peers.owner_of(ours, theirs) is None  # nobody holds it any more
        taken.close()


def test_where_the_system_does_not_tell_only_this_computer_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "tells", lambda: False)
    assert peers.same_user(None, ("127.0.0.1", 1))
    assert peers.same_user(None, ("::1", 1))
    assert not peers.same_user(None, ("192.0.2.1", 1))
    assert not peers.same_user(None, None)

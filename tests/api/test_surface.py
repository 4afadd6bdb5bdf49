"""The HTTP surface over a real socket: who is let in, and what bad requests get."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from gitsync.api import guard
from gitsync.api.app import create_app
from gitsync.api.control import Json, SendAsk, SyncAsk
from gitsync.api.guard import MAX_BODY
from gitsync.daemon.server import Server, listen
from gitsync.errors import GitsyncError, Refused, TryLater, UsageError

TOKEN = "a-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ID = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
JSON = {**BEARER, "Content-Type": "application/json"}


class Recorder:
    """A control that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.fail: Exception | None = None
        self.green = True

    async def about(self) -> Json:
        return {"service": "gitsync", "version": "1"}

    def health(self) -> tuple[bool, Json]:
        return self.green, {"healthy": self.green, "reasons": [] if self.green else ["no contact"]}

    async def status(self) -> Json:
        if self.fail:
            raise self.fail
        return {"machine": {"id": "1"}}

    async def computers(self) -> list[Json]:
        return [{"id": "1"}]

    async def messages(self, limit: int, before: str | None) -> list[Json]:
        self.asked.append((limit, before))
        return []

    async def sync(self, ask: SyncAsk) -> Json:
        self.asked.append(ask)
        return {"state": "ok"}

    async def send(self, asks: Sequence[SendAsk]) -> list[Json]:
        self.asked += asks
        return [{"id": "X", "status": "queued"} for _ in asks]

    def kept_sessions(self) -> dict[str, float]:
        return {}

    def keep_sessions(self, sessions: Mapping[str, float]) -> None:
        self.sessions = dict(sessions)

    def wake(self) -> None:
        self.asked.append("wake")

    async def reload(self) -> Json:
        self.asked.append("reload")
        return {"status": "reloaded"}

    def shutdown(self) -> None:
        self.asked.append("shutdown")


Play = Callable[[httpx.AsyncClient, Recorder], Awaitable[None]]
Stage = Callable[[Play], None]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[asyncio.Runner, Recorder, httpx.AsyncClient]]:
    control = Recorder()
    with asyncio.Runner() as runner:
        sock = listen("127.0.0.1", 0)
        server = Server(create_app(control, token=lambda: TOKEN), sock)
        runner.run(server.start())
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{sock.getsockname()[1]}", trust_env=False)
        yield runner, control, client
        runner.run(client.aclose())
        runner.run(server.stop())
        sock.close()


@pytest.fixture
def play(served: tuple[asyncio.Runner, Recorder, httpx.AsyncClient]) -> Stage:
    runner, control, client = served
    control.__init__()  # type: ignore[misc]

    async def run(scene: Play) -> None:
        await scene(client, control)

    return lambda scene: runner.run(run(scene))


@pytest.mark.parametrize("path", ["/sync", "/wake", "/send", "/reload", "/shutdown"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Basic abc"}],
    ids=["none", "wrong", "no-scheme", "other-scheme"],
)
def test_what_changes_something_needs_the_token(path: str, headers: dict[str, str], play: Stage) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        answer = await client.post(path, headers=headers, json={"to": "2", "message": "x"})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "unauthorized"
        assert control.asked == []

    play(scene)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8900", "127.0.0.1.evil.example", "localhost.evil", "[::2]", ""]
)
def test_foreign_host_is_refused(host: str, play: Stage) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        answer = await client.get("/status", headers={"Host": host})
        assert answer.status_code in (400, 403)
        if host:
            assert answer.json()["error"]["code"] == "foreign_host"

    play(scene)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:1", "file://"])
def test_foreign_origin_is_refused_even_with_the_token(origin: str, play: Stage) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        for method, path in (("GET", "/status"), ("POST", "/wake")):
            answer = await client.request(method, path, headers={**BEARER, "Origin": origin})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")
        assert control.asked == []

    play(scene)


def test_our_own_origin_and_names_pass(play: Stage) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        port = client.base_url.port
        own = {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}", **BEARER}
        assert (await client.post("/wake", headers=own)).status_code == 200
        assert control.asked == ["wake"]

    play(scene)


@pytest.mark.parametrize(
    ("body", "status", "names"),
    [
        (b"{", 400, "JSON"),
        (b"[]", 400, "object"),
        (b"", 400, "JSON"),
        (b"\xff\xfe", 400, "JSON"),
        (b"[" * 100_000, 400, "JSON"),
        (b'{"to": "2"}', 422, "'message'"),
        (b'{"message": "x"}', 422, "'to'"),
        (b'{"to": 2, "message": "x"}', 422, "'to'"),
        (b'{"to": " ", "message": "x"}', 422, "'to'"),
        (b'{"to": "2", "message": "x", "priority": "asap"}', 422, "'priority'"),
        (b'{"to": "2", "message": "\\ud800"}', 422, "'message'"),
    ],
)
def test_a_bad_send_is_told_which_field(body: bytes, status: int, names: str, play: Stage) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        answer = await client.post("/send", headers=JSON, content=body)
        assert answer.status_code == status
        assert names in answer.json()["error"]["message"]
        assert control.asked == []

    play(scene)


def test_send_decodes_all_fields_and_makes_a_subject(play: Stage) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        fields = {"from": "desk", "to": "2/builder", "message": "\n\nBuild it\nnow", "type": "build_project",
                  "priority": "high", "thread": ID, "in_reply_to": ID[:8]}  # fmt: skip
        answer = await client.post("/send", headers=BEARER, json=fields)
        assert (answer.status_code, answer.json()) == (200, {"id": "X", "status": "queued"})
        assert control.asked == [
            SendAsk(sender="desk", to="2/builder", subject="Build it", body="\n\nBuild it\nnow", type="build_project",
                    priority="high", thread=ID, in_reply_to=ID[:8])
        ]  # fmt: skip

    play(scene)


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
def test_a_body_over_the_limit_gets_413(declared: bool, play: Stage) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        big = json.dumps({"to": "2", "message": "x" * MAX_BODY}).encode()

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(big), 65536):
                yield big[start : start + 65536]

        content: Any = big if declared else chunks()
        answer = await client.post("/send", headers=JSON, content=content)
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"
        assert control.asked == []

    play(scene)


@pytest.mark.parametrize(
    ("query", "asked"),
    [("", (50, None)), ("limit=3&before=ZZZZ", (3, "ZZZZ")), ("limit=0", (1, None)), ("limit=999999", (500, None))],
)
def test_pages_have_bounds(query: str, asked: tuple[int, str | None], play: Stage) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        assert (await client.get(f"/messages?{query}")).status_code == 200
        assert control.asked == [asked]
        assert (await client.get("/messages?limit=²")).status_code == 422
        assert (await client.get("/messages?limit=-1")).status_code == 422

    play(scene)


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (UsageError("bad"), 422),
        (Refused("no"), 403),
        (TryLater("away"), 503),
        (GitsyncError("what", "why", "do this"), 500),
    ],
)
def test_known_failures_keep_their_words(failure: GitsyncError, status: int, play: Stage) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        control.fail = failure
        answer = await client.get("/status")
        error = answer.json()["error"]
        assert answer.status_code == status
        assert (error["message"], error["remedy"], error["exit"]) == (
            failure.what,
            failure.remedy,
            failure.exit_code,
        )

    play(scene)


def test_health_is_503_with_reasons(play: Stage) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        assert (await client.get("/health")).status_code == 200
        control.green = False
        answer = await client.get("/health")
        assert (answer.status_code, answer.json()["reasons"]) == (503, ["no contact"])

    play(scene)


def test_unknown_paths_and_methods_answer_in_the_one_shape(play: Stage) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        assert (await client.get("/nothing")).json()["error"]["code"] == "not_found"
        answer = await client.delete("/send", headers=BEARER)
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
        endpoints = (await client.get("/")).json()["endpoints"]
        assert "POST /send" in endpoints
        assert "GET /health" in endpoints

    play(scene)


async def _half(client: httpx.AsyncClient, *lines: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin a request with a body of 100 bytes, of which one arrives."""
    url = client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = ("POST /send HTTP/1.1", f"Host: {url.host}", *lines, "Content-Length: 100", "", "{")
    writer.write("\r\n".join(head).encode())
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize(
    ("lines", "status"),
    [((f"Authorization: Bearer {TOKEN}",), b"408"), ((), b"401")],
    ids=["with-token", "without"],
)
def test_a_body_that_does_not_come_holds_no_connection(
    lines: tuple[str, ...], status: bytes, play: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "BODY_TIME", 0.2)

    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        reader, writer = await _half(client, *lines)
        answer = await asyncio.wait_for(reader.read(), 10.0)
        assert answer.split(b" ")[1] == status
        writer.close()
        assert control.asked == []

    play(scene)


def test_a_client_that_hangs_up_is_no_failure(play: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        _, writer = await _half(client, f"Authorization: Bearer {TOKEN}")
        await client.get("/health")  # the half request is being read by now
        writer.close()
        await writer.wait_closed()
        for _ in range(5):
            await client.get("/health")

    play(scene)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_bytes_that_are_no_text_do_not_end_an_answer(play: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def computers(_: Recorder) -> list[Json]:
        return [{"id": "1", "name": "caf\udce9 \ud83d"}]

    monkeypatch.setattr(Recorder, "computers", computers)

    async def scene(client: httpx.AsyncClient, control: Recorder) -> None:
        answer = await client.get("/computers")
        assert answer.status_code == 200
        assert answer.json()[0]["name"] == "caf\N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}"

    play(scene)

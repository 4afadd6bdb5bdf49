"""The way over HTTP: who may, the child that comes and goes, and what it costs the process behind it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsync.demo.computer import Computer, wait_for
from tests.mcp.conftest import AGENTS, call, id_in, outcome, over_http, run, settle, stdio, until
from tests.remotes import Remotes

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
KEPT = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def one(remotes: Remotes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Computer]:
    """A computer whose process of the tools ends soon when it is idle."""
    computer = Computer(tmp_path_factory.mktemp("one"), "1", "Machine 1", "test")
    try:
        computer.init(remotes("file").url)
        settle(computer, '[mcp]\nspeaks_as = "reviewer"\nidle = "500ms"\n')
        computer.up()
        yield computer
    finally:
        if computer.daemon is not None:
            computer.daemon.end()


def post(computer: Computer, path: str = "/mcp", **headers: str) -> tuple[int, str]:
    """POST a listing with the token, unless the headers say otherwise."""
    token = (computer.root / ".gitsync" / "token").read_text().strip()
    given = {**KEPT, "Authorization": f"Bearer {token}", **{name.replace("_", "-"): v for name, v in headers.items()}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{computer.port}{path}",
        data=json.dumps(LIST).encode(),
        headers={name: value for name, value in given.items() if value},
        method="POST",
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def children(computer: Computer) -> list[int]:
    """Return the processes that a computer's process has started and that run the tools."""
    assert computer.daemon is not None
    found = []
    for task in Path(f"/proc/{computer.daemon.pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [
                int(child)
                for child in (task / "children").read_text().split()
                if b"gitsync.mcp.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
            ]
    return found


def test_strangers_are_turned_away_before_anything_is_started(one: Computer) -> None:
    wait_for("the child has ended", lambda: not children(one))
    assert post(one, Authorization="Bearer wrong")[0] == 401
    assert post(one, Authorization="")[0] == 401
    assert post(one, Origin="http://evil.example")[0] == 403
    assert post(one, Origin="null")[0] == 403
    assert post(one, Host="evil.example")[0] == 403
    assert post(one, Sec_Fetch_Site="cross-site")[0] == 403
    assert post(one, Content_Type="text/plain")[0] == 415
    assert children(one) == []


def test_a_name_that_is_none_is_not_found(one: Computer) -> None:
    for name in ("nobody", "cat", "%2e%2e"):
        status, text = post(one, f"/mcp/{name}")
        assert status in (404, 422), text
        assert "error" in json.loads(text)
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{one.port}/mcp")


def test_the_child_comes_and_goes_and_the_process_stays_small(one: Computer) -> None:
    assert one.daemon is not None
    status, text = post(one)
    assert status == 200
    assert "task_submit" in text
    (first,) = children(one)
    os.kill(first, signal.SIGKILL)

    async def play() -> None:
        async with over_http(one) as client:
            sent = id_in(await call(client, "send", to="2", text="after the first child"))
            assert "from: 1/reviewer\n" in await call(client, "read", id=sent)  # as the settings say
            (second,) = children(one)
            assert second != first
            os.kill(second, signal.SIGKILL)
            # The session goes on with another child: no request depends on an earlier one.
            assert sent in await call(client, "read", id=sent)

    run(play())
    wait_for("the child has ended", lambda: not children(one), seconds=10)
    maps = Path(f"/proc/{one.daemon.pid}/maps").read_text()
    assert "sqlite" in maps
    assert "pydantic_core" not in maps  # what the SDK stands on


def test_a_call_under_way_when_the_child_is_killed_fails_and_says_so(one: Computer) -> None:
    async def play() -> None:
        import asyncio

        async with over_http(one) as client:
            task = id_in(await call(client, "task_submit", content="x", type="slow"))
            waiting = asyncio.create_task(outcome(client, "task_status", id=task, wait=30))
            await asyncio.sleep(0.3)
            for child in children(one):
                os.kill(child, signal.SIGKILL)
            began = time.monotonic()
            with pytest.raises(Exception):  # noqa: B017 - whatever the client's word for a broken stream is
                text, wrong = await waiting
                assert wrong, text
                raise RuntimeError(text)
            assert time.monotonic() - began < 15
            assert "COMPLETED" in await call(client, "task_status", id=task, wait=20)

    run(play())


def test_a_session_outlives_a_killed_process(one: Computer) -> None:
    async def play() -> None:
        assert one.daemon is not None
        async with stdio(one) as client:
            before = id_in(await call(client, "send", to="2", text="before"))
            os.kill(one.daemon.pid, signal.SIGKILL)
            one.daemon.wait(10)
            text = await call(client, "send", to="2", text="between")
            assert "No gitsync process runs here" in text
            one.up()
            after = id_in(await call(client, "send", to="2", text="after"))
            for ident in (before, id_in(text), after):
                assert "from: 1/reviewer\n" in await until(lambda ident=ident: call(client, "read", id=ident), ident)

    run(play())


def test_new_settings_count_from_the_next_call_on(one: Computer) -> None:
    settle(one, '[mcp]\nspeaks_as = ""\nidle = "500ms"\n', AGENTS.replace("reviewer", "critic"))
    token = (one.root / ".gitsync" / "token").read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{one.port}/reload", method="POST", headers={"Authorization": f"Bearer {token}"}
    )
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()

    async def play() -> None:
        async with over_http(one) as client:
            assert "1: no unread messages" in await call(client, "inbox")
        async with over_http(one, "critic") as client:
            assert "1/critic: no unread messages" in await call(client, "inbox")

    run(play())
    assert post(one, "/mcp/reviewer")[0] == 404

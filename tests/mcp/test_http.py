"""The way over HTTP: who may, the child that comes and goes, and what it costs the process behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from mcp import MCPError

from gitsync.demo.computer import Computer, wait_for
from tests.mcp.conftest import AGENTS, Town, call, id_in, outcome, over_http, run, settle, stdio, until

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
KEPT = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@pytest.fixture
def two(town: Town) -> Computer:
    """A computer whose process of the tools ends soon when it is idle."""
    return town.two


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


def test_strangers_are_turned_away_before_anything_is_started(two: Computer) -> None:
    wait_for("the child has ended", lambda: not children(two))
    assert post(two, Authorization="Bearer wrong")[0] == 401
    assert post(two, Authorization="")[0] == 401
    assert post(two, Origin="http://evil.example")[0] == 403
    assert post(two, Origin="null")[0] == 403
    assert post(two, Host="evil.example")[0] == 403
    assert post(two, Sec_Fetch_Site="cross-site")[0] == 403
    assert post(two, Content_Type="text/plain")[0] == 415
    assert children(two) == []


def test_the_child_comes_and_goes_and_the_process_stays_small(two: Computer) -> None:
    assert two.daemon is not None
    status, text = post(two)
    assert status == 200
    assert "task_submit" in text
    for name in ("nobody", "cat", "%2e%2e"):
        status, text = post(two, f"/mcp/{name}")
        assert status in (404, 422), text
        assert "error" in json.loads(text)
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{two.port}/mcp")

    async def play() -> None:
        async with over_http(two) as client:
            # A call under way when the child is killed fails, and says so.
            task = id_in(await call(client, "task_submit", content="x", type="slow"))
            waiting = asyncio.create_task(outcome(client, "task_status", id=task, wait=30))
            await asyncio.sleep(0.3)
            (first,) = children(two)
            os.kill(first, signal.SIGKILL)
            with pytest.raises((MCPError, AssertionError)):
                async with asyncio.timeout(15):
                    text, wrong = await waiting
                    assert not wrong, text
            # The session goes on with another child: no request depends on an earlier two.
            assert "COMPLETED" in await call(client, "task_status", id=task, wait=20)
            sent = id_in(await call(client, "send", to="1", text="after the first child"))
            assert "from: 2/reviewer\n" in await call(client, "read", id=sent)  # as the settings say
            (second,) = children(two)
            assert second != first
            # One that is gone before it was given anything is noticed by nobody.
            os.kill(second, signal.SIGKILL)
            assert sent in await call(client, "read", id=sent)

    run(play())
    wait_for("the child has ended", lambda: not children(two), seconds=10)
    maps = Path(f"/proc/{two.daemon.pid}/maps").read_text()
    assert "sqlite" in maps
    assert "pydantic_core" not in maps  # what the SDK stands on


def test_a_session_outlives_a_killed_process(two: Computer) -> None:
    async def play() -> None:
        assert two.daemon is not None
        async with stdio(two) as client:
            before = id_in(await call(client, "send", to="1", text="before"))
            os.kill(two.daemon.pid, signal.SIGKILL)
            two.daemon.wait(10)
            text, wrong = await outcome(client, "send", to="1", text="between")
            if wrong:  # the connection that was kept had not heard yet that the other side is gone
                assert "whether it was taken nobody can tell" in text
                text = await call(client, "send", to="1", text="between")
            assert "No gitsync process runs here" in text
            two.up()
            after = id_in(await call(client, "send", to="1", text="after"))
            for ident in (before, id_in(text), after):
                assert "from: 2/reviewer\n" in await until(lambda ident=ident: call(client, "read", id=ident), ident)

    run(play())


def reload(two: Computer) -> None:
    """Let the process read its settings again."""
    token = (two.root / ".gitsync" / "token").read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{two.port}/reload", method="POST", headers={"Authorization": f"Bearer {token}"}
    )
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()


def test_new_settings_count_from_the_next_call_on(two: Computer) -> None:
    file = two.root / ".gitsync" / "config.toml"
    before = file.read_text()

    async def play() -> None:
        async with over_http(two) as client:
            assert (await call(client, "inbox")).startswith("2: ")
        async with over_http(two, "critic") as client:
            assert "2/critic: no unread messages" in await call(client, "inbox")

    try:
        settle(two, '[mcp]\nspeaks_as = ""\nidle = "1s"\n', AGENTS.replace("reviewer", "critic"))
        reload(two)
        run(play())
        assert post(two, "/mcp/reviewer")[0] == 404
    finally:
        file.write_text(before)
        reload(two)

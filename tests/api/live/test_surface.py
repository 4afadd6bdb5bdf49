"""The whole surface of a real process: agents, tasks, figures, bad requests, and whether its description is true."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gitsync.client import AsyncClient, NoAnswer
from gitsync.errors import Busy, Conflict, NotFound, UsageError
from tests.api.live.conftest import Machine, Scene, eventually

Play = Callable[[Scene], None]


def test_agents_come_and_go_at_run_time(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        assert {one["name"] for one in await client.instances()} == {"echo", "desk", "other"}
        added = await client.add_instance("late", "inbox", types=["night"])
        assert (added["name"], added["kind"]) == ("late", "inbox")
        assert "late" in {one["name"] for one in await client.instances()}
        with pytest.raises(Conflict):
            await client.add_instance("late", "inbox")
        with pytest.raises(Conflict):
            await client.add_instance("echo", "inbox")
        with pytest.raises(UsageError, match="kind"):
            await client.add_instance("evil", "command", argv=["true"])
        with pytest.raises(UsageError):
            await client.add_instance("evil", "http", start=["true"])
        await client.remove_instance("late")
        with pytest.raises(NotFound):
            await client.instance("late")

    play(scene)


def test_a_drained_agent_gets_nothing_until_it_is_resumed(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        assert (await client.drain("echo"))["draining"] is True
        sent = await client.send("echo", "later")
        assert (await client.instance("echo"))["draining"] is True
        assert (await client.message(sent["id"]))["state"] != "done"
        assert (await client.resume("echo"))["draining"] is False

        async def done() -> bool:
            return bool((await client.message(sent["id"]))["state"] == "done")

        await eventually(done)
        with pytest.raises(UsageError):
            await client.restart("echo")  # gitsync does not run it

    play(scene)


def test_a_task_is_done_cancelled_and_refused_when_there_are_too_many(play: Play, raw: httpx.Client) -> None:
    async def scene(client: AsyncClient) -> None:
        done = await client.submit("build_project", "the page", wait=20)
        assert (done["status"], done["assigned_to"]) == ("COMPLETED", "echo")
        assert "heard" in done["result"]
        assert done["history"]
        waiting = [(await client.submit("by_hand", "for later"))["task_id"] for _ in range(5)]
        with pytest.raises(Busy) as caught:
            await client.submit("by_hand", "one too many")
        assert caught.value.retry_after >= 1
        for ident in waiting:
            assert (await client.cancel_task(ident))["status"] == "FAILED"
        ended = await client.tasks(status="FAILED", limit=3)
        assert [one["task_id"] for one in ended] == waiting[:-4:-1]
        with pytest.raises(Conflict):
            await client.cancel_task(done["task_id"])

    play(scene)


def test_figures_are_in_the_text_format(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        await client.sync()
        sent = await client.send("echo", "count me")
        await eventually(lambda: _delivered(client, sent["id"]))
        text = await client.metrics()
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        assert all(float(value) == float(value) for value in values.values())
        assert float(values['gitsync_cycles_total{state="ok"}']) >= 1
        assert float(values["gitsync_sync_age_seconds"]) < 60
        assert int(values['gitsync_deliveries_total{agent="echo",outcome="done"}']) >= 1
        assert (
            values['gitsync_delivery_seconds_bucket{agent="echo",le="+Inf"}']
            == values['gitsync_delivery_seconds_count{agent="echo"}']
        )
        assert values['gitsync_agent_state{agent="desk",state="online"}'] == "1"
        families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        assert len(families) == len(set(families))

    play(scene)


async def _delivered(client: AsyncClient, ident: str) -> bool:
    return bool((await client.message(ident))["state"] == "done")


def test_the_other_calls_of_the_client(play: Play, machine: Machine) -> None:
    async def scene(client: AsyncClient) -> None:
        assert (await client.about())["service"] == "gitsync"
        assert isinstance((await client.health())["healthy"], bool)
        assert (await client.status())["machine"]["id"] == "1"
        assert [one["id"] for one in await client.computers()] == ["1"]
        assert (await client.reload())["status"] == "reloaded"
        assert (await client.sync())["state"] == "ok"
        await client.wake()
        assert set(await client.blockers()) == {"blockers", "approvals"}

    play(scene)
    with pytest.raises(NoAnswer, match="no running gitsync"):
        AsyncClient.find(machine.root.parent)


@pytest.mark.parametrize(
    ("path", "body", "status", "names"),
    [
        ("/task", b"{}", 422, "content"),
        ("/task", b'{"content": "x", "deadline": 0}', 422, "deadline"),
        ("/task", b'{"content": "x", "deadline": 1e999}', 422, "deadline"),
        ("/task", b'{"content": "x", "retries": 1.5}', 422, "retries"),
        ("/task", b'{"content": "x", "priority": "asap"}', 422, "priority"),
        ("/instances", b'{"kind": "http"}', 422, "name"),
        ("/instances", b'{"name": "x", "kind": "http", "types": "y"}', 422, "types"),
        ("/messages/01ZZZZ/ack", b'{"outcome": "maybe"}', 422, "outcome"),
        ("/send", b'{"messages": []}', 422, "messages"),
        ("/send", b'{"messages": [1]}', 422, "messages[0]"),
        ("/sync", b'{"accept_rewrite": "yes"}', 422, "accept_rewrite"),
        ("/session", b"{", 400, None),
    ],
)
def test_a_wrong_field_is_named(
    machine: Machine, path: str, body: bytes, status: int, names: str | None, raw: httpx.Client
) -> None:
    answer = raw.post(path, headers={**machine.bearer, "Content-Type": "application/json"}, content=body)
    assert answer.status_code == status
    assert answer.json()["error"].get("field") == names


def test_bodies_that_are_no_json_or_too_large(machine: Machine, raw: httpx.Client) -> None:
    form = raw.post("/send", headers=machine.bearer, data={"to": "desk", "message": "x"})
    assert (form.status_code, form.json()["error"]["code"]) == (415, "unsupported_media_type")
    bare = raw.post("/send", headers=machine.bearer, content=b'{"to": "desk", "message": "x"}')
    assert bare.status_code == 415
    large = raw.post("/send", headers=machine.bearer, json={"to": "desk", "message": "x" * (1 << 20)})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")
    wrong = raw.put("/send", headers=machine.bearer, json={})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


def test_the_description_is_true(machine: Machine, tmp_path: Path) -> None:
    """Everything it allows is taken or refused in the shapes that it states; what it forbids is refused."""
    described(machine, tmp_path, seed=1, examples=3)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 6))
def test_the_description_is_true_at_length(machine: Machine, tmp_path: Path, seed: int) -> None:
    """The same with many more requests; run a seed again with `-m campaign -k 'at_length and SEED'`."""
    described(machine, tmp_path, seed=seed, examples=100)


def described(machine: Machine, folder: Path, *, seed: int, examples: int) -> None:
    """Ask what the description allows and what it forbids: by example, at its edges, at random, and in sequence.

    Left out: what does not end (the events), what ends the process, cycles, which take their time, and what has a
    protocol of its own inside (`tests/mcp`).
    """
    command = [
        sys.executable, "-m", "schemathesis.cli",
        "--config-file", str(Path(__file__).with_name("schemathesis.toml")), "run", f"{machine.url}/openapi.json",
        "--header", f"Authorization: Bearer {machine.token}",
        "--exclude-path", "/events", "--exclude-path", "/shutdown", "--exclude-path", "/sync",
        "--exclude-path", "/mcp", "--exclude-path", "/mcp/{name}",
        "--max-examples", str(examples), "--seed", str(seed), "--generation-database", "none", "--mode", "all",
        "--phases", "examples,coverage,fuzzing,stateful",
        "--request-timeout", "10", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    phases = [line for line in done.stdout.splitlines() if line.strip().endswith(("Coverage", "Fuzzing", "Stateful"))]
    assert all("\N{HEAVY CHECK MARK}" in line or "\N{WHITE HEAVY CHECK MARK}" in line for line in phases), phases
    (folder / "said.txt").write_text(done.stdout)
    assert "ERROR" not in machine.log

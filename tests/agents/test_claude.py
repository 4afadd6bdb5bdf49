"""What is particular to Claude models: the worker process, turns, retries, tokens and costs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitsync import clock
from gitsync.agents.base import Agent, Turn
from gitsync.agents.claude.agent import ClaudeAgent
from gitsync.agents.claude.conversation import turns
from gitsync.agents.claude.worker import Worker
from gitsync.agents.opening import open_agent, open_agents
from gitsync.agents.spec import AgentSpec
from gitsync.demo.messages_api import serving
from tests.agents.benches import ENVIRON, parcel
from tests.agents.conftest import Office


def spec(url: str, name: str = "mechanic", **more: Any) -> AgentSpec:
    given: dict[str, Any] = {"model": "claude-haiku-4-5", "api_key_env": "TEST_KEY", "base_url": url, **more}
    return AgentSpec(name=name, kind="claude", **given)


def worker_of(agent: Agent) -> Worker:
    assert isinstance(agent, ClaudeAgent)
    return agent._worker


async def until(holds: Any, limit: float = 30.0) -> None:
    end = clock.monotonic() + limit
    while not holds():
        assert clock.monotonic() < end
        await asyncio.sleep(0.02)


def test_the_conversation_arrives_as_alternating_turns_with_the_system_prompt(office: Office, tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "m.md").write_text("You are the mechanic.\n")
    history = (
        Turn(own=True, sender="2/mechanic", text="I begin, which the API does not allow"),
        Turn(own=False, sender="1", text="one"),
        Turn(own=False, sender="3", text="two"),
        Turn(own=True, sender="2/mechanic", text="three"),
    )
    (told,), server = office.ask(tmp_path, parcel(history=history), system="prompts/m.md", max_tokens=99)
    request = server.requests[0]
    assert [message["role"] for message in request["messages"]] == ["user", "assistant", "user"]
    assert request["messages"][0]["content"] == "From 1:\none\n\nFrom 3:\ntwo"
    assert request["messages"][2]["content"].startswith("From 1/mechanic:\nSubject: Deploy\n\nPlease deploy")
    assert (request["system"], request["max_tokens"], request["stream"]) == ("You are the mechanic.", 99, True)
    assert told.kind == "done"
    assert "turn 3 of this conversation, with a system prompt" in told.reply
    usage = told.usage or {}
    assert usage["model"] == "claude-haiku-4-5"
    assert usage["input_tokens"] > 0
    assert usage["cost_micros"] == usage["input_tokens"] + 5 * usage["output_tokens"]
    assert usage["cost_usd"] == usage["cost_micros"] / 1e6


def test_turns_of_one_message() -> None:
    assert turns(parcel(body="")) == [{"role": "user", "content": "From 1/mechanic:\nSubject: Deploy"}]


def test_one_worker_serves_all_agents_gets_the_key_and_nothing_else_and_ends_when_idle(tmp_path: Path) -> None:
    async def play() -> None:
        async with serving() as server:
            specs = [spec(server.url, name, worker_idle=0.3) for name in ("a", "b")]
            environ = {**ENVIRON, "OTHER_SECRET": "x", "ANTHROPIC_CUSTOM_HEADERS": "a: b"}
            agents = open_agents(specs, tmp_path, environ=environ)
            worker = worker_of(agents["a"])
            assert worker is worker_of(agents["b"])
            assert worker.pid is None
            asked = [agents[name].deliver(parcel()) for name in ("a", "b", "a")]
            assert {told.kind for told in await asyncio.gather(*asked)} == {"done"}
            pid = worker.pid
            assert pid is not None
            env = Path(f"/proc/{pid}/environ").read_bytes()
            assert b"TEST_KEY=sk-local" in env
            assert b"OTHER_SECRET" not in env
            assert b"CUSTOM_HEADERS" not in env
            await until(lambda: not Path(f"/proc/{pid}").exists())
            assert (await agents["b"].deliver(parcel())).kind == "done"
            assert worker.pid not in (None, pid)
            await agents["a"].close()

    asyncio.run(play())


def test_a_worker_that_cannot_start_has_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))

    async def play() -> None:
        agent = open_agent(spec("http://127.0.0.1:9"), tmp_path, environ=ENVIRON)
        told = await agent.deliver(parcel())
        assert (told.kind, told.started) == ("failed", False)
        assert "no such module" in told.reason
        await agent.close()

    asyncio.run(play())


@pytest.mark.parametrize("status", [429, 500, 529])
def test_it_tries_again_when_the_server_says_so(office: Office, tmp_path: Path, status: int) -> None:
    scenario = {"rules": [{"status": status, "retry_after": 0.1, "times": 2}]}
    (told,), _ = office.ask(tmp_path, scenario=scenario)
    assert told.kind == "done"
    assert (told.usage or {})["retries"] == 2


def test_a_bad_key_says_what_to_check_and_a_cut_answer_says_that_it_is_cut(office: Office, tmp_path: Path) -> None:
    (told,), _ = office.ask(tmp_path, scenario={"rules": [{"status": 401}]})
    assert told.kind == "failed"
    assert "api_key_env" in told.reason
    (told,), _ = office.ask(tmp_path, max_tokens=3)
    assert "[cut here: the answer reached max_tokens, 3]" in told.reply


@pytest.mark.parametrize(
    ("changes", "environ", "words"),
    [
        ({}, {}, "set TEST_KEY"),
        ({"model": ""}, ENVIRON, "no model"),
        ({"system": "none.md"}, ENVIRON, "system prompt none.md"),
    ],
)
def test_what_is_missing_is_said_with_the_remedy(
    changes: dict[str, str], environ: dict[str, str], words: str, tmp_path: Path
) -> None:
    async def play() -> None:
        agent = open_agent(spec("http://127.0.0.1:9", **changes), tmp_path, environ=environ)
        told = await agent.deliver(parcel())
        assert (told.kind, told.started) == ("failed", False)
        assert words in told.reason
        if "system" not in changes:
            assert (await agent.health())[0] == "error"
        await agent.close()

    asyncio.run(play())


def test_the_worker_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\n"
        "from tests.agents.test_claude import *\n"
        "async def play():\n"
        "    async with serving() as server:\n"
        "        agent = open_agent(spec(server.url), Path('.'), environ=ENVIRON)\n"
        "        await agent.deliver(parcel())\n"
        "        print(worker_of(agent).pid, flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(play())\n"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert ran.returncode == -9, ran.stderr
    pid = int(ran.stdout)
    end = clock.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and clock.monotonic() < end:
        clock.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()


def test_this_process_never_imports_the_sdk() -> None:
    code = (
        "import sys, gitsync.agents.claude.agent, gitsync.agents.http, gitsync.dispatch.dispatcher\n"
        "import gitsync.dispatch.purse, gitsync.daemon.process\n"
        "print(sorted({'anthropic', 'httpx', 'httpx2'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"

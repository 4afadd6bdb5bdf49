"""The bundled Messages API as the official SDK and a real coding agent see it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import anthropic
import pytest

from gitsync.demo.messages_api import MessagesServer, serving
from gitsync.demo.scenario import Scenario

CLAUDE = os.environ.get("GITSYNC_CLAUDE") or shutil.which("claude")
TOOL: Any = {"name": "look", "description": "Look.", "input_schema": {"type": "object", "properties": {}}}


def sdk(server: MessagesServer) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key="x", base_url=server.url, max_retries=0)


def asked(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_the_sdk_streams_calls_tools_and_counts() -> None:
    scenario = {
        "rules": [
            {"when": {"tool": "look", "result": False, "matches": "at (\\w+)"}, "say": "I look.", "call": [
                {"name": "look", "input": {"what": ["{1}", 2]}}
            ]},
            {"when": {"result": True}, "say": "Seen: {last}"},
        ]
    }  # fmt: skip

    async def play() -> None:
        async with serving(scenario=scenario) as server, sdk(server) as client:
            common: Any = {"model": "m", "max_tokens": 100, "tools": [TOOL]}
            async with client.messages.stream(messages=asked("Look at this"), **common) as stream:
                kinds = [event.type async for event in stream]
                first = await stream.get_final_message()
            assert kinds[0] == "message_start"
            assert kinds[-1] == "message_stop"
            assert "text" in kinds
            assert "input_json" in kinds
            assert first.stop_reason == "tool_use"
            text, call = first.content
            assert (text.type, call.type) == ("text", "tool_use")
            assert call.input == {"what": ["this", 2]}  # type: ignore[union-attr]
            assert first.usage.output_tokens > 0
            result = {"type": "tool_result", "tool_use_id": call.id, "content": "a cat"}  # type: ignore[union-attr]
            turns: Any = [*asked("Look at this"), {"role": "assistant", "content": first.content}]
            whole = await client.messages.create(messages=[*turns, {"role": "user", "content": [result]}], **common)
            assert whole.content[0].text == "Seen: a cat"  # type: ignore[union-attr]
            with pytest.raises(anthropic.BadRequestError, match="without tool_result"):
                await client.messages.create(messages=[*turns, *asked("and?")], **common)
            counted = await client.messages.count_tokens(model="m", messages=asked("x" * 400))
            assert counted.input_tokens == 100

    asyncio.run(play())


def test_marked_beginnings_are_written_once_and_read_then() -> None:
    system: Any = [{"type": "text", "text": "s" * 8000, "cache_control": {"type": "ephemeral"}}]
    short: Any = [{"type": "text", "text": "s" * 80, "cache_control": {"type": "ephemeral"}}]

    async def play() -> list[tuple[int, int, int]]:
        found = []
        async with serving() as server, sdk(server) as client:
            for model, given in (("m", system), ("m", system), ("other", system), ("m", short)):
                told = await client.messages.create(model=model, max_tokens=9, system=given, messages=asked("abcd" * 5))
                used = told.usage
                written, read = used.cache_creation_input_tokens or 0, used.cache_read_input_tokens or 0
                found.append((used.input_tokens, written, read))
        return found

    assert asyncio.run(play()) == [(5, 2000, 0), (5, 0, 2000), (5, 2000, 0), (25, 0, 0)]


def test_a_scenario_is_understood_strictly() -> None:
    with pytest.raises(ValueError, match="rule 0: unknown sey"):
        Scenario.of({"rules": [{"sey": "x"}]})


@pytest.mark.skipif(CLAUDE is None, reason="no Claude Code: neither GITSYNC_CLAUDE nor `claude` on the PATH names one")
def test_claude_code_works_with_it(tmp_path: Path) -> None:
    scenario = {
        "rules": [
            {"when": {"tool": "Bash", "contains": "Please say it", "result": False}, "call": [
                {"name": "Bash", "input": {"command": "echo hello-$((40+2))", "description": "say it"}}
            ]},
            {"when": {"result": True, "matches": "hello-(\\d+)"}, "say": "It said {1}."},
        ]
    }  # fmt: skip

    async def play() -> Any:
        async with serving(scenario=scenario) as server:
            environ = {
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "ANTHROPIC_BASE_URL": server.url,
                "ANTHROPIC_API_KEY": "x",
                "DISABLE_TELEMETRY": "1",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            }
            argv = [str(CLAUDE), "-p", "Please say it", "--allowedTools", "Bash", "--output-format", "json"]
            program = await asyncio.create_subprocess_exec(
                *argv, cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
            )
            said, _ = await asyncio.wait_for(program.communicate(), 60)
            return json.loads(said)

    told = asyncio.run(play())
    assert (told["result"], told["num_turns"]) == ("It said 42.", 2)
    assert told["total_cost_usd"] > 0

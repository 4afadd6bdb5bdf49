"""A Claude agent in the running process: it looks around, progress and cost are told, its budget survives a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import Computer, eventually
from tests.daemon.test_running import start

SCENARIO = {
    "rules": [
        {"when": {"contains": "Subject: hang"}, "say": "a b c", "delay": 600},
        {"when": {"contains": "Subject: look", "result": False}, "call": [
            {"name": "thread"}, {"name": "fleet"}, {"name": "search", "input": {"words": "plumber"}}
        ]},
        {"when": {"result": True, "matches": r"from 1, .*Subject: look.*?(1: \w+).*?(nothing found|from 1)"},
         "say": "Seen: {1}, {2}"},
        {"say": "Well."},
    ]
}  # fmt: skip


@pytest.fixture
def api(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "scenario.json").write_text(json.dumps(SCENARIO))
    argv = [sys.executable, "-m", "gitsync.demo.messages_api", "--scenario", str(tmp_path / "scenario.json")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


def told(computer: Computer, path: str) -> str:
    port = json.loads((computer.root / ".gitsync" / "daemon.json").read_text())["port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        if path.startswith("/events"):
            lines = [""]
            while "looks: search" not in lines[-1]:  # the stream goes on for ever
                lines.append(answer.readline().decode())
            return "".join(lines)
        return str(answer.read().decode())


def test_it_looks_costs_and_keeps_its_budget_through_a_kill(
    one: Computer, api: str, stop_processes: list[Computer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", "k")
    agent = (
        f'[[agents]]\nname = "worker"\nkind = "claude"\nmodel = "claude-haiku-4-5"\nmax_tokens = 100\ndefault = true\n'
        f'base_url = "{api}"\napi_key_env = "TEST_KEY"\nconcurrency = 2\n'
    )
    pid = start(one, stop_processes, agent + 'daily_budget = "$0.02"\n')
    sent = one.ask("send", "self/worker", "look", "-m", "Where is everybody?", "--wait", "60s")
    assert "Seen: 1: " in json.dumps(sent)
    assert "nothing found" in json.dumps(sent)
    (run,) = one.ask("costs", "--runs", "9")["runs"]
    assert (run["outcome"], run["agent"], run["model"]) == ("done", "worker", "claude-haiku-4-5")
    assert run["cost_micros"] == run["tokens_in"] + 5 * run["tokens_out"]
    assert json.loads(run["detail"])["looked"] == ["thread", "fleet", "search"]
    metrics = told(one, "/metrics")
    assert 'gitsync_model_runs_total{agent="worker",model="claude-haiku-4-5"} 1' in metrics
    assert 'gitsync_budget_used_ratio{agent="worker",budget="daily"} 0.' in metrics
    assert '"looks' not in metrics
    assert "looks: thread" in told(one, "/events?replay=50")

    one.ok("send", "self/worker", "hang", "-m", "x")
    held = eventually(lambda: one.ask("costs")["budgets"][0]["reserved_micros"])
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pid}").exists() or one("down").code is not None)
    used = one.ask("costs")["budgets"][0]["used_micros"]
    # Enough for what was used and set aside, and not for one more.
    limit = used + held + 600
    start(one, stop_processes, agent + f'daily_budget = "$0.{limit:06d}"\n')
    assert one.ask("costs")["budgets"][0]["reserved_micros"] == held
    assert [run["outcome"] for run in one.ask("costs", "--runs", "9")["runs"]] == ["done", "uncertain"]
    one.ok("send", "self/worker", "more", "-m", "x" * 3000)
    blockers = eventually(lambda: [one_ for one_ in one.ask("status")["blockers"] if "budget" in one_])
    assert "1 message is kept waiting by a budget: worker's daily budget" in blockers[0]
    assert "goes on at" in blockers[0]

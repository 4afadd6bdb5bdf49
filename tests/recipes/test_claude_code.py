"""The recipe of Claude Code with the real program, against a scripted Messages API on this computer."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from gitsync.agents.base import Agent, Delivery, Outcome, Turn
from gitsync.agents.opening import open_agent
from gitsync.agents.spec import AgentSpec
from gitsync.ledger.journal import Journal
from tests.model import Model, Refusal, claude_environment, program, said, serving

HOUR = 3600


def agent_of(model: Model, root: Path, journal: Journal | None, claude: str, **env: str) -> Agent:
    environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    given = {**claude_environment(model, root / "home"), **env}
    spec = AgentSpec(name="coder", kind="command", recipe="claude", argv=(claude,), env=given, cwd="work", timeout=60)
    (root / "work").mkdir(exist_ok=True)
    return open_agent(spec, root, environ=environ, sessions=journal)


def message(body: str, ident: str = "m1", **more: object) -> Delivery:
    given = {"sender": "2/planner", "to": ("1",), "subject": "Work", "thread": "t1", "key": ident, **more}
    return Delivery(id=ident, body=body, **given)  # type: ignore[arg-type]


def deliver(agent: Agent, delivery: Delivery) -> Outcome:
    return asyncio.run(agent.deliver(delivery))


@pytest.fixture
def claude() -> str:
    return program("claude")


def test_a_conversation_goes_on_in_one_session(claude: str, tmp_path: Path) -> None:
    secret = tmp_path / "work" / "secret.txt"
    with serving("It is blue.", "As I said: blue.", "Anew.") as model, Journal(tmp_path / "j.sqlite3") as journal:
        agent = agent_of(model, tmp_path, journal, claude)
        secret.write_text("xyzzy-plugh")
        first = deliver(agent, message(f"What colour is the sky? @{secret} @secret.txt"))
        assert (first.kind, first.reply) == ("done", "It is blue.")
        usage = dict(first.usage or {})
        session = usage.pop("session")
        assert usage.pop("model").startswith("claude-")
        assert usage.pop("cost_micros") > 0
        counted = {"tokens_in": 100, "tokens_out": 20, "tokens_cached": 11, "tokens_cache_write": 7}
        assert usage == counted
        [asked] = model.asked
        assert "message from 2/planner" in said(asked)
        assert "xyzzy-plugh" not in said(asked), "a message makes the program send files"
        # A journal that is opened anew knows it still; the model gets what was said without it being told again.
        seen = (Turn(False, "2/planner", "What colour?", "m1"), Turn(True, "1/coder", "It is blue.", "r1"))
        news = Turn(False, "3", "Subject: By the way\n\nIt is dusk.", "m2")
        with Journal(tmp_path / "j.sqlite3") as again:
            agent = agent_of(model, tmp_path, again, claude)
            second = deliver(agent, message("And now?", "m3", history=(*seen, news)))
        assert second.reply == "As I said: blue."
        assert (second.usage or {})["session"] == session
        told = said(model.asked[-1])
        assert told.index("What colour is the sky?") < told.index("It is blue.") < told.index("It is dusk.")
        assert told.count("It is blue.") == 1
        assert [one["role"] for one in model.asked[-1]["messages"]].count("assistant") == 1
        # The program has lost its sessions: a new one, with the thread.
        for file in (tmp_path / "home" / ".claude" / "projects").rglob("*.jsonl"):
            file.unlink()
        third = deliver(agent, message("Still?", "m4", history=(*seen, news)))
        assert third.reply == "Anew."
        assert (third.usage or {})["session"] != session
        assert "your own reply" in said(model.asked[-1])
        assert journal.session("coder", "t1", f"claude {tmp_path / 'work'}") == (
            (third.usage or {})["session"],
            "m4",
            "",
        )


def test_limits_are_read(claude: str, tmp_path: Path) -> None:
    resets = 4_000_000_000
    with serving("Fine.", Refusal(429, "rate_limit_error", 0)) as model:
        model.headers = {
            "anthropic-ratelimit-unified-status": "allowed_warning",
            "anthropic-ratelimit-unified-reset": str(resets),
            "anthropic-ratelimit-unified-representative-claim": "five_hour",
            "anthropic-ratelimit-unified-5h-utilization": "0.91",
            "anthropic-ratelimit-unified-5h-reset": str(resets),
            "anthropic-ratelimit-unified-5h-surpassed-threshold": "0.9",
        }
        login = {"CLAUDE_CODE_OAUTH_TOKEN": "token-of-nobody", "ANTHROPIC_API_KEY": ""}
        agent = agent_of(model, tmp_path, None, claude, **login)
        fine = deliver(agent, message("Work"))
        assert fine.kind == "done"
        limit = {"name": "five_hour", "used": 91.0, "limit": 100.0, "unit": "%", "resets": float(resets)}
        assert (fine.usage or {})["limits"] == [limit]
        full = deliver(agent, message("More", "m2", thread="t2"))
        assert (full.kind, full.started, full.blameless) == ("failed", False, True), full
        assert full.retry_after is not None
        assert full.reason.startswith("limited: ")


def test_without_a_login_it_says_what_to_do(claude: str, tmp_path: Path) -> None:
    with serving() as model:
        agent = agent_of(model, tmp_path, None, claude, ANTHROPIC_API_KEY="")
        outcome = deliver(agent, message("Work"))
        assert (outcome.kind, outcome.started) == ("failed", False)
        assert "not logged in" in outcome.reason
        assert "pass_env" in outcome.reason
        assert not model.asked


def test_what_the_settings_do_not_allow_is_not_done(claude: str, tmp_path: Path) -> None:
    """A person's own way of working holds for the person only."""
    home = tmp_path / "home" / ".claude"
    home.mkdir(parents=True)
    (home / "settings.json").write_text(json.dumps({"permissions": {"defaultMode": "bypassPermissions"}}))
    victim = tmp_path / "work" / "made.txt"
    with serving("Done.") as model:
        agent = agent_of(model, tmp_path, None, claude)
        model.tool_once = ("Bash", {"command": f"touch {victim}", "description": "make a file"})
        outcome = deliver(agent, message("Make a file"))
        assert outcome.kind == "done", outcome
        assert not victim.exists()
        assert (outcome.usage or {})["denied"] == 1

"""Codex without a person: `codex exec`. The shapes are those of its documentation and of the real program 0.169."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gitsync.agents.recipes.values import LOGIN, RATE, Recipe, Told, model_option, number, table, text
from gitsync.agents.spec import AgentSpec

_RATE = re.compile(r"usage limit|rate limit|too many requests|\b429\b|quota", re.IGNORECASE)
_LOGIN = re.compile(
    r"\b401\b|unauthorized|not logged in|codex login|refresh token|api key|missing environment variable", re.IGNORECASE
)
_AFTER = re.compile(r"(\d+)\s*(day|hour|minute|second|ms\b|s\b)", re.IGNORECASE)
_SECONDS = {"day": 86400.0, "hour": 3600.0, "minute": 60.0, "second": 1.0, "s": 1.0, "ms": 0.001}


def _arguments(spec: AgentSpec, session: str) -> list[str]:
    # By -c, since `exec resume` has no --sandbox. Nobody is there to approve anything: what is not allowed is refused.
    safe = ("-c", 'sandbox_mode="read-only"', "-c", 'approval_policy="never"')
    return [
        *("exec", "--json", "--skip-git-repo-check", *safe),
        *model_option(spec, "--model"),
        *spec.argv[1:],
        *(("resume", session) if session else ()),
        "-",
    ]


def _read(told: Told, line: Mapping[str, Any]) -> None:
    match line.get("type"):
        case "thread.started":
            told.session = text(line.get("thread_id"))
        case "item.started" | "item.completed":
            item = table(line.get("item"))
            if item.get("type") != "error":
                told.worked = True
            if item.get("type") == "agent_message" and line["type"] == "item.completed":
                told.reply = text(item.get("text")).strip()
        case "turn.completed":
            usage = table(line.get("usage"))
            told.ended = True
            told.error = told.error_type = ""
            told.tokens_cached = number(usage.get("cached_input_tokens"))
            told.tokens_cache_write = number(usage.get("cache_write_input_tokens"))
            known = told.tokens_cached + told.tokens_cache_write
            told.tokens_in = max(0, number(usage.get("input_tokens")) - known)
            told.tokens_out = number(usage.get("output_tokens"))
        case "turn.failed":
            told.ended = True
            _failed(told, text(table(line.get("error")).get("message")))
        case "error":
            _failed(told, text(line.get("message")))


def _failed(told: Told, message: str) -> None:
    told.error = message or told.error or "it reports an error"
    if _RATE.search(told.error):
        told.error_type = RATE
        _, found, rest = told.error.partition("try again in")
        if found:
            told.retry_after = sum(float(count) * _SECONDS[unit.lower()] for count, unit in _AFTER.findall(rest))
    elif _LOGIN.search(told.error):
        told.error_type = LOGIN


CODEX = Recipe(
    name="codex",
    program="codex",
    arguments=_arguments,
    read=_read,
    lost=("no rollout found", "thread/resume failed", "No saved session found"),
    remedy='run `codex login` on this computer, or add pass_env = ["CODEX_API_KEY"]',
    env={},
    adds_up=True,
    block="""\
[[agents]]
name = "codex"
kind = "command"
recipe = "codex"                   # codex exec: reads, and runs commands in a sandbox that writes nothing
timeout = "30m"
# model = "..."                    # else the one of ~/.codex/config.toml
# argv = ["codex", "-c", 'sandbox_mode="workspace-write"']   # the program, and what it may do besides reading
# pass_env = ["CODEX_API_KEY"]     # else it uses the login of this user
""",
)

"""Gemini CLI without a person. The shapes are those of its documentation and of the real program 0.61."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gitsync.agents.recipes.values import LOGIN, RATE, Recipe, Told, model_option, number, table, text
from gitsync.agents.spec import AgentSpec

_RATE = re.compile(r"quota|rate limit|resource_exhausted|\b429\b|too many requests", re.IGNORECASE)
_LOGIN = re.compile(r"auth method|authenticat|api key|\b401\b|unauthenticated", re.IGNORECASE)
_AFTER = re.compile(r"(?:retry|try again|reset)\D{0,20}(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+(?:\.\d+)?)s)", re.IGNORECASE)
_AUTH_CODE = 41
"""Its exit code without a login."""


def _arguments(spec: AgentSpec, session: str) -> list[str]:
    own = spec.argv[1:]
    # It takes this option once only.
    said = any(word in ("-y", "--yolo") or word.startswith("--approval-mode") for word in own)
    return [
        *("--output-format", "stream-json"),
        *(() if said else ("--approval-mode", "default")),
        *model_option(spec, "--model"),
        *(("--resume", session) if session else ()),
        *own,
    ]


def _read(told: Told, line: Mapping[str, Any]) -> None:
    match line.get("type"):
        case "init":
            told.session = text(line.get("session_id"))
            told.model = text(line.get("model"))
        case "message" if line.get("role") == "assistant":
            told.worked = True
            content = text(line.get("content"))
            told.reply = told.reply + content if line.get("delta") else content
        case "tool_use":
            # What was said before a tool is no answer yet.
            told.worked, told.reply = True, ""
        case "error":
            if line.get("severity") != "warning":
                _failed(told, line)
        case "result":
            told.ended = True
            told.reply = told.reply.strip()
            _count(told, table(line.get("stats")))
            if line.get("status") == "error":
                _failed(told, table(line.get("error")))
            else:
                told.error = told.error_type = ""
        case None if isinstance(line.get("error"), dict):
            # What it says when it cannot even begin.
            told.session = text(line.get("session_id")) or told.session
            _failed(told, line["error"])


def _count(told: Told, stats: Mapping[str, Any]) -> None:
    told.tokens_cached = number(stats.get("cached"))
    told.tokens_in = max(0, number(stats.get("input_tokens")) - told.tokens_cached)
    total, prompt = number(stats.get("total_tokens")), number(stats.get("input_tokens"))
    # The total has the thoughts, which are charged as output and stand nowhere else.
    told.tokens_out = max(number(stats.get("output_tokens")), total - prompt)


def _failed(told: Told, said: Mapping[str, Any]) -> None:
    told.error = text(said.get("message")) or told.error or "it reports an error"
    if _RATE.search(told.error):
        told.error_type = RATE
        if found := _AFTER.search(told.error):
            hours, minutes, seconds = (float(part or 0) for part in found.groups())
            told.retry_after = hours * 3600 + minutes * 60 + seconds
    elif said.get("code") == _AUTH_CODE or _LOGIN.search(told.error):
        told.error_type = LOGIN


GEMINI = Recipe(
    name="gemini",
    program="gemini",
    arguments=_arguments,
    read=_read,
    lost=("Error resuming session", "Invalid session identifier", "No previous sessions found"),
    remedy='start `gemini` once on this computer and log in, or add pass_env = ["GEMINI_API_KEY"]',
    env={},
    codes={_AUTH_CODE: LOGIN},
    block="""\
[[agents]]
name = "gemini"
kind = "command"
recipe = "gemini"                  # Gemini CLI, without a person: what would need one's approval is not done
timeout = "30m"
# model = "..."
# argv = ["gemini", "--approval-mode", "auto_edit"]   # the program, and what it may do besides reading
# pass_env = ["GEMINI_API_KEY"]    # else it uses the login of this user
# env = { GEMINI_CLI_TRUST_WORKSPACE = "true" }       # where this folder was never trusted in a session of yours
""",
)

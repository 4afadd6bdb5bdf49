"""Claude Code without a person: `claude -p`. The shapes are those of the real program, version 2.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitsync.agents.prices import dollars
from gitsync.agents.recipes.values import (
    LOGIN,
    RATE,
    Recipe,
    Told,
    micros,
    model_option,
    number,
    table,
    text,
)
from gitsync.agents.spec import AgentSpec

_TYPES = {"rate_limit": RATE, "authentication_failed": LOGIN}
_STATUS = {401: LOGIN, 403: LOGIN, 429: RATE, 529: RATE}
_NOBODY = "<synthetic>"
"""The model of what Claude Code itself puts into the conversation."""


def _arguments(spec: AgentSpec, session: str) -> list[str]:
    # The permission mode is said even so, or a person's own setting "bypassPermissions" would hold for strangers' mail.
    return [
        *("-p", "--output-format", "stream-json", "--verbose", "--permission-mode", "default"),
        *model_option(spec, "--model"),
        *(("--resume", session) if session else ()),
        *(("--max-budget-usd", dollars(spec.run_budget, 6)[1:]) if spec.run_budget else ()),
        *spec.argv[1:],
    ]


def _read(told: Told, line: Mapping[str, Any]) -> None:
    told.session = text(line.get("session_id")) or told.session
    match line.get("type"):
        case "assistant":
            message = table(line.get("message"))
            if message.get("model") != _NOBODY:
                told.worked = True
                told.model = text(message.get("model")) or told.model
            if error := text(line.get("error")):
                told.error_type = _TYPES.get(error, error)
        case "rate_limit_event":
            _limit(told, table(line.get("rate_limit_info")))
        case "result":
            _result(told, line)


def _limit(told: Told, said: Mapping[str, Any]) -> None:
    rejected = said.get("status") == "rejected"
    share, resets = said.get("utilization"), said.get("resetsAt")
    until = float(resets) if isinstance(resets, int | float) and not isinstance(resets, bool) else None
    if rejected:
        told.resets = until
    if isinstance(share, int | float) and not isinstance(share, bool):
        told.limit(text(said.get("rateLimitType")) or "limit", 100.0 * share, until)
    elif rejected and (name := text(said.get("rateLimitType"))):
        told.limit(name, 100.0, until)


def _result(told: Told, line: Mapping[str, Any]) -> None:
    told.ended = True
    usage = table(line.get("usage"))
    told.tokens_in = number(usage.get("input_tokens"))
    told.tokens_out = number(usage.get("output_tokens"))
    told.tokens_cached = number(usage.get("cache_read_input_tokens"))
    told.tokens_cache_write = number(usage.get("cache_creation_input_tokens"))
    told.cost_micros = micros(line.get("total_cost_usd"))
    denied = line.get("permission_denials")
    told.denied = len(denied) if isinstance(denied, list) else 0
    if line.get("is_error") is True or line.get("subtype") != "success":
        status = line.get("api_error_status")
        if isinstance(status, int):
            told.error_type = _STATUS.get(status, told.error_type or f"status {status}")
        errors = line.get("errors")
        several = "; ".join(text(one) for one in errors) if isinstance(errors, list) else ""
        told.error = text(line.get("result")).strip() or several or text(line.get("subtype")) or "it reports an error"
        if "/login" in told.error:
            told.error_type = LOGIN
        told.error_type = told.error_type or text(line.get("subtype"))
    else:
        told.reply = text(line.get("result")).strip()
        told.error = told.error_type = ""


CLAUDE = Recipe(
    name="claude",
    program="claude",
    arguments=_arguments,
    read=_read,
    lost=("No conversation found with session ID",),
    remedy='start `claude` once on this computer and /login, or add pass_env = ["ANTHROPIC_API_KEY"]',
    env={},
    block="""\
[[agents]]
name = "coder"
kind = "command"
recipe = "claude"                  # claude -p: Claude Code, without a person
timeout = "30m"
# model = "sonnet"                 # else the one that Claude Code takes by itself
# argv = ["claude", "--allowedTools", "Edit", "Bash(make test)", "--max-budget-usd", "2"]
#                                    the program, what it may do besides reading, and what one message may cost
# pass_env = ["ANTHROPIC_API_KEY"] # else it uses the login of this user
""",
)

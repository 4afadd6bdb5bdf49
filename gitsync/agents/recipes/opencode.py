"""opencode without a person: `opencode run`. The shapes are those of its documentation and of the real program 1.18."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gitsync.agents.recipes.values import LOGIN, RATE, Recipe, Told, micros, model_option, number, table, text
from gitsync.agents.spec import AgentSpec

_RATE = re.compile(r"rate limit|too many requests|quota|usage limit|overloaded", re.IGNORECASE)
_LOGIN = re.compile(r"api key|unauthorized|authentication|auth login", re.IGNORECASE)
_STATUS = {401: LOGIN, 403: LOGIN, 429: RATE, 529: RATE}


def _arguments(spec: AgentSpec, session: str) -> list[str]:
    return [
        *("run", "--format", "json"),
        *model_option(spec, "--model"),
        *(("--session", session) if session else ()),
        *spec.argv[1:],
    ]


def _read(told: Told, line: Mapping[str, Any]) -> None:
    told.session = text(line.get("sessionID")) or told.session
    part = table(line.get("part"))
    match line.get("type"):
        case "step_start":
            told.worked, told.reply = True, ""  # the answer is what the last step says
        case "text":
            told.reply = f"{told.reply}\n\n{text(part.get('text'))}".strip()
        case "tool_use":
            told.worked = True
            state = table(part.get("state"))
            told.denied += state.get("status") == "error" and "rejected permission" in text(state.get("error"))
        case "step_finish":
            told.ended = part.get("reason") != "tool-calls"  # it gives up where a tool is refused, without a word
            tokens = table(part.get("tokens"))
            cache = table(tokens.get("cache"))
            told.tokens_in += number(tokens.get("input"))
            told.tokens_out += number(tokens.get("output")) + number(tokens.get("reasoning"))
            told.tokens_cached += number(cache.get("read"))
            told.tokens_cache_write += number(cache.get("write"))
            cost = micros(part.get("cost"))
            if cost is not None:
                told.cost_micros = (told.cost_micros or 0) + cost
        case "error":
            _failed(told, table(line.get("error")))


def _failed(told: Told, error: Mapping[str, Any]) -> None:
    data = table(error.get("data"))
    told.error = text(data.get("message")) or text(error.get("name")) or "it reports an error"
    status = data.get("statusCode")
    if isinstance(status, int) and status in _STATUS:
        told.error_type = _STATUS[status]
    elif error.get("name") == "ProviderAuthError" or _LOGIN.search(told.error):
        told.error_type = LOGIN
    elif _RATE.search(told.error):
        told.error_type = RATE
    after = table(data.get("responseHeaders")).get("retry-after")
    if isinstance(after, str) and after.isdecimal():
        told.retry_after = float(after)


OPENCODE = Recipe(
    name="opencode",
    program="opencode",
    arguments=_arguments,
    read=_read,
    lost=("Session not found",),
    remedy="run `opencode auth login` on this computer, or add pass_env with the name of the key of your provider",
    # By itself it edits and runs what it likes. Not "ask": where nobody can answer it gives up in the middle.
    env={"OPENCODE_PERMISSION": '{"edit":"deny","bash":"deny","webfetch":"deny","external_directory":"deny"}'},
    block="""\
[[agents]]
name = "opencode"
kind = "command"
recipe = "opencode"                # opencode run: reads, and neither edits nor runs commands
timeout = "30m"
# model = "provider/model"
# env = { OPENCODE_PERMISSION = '{"edit":"allow","bash":"deny"}' }   # what it may do besides reading
# pass_env = ["ANTHROPIC_API_KEY"] # else it uses the login of this user
""",
)

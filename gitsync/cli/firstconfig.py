"""The settings file that init writes."""

from __future__ import annotations

import json

from gitsync.config.settings import DEFAULT_PORT

TEXT = """\
# Settings of this computer for gitsync. Unknown keys are errors. Durations: 250ms 5s 5m 2h 1d.

[machine]
id = {id}
name = {name}
role = {role}

[sync]
remote = {remote}
branch = {branch}
{mailbox}# fastest = "5s"      # how often to look while a conversation is hot
# slowest = "5m"      # and when nothing happens
# settle = "30s"      # how long a hand edit must be quiet until it is taken up
{verify}
[api]
port = {port}
{reads}
{bounds}
# Agents take messages by type ([routes]) or by name (gitsync send {plain}/builder ...).
#
# [[agents]]
# name = "builder"
# kind = "http"                       # a service that runs on this computer
# url = "http://127.0.0.1:8004"
# health = "/api/health"
# deliver = "/api/build"
# start = ["python3", "builder.py"]   # gitsync runs it and brings it back; without this line you run it yourself
# types = ["build_project"]
# timeout = "5m"
#
# [[agents]]
# name = "coder"
# kind = "command"                    # a program; the message arrives on its standard input, never in its arguments
# recipe = "claude"                   # or codex, gemini, opencode: gitsync agents recipes; or argv = ["any", "program"]
# concurrency = 2
# daily = 100                         # hand-overs a day (UTC); more wait
# memory = "2GB"                      # it and all that it starts; it is ended when it takes more
# processes = 64
#
# [[agents]]
# name = "mechanic"
# kind = "claude"                     # a model, through the Claude API
# model = "..."
# system = "prompts/mechanic.md"
# api_key_env = "ANTHROPIC_API_KEY"
# default = true                      # takes what no route names; without a default it waits in the inbox
#
# [[agents]]
# name = "desk"
# kind = "inbox"                      # nothing is started; the message waits until somebody takes it
#
# [routes]                            # who takes which type: the first that is free, or each of them
# pattern_analysis = ["mechanic"]
# build_project = ["builder", "coder"]
# monitor_system = ["mechanic"]
# track_user = ["desk"]
# analyze_data = ["mechanic"]
# bug_fix = ["coder"]
# deployment = {{ agents = ["builder", "coder"], mode = "all" }}
# general = ["mechanic"]
#
# [tasks]
# queue_limit = 1000                  # one more is not taken: come again later
# retries = 0                         # how often after a known failure; retry_backoff = "30s" before the first
# deadline = "1d"                     # without it: none
# ageing = "60s"                      # what waits gains one priority after each of these
# keep = "30d"                        # how long an ended task is shown
#
{policy}# [[policy]]                          # who may have what run by whom; without any rule every computer may use
# from = "2"                          # every agent, and an agent that lists types takes only these
# agents = ["coder"]
# types = ["bug_fix", "review"]
"""

PRESETS = ("open", "strict")

_OPEN = {
    "verify": "",
    "reads": '# reads = "user"      # who may read without the token: all ("open"), this user, nobody ("token")',
    "bounds": """\
# [dispatch]
# turn_budget = 6     # replies in one thread until a person must say go on

# [limits]
# per_sender = "60/h" # hand-overs for one sender; more wait, in order
# daily = 200         # hand-overs a day (UTC) by all agents; more wait until midnight, or a person lets them go
""",
    "policy": "",
}

_STRICT = {
    "verify": 'verify = "warn"       # what is not signed by a key that you trust is marked; "require" holds it\n',
    "reads": 'reads = "token"       # nobody reads over HTTP without the token',
    "bounds": """\
[dispatch]
turn_budget = 3       # replies in one thread until a person must say go on

[limits]
per_sender = "30/h"   # hand-overs for one sender; more wait, in order
daily = 100           # hand-overs a day (UTC) by all agents; more wait until midnight, or a person lets them go
""",
    "policy": """\
# Only what a [[policy]] allows is done. This one lets this computer use its own agents; add one for each other sender:
# a computer ("2"), one agent of a computer ("2/coder"), a person ("jesse").
[[policy]]
from = {id}

""",
}


def first_config(
    *,
    ident: str,
    name: str,
    role: str,
    remote: str,
    branch: str,
    mailbox: str | None,
    port: int | None,
    preset: str = "open",
) -> bytes:
    """Write the first settings of a machine; ``mailbox`` only where it is not at its usual place.

    ``preset`` is `open`, where every computer of the fleet may use every agent, or `strict`, where nobody else may.
    """
    parts = _STRICT if preset == "strict" else _OPEN
    return TEXT.format(
        id=_quoted(ident),
        plain=ident,
        name=_quoted(name),
        role=_quoted(role),
        remote=_quoted(remote),
        branch=_quoted(branch),
        mailbox="" if mailbox is None else f"mailbox = {_quoted(mailbox)}\n",
        port=DEFAULT_PORT if port is None else port,
        **{**parts, "policy": parts["policy"].replace("{id}", _quoted(ident))},
    ).encode()


def _quoted(text: str) -> str:
    """Write a TOML basic string; JSON's escapes are a subset of TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

"""Which keys each table of config.toml has, and what each may be."""

from __future__ import annotations

from collections.abc import Mapping

from gitsync.agents.spec import KINDS, RECIPES
from gitsync.config import checks
from gitsync.config.checks import Check
from gitsync.verifying import LEVELS

Table = Mapping[str, Check]

DAY = 86400.0

_MONEY = checks.amount(0, 1_000_000_000_000)

MACHINE: Table = {
    "id": checks.text(empty=False),
    "name": checks.text(),
    "role": checks.text(),
}

# `mailbox` belongs to this table for the file, to Settings itself in the program.
SYNC: Table = {
    "mailbox": checks.text(empty=False),
    "remote": checks.remote_name,
    "branch": checks.branch_name,
    "fastest": checks.duration(0.05, DAY),
    "slowest": checks.duration(0.05, DAY),
    "hot": checks.duration(0, DAY),
    "settle": checks.duration(0, DAY),
    "wrap_delay": checks.duration(0, DAY),
    "network_timeout": checks.duration(0.1, 3600),
    "push_budget": checks.number(0.1, 100_000),
    "machine_ref_every": checks.duration(1, 7 * DAY),
    "verify": checks.one_of(*LEVELS),
    "max_file": checks.size(64 * 1024, 8 * 1024 * 1024),  # no reader takes more (PROTOCOL 1)
}

API: Table = {
    "host": checks.host,
    "reads": checks.one_of("open", "user", "token"),
    "port": checks.integer(0, 65535),
}

DISPATCH: Table = {
    "turn_budget": checks.integer(0, 1000),
    "drain": checks.duration(0, 3600),
}

SECRETS: Table = {
    "scan": checks.boolean,
    "allow": checks.fingerprints,
}

TASKS: Table = {
    "queue_limit": checks.integer(1, 1_000_000),
    "retries": checks.integer(0, 100),
    "retry_backoff": checks.duration(0, DAY),
    "deadline": checks.duration(1, 366 * DAY),
    "ageing": checks.duration(1, DAY),
    "keep": checks.duration(60, 366 * DAY),
}

ROUTE: Table = {
    "agents": checks.texts(empty=False),
    "mode": checks.one_of("first", "all"),
}

SUPERVISE: Table = {
    "notify": checks.texts(),
    "health_every": checks.duration(0.1, DAY),
    "backoff": checks.duration(0.01, 3600),
    "longest_backoff": checks.duration(0.01, DAY),
    "stable": checks.duration(0.1, 7 * DAY),
    "failures": checks.integer(1, 100),
}

MCP: Table = {
    "speaks_as": checks.text(),
    "idle": checks.duration(0, DAY),
}

LOG: Table = {
    "level": checks.one_of("debug", "info", "warning", "error"),
    "max_size": checks.size(64 * 1024, 1 << 30),
    "keep": checks.integer(0, 100),
}

LIMITS: Table = {
    "per_sender": checks.rate,
    "daily": checks.integer(0, 1_000_000),
}

BUDGET: Table = {
    "daily": _MONEY,
    "weekly": _MONEY,
}

CLAUDE: Table = {
    "concurrency": checks.integer(1, 64),
    "response_cache_size": checks.size(1 << 20, 1 << 40),
}

POLICY: Table = {
    "from": checks.text(empty=False),
    "agents": checks.texts(),
    "types": checks.texts(),
    "verify": checks.one_of(*LEVELS),
}

_ANY_AGENT: Table = {
    "name": checks.agent_name,
    "kind": checks.one_of(*KINDS),
    "types": checks.texts(),
    "specialty": checks.text(),
    "default": checks.boolean,
    "amendments": checks.boolean,
    "idempotent": checks.boolean,
    "verify": checks.one_of(*LEVELS),
}

_WORKING_AGENT: Table = {
    **_ANY_AGENT,
    "timeout": checks.duration(0.05, 30 * DAY),
    "concurrency": checks.integer(1, 64),
    "attempts": checks.integer(1, 100),
    "daily": checks.integer(0, 1_000_000),
    "max_output": checks.size(1024, 1 << 30),
    "weight": checks.number(0.01, 100),
    "backup": checks.boolean,
    "breaker_failures": checks.integer(1, 1000),
    "breaker_pause": checks.duration(0.05, DAY),
    "health_every": checks.duration(0.1, DAY),
    "health_timeout": checks.duration(0.05, 600),
}

# What only means something where gitsync runs the program of an agent: `read` demands `start` with them.
STARTED: Table = {
    "cwd": checks.text(),
    "env": checks.text_map,
    "grace": checks.duration(0, 3600),
    "memory": checks.size(1 << 20, 1 << 50),
    "processes": checks.integer(1, 1_000_000),
    "port": checks.one_of("any"),
    "ports": checks.port_numbers,
}
_STARTED_INBOX = {key: check for key, check in STARTED.items() if key not in ("port", "ports")}

# What an agent may say depends on its kind: a key that would have no effect is a mistake.
AGENT: Mapping[str, Table] = {
    "http": {
        **_WORKING_AGENT,
        **STARTED,
        "url": checks.service_url,
        "health": checks.url_path,
        "health_command": checks.texts(empty=False),
        "deliver": checks.url_path,
        "start": checks.texts(empty=False),
    },
    "command": {
        **_WORKING_AGENT,
        "argv": checks.texts(empty=False),
        "recipe": checks.one_of(*RECIPES),
        "model": checks.text(empty=False),
        "pass_env": checks.texts(),
        "run_budget": _MONEY,
        "daily_budget": _MONEY,
        "weekly_budget": _MONEY,
        "env": checks.text_map,
        "cwd": checks.text(),
        "grace": checks.duration(0, 3600),
        "memory": checks.size(1 << 20, 1 << 50),
        "processes": checks.integer(1, 1_000_000),
        "health_command": checks.texts(empty=False),
    },
    "claude": {
        **_WORKING_AGENT,
        "model": checks.text(empty=False),
        "system": checks.text(),
        "max_tokens": checks.integer(1, 1_000_000),
        "api_key_env": checks.text(empty=False),
        "base_url": checks.url_or_empty,
        "models": checks.model_rules,
        "fallback": checks.texts(),
        "definition": checks.text(empty=False),
        "skills": checks.texts(),
        "tools": checks.tool_names,
        "tool_rounds": checks.integer(0, 50),
        "prompt_cache": checks.boolean,
        "response_cache": checks.duration(0, 30 * DAY),
        "response_cache_except": checks.texts(),
        "daily_budget": _MONEY,
        "weekly_budget": _MONEY,
        "worker_idle": checks.duration(0, DAY),
    },
    "inbox": {
        **_ANY_AGENT,
        **_STARTED_INBOX,
        "start": checks.texts(empty=False),
        "health_command": checks.texts(empty=False),
        "health_every": checks.duration(0.1, DAY),
        "health_timeout": checks.duration(0.05, 600),
    },
}

AGENT_NEEDS: Mapping[str, str] = {"http": "url", "command": "argv"}

TOP = (
    "machine",
    "sync",
    "api",
    "dispatch",
    "limits",
    "mcp",
    "log",
    "agents",
    "routes",
    "tasks",
    "supervise",
    "policy",
    "secrets",
    "budget",
    "prices",
    "claude",
)

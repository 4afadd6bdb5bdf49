"""Put our hooks into the settings of coding agents and take them out again; all else in them stays. Pure.

Claude Code and Gemini CLI have the same shape: a JSON object ``hooks`` with a list of groups for each event, and in
each group a list of commands. Codex has one line in its config.toml, ``notify``, a program that hears of each turn.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitsync.errors import Refused

_OURS = re.compile(r"gitsync\b.* hook (?:claude|gemini)-[a-z-]+$")
_NOTIFY = re.compile(r"^notify[ \t]*=.*# gitsync[ \t]*(?:\r?\n|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Program:
    """A coding agent whose settings have hooks: which of ours each event calls, and what a command says besides."""

    name: str
    events: Mapping[str, str]
    more: Mapping[str, Any]


CLAUDE_CODE = Program(
    "claude-code",
    {"SessionStart": "claude-session-start", "UserPromptSubmit": "claude-user-prompt", "Stop": "claude-stop"},
    {"timeout": 10},
)
GEMINI = Program(
    "gemini",
    {"SessionStart": "gemini-session-start", "BeforeAgent": "gemini-before-agent", "AfterAgent": "gemini-after-agent"},
    {"name": "gitsync", "timeout": 10_000},  # in milliseconds there, in seconds above
)


def with_hooks(data: bytes | None, program: Program, call: Sequence[str]) -> bytes:
    """Return settings with our hooks, each once; ``call`` begins the command line. Raise Refused for no JSON."""
    settings, indent = _read(data)
    hooks = settings.setdefault("hooks", {})
    _expect(hooks, dict, "hooks")
    before = json.dumps(settings)
    for event, hook in program.events.items():
        wanted = {"type": "command", "command": shlex.join([*call, "hook", hook]), **program.more}
        groups = hooks.setdefault(event, [])
        _expect(groups, list, f"hooks.{event}")
        if [one for group in groups for one in _commands(group) if is_ours(one)] != [wanted]:
            _take(groups)
            groups.append({"hooks": [wanted]})
    if data is not None and json.dumps(settings) == before:
        return data
    return _write(settings, indent, data)


def without_hooks(data: bytes, program: Program) -> bytes:
    """Return settings without our hooks. What became empty by that goes, too; where nothing is ours nothing changes."""
    settings, indent = _read(data)
    hooks = settings.get("hooks")
    if not isinstance(hooks, dict):
        return data
    gone = False
    for event in program.events:
        groups = hooks.get(event)
        if isinstance(groups, list) and _take(groups):
            gone = True
            if not groups:
                del hooks[event]
    if not gone:
        return data
    if not hooks:
        del settings["hooks"]
    return _write(settings, indent, data)


def installed(data: bytes | None, program: Program) -> list[str]:
    """Return the events that call us."""
    hooks = _read(data)[0].get("hooks")
    if not isinstance(hooks, dict):
        return []
    return [
        event
        for event in program.events
        if isinstance(groups := hooks.get(event), list)
        and any(is_ours(one) for group in groups for one in _commands(group))
    ]


def is_ours(command: object) -> bool:
    """Say whether a command of a hook is one that ``with_hooks`` wrote, by whichever program."""
    return isinstance(command, dict) and _OURS.search(str(command.get("command", ""))) is not None


def with_notify(data: bytes | None, call: Sequence[str]) -> bytes:
    """Return Codex's settings with our line. Raise Refused where another program is told of turns, or for no TOML."""
    old = _toml_text(data)
    rest = _NOTIFY.sub("", old)
    if "notify" in tomllib.loads(rest):
        raise Refused(
            "Codex tells another program of its turns already",
            "its settings have one place for that, `notify`",
            f"call from there as well: {shlex.join([*call, 'hook', 'codex-notify'])}",
        )
    words = ", ".join(json.dumps(word, ensure_ascii=False).replace("\x7f", "\\u007f") for word in _hook(call))
    # At the top: behind the header of a table it would belong to that.
    new = f"notify = [{words}]  # gitsync\n{rest}"
    if tomllib.loads(new) != {**tomllib.loads(rest), "notify": _hook(call)}:
        raise Refused("Codex's settings cannot be changed safely", "", "add the line by hand")
    return old.encode() if new == old else new.encode()


def without_notify(data: bytes) -> bytes:
    """Return Codex's settings without our line."""
    return _NOTIFY.sub("", _toml_text(data)).encode()


def has_notify(data: bytes | None) -> bool:
    """Say whether our line is in Codex's settings."""
    return _NOTIFY.search(_toml_text(data)) is not None


def _hook(call: Sequence[str]) -> list[str]:
    return [*call, "hook", "codex-notify"]


def _toml_text(data: bytes | None) -> str:
    try:
        text = (data or b"").decode()
        tomllib.loads(text)
    except ValueError as error:
        raise Refused("Codex's settings are no TOML", str(error), "correct them first; nothing was changed") from None
    return text


def _read(data: bytes | None) -> tuple[dict[str, Any], str | int]:
    """Understand settings; return also by what they are indented."""
    if data is None or not data.strip():
        return {}, 2

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) != len(found):
            raise ValueError("the same key stands twice in one object")
        return dict(found)

    try:
        text = data.decode()
        settings = json.loads(text, object_pairs_hook=pairs)
    except ValueError as error:
        raise Refused(
            "the settings are no JSON, so nothing was changed",
            f"{error}; comments are not JSON either",
            "make them plain JSON, or add the hooks by hand: docs/agents.md shows them",
        ) from None
    _expect(settings, dict, "the settings")
    found = re.search(r"\n([ \t]+)\S", text)
    return settings, found[1] if found else 2


def _write(settings: Mapping[str, Any], indent: str | int, old: bytes | None) -> bytes:
    plain = old is not None and old.isascii()
    text = json.dumps(settings, indent=indent, ensure_ascii=plain and b"\\u" in (old or b""))
    end = "\n" if old is None or not old.strip() or old.endswith(b"\n") else ""
    return (text + end).encode("utf-8", "surrogatepass")


def _commands(group: object) -> list[Any]:
    found = group.get("hooks") if isinstance(group, dict) else None
    return found if isinstance(found, list) else []


def _take(groups: list[Any]) -> bool:
    """Take our commands out of an event's groups, and the groups that are empty then; say whether there were any."""
    gone = False
    for group in list(groups):
        commands = _commands(group)
        theirs = [one for one in commands if not is_ours(one)]
        if len(theirs) == len(commands):
            continue
        gone = True
        if theirs:
            group["hooks"] = theirs
        else:
            groups.remove(group)
    return gone


def _expect(value: object, kind: type, label: str) -> None:
    if not isinstance(value, kind):
        raise Refused(
            f"{label} is no {'object' if kind is dict else 'list'}, so nothing was changed",
            "",
            "correct the file first",
        )

"""What a local stand-in for a model does, as a file says it: a list of rules, the first that fits decides.

A scenario is JSON: `{"rules": [rule, …], "headers": {…}}`. A rule:

    when     contains, matches (a regular expression)   in the newest turn, results of tools included
             system, model, tool                        in the system prompt; the model; a tool that is offered
             result                                     whether the newest turn brings results of tools
    times    how often it is used; without it always
    say      the text of the answer
    call     [{"name", "input"}]: tools to call
    status   an error instead, with retry_after
    delay    seconds before the answer, or between the parts of one that is streamed (pause)
    cut      the stream breaks off after so many parts
    fail     an error event of this type in the middle of the stream, after `cut` parts
    stop     the stop reason

`{0}`, `{1}` … in `say` and in the texts of `input` stand for what `matches` found, `{last}` for the newest turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_KNOWN = frozenset(["when", "times", "say", "call", "status", "retry_after", "delay", "pause", "cut", "fail", "stop"])
_WHEN = frozenset(["contains", "matches", "system", "model", "tool", "result"])


@dataclass(slots=True)
class Step:
    """What is done with one request."""

    say: str | None = None
    call: tuple[Json, ...] = ()
    status: int = 200
    retry_after: float | None = None
    delay: float = 0.0
    pause: float = 0.0
    cut: int | None = None
    fail: str = ""
    stop: str = ""


@dataclass
class Scenario:
    """Rules, and how often each was used."""

    rules: list[Json] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    used: dict[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Scenario:
        """Read a scenario from a file; raise ValueError for what is not understood."""
        return cls.of(json.loads(path.read_text("utf-8")))

    @classmethod
    def of(cls, document: Any) -> Scenario:
        """Understand a scenario; raise ValueError."""
        rules = document.get("rules", []) if isinstance(document, dict) else document
        for number, rule in enumerate(rules):
            unknown = set(rule) - _KNOWN | set(rule.get("when", {})) - _WHEN
            if unknown:
                raise ValueError(f"rule {number}: unknown {', '.join(sorted(unknown))}")
        headers = document.get("headers", {}) if isinstance(document, dict) else {}
        return cls(list(rules), headers)

    def step(self, request: Mapping[str, Any], last: str, system: str, *, result: bool) -> Step | None:
        """Choose what is done with a request; None where no rule fits."""
        offered = [str(tool.get("name")) for tool in request.get("tools") or ()]
        for number, rule in enumerate(self.rules):
            if "times" in rule and self.used.get(number, 0) >= int(rule["times"]):
                continue
            found = _fits(rule.get("when", {}), str(request.get("model")), offered, last, system, result)
            if found is None:
                continue
            self.used[number] = self.used.get(number, 0) + 1
            words = {"last": last, **{str(place): text or "" for place, text in enumerate(found)}}
            settings = {name: rule[name] for name in _KNOWN - {"when", "times", "say", "call"} if name in rule}
            say = _filled(rule["say"], words) if "say" in rule else None
            return Step(say=say, call=tuple(_filled(call, words) for call in rule.get("call", ())), **settings)
        return None


def _fits(
    when: Mapping[str, Any], model: str, offered: Sequence[str], last: str, system: str, result: bool
) -> list[str | None] | None:
    """Return what `matches` found where a rule fits; None where it does not."""
    if when.get("contains", "") not in last or when.get("system", "") not in system:
        return None
    if "model" in when and when["model"] != model:
        return None
    if "tool" in when and when["tool"] not in offered:
        return None
    if "result" in when and bool(when["result"]) is not result:
        return None
    if "matches" not in when:
        return [last]
    match = re.search(when["matches"], last, re.DOTALL | re.MULTILINE)
    return None if match is None else [match[0], *match.groups()]


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\{(last|\d+)\}", lambda match: words.get(match[1], match[0]), value)
    if isinstance(value, dict):
        return {name: _filled(one, words) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, words) for one in value]
    return value

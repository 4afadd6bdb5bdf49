"""Understand what an agent said: bounded, decoded, and read as a reply or as the reason of a failure."""

from __future__ import annotations

import json
from typing import Any

from gitsync.secrets.redact import redact

REPLY_KEYS = ("reply", "response", "result", "answer", "text", "content")
"""Where services commonly put their answer; the first that is a string counts."""

FLOOD = 8
"""An answer of more than this many times `max_output` is a flood: its agent is ended."""

_REASON_LINES = 5
_REASON_CHARS = 500


class Heard:
    """Keep the head of a stream up to a cap, and its last bytes for the reason of a failure."""

    def __init__(self, cap: int, tail: int = 8192) -> None:
        self._cap = cap
        self._keep_tail = tail
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes; memory stays below cap plus two tails."""
        self.total += len(data)
        room = self._cap - len(self._head)
        if room > 0:
            self._head += data[:room]
        self._tail += data[-self._keep_tail :]
        if len(self._tail) > 2 * self._keep_tail:
            del self._tail[: -self._keep_tail]

    @property
    def flooded(self) -> bool:
        """Say whether so much came that the agent cannot mean it."""
        return self.total > FLOOD * self._cap

    def text(self) -> str:
        """Return what was kept, with a word about what was cut."""
        text = decoded(bytes(self._head))
        if self.total > self._cap:
            text += f"\n\n[cut here: the answer was {self.total} bytes, {self._cap} are kept]"
        return text

    def last_words(self) -> str:
        """Return the last lines that came, for a reason."""
        return last_lines(decoded(bytes(self._tail[-self._keep_tail :])))


def decoded(data: bytes) -> str:
    """Decode UTF-8; what is not becomes U+FFFD, and NUL vanishes, since neither may stop a reply."""
    return data.decode("utf-8", "replace").replace("\x00", "")


def last_lines(text: str) -> str:
    """Return the last non-blank lines in one line, short enough for a receipt."""
    lines = [line.strip() for line in redact(text).splitlines() if line.strip()]  # before anything is cut in two
    return " / ".join(lines[-_REASON_LINES:])[-_REASON_CHARS:]


def reply_of(text: str) -> str:
    """Read a 2xx body: an object with a known key, a JSON string, or plain text; empty means no reply."""
    stripped = text.strip()
    if stripped[:1] not in ("{", '"') and stripped != "null":
        return stripped
    try:
        value: Any = json.loads(stripped)
    except (ValueError, RecursionError):
        return stripped
    if value is None or value == {}:
        return ""
    if isinstance(value, str):
        return value.strip()
    for key in REPLY_KEYS:
        if key in value and (value[key] is None or isinstance(value[key], str)):
            return (value[key] or "").strip()
    return stripped


def coding_result(text: str) -> tuple[str, bool, dict[str, Any] | None] | None:
    """Read the result object that coding agents print: reply, whether it is an error, usage.

    `claude -p --output-format json` ends with one object of type "result"; anything else is None.
    """
    stripped = text.strip()
    if not stripped.startswith("{"):
        return None
    try:
        value: Any = json.loads(stripped)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.get("type") != "result":
        return None
    if not isinstance(value.get("result"), str):
        return None
    usage = value.get("usage")
    counted: dict[str, Any] = dict(usage) if isinstance(usage, dict) else {}
    counted = {name: count for name, count in counted.items() if isinstance(count, int)}
    cost = value.get("total_cost_usd")
    if isinstance(cost, int | float) and not isinstance(cost, bool):
        counted["cost_usd"] = float(cost)
    return value["result"].strip(), value.get("is_error") is True, counted or None

"""Find the line on which a key of a TOML text stands; tomllib itself forgets it."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_HEADER = re.compile(r"(\[\[?)([^\[\]]+)\]")
_KEY = re.compile(r"""\s*(?:"([^"\n]*)"|'([^'\n]*)'|([A-Za-z0-9_-]+))\s*([.=]?)""")
_QUOTES = ('"""', "'''", '"', "'")


def locate(text: str) -> dict[Path, int]:
    """Return the line, from 1, of each table header and key of a text that tomllib accepts."""
    found: dict[Path, int] = {}
    count: dict[Path, int] = {}
    prefix: Path = ()
    at, line = 0, 1
    while at < len(text):
        start = at
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        stripped = text[at:end].strip()
        header = _HEADER.match(stripped)
        if header is not None:
            prefix = _resolve(_keys(header[2])[0], count, new=header[1] == "[[")
            found.setdefault(prefix, line)
            at = end + 1
        elif not stripped or stripped.startswith("#"):
            at = end + 1
        else:
            keys, used = _keys(text[at:end])
            for depth in range(1, len(keys) + 1):
                found.setdefault(prefix + tuple(keys[:depth]), line)
            at = _after_value(text, at + used)
        line += text.count("\n", start, at)
    return found


def line_of(places: dict[Path, int], path: Path) -> int:
    """Return the line of the deepest part of a path that has one, 0 if none has."""
    for depth in range(len(path), 0, -1):
        if path[:depth] in places:
            return places[path[:depth]]
    return 0


def _keys(text: str) -> tuple[list[str], int]:
    """Split a dotted key; return its parts and the length up to and with the equals sign."""
    parts: list[str] = []
    at = 0
    while match := _KEY.match(text, at):
        parts.append(next(group for group in match.groups()[:3] if group is not None))
        at = match.end()
        if match[4] != ".":
            break
    return parts, max(at, 1)


def _resolve(keys: list[str], count: dict[Path, int], *, new: bool) -> Path:
    """Insert the index of the current element after each part that is an array of tables."""
    path: Path = ()
    for depth, key in enumerate(keys):
        path += (key,)
        if new and depth == len(keys) - 1:
            count[path] = count.get(path, -1) + 1
        if path in count:
            path += (count[path],)
    return path


def _after_value(text: str, at: int) -> int:
    """Return the place after the line on which a value ends; it may span several."""
    depth = 0
    while at < len(text):
        char = text[at]
        if char == "#":
            at = text.find("\n", at)
            if at < 0:
                return len(text)
        elif char == "\n":
            at += 1
            if depth <= 0:
                return at
        elif char in "\"'":
            at = _after_string(text, at)
        else:
            depth += (char in "[{") - (char in "]}")
            at += 1
    return at


def _after_string(text: str, at: int) -> int:
    quote = next(q for q in _QUOTES if text.startswith(q, at))
    at += len(quote)
    while at < len(text) and not text.startswith(quote, at):
        at += 2 if quote[0] == '"' and text[at] == "\\" else 1
    return at + len(quote)

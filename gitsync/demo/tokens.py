"""Count tokens by a rule of thumb, and keep a prompt cache as the API does: by the beginnings that are marked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

LEAST = 1024
"""Tokens of the shortest beginning that is kept."""

Json = dict[str, Any]


def tokens(text: str) -> int:
    """Count four characters as a token."""
    return (len(text) + 3) // 4


def prompt_tokens(request: Mapping[str, Any]) -> int:
    """Count what a request says."""
    return sum(tokens(text) for text, _ in _parts(request))


class PromptCache:
    """Know the beginnings of prompts that were marked, for each model and for ever."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def count(self, request: Mapping[str, Any]) -> dict[str, int]:
        """Say how a prompt is counted: fresh, read from the cache, written to it."""
        mark = hashlib.sha256(str(request.get("model")).encode())
        total = read = kept = 0
        for text, marked in _parts(request):
            mark.update(text.encode("utf-8", "surrogatepass") + b"\0")
            total += tokens(text)
            if marked and total >= LEAST:
                kept = total
                name = mark.copy().hexdigest()
                if name in self._known:
                    read = total
                self._known.add(name)
        return {
            "input_tokens": total - kept,
            "cache_creation_input_tokens": kept - read,
            "cache_read_input_tokens": read,
        }


def _parts(request: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Give the texts of a prompt in the order in which they are cached: tools, system, turns."""
    for tool in request.get("tools") or ():
        plain = {name: value for name, value in tool.items() if name != "cache_control"}
        yield json.dumps(plain, sort_keys=True), "cache_control" in tool
    yield from _blocks(request.get("system") or "")
    for message in request.get("messages") or ():
        yield from _blocks(message["content"])


def _blocks(content: Any) -> Iterator[tuple[str, bool]]:
    if isinstance(content, str):
        yield content, False
        return
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict):
            plain = {name: value for name, value in block.items() if name != "cache_control"}
            text = plain["text"] if plain.get("type") == "text" else json.dumps(plain, sort_keys=True)
            yield str(text), "cache_control" in block

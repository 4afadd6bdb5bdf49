"""Write a message, its thread and the agent's definition as the Messages API wants them; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitsync.agents.base import Delivery
from gitsync.agents.claude.definitions import Skill

Json = dict[str, Any]

SHORTEST = 4096
"""Characters below which a beginning is not marked for the prompt cache: no model keeps less than 1,024 tokens."""

_MARK = {"type": "ephemeral"}


def turns(delivery: Delivery) -> list[dict[str, str]]:
    """Write a thread as the API wants it: user first, roles alternating, neighbours of one role merged."""
    said = [
        ("assistant", turn.text) if turn.own else ("user", f"From {turn.sender}:\n{turn.text}")
        for turn in delivery.history
    ]
    said.append(("user", f"From {delivery.sender}:\nSubject: {delivery.subject}\n\n{delivery.body}".rstrip()))
    merged: list[dict[str, str]] = []
    for role, text in said:
        if not text.strip() or (not merged and role == "assistant"):
            continue
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += "\n\n" + text
        else:
            merged.append({"role": role, "content": text})
    return merged


def system_text(system: str, skills: Sequence[Skill], kind: str) -> str:
    """Add to a system prompt the skills for messages of this type, and one line for each of the others."""
    loaded = [skill for skill in skills if kind and kind in skill.types]
    listed = [skill for skill in skills if skill not in loaded]
    parts = [system, *(f"## {skill.name}\n\n{skill.text}" for skill in loaded)]
    if listed:
        lines = "\n".join(skill.line for skill in listed)
        parts.append(f"Skills. Load one with the tool `skill` before you do what it is about:\n{lines}")
    return "\n\n".join(part for part in parts if part)


def marked(system: str, tools: Sequence[Json], messages: Sequence[Json]) -> Json:
    """Make the prompt of a request with its stable beginnings marked for the prompt cache.

    Tools and system prompt are the same for each message to the agent, the thread before the newest message is the
    same for each answer in it. A beginning that is too short to be kept is left unmarked.
    """
    prompt: Json = {"messages": list(messages)}
    length = len(system) + sum(len(str(tool)) for tool in tools)
    if tools:
        prompt["tools"] = list(tools)
    if system:
        prompt["system"] = system
    if length >= SHORTEST:
        if system:
            prompt["system"] = [{"type": "text", "text": system, "cache_control": _MARK}]
        else:
            prompt["tools"] = [*tools[:-1], {**tools[-1], "cache_control": _MARK}]
    before = messages[:-1]
    if before and length + sum(len(str(message["content"])) for message in before) >= SHORTEST:
        prompt["messages"] = [*before[:-1], _marked_turn(before[-1]), messages[-1]]
    return prompt


def _marked_turn(message: Json) -> Json:
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    return {**message, "content": [*blocks[:-1], {**blocks[-1], "cache_control": _MARK}]}

"""What a Claude agent saves: skills that are loaded when needed, the prompt cache; against the local Messages API.

Tokens are counted by its rule of thumb (four characters each), costs by the table of prices: the figures compare ways
of asking, they are no bill.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import Row
from gitsync.agents.base import Delivery
from gitsync.agents.opening import open_agents
from gitsync.agents.prices import dollars
from gitsync.agents.spec import AgentSpec
from gitsync.demo.messages_api import serving

TOPIC = "Claude agents"
SKILLS = 12
MESSAGES = 20
NEEDED = 4
"""Every so many messages needs a skill."""

Used = Mapping[str, int]


def _folder(root: Path) -> None:
    (root / "skills").mkdir()
    line = (
        "When {name} changes, look at what depends on it first, write down why, and keep the old way for a release.\n"
    )
    for number in range(SKILLS):
        name = f"skill-{number:02d}"
        text = line.format(name=name) * 40
        (root / "skills" / f"{name}.md").write_text(f"---\ndescription: How we change {name}\n---\n{text}")
    whole = "\n\n".join(file.read_text().partition("---\n")[2] for file in sorted((root / "skills").iterdir()))
    (root / "short.md").write_text("You review changes.\n")
    (root / "long.md").write_text(f"You review changes.\n\n{whole}")


def _deliveries() -> list[Delivery]:
    return [
        Delivery(
            id=f"{number:026d}",
            sender="1",
            to=("2/reviewer",),
            subject=f"Change {number}",
            body=f"Please review. {f'It is about skill-{number % SKILLS:02d}.' if number % NEEDED == 0 else ''}",
            key=f"k/{number}/reviewer",
        )
        for number in range(MESSAGES)
    ]


_SCENARIO: Any = {
    "rules": [
        {
            "when": {"tool": "skill", "result": False, "matches": r"about (skill-\d\d)"},
            "call": [{"name": "skill", "input": {"name": "{1}"}}],
        },
        {"say": "Reviewed: it is good."},
    ]
}


async def _used(root: Path, **more: Any) -> Used:
    """Ask about all messages; give what they took together."""
    async with serving(scenario=_SCENARIO) as server:
        spec = AgentSpec(
            name="reviewer", kind="claude", model="claude-sonnet-4-5", base_url=server.url, api_key_env="K", **more
        )
        agents = open_agents([spec], root, environ={**os.environ, "K": "x"})
        total = dict.fromkeys(("tokens_in", "tokens_cached", "tokens_cache_write", "cost_micros"), 0)
        for delivery in _deliveries():
            told = await agents["reviewer"].deliver(delivery)
            if told.kind != "done" or told.usage is None:
                raise RuntimeError(told.reason)
            total = {name: count + told.usage[name] for name, count in total.items()}
        await agents["reviewer"].close()
        return total


def _words(used: Used) -> str:
    prompt = used["tokens_in"] + used["tokens_cached"] + used["tokens_cache_write"]
    return f"{prompt:,} tokens of prompt, {dollars(used['cost_micros'])}"


def measure(*, full: bool) -> list[Row]:
    """Compare skills in the prompt with skills on demand, and both with and without the prompt cache."""
    del full
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _folder(root)

        async def play() -> list[Used]:
            ways: list[dict[str, Any]] = [
                {"system": "long.md", "prompt_cache": False},
                {"system": "short.md", "skills": ("skills",), "prompt_cache": False},
                {"system": "long.md"},
                {"system": "short.md", "skills": ("skills",)},
            ]
            return [await _used(root, **way) for way in ways]

        whole, lazy, whole_kept, lazy_kept = asyncio.run(play())
    what = f"{MESSAGES} messages, {SKILLS} skills, every {NEEDED}th message needs one"
    saved = 1 - sum(lazy[key] for key in lazy if key.startswith("tokens")) / sum(
        whole[key] for key in whole if key.startswith("tokens")
    )
    return [
        Row(TOPIC, f"{what}: all in the prompt", _words(whole), "", None, "", None),
        Row(TOPIC, "… loaded when needed", f"{_words(lazy)}: {saved:.0%} less", "", None, "half of it", saved > 0.5),
        Row(TOPIC, "… all in the prompt, with prompt cache", _words(whole_kept), "", None, "", None),
        Row(TOPIC, "… loaded when needed, with prompt cache", _words(lazy_kept), "", None, "", None),
    ]

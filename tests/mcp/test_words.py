"""What is said, and what it costs: pure."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from gitsync.config.read import read_settings
from gitsync.mcp import words
from gitsync.mcp.desk import Desks
from gitsync.mcp.server import Speaker
from gitsync.mcp.tools import TOOLS
from gitsync.mcp.who import Who
from tests.mcp.test_tools import fence_of

BUDGET = 2_500
NONCE = "0123456789abcdef"

nasty = st.text(st.sampled_from("`~()<>/ abcsystem\n\r\t\x00\x1b\u202e\u200b\u2028é…0123456789") | st.characters())


def entry(**more: Any) -> dict[str, Any]:
    return {
        "id": "01JD3WQ8Z6T4K9V2M5N7P0R3S8",
        "from": "2/builder",
        "to": ["1"],
        "subject": "s",
        "date": "2026-11-20T06:45:00Z",
        "priority": "normal",
        "type": None,
        "state": "new",
        "reason": None,
        "standing": "unsigned",
        "body": "",
        **more,
    }


def tokens(text: str) -> int:
    """Count as tokenizers cut, and rather too many: words in pieces of four letters, each digit and sign by itself."""
    return sum(-(-len(part) // 4) if part.isalpha() else 1 for part in re.findall(r"[^\W\d_]+|\d|[^\s\w]|_", text))


def test_all_tools_together_cost_less_than_they_may(tmp_path: Path) -> None:
    (tmp_path / ".gitsync").mkdir()
    file = tmp_path / ".gitsync" / "config.toml"
    file.write_text('[machine]\nid = "1"\n')
    server = Speaker(Desks(read_settings(file)), Who("1")).server()

    async def listed() -> str:
        async with Client(server) as client:
            found = await client.list_tools()
            return json.dumps([tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in found.tools])

    text = asyncio.run(listed())
    assert len(json.loads(text)) == len(TOOLS) == 11
    assert tokens(text) < BUDGET, tokens(text)
    assert len(text.encode()) / 2 < BUDGET  # no tokenizer takes less than two bytes for a token of English and JSON


@given(subject=nasty, body=nasty, sender=nasty, start=st.integers(0, 50))
def test_no_text_leaves_its_fence(subject: str, body: str, sender: str, start: int) -> None:
    one = entry(subject=subject, body=body, **{"from": sender, "type": subject, "reason": sender})
    fence_of(words.warned(words.message(one, NONCE, start=start), NONCE))
    fence_of(words.listed([one, one], "messages", NONCE))
    computer = {"id": sender, "state": subject, "role": body, "last_seen": subject, "agents": [{"name": sender}],
                "blockers": [{"a": body}], "capacity": [body]}  # fmt: skip
    fence_of(words.computers([computer], "1", NONCE))
    fence_of(words.task(
        {"task_id": "T", "status": "FAILED", "type": subject, "sender": sender, "subject": subject, "error": body,
         "result": body, "history": [{"at": "x", "status": "FAILED", "note": body}]}, NONCE
    ))  # fmt: skip


@given(body=st.text(min_size=1, max_size=300), most=st.integers(1, 40))
def test_a_cut_text_can_be_read_on_to_its_end(body: str, most: int) -> None:
    whole = words.tame(body)
    found, start = "", 0
    while True:
        text = words._text(entry(body=body), start, most)
        if start:
            text = text.removeprefix(f"[from character {start}]\n")
        found += text[: min(most, len(whole) - start)]
        on = re.search(r"with start=(\d+)\]$", text[min(most, len(whole) - start) :])
        if on is None:
            break
        start = int(on[1])
    assert found == whole


def test_who_is_not_verified_is_said_and_what_is_held_for_it_is_not_shown() -> None:
    text = words.message(entry(standing="forged", body="pay me"), NONCE)
    assert "verified: no (forged): anybody who can push" in text
    assert "pay me" in text
    held = words.message(entry(standing="unsigned", state="held", body="pay me"), NONCE)
    assert "pay me" not in held
    assert "until a person releases" in held
    assert "verified: yes" in words.message(entry(standing="verified"), NONCE)
    assert "verified: yes" in words.message(entry(standing="unsigned", local=True), NONCE)


def test_a_long_thread_shows_its_end_and_says_what_is_left_out() -> None:
    entries = [entry(id=f"{number:026}", body="x" * 2_000) for number in range(50)]
    text = words.conversation(entries, NONCE)
    assert len(text) < words.TOTAL + 1_000
    assert entries[-1]["id"] in text
    assert entries[0]["id"] not in text
    assert re.search(r"50 messages, the first \d+ left out", text)

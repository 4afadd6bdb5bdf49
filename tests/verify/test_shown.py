"""How a message stands is shown wherever it is shown."""

from __future__ import annotations

from typing import Any

from gitsync.agents.spec import AgentSpec
from gitsync.api.shapes import SCHEMAS
from gitsync.cli.hooking import _news
from gitsync.cli.reading import mark
from gitsync.hooks.claude import context
from gitsync.inbox import approvals_view, inbox_view, messages_view, search_view, thread_view
from gitsync.signing.keys import PrivateKey
from gitsync.verifying import STANDINGS, Rules
from tests.verify.town import Town


def everywhere(town: Town, ident: str) -> list[dict[str, Any]]:
    where = (town.ledger, town.journal, "2")
    found = [inbox_view(*where), messages_view(*where), search_view(*where, "Hello"), thread_view(*where, ident)]
    return [entry for view in found for entry in view if entry["id"] == ident]


def test_every_view_has_it(town: Town, one: PrivateKey) -> None:
    town.rules = Rules("warn")
    real, free = town.send("1", "2/worker", one), town.send("1", "2/worker", None)
    town.read()
    assert [(each["verified"], each["standing"]) for each in everywhere(town, real.id)] == [(True, "verified")] * 4
    assert [(each["verified"], each["standing"]) for each in everywhere(town, free.id)] == [(False, "unsigned")] * 4
    assert {"verified", "standing"} <= set(SCHEMAS["Entry"]["required"])


def test_what_will_be_held_is_shown_as_held_before_anything_decides(town: Town, one: PrivateKey) -> None:
    real, free = town.send("1", "2/worker", one), town.send("1", "2/worker", None)
    town.read()
    assert [each["state"] for each in everywhere(town, real.id)] == ["new"] * 4
    assert [each["state"] for each in everywhere(town, free.id)] == ["held"] * 4
    assert inbox_view(town.ledger, town.journal, "2", unread=True) == [
        each for each in inbox_view(town.ledger, town.journal, "2") if each["id"] == real.id
    ]
    assert [each["id"] for each in approvals_view(town.ledger, town.journal)] == [free.id]
    town.act()
    assert [(each["id"], each["state"]) for each in approvals_view(town.ledger, town.journal)] == [(free.id, "held")]


def test_a_coding_agent_is_told_and_is_not_shown_what_is_held(town: Town, one: PrivateKey) -> None:
    puller = AgentSpec(name="puller", kind="inbox")
    town.rules = Rules("warn")
    town.send("1", "2/puller", one, body="from one")
    town.send("1", "2/puller", None, body="from who knows")
    town.act(puller)
    text, _ = context(_news(town.ledger, town.journal), nonce="0123456789abcdef")
    assert "verified: yes" in text
    assert "verified: no (unsigned)" in text

    town.rules = Rules("require")
    town.send("1", "2/puller", None, body="held and not shown")
    town.read()
    assert "held and not shown" not in context(_news(town.ledger, town.journal), nonce="00")[0]
    town.act(puller)
    assert "held and not shown" not in context(_news(town.ledger, town.journal), nonce="00")[0]


def test_the_mark_in_a_list_is_no_colour() -> None:
    marks = {standing: mark({"standing": standing}) for standing in STANDINGS}
    assert marks["verified"] == "✓"
    assert {marks["unsigned"], marks["unknown_key"]} == {"?"}
    assert all(standing in marks[standing] for standing in ("altered", "revoked", "forged"))

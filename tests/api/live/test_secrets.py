"""What a caller hears whose text has a key in it."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from gitsync.client import AsyncClient
from tests.api.live.conftest import Machine, Scene
from tests.secrets.samples import TOKENS

Play = Callable[[Scene], None]

TOKEN = TOKENS["Slack token"]


def test_a_text_with_a_key_is_not_taken(machine: Machine, raw: httpx.Client) -> None:
    headers = {"Authorization": f"Bearer {machine.token}"}
    answer = raw.post("/send", json={"to": "2", "message": f"see\n{TOKEN}"}, headers=headers)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["code"], error["rule"], error["line"], error["exit"]) == ("secret", "Slack token", 2, 3)
    assert "gitsync release" in error["remedy"]
    assert TOKEN not in answer.text
    blockers = raw.get("/status", headers=headers).json()["blockers"]
    assert any(error["held"] in line for line in blockers)
    again = raw.post("/send", json={"to": "2", "message": f"see\n{TOKEN}"}, headers=headers)
    assert again.json()["error"]["held"] == error["held"]


def test_of_several_messages_none_is_sent(machine: Machine, raw: httpx.Client) -> None:
    headers = {"Authorization": f"Bearer {machine.token}"}
    texts = [{"to": "2", "message": "never sent"}, {"to": "2", "message": f"{TOKEN} too"}]
    answer = raw.post("/send", json={"messages": texts}, headers=headers)
    assert answer.status_code == 422
    assert "nothing of the 2 messages" in answer.json()["error"]["why"]
    assert "never sent" not in raw.get("/messages", headers=headers).text


def test_what_stays_here_is_not_looked_at(play: Play) -> None:
    async def scene(client: AsyncClient) -> None:
        sent = await client.send("other", f"the key is {TOKEN}")
        assert sent["status"] == "local"
        assert TOKEN in (await client.message(sent["id"]))["body"]

    play(scene)

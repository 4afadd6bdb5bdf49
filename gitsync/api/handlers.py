"""What each endpoint does with a decoded request: ask the process, and shape the answer."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp

from gitsync import __version__
from gitsync.api import shapes, static
from gitsync.api.answers import HEADERS, Answer, encode, failed
from gitsync.api.control import AckAsk, Json, ReplyAsk, SendAsk, SyncAsk, ToolsAsk
from gitsync.api.openapi import document
from gitsync.api.operations import Asked, Handler
from gitsync.api.passing import ASKED, PassedOn
from gitsync.api.sessions import CODE_LASTS, set_cookie
from gitsync.api.stream import EventAnswer
from gitsync.tasks.values import GENERAL, TaskAsk

# -- reading ---------------------------------------------------------------------------------------


async def about(asked: Asked) -> Json:
    """Say what this is, and what may be asked."""
    return {**await asked.control.about(), "endpoints": sorted(f"{one.method} {one.path}" for one in asked.operations)}


async def health(asked: Asked) -> ASGIApp:
    """Say whether syncing works."""
    healthy, facts = asked.control.health()
    return Answer(facts, 200 if healthy else 503)


async def status(asked: Asked) -> Any:
    """Give this machine and its fleet."""
    return await asked.control.status()


async def computers(asked: Asked) -> Any:
    """Give the fleet."""
    return list(await asked.control.computers())


async def messages(asked: Asked) -> Any:
    """Give a page of all messages."""
    return list(await asked.control.messages(*_page(asked)))


async def inbox(asked: Asked) -> Any:
    """Give a page of what is addressed to this machine."""
    query = asked.query
    return list(await asked.control.inbox(*_page(asked), query["agent"] or None, query["unread"]))


async def message(asked: Asked) -> Any:
    """Give one message."""
    return dict(await asked.control.message(asked.path["id"]))


async def thread(asked: Asked) -> Any:
    """Give a thread."""
    return list(await asked.control.thread(asked.path["id"]))


async def search(asked: Asked) -> Any:
    """Give the messages that hold all the words."""
    limit = max(1, min(asked.query["limit"], shapes.LONGEST_PAGE))
    return list(await asked.control.search(asked.query["words"], limit))


async def blockers(asked: Asked) -> Any:
    """Give what waits for a person."""
    return await asked.control.blockers()


async def metrics(asked: Asked) -> ASGIApp:
    """Give the figures."""
    return Response(
        await asked.control.metrics(), headers={**HEADERS, "content-type": "text/plain; version=0.0.4; charset=utf-8"}
    )


async def events(asked: Asked) -> ASGIApp:
    """Begin a stream."""
    header = next((value for name, value in asked.scope["headers"] if name == b"last-event-id"), b"")
    last = header.decode("latin-1") or asked.query["last_id"] or None
    return EventAnswer(asked.control.events(last, asked.query["replay"]))


async def openapi(asked: Asked) -> ASGIApp:
    """Give the description of all this."""
    return Answer(document(asked.operations, __version__))


async def dashboard(asked: Asked) -> ASGIApp:
    """Give a file of the page."""
    return static.page(asked.path.get("file", "index.html"))


def _page(asked: Asked) -> tuple[int, str | None]:
    return max(1, min(asked.query["limit"], shapes.LONGEST_PAGE)), asked.query["before"] or None


# -- messages --------------------------------------------------------------------------------------


async def send(asked: Asked) -> Any:
    """Send one message, or many."""
    several = asked.body.get("messages")
    if several is None:
        return (await asked.control.send([_send_ask(asked.body)]))[0]
    return {"results": await asked.control.send([_send_ask(one) for one in several])}


def _send_ask(fields: Json) -> SendAsk:
    body = fields["message"]
    first = next((line.strip() for line in body.splitlines() if line.strip()), "")
    return SendAsk(
        sender=fields["from"] or "",
        to=fields["to"],
        subject=fields["subject"] or first[:80],
        body=body,
        type=fields["type"] or "",
        priority=fields["priority"],
        thread=fields["thread"] or None,
        in_reply_to=fields["in_reply_to"] or None,
    )


async def reply(asked: Asked) -> Any:
    """Answer a message."""
    fields = asked.body
    ask = ReplyAsk(
        body=fields["message"],
        sender=fields["from"] or "",
        subject=fields["subject"] or None,
        type=fields["type"] or "",
        priority=fields["priority"],
    )
    return await asked.control.reply(asked.path["id"], ask)


async def ack(asked: Asked) -> Any:
    """Settle a message."""
    fields = asked.body
    ask = AckAsk(outcome=fields["outcome"], reason=fields["reason"] or "", agent=fields["agent"] or None)
    return await asked.control.ack(asked.path["id"], ask)


async def take(asked: Asked) -> Any:
    """Hand a message to who pulls it."""
    return dict(await asked.control.take(asked.path["id"], asked.body["agent"]))


async def release(asked: Asked) -> Any:
    """Let a message be tried again."""
    return await asked.control.release(asked.path["id"], asked.body["agent"] or None)


# -- agents ----------------------------------------------------------------------------------------


class Instances:
    """Write the registry down once for each state of it: many ask, and it changes rarely."""

    def __init__(self) -> None:
        self._of: object = None
        self._text = b""

    async def __call__(self, asked: Asked) -> ASGIApp:
        """Give all agents."""
        found = await asked.control.instances()
        if found is not self._of:
            self._of, self._text = found, encode(list(found))
        return Answer(self._text)


async def instance(asked: Asked) -> Any:
    """Give one agent."""
    return dict(await asked.control.instance(asked.path["name"]))


async def add_instance(asked: Asked) -> Any:
    """Register an agent."""
    return dict(await asked.control.add_instance(asked.body))


async def remove_instance(asked: Asked) -> Any:
    """Remove an agent."""
    return await asked.control.remove_instance(asked.path["name"])


def act(verb: str) -> Handler:
    """Make what does something with an agent."""

    async def do(asked: Asked) -> Any:
        return dict(await asked.control.act(asked.path["name"], verb))

    return do


# -- tasks -----------------------------------------------------------------------------------------


async def submit(asked: Asked) -> Any:
    """Accept a task."""
    fields = asked.body
    ask = TaskAsk(
        content=fields["content"],
        type=fields["type"] or GENERAL,
        priority=fields["priority"],
        deadline=fields["deadline"],
        retries=fields["retries"],
        sender=fields["from"] or "",
        subject=fields["subject"] or "",
        to=fields["to"] or None,
    )
    return await asked.control.submit(ask)


async def tasks(asked: Asked) -> Any:
    """Give a page of tasks."""
    return list(await asked.control.tasks(*_page(asked), asked.query["status"]))


async def task(asked: Asked) -> Any:
    """Give one task."""
    return dict(await asked.control.task(asked.path["id"]))


async def cancel_task(asked: Asked) -> Any:
    """End a task."""
    return dict(await asked.control.cancel_task(asked.path["id"]))


# -- tools -----------------------------------------------------------------------------------------


async def tools(asked: Asked) -> ASGIApp:
    """Pass a request on to the process of the tools."""
    given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in asked.scope["headers"]]
    headers = [(name, value) for name, value in given if name in ASKED or name.startswith("mcp-")]
    return PassedOn(
        await asked.control.tools(ToolsAsk(name=asked.path.get("name", ""), headers=headers, body=asked.raw))
    )


# -- the process -----------------------------------------------------------------------------------


async def sync(asked: Asked) -> Any:
    """Run a cycle."""
    return await asked.control.sync(SyncAsk(**asked.body))


async def wake(asked: Asked) -> Any:
    """Look soon."""
    asked.control.wake()
    return {"status": "awake"}


async def reload(asked: Asked) -> Any:
    """Read the settings again."""
    return await asked.control.reload()


async def shutdown(asked: Asked) -> Any:
    """Begin to stop."""
    asked.control.shutdown()
    return {"status": "stopping"}


# -- sessions --------------------------------------------------------------------------------------


async def session(asked: Asked) -> Any:
    """Say whether the cookie is good."""
    return {"authenticated": bool(asked.scope["gitsync.known"])}


async def log_in(asked: Asked) -> ASGIApp:
    """Begin a session."""
    code = asked.body["code"]
    if not (asked.sessions.redeem(code) if code else asked.scope["gitsync.known"]):
        what = "the code is used up, too old, or none of ours" if code else "send the token or a one-time code"
        return failed(401, "unauthorized", what, {"www-authenticate": "Bearer"})
    cookie = set_cookie(asked.scope["gitsync.cookie"], await asyncio.to_thread(asked.sessions.begin))
    return Answer({"authenticated": True}, headers={"set-cookie": cookie})


async def log_out(asked: Asked) -> ASGIApp:
    """End the session."""
    await asyncio.to_thread(asked.sessions.end, asked.scope["gitsync.session"])
    return Answer({"authenticated": False}, headers={"set-cookie": set_cookie(asked.scope["gitsync.cookie"], "", 0)})


async def code(asked: Asked) -> Any:
    """Make a one-time code."""
    return {"code": asked.sessions.code(), "seconds": CODE_LASTS}

"""The endpoints: one table that decodes requests, answers them, and describes itself."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp

from gitsync.api import shapes, static
from gitsync.api.answers import HEADERS, Answer, encode, failed
from gitsync.api.control import AckAsk, Json, ReplyAsk, SendAsk, SyncAsk
from gitsync.api.openapi import document
from gitsync.api.operations import Asked, Operation, Table
from gitsync.api.sessions import CODE_LASTS, set_cookie
from gitsync.api.shapes import ANY, TEXT, ref, rows
from gitsync.api.stream import EventAnswer
from gitsync.tasks.values import TaskAsk

# -- reading ---------------------------------------------------------------------------------------


async def _about(asked: Asked) -> Json:
    return {**asked.control.about(), "endpoints": sorted(f"{one.method} {one.path}" for one in OPERATIONS)}


async def _health(asked: Asked) -> ASGIApp:
    healthy, facts = asked.control.health()
    return Answer(facts, 200 if healthy else 503)


async def _status(asked: Asked) -> Any:
    return await asked.control.status()


async def _computers(asked: Asked) -> Any:
    return list(await asked.control.computers())


async def _messages(asked: Asked) -> Any:
    return list(await asked.control.messages(*_page(asked)))


async def _inbox(asked: Asked) -> Any:
    query = asked.query
    return list(await asked.control.inbox(*_page(asked), query["agent"] or None, query["unread"]))


async def _message(asked: Asked) -> Any:
    return dict(await asked.control.message(asked.path["id"]))


async def _thread(asked: Asked) -> Any:
    return list(await asked.control.thread(asked.path["id"]))


async def _blockers(asked: Asked) -> Any:
    return await asked.control.blockers()


async def _metrics(asked: Asked) -> ASGIApp:
    return Response(
        await asked.control.metrics(), headers={**HEADERS, "content-type": "text/plain; version=0.0.4; charset=utf-8"}
    )


async def _events(asked: Asked) -> ASGIApp:
    header = next((value for name, value in asked.scope["headers"] if name == b"last-event-id"), b"")
    last = header.decode("latin-1") or asked.query["last_id"] or None
    return EventAnswer(asked.control.events(last, asked.query["replay"]))


async def _openapi(asked: Asked) -> ASGIApp:
    return Answer(document(OPERATIONS, asked.control.about()["version"]))


async def _dashboard(asked: Asked) -> ASGIApp:
    return static.page(asked.path.get("file", "index.html"))


def _page(asked: Asked) -> tuple[int, str | None]:
    return max(1, min(asked.query["limit"], shapes.LONGEST_PAGE)), asked.query["before"] or None


# -- messages --------------------------------------------------------------------------------------


async def _send(asked: Asked) -> Any:
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


async def _reply(asked: Asked) -> Any:
    fields = asked.body
    ask = ReplyAsk(
        body=fields["message"],
        sender=fields["from"] or "",
        subject=fields["subject"] or None,
        type=fields["type"] or "",
        priority=fields["priority"],
    )
    return await asked.control.reply(asked.path["id"], ask)


async def _ack(asked: Asked) -> Any:
    fields = asked.body
    ask = AckAsk(outcome=fields["outcome"], reason=fields["reason"] or "", agent=fields["agent"] or None)
    return await asked.control.ack(asked.path["id"], ask)


async def _take(asked: Asked) -> Any:
    return dict(await asked.control.take(asked.path["id"], asked.body["agent"]))


async def _release(asked: Asked) -> Any:
    return await asked.control.release(asked.path["id"], asked.body["agent"] or None)


# -- agents ----------------------------------------------------------------------------------------


class _Instances:
    """Write the registry down once for each state of it: many ask, and it changes rarely."""

    def __init__(self) -> None:
        self._of: object = None
        self._text = b""

    async def __call__(self, asked: Asked) -> ASGIApp:
        found = await asked.control.instances()
        if found is not self._of:
            self._of, self._text = found, encode(list(found))
        return Answer(self._text)


async def _instance(asked: Asked) -> Any:
    return dict(await asked.control.instance(asked.path["name"]))


async def _add_instance(asked: Asked) -> Any:
    return dict(await asked.control.add_instance(asked.body))


async def _remove_instance(asked: Asked) -> Any:
    return await asked.control.remove_instance(asked.path["name"])


def _verb(verb: str, about: str) -> Operation:
    async def act(asked: Asked) -> Any:
        return dict(await asked.control.act(asked.path["name"], verb))

    return Operation(
        method="POST",
        path=f"/instances/{{name}}/{verb}",
        about=about,
        call=act,
        answer=ref("Instance"),
        fails=(409, 422),
    )


# -- tasks -----------------------------------------------------------------------------------------


async def _submit(asked: Asked) -> Any:
    fields = asked.body
    ask = TaskAsk(
        content=fields["content"],
        type=fields["type"] or "general",
        priority=fields["priority"],
        deadline=fields["deadline"],
        retries=fields["retries"],
        sender=fields["from"] or "",
        subject=fields["subject"] or "",
        to=fields["to"] or None,
    )
    return await asked.control.submit(ask)


async def _tasks(asked: Asked) -> Any:
    return list(await asked.control.tasks(*_page(asked), asked.query["status"]))


async def _task(asked: Asked) -> Any:
    return dict(await asked.control.task(asked.path["id"]))


async def _cancel_task(asked: Asked) -> Any:
    return dict(await asked.control.cancel_task(asked.path["id"]))


# -- the process -----------------------------------------------------------------------------------


async def _sync(asked: Asked) -> Any:
    return await asked.control.sync(SyncAsk(**asked.body))


async def _wake(asked: Asked) -> Any:
    asked.control.wake()
    return {"status": "awake"}


async def _reload(asked: Asked) -> Any:
    return await asked.control.reload()


async def _shutdown(asked: Asked) -> Any:
    asked.control.shutdown()
    return {"status": "stopping"}


# -- sessions --------------------------------------------------------------------------------------


async def _session(asked: Asked) -> Any:
    return {"authenticated": bool(asked.scope["gitsync.known"])}


async def _log_in(asked: Asked) -> ASGIApp:
    code = asked.body["code"]
    if not (asked.sessions.redeem(code) if code else asked.scope["gitsync.known"]):
        what = "the code is used up, too old, or none of ours" if code else "send the token or a one-time code"
        return failed(401, "unauthorized", what, {"www-authenticate": "Bearer"})
    cookie = set_cookie(asked.scope["gitsync.cookie"], asked.sessions.begin())
    return Answer({"authenticated": True}, headers={"set-cookie": cookie})


async def _log_out(asked: Asked) -> ASGIApp:
    asked.sessions.end(asked.scope["gitsync.session"])
    return Answer({"authenticated": False}, headers={"set-cookie": set_cookie(asked.scope["gitsync.cookie"], "", 0)})


async def _code(asked: Asked) -> Any:
    return {"code": asked.sessions.code(), "seconds": CODE_LASTS}


_GET = "GET"
_POST = "POST"
_SSE = "text/event-stream"
_HTML = "text/html"
_FILE = "application/octet-stream"
_PLAIN = "text/plain"

OPERATIONS: tuple[Operation, ...] = (
    Operation(method=_GET, path="/", about="What this is", call=_about, answer=ref("About")),
    Operation(
        method=_GET,
        path="/health",
        about="Whether syncing works, with the reasons where it does not (503)",
        call=_health,
        answer=ref("Health"),
        also={503: {"anyOf": [ref("Health"), ref("Error")]}},
    ),
    Operation(method=_GET, path="/status", about="This machine and its fleet", call=_status, answer=ref("Status")),
    Operation(
        method=_GET, path="/computers", about="The fleet as seen here", call=_computers, answer=rows(ref("Computer"))
    ),
    Operation(
        method=_GET,
        path="/messages",
        about="All messages, newest first",
        call=_messages,
        answer=rows(ref("Entry")),
        query=shapes.PAGE,
        fails=(404, 422),
    ),
    Operation(
        method=_GET,
        path="/inbox",
        about="Messages to this machine, or to one agent of it, newest first",
        call=_inbox,
        answer=rows(ref("Entry")),
        query=shapes.INBOX_PAGE,
        fails=(404, 422),
    ),
    Operation(
        method=_GET,
        path="/messages/{id}",
        about="One message with its text and receipts; the beginning of an id will do",
        call=_message,
        answer=ref("Message"),
        fails=(422,),
    ),
    Operation(
        method=_GET,
        path="/threads/{id}",
        about="The thread that a message is in, oldest first",
        call=_thread,
        answer=rows(ref("Message")),
        fails=(422,),
    ),
    Operation(
        method=_POST,
        path="/send",
        about="Send a message, or up to 100 at once of which all or none are taken; durable when it answers",
        call=_send,
        answer={"anyOf": [ref("Sent"), ref("SentMany")]},
        body=shapes.SEND,
        fails=(404,),
    ),
    Operation(
        method=_POST,
        path="/messages/{id}/reply",
        about="Answer a message, to who sent it, in its thread",
        call=_reply,
        answer=ref("Sent"),
        body=shapes.REPLY,
    ),
    Operation(
        method=_POST,
        path="/messages/{id}/ack",
        about="Say how a message ended",
        call=_ack,
        answer=ref("Said"),
        body=shapes.ACK,
    ),
    Operation(
        method=_POST,
        path="/messages/{id}/take",
        about="Hand a waiting message to the agent that pulls it",
        call=_take,
        answer=ref("Message"),
        body=shapes.TAKE,
    ),
    Operation(
        method=_POST,
        path="/messages/{id}/release",
        about="Let a held or uncertain message be tried again: a person's decision",
        call=_release,
        answer=ref("Said"),
        body=shapes.RELEASE,
    ),
    Operation(method=_GET, path="/blockers", about="What waits for a person", call=_blockers, answer=ref("Blockers")),
    Operation(
        method=_GET,
        path="/instances",
        about="The agents of this machine",
        call=_Instances(),
        answer=rows(ref("Instance")),
    ),
    Operation(
        method=_POST,
        path="/instances",
        about="Register an agent of kind http or inbox until it is removed; fields as in config.toml",
        call=_add_instance,
        answer=ref("Instance"),
        body=shapes.INSTANCE,
        fails=(409,),
    ),
    Operation(method=_GET, path="/instances/{name}", about="One agent", call=_instance, answer=ref("Instance")),
    Operation(
        method="DELETE",
        path="/instances/{name}",
        about="Remove an agent that was registered at run time",
        call=_remove_instance,
        answer=ref("Said"),
        fails=(409, 422),
    ),
    _verb("start", "Run an agent's program: a person says go"),
    _verb("stop", "End an agent's program"),
    _verb("restart", "End an agent's program and run it again"),
    _verb("drain", "Give an agent nothing new"),
    _verb("resume", "Give an agent work again"),
    Operation(
        method=_POST,
        path="/task",
        about="Submit a task; durable when it answers",
        call=_submit,
        answer=ref("Task"),
        body=shapes.TASK,
        fails=(404, 429),
    ),
    Operation(
        method=_GET,
        path="/tasks",
        about="Tasks, newest first",
        call=_tasks,
        answer=rows(ref("Task")),
        query=shapes.TASK_PAGE,
        fails=(404, 422),
    ),
    Operation(
        method=_GET, path="/tasks/{id}", about="One task with its history", call=_task, answer=ref("Task"), fails=(422,)
    ),
    Operation(
        method=_POST,
        path="/tasks/{id}/cancel",
        about="End a task that has not ended",
        call=_cancel_task,
        answer=ref("Task"),
        fails=(409, 422),
    ),
    Operation(method=_POST, path="/sync", about="One cycle, now", call=_sync, answer=ref("Synced"), body=shapes.SYNC),
    Operation(method=_POST, path="/wake", about="Somebody pushed: look soon", call=_wake, answer=ref("Said")),
    Operation(
        method=_POST, path="/reload", about="Read the settings again", call=_reload, answer=ref("Said"), fails=(422,)
    ),
    Operation(method=_POST, path="/shutdown", about="Begin the clean stop", call=_shutdown, answer=ref("Said")),
    Operation(
        method=_GET,
        path="/events",
        about="What happens, as server-sent events; Last-Event-ID takes up where a stream broke off",
        call=_events,
        answer=TEXT,
        media=_SSE,
        query=shapes.FOLLOW,
        fails=(422, 429),
    ),
    Operation(method=_GET, path="/metrics", about="Figures for Prometheus", call=_metrics, answer=TEXT, media=_PLAIN),
    Operation(method=_GET, path="/session", about="Whether the cookie is good", call=_session, answer=ref("Session")),
    Operation(
        method=_POST,
        path="/session",
        about="Begin a session with the token or a one-time code; sets the cookie",
        call=_log_in,
        answer=ref("Session"),
        body=shapes.SESSION,
        open=True,
    ),
    Operation(
        method="DELETE", path="/session", about="End the session", call=_log_out, answer=ref("Session"), open=True
    ),
    Operation(
        method=_POST,
        path="/session/code",
        about="Make a one-time code that is good for 60 seconds",
        call=_code,
        answer=ref("Code"),
    ),
    Operation(method=_GET, path="/openapi.json", about="This description", call=_openapi, answer=ANY),
    Operation(method=_GET, path="/dashboard", about="The page for people", call=_dashboard, answer=TEXT, media=_HTML),
    Operation(
        method=_GET, path="/dashboard/{file}", about="A file of that page", call=_dashboard, answer=TEXT, media=_FILE
    ),
)

TABLE = Table(OPERATIONS)

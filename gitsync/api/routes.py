"""The endpoints: one table that says what they read, who answers, and what they say."""

from __future__ import annotations

from gitsync.api import handlers, shapes
from gitsync.api.operations import Operation, Table
from gitsync.api.shapes import ANY, TEXT, ref, rows

_GET = "GET"
_POST = "POST"
_SSE = "text/event-stream"
_HTML = "text/html"
_FILE = "application/octet-stream"
_PLAIN = "text/plain"

_TOOLS = dict.fromkeys((202, 400, 404, 406), ANY)
"""What the protocol itself answers besides, in its own words."""


def _verb(verb: str, about: str) -> Operation:
    return Operation(
        method="POST",
        path=f"/instances/{{name}}/{verb}",
        about=about,
        call=handlers.act(verb),
        answer=ref("Instance"),
        fails=(409, 422),
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(method=_GET, path="/", about="What this is", call=handlers.about, answer=ref("About")),
    Operation(
        method=_GET,
        path="/health",
        about="Whether syncing works, with the reasons where it does not (503)",
        call=handlers.health,
        answer=ref("Health"),
        also={503: {"anyOf": [ref("Health"), ref("Error")]}},
    ),
    Operation(
        method=_GET, path="/status", about="This machine and its fleet", call=handlers.status, answer=ref("Status")
    ),
    Operation(
        method=_GET,
        path="/computers",
        about="The fleet as seen here",
        call=handlers.computers,
        answer=rows(ref("Computer")),
    ),
    Operation(
        method=_GET,
        path="/messages",
        about="All messages, newest first",
        call=handlers.messages,
        answer=rows(ref("Entry")),
        query=shapes.PAGE,
        fails=(404, 422),
    ),
    Operation(
        method=_GET,
        path="/inbox",
        about="Messages to this machine, or to one agent of it, newest first",
        call=handlers.inbox,
        answer=rows(ref("Entry")),
        query=shapes.INBOX_PAGE,
        fails=(404, 422),
    ),
    Operation(
        method=_GET,
        path="/search",
        about="Messages that hold all the words, best first",
        call=handlers.search,
        answer=rows(ref("Entry")),
        query=shapes.SEARCH,
        fails=(422,),
    ),
    Operation(
        method=_GET,
        path="/messages/{id}",
        about="One message with its text and receipts; the beginning of an id will do",
        call=handlers.message,
        answer=ref("Message"),
        fails=(422,),
    ),
    Operation(
        method=_GET,
        path="/threads/{id}",
        about="The thread that a message is in, oldest first",
        call=handlers.thread,
        answer=rows(ref("Message")),
        fails=(422,),
    ),
    Operation(
        method=_POST,
        path="/send",
        about="Send a message, or up to 100 at once of which all or none are taken; durable when it answers",
        call=handlers.send,
        answer={"anyOf": [ref("Sent"), ref("SentMany")]},
        body=shapes.SEND,
        fails=(404,),
    ),
    Operation(
        method=_POST,
        path="/messages/{id}/reply",
        about="Answer a message, to who sent it, in its thread",
        call=handlers.reply,
        answer=ref("Sent"),
        body=shapes.REPLY,
    ),
    Operation(
        method=_POST,
        path="/messages/{id}/ack",
        about="Say how a message ended",
        call=handlers.ack,
        answer=ref("Said"),
        body=shapes.ACK,
    ),
    Operation(
        method=_POST,
        path="/messages/{id}/take",
        about="Hand a waiting message to the agent that pulls it",
        call=handlers.take,
        answer=ref("Message"),
        body=shapes.TAKE,
    ),
    Operation(
        method=_POST,
        path="/messages/{id}/release",
        about="Let a held or uncertain message be tried again: a person's decision",
        call=handlers.release,
        answer=ref("Said"),
        body=shapes.RELEASE,
    ),
    Operation(
        method=_GET, path="/blockers", about="What waits for a person", call=handlers.blockers, answer=ref("Blockers")
    ),
    Operation(
        method=_GET,
        path="/instances",
        about="The agents of this machine",
        call=handlers.Instances(),
        answer=rows(ref("Instance")),
    ),
    Operation(
        method=_POST,
        path="/instances",
        about="Register an agent of kind http or inbox until it is removed; fields as in config.toml",
        call=handlers.add_instance,
        answer=ref("Instance"),
        body=shapes.INSTANCE,
        fails=(409,),
    ),
    Operation(method=_GET, path="/instances/{name}", about="One agent", call=handlers.instance, answer=ref("Instance")),
    Operation(
        method="DELETE",
        path="/instances/{name}",
        about="Remove an agent that was registered at run time",
        call=handlers.remove_instance,
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
        call=handlers.submit,
        answer=ref("Task"),
        body=shapes.TASK,
        fails=(404, 429),
    ),
    Operation(
        method=_GET,
        path="/tasks",
        about="Tasks, newest first",
        call=handlers.tasks,
        answer=rows(ref("Task")),
        query=shapes.TASK_PAGE,
        fails=(404, 422),
    ),
    Operation(
        method=_GET,
        path="/tasks/{id}",
        about="One task with its history",
        call=handlers.task,
        answer=ref("Task"),
        fails=(422,),
    ),
    Operation(
        method=_POST,
        path="/tasks/{id}/cancel",
        about="End a task that has not ended",
        call=handlers.cancel_task,
        answer=ref("Task"),
        fails=(409, 422),
    ),
    Operation(
        method=_POST, path="/sync", about="One cycle, now", call=handlers.sync, answer=ref("Synced"), body=shapes.SYNC
    ),
    Operation(method=_POST, path="/wake", about="Somebody pushed: look soon", call=handlers.wake, answer=ref("Said")),
    Operation(
        method=_POST,
        path="/reload",
        about="Read the settings again",
        call=handlers.reload,
        answer=ref("Said"),
        fails=(422,),
    ),
    Operation(method=_POST, path="/shutdown", about="Begin the clean stop", call=handlers.shutdown, answer=ref("Said")),
    Operation(
        method=_GET,
        path="/events",
        about="What happens, as server-sent events; Last-Event-ID takes up where a stream broke off",
        call=handlers.events,
        answer=TEXT,
        media=_SSE,
        query=shapes.FOLLOW,
        fails=(422, 429),
    ),
    Operation(
        method=_GET, path="/metrics", about="Figures for Prometheus", call=handlers.metrics, answer=TEXT, media=_PLAIN
    ),
    Operation(
        method=_GET, path="/session", about="Whether the cookie is good", call=handlers.session, answer=ref("Session")
    ),
    Operation(
        method=_POST,
        path="/session",
        about="Begin a session with the token or a one-time code; sets the cookie",
        call=handlers.log_in,
        answer=ref("Session"),
        body=shapes.SESSION,
        open=True,
    ),
    Operation(
        method="DELETE",
        path="/session",
        about="End the session",
        call=handlers.log_out,
        answer=ref("Session"),
        open=True,
    ),
    Operation(
        method=_POST,
        path="/session/code",
        about="Make a one-time code that is good for 60 seconds",
        call=handlers.code,
        answer=ref("Code"),
    ),
    Operation(
        method=_POST,
        path="/mcp",
        about="A request of the Model Context Protocol (streamable HTTP), for whom the settings say",
        call=handlers.tools,
        answer=ANY,
        also=_TOOLS,
        raw=True,
        fails=(404, 422),
    ),
    Operation(
        method=_POST,
        path="/mcp/{name}",
        about="The same, for an agent of kind inbox",
        call=handlers.tools,
        answer=ANY,
        also=_TOOLS,
        raw=True,
        fails=(404, 422),
    ),
    Operation(method=_GET, path="/openapi.json", about="This description", call=handlers.openapi, answer=ANY),
    Operation(
        method=_GET, path="/dashboard", about="The page for people", call=handlers.dashboard, answer=TEXT, media=_HTML
    ),
    Operation(
        method=_GET,
        path="/dashboard/{file}",
        about="A file of that page",
        call=handlers.dashboard,
        answer=TEXT,
        media=_FILE,
    ),
)

TABLE = Table(OPERATIONS)

"""What requests may hold, and what answers look like."""

from __future__ import annotations

from typing import Any

from gitsync.api.fields import Field, Shape
from gitsync.ledger.intents import ACKS
from gitsync.ledger.tasks import STATES
from gitsync.protocol.ids import ID_PATTERN
from gitsync.protocol.message import PRIORITIES
from gitsync.verifying import STANDINGS

Json = dict[str, Any]

MOST_MESSAGES = 100
"""Messages in one request."""
LONGEST_PAGE = 500

ID = "[0-9A-Za-z]{4,26}"
"""The id of a message or a task, or the beginning of one."""
_LINE = r"[^\x00-\x1f\x7f\x85\u2028\u2029]*"
_TO = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[^\s/,;&|\x00-\x20\x7f]{1,64})?"
_SAYS_SOMETHING: Json = {
    "anyOf": [
        {"properties": {"message": {"pattern": r"\S"}}},
        {"properties": {"subject": {"type": "string", "pattern": r"\S"}}, "required": ["subject"]},
    ]
}
_ASKS_SOMETHING: Json = {
    "anyOf": [
        {"properties": {"content": {"pattern": r"\S"}}},
        {"properties": {"subject": {"type": "string", "pattern": r"\S"}}, "required": ["subject"]},
        {
            "properties": {"type": {"type": "string", "pattern": r"\S", "not": {"const": "general"}}},
            "required": ["type"],
        },
    ]
}

# -- requests --------------------------------------------------------------------------------------

_SUBJECT = Field(name="subject", pattern=_LINE, about="one line")
_TYPE = Field(name="type", pattern=_LINE, about="one line")
_PRIORITY = Field(name="priority", choices=tuple(PRIORITIES), default="normal")

SEND = Shape(
    "Send",
    (
        Field(name="from", about="a local agent; absent: the machine itself"),
        Field(
            name="to",
            required=True,
            pattern=_TO,
            blank=False,
            about="a machine or an agent: `2`, `2/builder`, `all`, `any`, `self/all`, a local agent",
        ),
        Field(name="message", required=True),
        Field(name="subject", pattern=_LINE, about="one line; absent: the first line of the message"),
        _TYPE,
        _PRIORITY,
        Field(name="thread", pattern=f"({ID_PATTERN})?", about="the whole id of its first message"),
        Field(name="in_reply_to", pattern=f"({ID})?", about="the id of a message"),
    ),
    several="messages",
    most=MOST_MESSAGES,
    more=(_SAYS_SOMETHING,),
)
REPLY = Shape(
    "Reply",
    (
        Field(name="message", required=True, blank=False),
        Field(name="from", about="a local agent; absent: the machine itself"),
        _SUBJECT,
        _TYPE,
        Field(name="priority", choices=tuple(PRIORITIES), about="absent: that of the message"),
    ),
)
ACK = Shape(
    "Ack",
    (
        Field(name="outcome", required=True, choices=tuple(sorted(ACKS))),
        Field(name="reason"),
        Field(name="agent", about="which hand-over is meant, where several agents have the message"),
    ),
)
RELEASE = Shape("Release", (Field(name="agent"),), optional=True)
TAKE = Shape("Take", (Field(name="agent", required=True, blank=False),))
TASK = Shape(
    "NewTask",
    (
        Field(name="content", required=True),
        Field(name="type", pattern=r"[^\s\x00-\x1f\x7f-\x9f]{0,64}", default="general", about="one word"),
        _PRIORITY,
        Field(name="deadline", kind="number", above=0, high=999_999_999, about="seconds from now"),
        Field(name="retries", kind="integer", low=0, high=100),
        Field(name="from", about="a local agent; absent: the machine itself"),
        _SUBJECT,
        Field(name="to", about="an agent of this machine; absent: the type decides"),
    ),
    more=(_ASKS_SOMETHING,),
)
SYNC = Shape(
    "Sync",
    (
        Field(name="accept_rewrite", kind="boolean", default=False),
        Field(name="accept_deletions", kind="boolean", default=False),
    ),
    optional=True,
)
INSTANCE = Shape(
    "NewInstance",
    (
        Field(
            name="name",
            required=True,
            pattern="[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
            about="a name of letters, digits, dots, - and _",
        ),
        Field(name="kind", required=True, choices=("http", "inbox")),
        Field(name="types", kind="strings"),
    ),
    whole=True,
)
SESSION = Shape("NewSession", (Field(name="code", about="a one-time code, instead of the token"),), optional=True)

PAGE = (
    Field(name="limit", kind="integer", low=0, high=999_999_999, default=50, about="held between 1 and 500"),
    Field(name="before", pattern=f"({ID})?", about="the id of the last entry that is known already"),
)
TASK_PAGE = (*PAGE, Field(name="status", choices=STATES))
INBOX_PAGE = (*PAGE, Field(name="agent"), Field(name="unread", kind="boolean", default=False))
SEARCH = (
    Field(name="words", required=True, blank=False, about="whole words; a message holds all of them"),
    PAGE[0],
)
FOLLOW = (
    Field(name="last_id", about="as the header Last-Event-ID, which wins"),
    Field(
        name="replay", kind="integer", low=0, high=1000, default=0, about="how many of the last events to begin with"
    ),
)

# -- answers ---------------------------------------------------------------------------------------

TEXT: Json = {"type": "string"}
MAYBE: Json = {"type": ["string", "null"]}
WHOLE: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}
MAYBE_NUMBER: Json = {"type": ["number", "null"]}
FLAG: Json = {"type": "boolean"}
ANY: Json = {"type": "object"}
TEXTS: Json = {"type": "array", "items": TEXT}


def rows(of: Json) -> Json:
    """Describe a list."""
    return {"type": "array", "items": of}


def ref(name: str) -> Json:
    """Point to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def shape(_about: str = "", /, **properties: Json) -> Json:
    """Describe an object that has at least these; more may come. A trailing underscore keeps clear of Python."""
    named = {name.rstrip("_"): schema for name, schema in properties.items()}
    found: Json = {"type": "object", "properties": named, "required": list(named)}
    return {**found, "description": _about} if _about else found


_ENTRY = {
    "id": TEXT,
    "from_": TEXT,
    "to": TEXTS,
    "subject": TEXT,
    "date": MAYBE,
    "priority": {"enum": list(PRIORITIES)},
    "type": MAYBE,
    "thread": TEXT,
    "state": TEXT,
    "in_reply_to": MAYBE,
    "verified": FLAG,
    "standing": {"enum": list(STANDINGS)},
}
_SENT = {"id": TEXT, "status": {"enum": ["local", "queued"]}}

SCHEMAS: dict[str, Json] = {
    "Error": shape(
        "Every failure. `remedy` says what to do, `near` what was perhaps meant.",
        error={
            "type": "object",
            "properties": {
                "code": TEXT,
                "message": TEXT,
                "why": TEXT,
                "remedy": TEXT,
                "exit": WHOLE,
                "field": TEXT,
                "near": TEXTS,
                "held": TEXT,
                "line": WHOLE,
                "rule": TEXT,
            },
            "required": ["code", "message"],
        },
    ),
    "Said": shape(status=TEXT),
    "About": shape(service=TEXT, version=TEXT, machine=TEXT, state=TEXT, uptime_s=NUMBER, totals=ANY, endpoints=TEXTS),
    "Health": shape(healthy=FLAG, reasons=TEXTS, machine=TEXT, last_contact_s=MAYBE_NUMBER),
    "Status": shape(
        machine=ANY,
        process={"type": ["object", "null"]},
        sync=ANY,
        computers=rows(ANY),
        agents=rows(ANY),
        blockers=TEXTS,
    ),
    "Computer": shape(id=TEXT, name=MAYBE, state=MAYBE, last_seen=MAYBE, lag_s=MAYBE_NUMBER),
    "Entry": shape(**_ENTRY),
    "Message": shape(**_ENTRY, body=TEXT, receipts=rows(ANY)),
    "Sent": shape(**_SENT),
    "SentMany": shape(results=rows(shape(**_SENT))),
    "Synced": shape(
        state=TEXT, head=MAYBE, pulled=WHOLE, pushed=WHOLE, received=WHOLE, sent=WHOLE, pending=WHOLE, error=MAYBE
    ),
    "Instance": shape(
        name=TEXT,
        kind=TEXT,
        state={"enum": ["starting", "online", "busy", "degraded", "timeout", "error", "offline", "crashed"]},
        word=TEXT,
        types=TEXTS,
        response_ms=ANY,
        queue=WHOLE,
        running=WHOLE,
        concurrency=WHOLE,
        draining=FLAG,
        restarts=WHOLE,
        current=rows(ANY),
        managed=FLAG,
    ),
    "Task": shape(
        task_id=TEXT,
        type=TEXT,
        content=TEXT,
        priority={"enum": list(PRIORITIES)},
        status={"enum": list(STATES)},
        assigned_to=MAYBE,
        agents=TEXTS,
        created=TEXT,
        result=MAYBE,
        error=MAYBE,
        times=ANY,
    ),
    "Blockers": shape(
        "`approvals` are hand-overs that only a person can settle (ack) or allow again (release).",
        blockers=rows(shape(kind=TEXT, text=TEXT)),
        approvals=rows(shape(id=TEXT, agent=MAYBE, state={"enum": ["held", "uncertain"]}, reason=MAYBE, subject=MAYBE)),
    ),
    "Session": shape(authenticated=FLAG),
    "Code": shape(code=TEXT, seconds=NUMBER),
}

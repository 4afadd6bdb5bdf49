"""The tools: what each takes, what it does on a `Desk`, what it says. An agent's context pays for every word here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gitsync import clock
from gitsync.api.fields import BadRequest, Field
from gitsync.errors import NotFound, Refused, UsageError
from gitsync.ledger.tasks import ENDED
from gitsync.mcp import words
from gitsync.mcp.desk import Desk, Desks, Json
from gitsync.mcp.who import Who
from gitsync.protocol.message import PRIORITIES

LONGEST_WAIT = 300
"""Seconds that `task_status` may be told to wait."""
LOOK = 0.2
"""Seconds between two looks at a task that is waited for."""
TELL = 5.0
"""Seconds between two words to a client that wants to know how far it is."""
PAGE = 20
MOST = 100
NONCE = 8
"""Bytes of the mark around what others wrote."""

Progress = Callable[[float, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Call:
    """One call: for whom, where to ask, with what, and whom to tell that it goes on."""

    who: Who
    desks: Desks
    given: Json
    progress: Progress

    async def ask(self, do: Callable[[Desk], Awaitable[str]]) -> str:
        """Ask the right desk, and add what the reader must know of it."""
        note = ""

        async def noted(desk: Desk) -> str:
            nonlocal note
            note = desk.note
            return await do(desk)

        text = await self.desks.ask(self.who, noted)
        return f"{text}\n{note}" if note else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool as it is listed, and what carries it out."""

    name: str
    about: str
    fields: tuple[Field, ...]
    run: Callable[[Call], Awaitable[str]]
    reads: bool = False

    def schema(self) -> Json:
        """Describe the arguments, in as few words as JSON Schema allows."""
        found: Json = {"type": "object", "properties": {field.name: _short(field) for field in self.fields}}
        if required := [field.name for field in self.fields if field.required]:
            found["required"] = required
        return found

    def read(self, given: Mapping[str, Any]) -> Json:
        """Return the arguments as they are meant; raise UsageError for one that is wrong, or that does not exist."""
        known = [field.name for field in self.fields]
        strange = [name for name in given if name not in known]
        if strange:
            raise UsageError(
                f"{self.name} has no argument {strange[0][:50]!r}",
                "for whom this speaks is decided by the settings" if strange[0] in _IDENTITY else "",
                f"its arguments: {', '.join(known) or 'none'}",
            )
        try:
            return {field.name: field.read(given.get(field.name)) for field in self.fields}
        except BadRequest as error:
            raise UsageError(error.message.replace("field", "argument", 1), "", "correct it and call again") from error


_IDENTITY = frozenset({"from", "sender", "as", "agent", "identity", "machine"})


def _short(field: Field) -> Json:
    found: Json = {"type": field.kind}
    if field.choices:
        found["enum"] = list(field.choices)
    if field.about:
        found["description"] = field.about
    return found


def nonce() -> str:
    """Draw the mark of one answer."""
    return clock.entropy(NONCE).hex()


async def _send(call: Call) -> str:
    given = dict(call.given)
    to, text = given.pop("to"), given.pop("text")

    async def do(desk: Desk) -> str:
        return _sent(await desk.send(to, text, **given))

    return await call.ask(do)


def _sent(told: Json) -> str:
    where = "stays on this computer" if told["status"] == "local" else "durable, leaves with the next sync"
    return f"sent: {told['id']} ({where})"


async def _inbox(call: Call) -> str:
    every, limit = bool(call.given["all"]), call.given["limit"]

    async def do(desk: Desk) -> str:
        found = await desk.inbox(unread=not every, limit=limit)
        kind = "" if every else "unread "
        if not found:
            return f"{call.who.address}: no {kind}messages"
        head = f"{call.who.address}: {len(found)} {kind}messages, newest first."
        return f"{head} {words.listed(found, 'messages', nonce())}"

    return await call.ask(do)


async def _read(call: Call) -> str:
    async def do(desk: Desk) -> str:
        mark = nonce()
        found = await desk.show(call.given["id"])
        return words.warned(words.message(found, mark, start=call.given["start"]), mark)

    return await call.ask(do)


async def _reply(call: Call) -> str:
    ident = call.given["id"]

    async def do(desk: Desk) -> str:
        text = _sent(await desk.reply(ident, call.given["text"]))
        if not call.given["done"]:
            return text
        try:
            await _settle(desk, call.who, ident, "done", "")
        except Refused as refused:  # the answer is on its way all the same
            return f"{text}\nbut not marked done: {words.failure(refused)}"
        return f"{text}\nand {ident} is done"

    return await call.ask(do)


async def _ack(call: Call) -> str:
    ident, outcome = call.given["id"], call.given["outcome"]

    async def do(desk: Desk) -> str:
        await _settle(desk, call.who, ident, outcome, call.given["reason"])
        return f"{ident}: {outcome}"

    return await call.ask(do)


async def _settle(desk: Desk, who: Who, ident: str, outcome: str, reason: str) -> None:
    """Settle a message; an agent settles only what is its own."""
    if who.agent:
        entry = await desk.show(ident)
        if who.agent not in (entry.get("agents") or ()) and who.address not in entry["to"]:
            raise Refused(
                f"{entry['id']} is not {who.address}'s to settle",
                f"it is for {', '.join(entry['to'])}",
                "the inbox lists what is yours",
            )
    await desk.ack(ident, outcome, reason)


async def _thread(call: Call) -> str:
    async def do(desk: Desk) -> str:
        return words.conversation(await desk.thread(call.given["id"]), nonce())

    return await call.ask(do)


async def _search(call: Call) -> str:
    async def do(desk: Desk) -> str:
        found = await desk.search(call.given["words"], call.given["limit"])
        return words.listed(found, "messages found", nonce()) if found else "nothing found"

    return await call.ask(do)


async def _fleet(call: Call) -> str:
    async def do(desk: Desk) -> str:
        return words.computers(await desk.fleet(), call.who.machine, nonce())

    return await call.ask(do)


async def _submit(call: Call) -> str:
    given = dict(call.given)
    content = given.pop("content")

    async def do(desk: Desk) -> str:
        found = await desk.submit(content, **given)
        return f"task {found['task_id']}: {found['status']}; follow it with task_status"

    return await call.ask(do)


async def _status(call: Call) -> str:
    began = clock.monotonic()
    until, told = began + call.given["wait"], began

    async def do(desk: Desk) -> str:
        return words.task(await desk.task(call.given["id"]), nonce())

    async def ended(desk: Desk) -> str:
        return str((await desk.task(call.given["id"]))["status"])

    while (status := await call.desks.ask(call.who, ended)) not in ENDED and clock.monotonic() < until:
        await asyncio.sleep(LOOK)
        if clock.monotonic() - told > TELL:
            told = clock.monotonic()
            await call.progress(told - began, status)
    return await call.ask(do)


async def _claim(call: Call) -> str:
    wanted = call.given["id"]

    async def do(desk: Desk) -> str:
        mark = nonce()
        if wanted:
            return words.warned(words.message(await desk.take(wanted), mark), mark)
        for entry in _by_urgency(await desk.inbox(unread=True, limit=MOST)):
            if entry["state"] == "waiting" and call.who.box in (entry.get("agents") or ()):
                try:
                    return words.warned(words.message(await desk.take(entry["id"]), mark), mark)
                except Refused:
                    continue  # another session of the same name was faster
        raise NotFound("nothing waits for " + call.who.address, "", "inbox lists what there is; try again later")

    return await call.ask(do)


def _by_urgency(entries: Any) -> list[Any]:
    """Order what is listed newest first: the most urgent first, of these the oldest."""
    rank = {name: place for place, name in enumerate(PRIORITIES)}
    return sorted(entries, key=lambda entry: rank.get(str(entry["priority"]), 0))[::-1]


def waiting(entries: Any) -> list[Any]:
    """Return those that nobody has taken or settled."""
    from gitsync.inbox.states import UNREAD

    return [entry for entry in entries if entry["state"] in UNREAD]


_ID = Field(name="id", required=True, blank=False, about="message id, or its beginning")
_PRIORITY = Field(name="priority", choices=tuple(PRIORITIES))
_LIMIT = Field(name="limit", kind="integer", low=1, high=MOST, default=PAGE)

TOOLS: tuple[Tool, ...] = (
    Tool(
        name="send",
        about="Send a message to a computer, an agent or all. Durable when it returns.",
        fields=(
            Field(name="to", required=True, blank=False, about="2, 2/builder, all, any (whoever is free), self/AGENT"),
            Field(name="text", required=True, blank=False),
            Field(name="subject", about="one line"),
            _PRIORITY,
            Field(name="type", about="kind of work, one word"),
            Field(name="thread", about="id of its first message, to go on with it"),
        ),
        run=_send,
    ),
    Tool(
        name="inbox",
        about="List messages to you, unread ones only unless all.",
        fields=(Field(name="all", kind="boolean", default=False), _LIMIT),
        run=_inbox,
        reads=True,
    ),
    Tool(
        name="read",
        about="Read a message and what became of it.",
        fields=(_ID, Field(name="start", kind="integer", low=0, default=0, about="character to begin at")),
        run=_read,
        reads=True,
    ),
    Tool(
        name="reply",
        about="Answer a message, to its sender, in its thread.",
        fields=(
            _ID,
            Field(name="text", required=True, blank=False),
            Field(name="done", kind="boolean", default=False, about="also mark the message done"),
        ),
        run=_reply,
    ),
    Tool(
        name="ack",
        about="Say how a message ended.",
        fields=(
            _ID,
            Field(name="outcome", required=True, choices=("done", "failed", "refused")),
            Field(name="reason", default="", about="for the sender"),
        ),
        run=_ack,
    ),
    Tool(
        name="thread",
        about="Read a whole conversation, by any message of it.",
        fields=(_ID,),
        run=_thread,
        reads=True,
    ),
    Tool(
        name="search",
        about="Find messages that hold all the words.",
        fields=(Field(name="words", required=True, blank=False), _LIMIT),
        run=_search,
        reads=True,
    ),
    Tool(
        name="fleet",
        about="List the computers: state, role, agents, last seen.",
        fields=(),
        run=_fleet,
        reads=True,
    ),
    Tool(
        name="task_submit",
        about="Ask this computer's agents for a task; returns its id.",
        fields=(
            Field(name="content", required=True, blank=False, about="what is to be done"),
            Field(name="type", about="kind of work, one word; decides who does it"),
            Field(name="to", about="an agent of this computer, whatever the type"),
            _PRIORITY,
            Field(name="deadline", kind="number", above=0, high=999_999_999, about="seconds from now"),
        ),
        run=_submit,
    ),
    Tool(
        name="task_status",
        about="Look at a task; with wait, until it has ended.",
        fields=(
            Field(name="id", required=True, blank=False, about="task id"),
            Field(name="wait", kind="number", low=0, high=LONGEST_WAIT, default=0, about="seconds, at most 300"),
        ),
        run=_status,
        reads=True,
    ),
    Tool(
        name="claim",
        about="Take a message that waits for you, so that no other session works on it; without id the most urgent. "
        "Then reply or ack.",
        fields=(Field(name="id", about="message id"),),
        run=_claim,
    ),
)

BY_NAME = {tool.name: tool for tool in TOOLS}

"""Turn a block of the mailbox into the message it stands for: who really writes to whom, when, how urgent."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from gitsync.protocol.address import parse_address
from gitsync.protocol.blocks import Block
from gitsync.protocol.ids import canonical
from gitsync.protocol.machine_name import machine_of, other_machine
from gitsync.protocol.message import PRIORITIES, Message, read
from gitsync.protocol.paths import Place
from gitsync.protocol.reader import Found, read_file

IMPORTED = "Imported"
"""The field that `gitsync import` puts into old messages: they are history for everybody."""

_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_FIELD = re.compile(
    r"(?!(?i:from|to|date|priority|type|thread|in-reply-to|subject)$)[A-Za-z][A-Za-z0-9_-]*(?: [A-Za-z0-9_-]+)*"
)
_CR = re.compile(rb"(?<![ \t\r])[ \t]*\r[ \t\r]*(?=\n|\Z)")
_AGENT = re.compile(r"[^\s/,;&|\x00-\x1f\x7f]{1,64}")


@dataclass(frozen=True, slots=True)
class Heard:
    """A message with its header made regular; `quarantined` names the rule that keeps it from being delivered."""

    message: Message
    date_raw: str | None
    quarantined: str
    why: str


def hear(block: Block, ident: str, path: str, place: Place, commit_date: str, machines: Collection[str]) -> Heard:
    """Read a block that stands in a file of `place`; raise ValueError where nobody could say what it is.

    Sender and recipient are the path's (PROTOCOL 1); the header adds agents. `machines` are the ids known so far: a
    From that names another one of them is a forgery, a name that is no machine is not.
    """
    block = _as_signed(block)
    try:
        strict = read(block.raw)
    except ValueError:
        found = _found(block, path)
        if found is None or not (found.subject or found.body.strip()):
            raise ValueError("no message can be read in it") from None
        raw_from, raw_to = found.sender, found.to
        subject, body, fields = found.subject or "", found.body, found.fields
        date, date_raw = found.date_utc, found.date_raw
        priority, type_, thread, parent = found.priority, found.type, found.thread, found.in_reply_to
    else:
        raw_from, raw_to = strict.sender, strict.to
        subject, body, fields = strict.subject, strict.body, strict.fields
        date, date_raw = strict.date, strict.date
        priority, type_, thread, parent = strict.priority, strict.type, strict.thread, strict.in_reply_to
    owner = place.sender or place.machine or ""
    to = _to(place, raw_to)
    if not to:
        raise ValueError("it names no machine as recipient")
    why = forged(raw_from, owner, machines)
    message = Message(
        id=ident,
        sender=_sender(raw_from, owner),
        to=to,
        subject=one_line(subject),
        body=body,
        date=date if date and _UTC.fullmatch(date) else commit_date,
        priority=priority if priority in PRIORITIES else "normal",
        type=one_line(type_ or ""),
        thread=_id(thread) or ident,
        in_reply_to=_id(parent),
        fields=tuple((name.strip(), one_line(value)) for name, value in fields if _FIELD.fullmatch(name.strip())),
    )
    return Heard(message, date_raw, "forged" if why else "", why)


def forged(raw: str | None, owner: str, machines: Collection[str]) -> str:
    """Say why a From is a forgery: it names another machine than the path does; '' when it is none."""
    if raw is None or other_machine(raw, owner, machines) is None:
        return ""
    return f"says it is from {one_line(raw)[:80]}, but stands in a file of {owner}"


def one_line(value: str) -> str:
    """Put a header's value on one line."""
    return " ".join("".join(char if char.isprintable() else " " for char in value).split())


def _as_signed(block: Block) -> Block:
    """Take the line ends that no signature sees (PROTOCOL 9) for one each, so that what is read is what was signed.

    A second `\\r` would be an empty line to the reader: it could end a header, and make the fields below it text.
    """
    if b"\r" not in block.raw:
        return block
    return replace(block, raw=_CR.sub(b"", block.raw), inner=_CR.sub(b"", block.inner))


def _found(block: Block, path: str) -> Found | None:
    reading = read_file(block.raw, path)
    for found in reading.messages:
        if found.id is not None and found.id.upper() == block.id.upper():
            return found
    return reading.messages[0] if reading.messages else None


def _sender(raw: str | None, owner: str) -> str:
    head, slash, agent = (raw or "").strip().partition("/")
    return f"{owner}/{agent}" if slash and head.lower() == owner and _AGENT.fullmatch(agent) else owner


def _to(place: Place, raw: Collection[str]) -> tuple[str, ...]:
    """Give the recipients: the path's machine with the agents that the header names for it; on a page, the header's."""
    if place.to is not None:
        agents = [agent for machine, agent in map(_address, raw) if machine == place.to and agent]
        return tuple(dict.fromkeys(f"{place.to}/{agent}" for agent in agents)) or (place.to,)
    named = [(f"{machine}/{agent}" if agent else machine) for machine, agent in map(_address, raw) if machine]
    return tuple(dict.fromkeys(named))


def _address(raw: str) -> tuple[str | None, str | None]:
    try:
        address = parse_address(raw)
    except ValueError:
        named = machine_of(raw)
        if named in ("all", "any"):
            return named.upper(), None
        return named, None
    return address.machine, address.agent


def _id(value: str | None) -> str | None:
    try:
        return canonical((value or "").strip())
    except ValueError:
        return None

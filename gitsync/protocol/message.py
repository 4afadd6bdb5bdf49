"""A message, and its one exact form between two boundary lines.

    <!-- msg 01JD3WQ8Z6T4K9V2M5N7P0R3S8 -->
    ## Deploy the landing page

    - **From:** 1/mechanic
    - **To:** 2/builder
    - **Date:** 2026-11-20T06:45:00Z
    - **Priority:** high

    The body, any Markdown.
    <!-- /msg -->

`read(write(m)) == m` for every message. What would be read as something else is escaped by one backslash, and
what looks escaped already by one more, so that one can always be taken away again:

- in the body, a line that looks like a boundary, and a fence marker that nothing closes;
- in the subject, a run of `#` at its end, which Markdown would take for the heading's.

`read` takes nothing but this form; a block that a person changed goes to the tolerant reader. The end line alone may
hold more, such as a signature: it says nothing that is part of the message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitsync.protocol.address import parse_address
from gitsync.protocol.blocks import END_LINE, Block, FenceState, fence_marker, parse, start_line
from gitsync.protocol.ids import canonical
from gitsync.protocol.paths import ANYCAST, BROADCAST

PRIORITIES = ("low", "normal", "high", "urgent")
KNOWN_FIELDS = ("From", "To", "Date", "Priority", "Type", "Thread", "In-Reply-To")

_KNOWN = frozenset(name.casefold() for name in (*KNOWN_FIELDS, "Subject"))
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)Z", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?: [A-Za-z0-9_-]+)*")
_FIELD = re.compile(r"- \*\*([^*:\n]+):\*\*(?: (.*))?", re.DOTALL)
_BREAKS = re.compile(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")

_CLOSING = re.compile(r"(?:^|(?<=[ \t]))(\\*)(#+)$")
_BOUNDARY_LIKE = re.compile(rb"\\*<!--[ \t]*/?msg(?=-->|[^A-Za-z0-9_-]|\Z)", re.IGNORECASE)
_ESCAPED_BOUNDARY = re.compile(rb"\\+<!--[ \t]*/?msg(?=-->|[^A-Za-z0-9_-]|\Z)", re.IGNORECASE)
_ESCAPED_FENCE = re.compile(rb"([ \t]*)\\+(?:```|~~~)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as gitsync writes it.

    Construction normalises, and raises ValueError for what cannot be written. `sender` and `to` are addresses as
    text: `1`, `1/mechanic`, `ALL`. `date` is UTC to the second. `fields` are the ones without a meaning here, in
    order, such as `("Auto", "replied")`.
    """

    id: str
    sender: str
    to: tuple[str, ...]
    subject: str
    body: str
    date: str
    priority: str = "normal"
    type: str = ""
    thread: str | None = None
    in_reply_to: str | None = None
    fields: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("id", canonical(self.id))
        sender = parse_address(self.sender)
        if sender.machine in (None, BROADCAST, ANYCAST):
            raise ValueError(f"not a sender: {self.sender!r}")
        put("sender", str(sender))
        recipients: object = self.to
        if isinstance(recipients, str) or not recipients:
            raise ValueError("a message has a list of recipients, at least one")
        put("to", tuple(str(parse_address(to)) for to in self.to))
        put("subject", _BREAKS.sub(" ", _text("subject", self.subject)).strip())
        put("body", _text("body", self.body))
        if _DATE.fullmatch(self.date) is None:
            raise ValueError(f"not a date like 2026-11-20T06:45:00Z: {self.date!r}")
        if self.priority not in PRIORITIES:
            raise ValueError(f"not a priority: {self.priority!r}")
        put("type", _line("type", self.type))
        if self.thread is not None:
            put("thread", canonical(self.thread))
        if self.in_reply_to is not None:
            put("in_reply_to", canonical(self.in_reply_to))
        put("fields", tuple((_name(name), _line(name, value)) for name, value in self.fields))

    @property
    def conversation(self) -> str:
        """The thread it belongs to, by id: its own where it begins one."""
        return self.thread or self.id

    @property
    def reply_subject(self) -> str:
        """The subject of an answer to it."""
        return self.subject if self.subject.lower().startswith("re:") else f"Re: {self.subject}".rstrip()


def write(message: Message) -> bytes:
    """Write a whole block, boundary lines and the last newline included."""
    subject = _CLOSING.sub(r"\1\\\2", message.subject)
    lines = [f"## {subject}" if subject else "##", ""]
    lines += [f"- **{name}:** {value}" if value else f"- **{name}:**" for name, value in _fields(message)]
    head = ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
    body = b""
    if message.body:
        body = b"\n" + _escape(message.body.encode("utf-8", "surrogateescape")) + b"\n"
    return start_line(message.id) + head + body + END_LINE


def read(block: bytes) -> Message:
    """Read what `write` wrote; raise ValueError for anything else, however slightly changed."""
    segments = parse(block)
    whole = segments[0] if len(segments) == 1 else None
    if not isinstance(whole, Block) or not whole.closed:
        raise ValueError("not one whole block")
    message = _read_inner(whole.id, whole.inner)
    if write(message) != start_line(message.id) + whole.inner + END_LINE or not _plainly_bounded(whole):
        raise ValueError("not as gitsync writes it")
    return message


def _plainly_bounded(block: Block) -> bool:
    """Say whether the boundary lines are as gitsync writes them, attributes of the end line apart."""
    start = start_line(block.id)
    end = block.raw[len(start) + len(block.inner) :]
    return block.raw.startswith(start) and end.startswith(END_LINE[:-5]) and end.endswith(END_LINE[-5:])


def _read_inner(message_id: str, inner: bytes) -> Message:
    heading, _, rest = inner.partition(b"\n")
    blank, _, rest = rest.partition(b"\n")
    if blank or not (heading == b"##" or heading.startswith(b"## ")):
        raise ValueError("no subject where it belongs")
    fields: list[tuple[str, str]] = []
    at = 0
    while rest.startswith(b"- **", at):
        end = rest.find(b"\n", at)
        end = len(rest) if end < 0 else end
        line, at = rest[at:end], end + 1
        match = _FIELD.fullmatch(line.decode("utf-8", "surrogateescape"))
        if match is None:
            raise ValueError("not a field")
        fields.append((match[1], match[2] or ""))
    rest = rest[at:]
    body = b""
    if rest:
        if len(rest) < 3 or rest[:1] != b"\n" or rest[-1:] != b"\n":
            raise ValueError("no blank line before the body")
        body = _unescape(rest[1:-1])
    known = {name: value for name, value in fields if name in KNOWN_FIELDS}
    subject = heading[3:].decode("utf-8", "surrogateescape")
    return Message(
        id=message_id,
        sender=known.get("From", ""),
        to=tuple(known.get("To", "").split(", ")),
        subject=_CLOSING.sub(lambda match: match[1][1:] + match[2], subject),
        body=body.decode("utf-8", "surrogateescape"),
        date=known.get("Date", ""),
        priority=known.get("Priority", ""),
        type=known.get("Type", ""),
        thread=known.get("Thread"),
        in_reply_to=known.get("In-Reply-To"),
        fields=tuple((name, value) for name, value in fields if name not in KNOWN_FIELDS),
    )


def _fields(message: Message) -> list[tuple[str, str]]:
    fields = [
        ("From", message.sender),
        ("To", ", ".join(message.to)),
        ("Date", message.date),
        ("Priority", message.priority),
        ("Type", message.type),
        ("Thread", message.thread or ""),
        ("In-Reply-To", message.in_reply_to or ""),
    ]
    return [(name, value) for name, value in fields if value] + list(message.fields)


def _escape(body: bytes) -> bytes:
    """Add one backslash to every line that needs it; the number of lines stays."""
    lines = body.split(b"\n")
    unclosed = _unclosed(lines)
    for number, line in enumerate(lines):
        if _BOUNDARY_LIKE.match(line):
            lines[number] = b"\\" + line
        elif number in unclosed or _ESCAPED_FENCE.match(line):
            blanks = len(line) - len(line.lstrip(b" \t"))
            lines[number] = line[:blanks] + b"\\" + line[blanks:]
    return b"\n".join(lines)


def _unescape(body: bytes) -> bytes:
    lines = body.split(b"\n")
    for number, line in enumerate(lines):
        if _ESCAPED_BOUNDARY.match(line):
            lines[number] = line[1:]
        elif match := _ESCAPED_FENCE.match(line):
            lines[number] = match[1] + line[len(match[1]) + 1 :]
    return b"\n".join(lines)


def _unclosed(lines: list[bytes]) -> set[int]:
    """Find the fence markers that would open a code block which nothing closes. Linear."""
    marked = [(number, *found) for number, line in enumerate(lines) if (found := fence_marker(line))]
    # The longest marker that can close a fence, per character, at or after each marked line.
    longest: list[dict[bytes, int]] = [{b"`": 0, b"~": 0} for _ in range(len(marked) + 1)]
    for index in range(len(marked) - 1, -1, -1):
        _, marker, rest = marked[index]
        longest[index] = dict(longest[index + 1])
        if not rest.strip(b" \t\r"):
            longest[index][marker[:1]] = max(longest[index][marker[:1]], len(marker))
    unclosed: set[int] = set()
    fence = FenceState()
    for index, (number, marker, rest) in enumerate(marked):
        if not fence.marker and longest[index + 1][marker[:1]] < len(marker):
            if marker[:1] == b"~" or b"`" not in rest:
                unclosed.add(number)
        else:
            fence.feed(marker, rest)
    return unclosed


def _text(name: str, text: str) -> str:
    """Give the text that reading the written bytes will give; raise ValueError where there are none."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError(f"the {name} holds half a character that no file can hold") from error


def _line(name: str, value: str) -> str:
    value = _text(name, value).strip()
    if _CONTROL.search(value):
        raise ValueError(f"{name} must be one line: {value!r}")
    return value


def _name(name: str) -> str:
    if _NAME.fullmatch(name) is None or name.casefold() in _KNOWN:
        raise ValueError(f"not the name of an additional field: {name!r}")
    return name

"""Read the state that a hand-written page reports of the machine or agent it is about."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gitsync.protocol import names
from gitsync.protocol.fields import Field, Header, read_header, split_line
from gitsync.protocol.found import StatusFound
from gitsync.protocol.lines import BLANK, BLOCK, HEADING, OPAQUE, RULE, TEXT, Lines
from gitsync.protocol.plain import plain
from gitsync.protocol.start import Start
from gitsync.protocol.templates import is_choice, is_placeholder

_STATES = {
    "ACTIVE": r"active|online|running|operational|live|up",
    "IDLE": r"idle|standby|standing by|waiting|available|ready|paused|sleeping",
    "WORKING": r"working|in[ _-]progress|busy|executing|building|deploying",
    "SYNCING": r"sync(?:ing|hronizing|hronising)?|pulling|pushing",
    "OFFLINE": (
        r"offline|shut(?:ting)?[ -]?down|stopped|disconnected|down|dead|signed off"
        r"|not (?:yet )?(?:connected|deployed)"
    ),
    "EMERGENCY": r"emergency|panic",
}
_STATE = re.compile("|".join(rf"(?P<{state}>\b(?:{words})\b)" for state, words in _STATES.items()), re.IGNORECASE)
_SUBJECT = frozenset(
    {"instance", "agent", "computer", "machine", "computer id", "instance id", "agent id", "agent name", "id"}
)
_STATE_NAMES = frozenset({"status", "state", "current status", "current state"})
_HEADING = re.compile(r"(?:current\s)?(?:status|state)\s*:\s*(?P<state>\S.*)$", re.IGNORECASE)
_TITLE_SAYS = re.compile(r"\b(?:status|check[\s-]?in)\b", re.IGNORECASE)
_SPEAKS = re.compile(rf"(?P<who>{names.AGENT}(?:_\w+)?|instance\s+(?P<name>[\w]+))", re.IGNORECASE)
_LONG = 30
"""Lines at the top, and at the end, in which a page's own state is looked for."""
_HEADINGS = 40


def find_status(lines: Lines, found: Sequence[Start]) -> StatusFound | None:
    """Find whose state a page reports and which; None for pages that are not about one machine or agent."""
    first = next((n for n, kind in enumerate(lines.kinds) if kind in (TEXT, HEADING)), None)
    if first is None:
        return None
    title = plain(lines.text(first).lstrip("# \t"))
    heading = lines.headings[0] if lines.headings and lines.headings[0].line == first else None
    plain_fields = heading is None and bool(split_line(lines.text(first)))
    header = read_header(lines, first if plain_fields else _open(lines, first + 1))
    letter = next((start for start in found if start.top), None)
    who = _subject(header, "" if plain_fields else title)
    if letter is not None:
        if not _TITLE_SAYS.search(title):
            return None
        sender = letter.header.value("from")
        who = names.sender(sender) if sender else who
    if who is None:
        return None
    says = _titled(title) or _SPEAKS.match(title) or _TITLE_SAYS.search(title) or plain_fields
    state = (_in_header(lines, header) or _elsewhere(lines, header.after, first)) if says else None
    if state is None:
        return None
    raw, line = state
    match = _STATE.search(raw)
    return StatusFound(who, match.lastgroup if match else None, raw, line + 1, line + 1)


def _open(lines: Lines, line: int) -> int:
    """Pass over blank lines and comments between a title and its fields."""
    while line < len(lines) and lines.kinds[line] in (BLANK, OPAQUE) and lines.raw[line].strip()[:4] in (b"", b"<!--"):
        line += 1
    return line


def _subject(header: Header, title: str) -> str | None:
    named = [each for each in header.fields if each.name.lower() in _SUBJECT and each.value]
    match = _SPEAKS.match(title)
    if match is not None:
        return (match["who"] or "").strip() if match["name"] is None else match["name"]
    if named:
        value = plain(named[0].value)
        return f"{named[0].name} {value}".title() if value.isdigit() else names.sender(value)
    return names.sender(re.split(r"\b(?:status|state)\b", title, flags=re.IGNORECASE)[0]) if _titled(title) else None


def _titled(title: str) -> bool:
    return names.is_agent(title)


def _in_header(lines: Lines, header: Header) -> tuple[str, int] | None:
    for number in range(header.first, header.after):
        state = _state_of(split_line(lines.text(number)))
        if state is not None:
            return state, number
    return None


def _elsewhere(lines: Lines, after: int, first: int) -> tuple[str, int] | None:
    """Look in a heading (`## CURRENT STATUS: ACTIVE`), in the lines below the head, then in the trailer."""
    for heading in lines.headings[:_HEADINGS]:
        match = _HEADING.match(plain(heading.raw)) if heading.line >= first else None
        if match is not None:
            return match["state"], heading.line
    size = len(lines)
    seen = 0
    for number in range(after, min(size, after + _LONG)):
        if lines.kinds[number] in (HEADING, BLOCK):
            break
        state = _state_of(split_line(lines.text(number))) if lines.kinds[number] == TEXT else None
        if state is not None and not lines.raw[number].startswith((b" ", b"\t")):
            return state, number
    for number in range(size - 1, max(after, size - _LONG), -1):
        kind = lines.kinds[number]
        if kind in (RULE, HEADING, BLOCK, OPAQUE) and seen:
            break
        if kind == TEXT:
            seen += 1
            state = _state_of(split_line(lines.text(number)))
            if state is not None:
                return state, number
    return None


def _state_of(fields: list[Field]) -> str | None:
    said = (each for each in fields if each.name.lower() in _STATE_NAMES)
    values = (each.value for each in said if not is_placeholder(each.value) and not is_choice(each))
    return next((plain(value) for value in values if plain(value)), None)

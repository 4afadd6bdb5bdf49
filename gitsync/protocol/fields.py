"""Read header fields in all the forms that people give them.

`**K:** v`, `**K**: v`, `**K: v**`, `- **K:** v`, `K: v`, `## K: v`, `## Subject` with its text below, and several on
one line, separated by a bullet, a dot or a bar, or each with its own bold name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from gitsync.protocol import dates
from gitsync.protocol.lines import BLANK, HEADING, OPAQUE, TEXT, Lines
from gitsync.protocol.plain import EMOJI, plain

KNOWN = {
    "from": "from", "sender": "from",
    "to": "to", "recipient": "to", "recipients": "to",
    "date": "date", "datetime": "date", "date/time": "date", "date & time": "date", "date and time": "date",
    "sent": "date",
    "time": "time", "timestamp": "timestamp",
    "priority": "priority", "subject": "subject", "re": "subject", "type": "type", "message type": "type",
    "thread": "thread", "thread id": "thread", "in reply to": "in_reply_to",
}  # fmt: skip
"""Names of fields that a header is known by, and what they mean."""

SYNONYMS = {"by": "from", "prepared by": "from", "reporter": "from", "for": "to", "prepared for": "to"}
"""Names that mean a sender or a recipient at the top of a file only."""

MOST_LINES = 80
"""Lines a header may have; below them it is text. Keeps the reader linear whatever the input."""
MOST_BLANKS = 5
_LOOKED_AT_AGAIN = 256
"""Lines remembered: headings in a row each look at the same lines below them."""
_MOST_HEADINGS = 10
_MOST_RECIPIENTS = 40
_LONGEST = 4000

_FIELD = re.compile(
    rf"[ \t]{{0,3}}(?P<bullet>[-*+•‣▪▸►][ \t]+)?(?:\[[ xX]\][ \t]+)?[{EMOJI} ]{{0,12}}"
    rf"(?P<open>[*_]{{1,3}})?[{EMOJI} ]{{0,12}}"
    r"(?P<key>[A-Za-z][A-Za-z0-9 _/&.'’#-]{0,39}?(?:[ ]?\([^()*:]{0,30}\))?)[ ]{0,3}"
    r"(?P<shut1>[*_]{1,3})?[ ]{0,3}[:：](?!//|:)(?P<shut2>[*_]{1,3}(?=\s|$|[^*_]))?(?P<value>.*)$"
)
_BARE_KEY = re.compile(
    r"(?!(?i:note|please|hi|hello|hey|dear|ps|p\.s|warning|important|todo|question|questions|summary|message|ok|yes|no)\b)"
    r"(?:[A-Za-z][A-Za-z-]*|[A-Z][A-Za-z-]*(?:[ _][A-Z][A-Za-z-]*){1,2})$",
)
_SEPARATOR = re.compile(r"\s+[•·|]\s+|\s*[•·]\s+|\s+\|\|\s+")
_INLINE = re.compile(r"[,;]?\s+(?=\*\*[A-Za-z][A-Za-z /-]{0,24}(?::\*\*|\*\*\s?:))")
_ITEM = re.compile(r"[ \t]{0,7}[-*+•][ \t]+(?P<text>\S.*)$")
_TASK = re.compile(r"(?!all\b|any\b|every)[a-z]+\s+[a-z]")
_NUMBER = re.compile(r"\d{1,3}")
_OF_LETTERS = frozenset({"date", "time", "timestamp", "priority", "subject"})
_ZONE_IN_KEY = re.compile(r"\((UTC|GMT|[A-Z]{3,4})\)")
_NOT_NAME = re.compile(
    r"v?\d+(?:[.,]\d+)*\s*%?$|v\d|https?:|\$?\d[\d,.]*\s*(?:[a-z%]{1,4}\b)|[./~]{1,2}/|\S*/\S*\.\w{1,5}$|\w+\.\w{1,4}$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field as written: its name, what the name means (None if unknown), and its value with markup."""

    name: str
    meaning: str | None
    value: str
    bold: bool = True
    item: bool = False
    headed: bool = False


@dataclass(slots=True)
class Header:
    """The fields directly under a heading; `first`..`after` are their lines, `after` the first one that is text."""

    first: int
    after: int
    fields: list[Field] = field(default_factory=list)

    def value(self, meaning: str) -> str | None:
        """Give the first value with this meaning that is not empty."""
        for each in self.fields:
            if each.meaning == meaning and each.value:
                return each.value
        return None

    def subject(self) -> str | None:
        """Give the subject; `Re` may name what is answered, so it counts only where no `Subject` stands."""
        given = [each for each in self.fields if each.meaning == "subject" and each.value]
        return next((each.value for each in given if each.name.lower() != "re"), given[0].value if given else None)

    def named(self) -> bool:
        """Tell whether a sender or a recipient is named, by something that can be a name."""
        named = [each.value for each in self.fields if each.meaning in ("from", "to")]
        if any(may_name(value) for value in named):
            return True
        # `1` is the name of a machine, and of much else: only among the fields of a letter it names one.
        letter = any(each.meaning in _OF_LETTERS and each.value for each in self.fields)
        return letter and any(_NUMBER.fullmatch(plain(value)) for value in named)

    def lone_item(self) -> bool:
        """Tell whether all that makes this a header is one From or To in a list or a heading, or one that names a task.

        A date beside it, whatever it is called, shows that it is more.
        """
        known = [each for each in self.fields if each.meaning is not None and each.value]
        if len(known) != 1:
            return False
        if _TASK.match(known[0].value) is not None:
            return True
        return (known[0].item or known[0].headed) and not any(dates.find(plain(each.value)) for each in self.fields)

    def known(self) -> bool:
        """Tell whether any field is one that a header is known by."""
        return any(each.meaning is not None and each.value for each in self.fields)


def may_name(value: str) -> bool:
    """Tell whether a From or To value can name somebody: not a version, a path, a number or a date."""
    bare = plain(value)
    if not bare or _NOT_NAME.match(value.strip()) or _NOT_NAME.match(bare):
        return False
    stamp = dates.find(bare)
    return (stamp is None or stamp.start > 0) and any(char.isalpha() or char == "*" for char in bare)


def meaning_of(name: str, *, top: bool = False) -> str | None:
    """Say what the name of a field means, or None; at the top of a file more names mean a sender or a recipient."""
    key = _normal(name)
    found = KNOWN.get(key)
    return SYNONYMS.get(key) if found is None and top else found


def split_line(text: str, *, top: bool = False) -> list[Field]:
    """Give the fields of one line, in order; none where the line is text."""
    if len(text) > _LONGEST or (":" not in text and "：" not in text):
        return []
    return list(_split(text, top))


@lru_cache(maxsize=_LOOKED_AT_AGAIN)
def _split(text: str, top: bool) -> tuple[Field, ...]:
    stripped = text.strip()
    if stripped.startswith("|") and stripped.endswith("|") and len(stripped) > 2:
        text = stripped[1:-1].strip()
    first = _one(text, top)
    if first is None:
        return ()
    if not any(mark in text for mark in "•·|") and text.count("**") < 4:
        return (first,)
    return tuple(_several(text, top)) or (first,)


def read_header(lines: Lines, start: int, *, top: bool = False, stop: int | None = None) -> Header:
    """Read the fields that begin at or, after blank lines, below line `start` (from 0)."""
    end = len(lines) if stop is None else stop
    line = _skip_blank(lines, start, end)
    header = Header(line, line)
    limit = min(end, line + MOST_LINES)
    headings = 0
    while line < limit:
        headings += lines.kinds[line] == HEADING
        if headings > _MOST_HEADINGS:
            break
        found, after = _fields_at(lines, line, limit, top)
        if not found or not _belongs(header, found, line):
            break
        header.fields += found
        header.after = line = after
        below = _skip_blank(lines, line, limit)
        if below > line:
            # After a blank line only what is surely a header goes on with it.
            more, _ = _fields_at(lines, below, limit, top) if below < limit else ([], below)
            if not more or (more[0].meaning is None and not _leads_to_name(lines, below, limit, header)):
                break
            line = below
    return header


def _belongs(header: Header, found: list[Field], line: int) -> bool:
    """Tell whether unmarked `Word: text` is a field: only a short one that stands among others."""
    first = found[0]
    if first.bold or first.meaning is not None:
        return True
    return (
        bool(_BARE_KEY.match(first.name)) and 0 < len(first.value) <= 80 and (not header.fields or header.after == line)
    )


def _leads_to_name(lines: Lines, line: int, limit: int, header: Header) -> bool:
    """Tell whether a block of marked fields names a sender or recipient of which the header so far knows nothing."""
    if header.known():
        return False
    while line < limit and lines.kinds[line] == TEXT:
        found = split_line(lines.text(line))
        if not found or not found[0].bold:
            return False
        if any(each.meaning in ("from", "to") and may_name(each.value) for each in found):
            return True
        line += 1
    return False


def _fields_at(lines: Lines, line: int, limit: int, top: bool) -> tuple[list[Field], int]:
    kind = lines.kinds[line]
    if kind == HEADING:
        return _heading_field(lines, line, limit, top)
    if kind != TEXT:
        return [], line
    found = split_line(lines.text(line), top=top)
    if len(found) == 1 and found[0].meaning == "to" and not found[0].value:
        names, after = _listed(lines, line + 1, limit)
        if names:
            return [Field(found[0].name, "to", ", ".join(names))], after
    return found, line + 1


def _heading_field(lines: Lines, line: int, limit: int, top: bool) -> tuple[list[Field], int]:
    """Read `## K: v`, and `## K` with its text below."""
    found, name, meaning = _in_heading(lines.text(line), top)
    if found:
        return list(found), line + 1
    if meaning is None:
        return [], line
    below = _skip_blank(lines, line + 1, limit)
    if below >= limit or lines.kinds[below] != TEXT:
        return [], line
    value = lines.text(below).strip()
    following = lines.kinds[below + 1] if below + 1 < len(lines) else BLANK
    if not value or len(value) > 300 or value[0] in "-+>|" or split_line(value) or following == TEXT:
        return [], line
    return [Field(name, meaning, value)], below + 1


@lru_cache(maxsize=_LOOKED_AT_AGAIN)
def _in_heading(text: str, top: bool) -> tuple[tuple[Field, ...], str, str | None]:
    """Give the known fields of a heading's line, or else its name and what that means."""
    raw = re.sub(r"^[ \t]{0,3}#{1,6}[ \t]+", "", text)
    found = tuple(
        replace(each, headed=True) for each in split_line(raw, top=top) if each.meaning is not None and each.value
    )
    name = plain(raw).rstrip(":")
    return found, name, meaning_of(name)


def _listed(lines: Lines, line: int, limit: int) -> tuple[list[str], int]:
    names: list[str] = []
    while line < limit and len(names) < _MOST_RECIPIENTS and lines.kinds[line] == TEXT:
        text = lines.text(line)
        item = _ITEM.match(text[:300])
        if item is None or split_line(text):
            break
        names.append(item["text"])
        line += 1
    return names, line


def _one(text: str, top: bool) -> Field | None:
    match = _FIELD.match(text)
    if match is None:
        return None
    name, value = match["key"].strip(), match["value"]
    opened, shut = match["open"], match["shut1"] or match["shut2"]
    bold = bool(opened)
    if opened and not shut:
        trimmed = value.rstrip()
        if not trimmed.endswith(opened):
            return None
        value = trimmed[: -len(opened)]
    elif shut and not opened:
        return None
    elif not opened and value and not value[0].isspace() and meaning_of(name) is None:
        return None  # `12:30`, `std::move`, `C:\x`
    value = value.strip().removesuffix("\\").strip()
    zone = _ZONE_IN_KEY.search(name)
    if zone is not None and value and meaning_of(name) in ("date", "time", "timestamp") and zone[1] not in value:
        value = f"{value} {zone[1]}"
    return Field(name, meaning_of(name, top=top), value, bold or bool(match["bullet"]), bool(match["bullet"]))


def _several(text: str, top: bool) -> list[Field]:
    """Split a line with several fields; what is between two of them belongs to the first."""
    found: list[Field] = []
    for piece in _pieces(text):
        one = _one(piece, top)
        if one is not None and (not found or one.bold or one.meaning is not None):
            found.append(one)
        elif found:
            last = found[-1]
            found[-1] = Field(last.name, last.meaning, f"{last.value} | {piece.strip()}", last.bold)
    if len(found) == 1:
        return []  # the bar was part of the value, as written
    return found


def _pieces(text: str) -> list[str]:
    by_mark: Callable[[str], list[str]] = _SEPARATOR.split
    return [piece for part in by_mark(text) for piece in _INLINE.split(part) if piece.strip()]


def _normal(name: str) -> str:
    key = re.sub(r"\s*\([^()]*\)$", "", name)
    return " ".join(key.replace("_", " ").replace("-", " ").lower().split()).strip(" .'’#")


def _skip_blank(lines: Lines, line: int, end: int) -> int:
    below = line
    while below < end and below - line <= MOST_BLANKS and (lines.kinds[below] == BLANK or _is_note(lines, below)):
        below += 1
    return below


def _is_note(lines: Lines, line: int) -> bool:
    """Tell whether a line is a comment of its own, which people leave between a title and its fields."""
    return (
        lines.kinds[line] == OPAQUE
        and lines.raw[line].strip().startswith(b"<!--")
        and lines.raw[line].strip().endswith(b"-->")
    )

"""Read who writes, to whom, and how urgent it is, in the words that people use."""

from __future__ import annotations

import re

from gitsync.protocol.plain import plain

EVERYBODY = "all"
ANYBODY = "any"

_KINDS = (
    r"(?:claude[\s_-]{1,2})?(?:c|t|agent|computer|comp|instance|machine|pc|node|claude|worker|bot|laptop|desktop|session"
    r"|terminal|server)"
)
AGENT = rf"(?:{_KINDS}[\s_-]{{0,2}}(?:no\.?\s?|\#)?\d{{1,4}}(?:-\d{{1,3}})?[a-z]?(?![a-z0-9]))"
"""A name that can only be a machine's or an agent's: `C1`, `Computer 2`, `Agent-3`, `Claude #1`."""

_AGENT = re.compile(rf"(?:the\s|captain\s|co-captain\s)?{AGENT}", re.IGNORECASE)
_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]{0,500}[)\]]")
_OPEN = re.compile(r"\s*\([^()]*$")
_ADDRESS = re.compile(r"\s*<[^<>\s]{1,200}>")
_DASH = re.compile(r"\s+[-–—|]{1,3}\s+|\s*[–—]\s*|:\s")
_ARROW = re.compile(r"\s*(?:→|⇒|➡|⟶|->|=>|-->)\s*")
_SPLIT = re.compile(r"\s*(?:,|;|&|\+|\band\b)\s*(?:and\s+|&\s*)?", re.IGNORECASE)
_NUMBERS_OF = re.compile(
    r"(?P<kind>computer|instance|agent|machine)s\s+(?P<numbers>\d{1,4}(?:\s*(?:,|&|\+|and)[\s,&]*(?:and\s+)?\d{1,4}){1,20})",
    re.IGNORECASE,
)
_SLASH = re.compile(r"\s*/\s*")
_ALL = re.compile(
    r"@?(?:all|everyone|everybody|broadcast)(?![a-z0-9])|(?:the\s)?(?:entire|whole)\s|(?:the\s)?team$"
    r"|every\s+(?:agent|computer|instance|machine|one)\b",
    re.IGNORECASE,
)
_ALL_INSIDE = re.compile(r"[(\[]\s*(?:all|everyone|everybody)\b", re.IGNORECASE)
_ANY = re.compile(r"@?any(?:one|body)?(?![a-z])", re.IGNORECASE)
_NOBODY = re.compile(r"(?:n/?a|none|null|nobody|-+|—+|\?+|tbd|unknown)?$", re.IGNORECASE)

_WORD = re.compile(
    r"(?<![a-z])(?:"
    r"(?P<not>(?:not|non|no)[\s-](?:so\s)?(?:urgent|critical|rush|high))"
    r"|(?P<urgent>urgent|critical|emergency|p0|asap|immediate(?:ly)?|blocker|blocking|highest|maximum|max|apex|sev-?[01])"
    r"|(?P<high>high|p1|important|elevated)"
    r"|(?P<normal>normal|regular|medium|moderate|standard|routine|default|p2)"
    r"|(?P<low>low|lowest|p3|p4|minor|trivial|fyi)"
    r")(?![a-z0-9])",
    re.IGNORECASE,
)
_COLOURS = (
    ("🔴", "urgent"),
    ("🚨", "urgent"),
    ("🆘", "urgent"),
    ("🟠", "high"),
    ("🟡", "normal"),
    ("🟢", "normal"),
)
_NUMBERS = {"0": "urgent", "1": "high", "2": "normal", "3": "low", "4": "low"}


def is_agent(text: str) -> bool:
    """Tell whether a name begins as only a machine's or an agent's does: `C1`, `Computer 2`, `Agent-3`."""
    return _AGENT.match(text) is not None


def sender(text: str) -> str | None:
    """Give a sender's name as a person would say it, or None where the value names nobody."""
    name = _ARROW.split(plain(text), maxsplit=1)[0]
    return _one(name)


def recipients(text: str) -> tuple[str, ...]:
    """Give the recipients of a To value in order, each once; everybody is `all`."""
    whole = plain(text) if text.strip() != "*" else "all"
    parts = _ARROW.split(whole)
    whole = parts[-1].strip(" \"'“”‘’")
    if _ALL.match(whole):
        return (EVERYBODY,)
    bare = _strip(whole)
    if _ALL.match(bare) or (_ALL_INSIDE.search(whole) and not is_agent(bare)):
        return (EVERYBODY,)
    if _ANY.match(bare):
        # "ANY other instances" speaks to all of them; "any", "any free agent" to whoever takes it.
        several = re.search(r"[a-z]{3,}s\b", bare, re.IGNORECASE)
        return (EVERYBODY,) if several else (ANYBODY,)
    several = _NUMBERS_OF.fullmatch(bare)
    if several is not None:
        return tuple(dict.fromkeys(f"{several['kind']} {number}" for number in re.findall(r"\d+", several["numbers"])))
    found: list[str] = []
    for part in _SPLIT.split(re.sub(r"^both\s+", "", bare, flags=re.IGNORECASE)):
        for piece in _slashed(part):
            name = EVERYBODY if _ALL.match(piece) else _one(piece)
            if name is not None and name not in found:
                found.append(name)
    return tuple(found)


def arrow(text: str) -> tuple[str, str] | None:
    """Give sender and recipient of a text like `C1 → C2`, or None."""
    sides = _ARROW.split(text)
    if len(sides) != 2 or not sides[0].strip() or not sides[1].strip():
        return None
    return sides[0].strip(), sides[1].strip()


def priority(text: str) -> tuple[str | None, str | None]:
    """Give the level (low, normal, high, urgent) of a priority as written, and its words; (None, None) if empty."""
    raw = re.sub(r"[*`]+", "", text[:400]).strip()
    if not raw:
        return None, None
    bare = plain(raw)
    number = re.fullmatch(r"#?([0-4])(?:\s*[(/\-–—].*)?", bare)
    match = _WORD.search(bare)
    if match is not None:
        return ("normal" if match.lastgroup == "not" else match.lastgroup), raw
    if number is not None:
        return _NUMBERS[number[1]], raw
    for colour, level in _COLOURS:
        if colour in raw:
            return level, raw
    return "normal", raw


def _strip(name: str) -> str:
    return _ADDRESS.sub("", _OPEN.sub("", _BRACKETS.sub("", name))).strip()


def _slashed(part: str) -> list[str]:
    pieces = _SLASH.split(part)
    return pieces if len(pieces) > 1 and all(is_agent(piece) for piece in pieces) else [part]


def _one(name: str) -> str | None:
    bare = _strip(name) or name.strip("()[] ")
    head = _DASH.split(bare, maxsplit=1)[0]
    if head != bare and (is_agent(head) or ":" in bare):
        bare = head
    bare = bare.split(",", 1)[0] if is_agent(bare) else bare
    bare = bare.strip(" \t\"'“”‘’.,;:|@-–—<>")
    return None if _NOBODY.match(bare) else bare

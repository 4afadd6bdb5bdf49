"""Read headings that say of themselves that a message starts: `Message from …`, `MESSAGE #3: …`, `FROM who - date`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from gitsync.protocol import dates, names
from gitsync.protocol.names import AGENT

_LEAD = (
    r"(?:\[[^\[\]]{1,20}\]\s*)?(?:(?:urgent|critical|emergency|important|priority|high[\s-]priority|top[\s-]priority|new|direct|incoming|"
    r"outgoing|latest|final|first|second|third|private|special|quick|short)[\s:!-]{1,3}){0,2}"
)
_NUMBERED = re.compile(
    rf"{_LEAD}(?:message|response|reply|msg)\s*(?:\#\s?\d+|\d+\s*(?:[:.)\-–—]|$)|no\.?\s?\d+)", re.IGNORECASE
)
_MESSAGE = re.compile(
    rf"{_LEAD}(?:message|msg)\s+(?P<way>from|to|for)\s*:?\s+(?!be\b|send\b|display\b|show\b|post\b|copy\b|write\b|include\b)(?P<rest>\S.*)$",
    re.IGNORECASE,
)
_NAME = re.compile(
    rf"[^\Wa-z]|\W|{AGENT}|(?:all|any|every\w*|the|my|our|your|this|that|[a-z]+-\d+)\b|[a-z][\w-]*\s*(?:[:\-–—(|]|$)",
)
"""How a name, unlike the words of a sentence, begins."""
_ANSWER = re.compile(rf"{_LEAD}(?:response|reply|answer)\s+(?P<way>to|from|for)\s*:?\s+(?P<rest>\S.*)$", re.IGNORECASE)
_FROM = re.compile(r"from\s*:?\s+(?P<rest>\S.*)$", re.IGNORECASE)
_TO = re.compile(r"to\s*:?\s+(?P<who>[^:]{1,60}?)\s*(?P<colon>:.*)?$", re.IGNORECASE)
_PAIR = re.compile(rf"{_LEAD}(?P<from>{AGENT}(?:[_ ][a-z]+)?)\s+to\s+(?P<to>{AGENT}|all\b)", re.IGNORECASE)
_BETWEEN_AGENTS = re.compile(rf"{AGENT}[\w ()]{{0,30}}?\s(?:to|→|->)\s(?:the\s)?{AGENT}", re.IGNORECASE)
_SECTION = re.compile(r"(?:.*\s)?messages\b", re.IGNORECASE)
_HOLDER = re.compile(
    r"\b(?:messages|inbox|outbox|mailbox|log|logbook|journal|channel|board|comms|communications?|updates|history|archive|threads?)\b"
    rf"|^{AGENT}$",
    re.IGNORECASE,
)
_WHO_END = re.compile(r"\s*(?::|\s[-–—|•]\s|[–—|]|\bre:|\babout\b|\bregarding\b)", re.IGNORECASE)
_INNER_FROM = re.compile(r"(?:^|[\s\-–—|•])from:\s*(?P<who>[^:]{1,80}?)(?=\s*(?:[-–—|•→]|to:|$))", re.IGNORECASE)
_INNER_TO = re.compile(r"(?:^|[\s\-–—|•])to:\s*(?P<who>[^:]{1,80}?)(?=\s*(?:\s[-–—|•]\s|$))", re.IGNORECASE)
_AFTER_TO = re.compile(r"\s+to\s+", re.IGNORECASE)
_NOT_ENTRY = re.compile(
    r"(?:\b(?:as of|by|until|till|before|after|since|due|deadline|eta|next(?: \w+)?|expires?|valid|scheduled(?: for)?"
    r"|starting|ends?|target)[\s:(~-]*"
    r"|\b(?:last|next)\s[\w\s-]{0,30}[:(]\s*"
    r"|\b(?:updated|generated|created|modified|checked|timestamp|date|time)\s*[:(]\s*)$",
    re.IGNORECASE,
)
_TRIM = " \t-–—:|•·,;~@"


@dataclass(frozen=True, slots=True)
class Said:
    """What a heading says of the message below it."""

    sender: str | None = None
    to: tuple[str, ...] = ()
    numbered: bool = False
    needs_fields: bool = False


def said(text: str) -> Said | None:
    """Read a plain heading as the start of a message, or give None."""
    if _NUMBERED.match(text):
        inner = said_inside(text)
        return Said(inner.sender, inner.to, numbered=True)
    match = _MESSAGE.match(text)
    if match is not None:
        found = _way(match["way"], match["rest"])
        return found if _NAME.match(match["rest"]) else replace(found, needs_fields=True)
    match = _ANSWER.match(text)
    if match is not None:
        found = _way(match["way"], match["rest"])
        return Said(found.sender, found.to, needs_fields=True)
    match = _FROM.match(text)
    if match is not None:
        rest = match["rest"]
        stamp = dates.find(rest)
        who = _WHO_END.split(rest, maxsplit=1)[0]
        if stamp is not None and who and _posts(rest[len(who) : stamp.start], who):
            return _way("from", rest)
        pair = _PAIR.match(rest)
        if pair is not None:
            return Said(names.sender(pair["from"]), names.recipients(pair["to"]))
    return None


def said_inside(text: str) -> Said:
    """Read `FROM: who - TO: who`, `C1 → C2` and `C1 TO C2` in a heading whose other parts say more."""
    sender = _INNER_FROM.search(text)
    to = _INNER_TO.search(text)
    if sender is not None or to is not None:
        return Said(names.sender(sender["who"]) if sender else None, names.recipients(to["who"]) if to else ())
    return _pair(text) or Said()


def pair_in_title(text: str) -> Said | None:
    """Read a title that names sender and recipient: `[A2A] Agent-1 → Agent-3`, `C2 TO C1 - …`."""
    if _SECTION.match(text):
        return None
    return _pair(text)


def to_whom(text: str) -> tuple[str, ...] | None:
    """Read `TO who:`, which starts a message below a section titled MESSAGES."""
    match = _TO.match(text)
    if match is None:
        return None
    who = names.recipients(match["who"])
    marked = match["colon"] or ":" in text[:4] or names.is_agent(match["who"]) or who == (names.EVERYBODY,)
    return who if who and marked else None


def is_messages_section(text: str) -> bool:
    """Tell whether a heading titles a section of messages: the plural says so."""
    return _SECTION.match(text) is not None


def holds_messages(text: str) -> bool:
    """Tell whether a file's title names what holds messages, so that the heading below it is one of them."""
    return _HOLDER.search(text) is not None


def names_a_mailbox(text: str) -> bool:
    """Tell whether a file's title says who writes to whom in it: `MESSAGES: COMPUTER 1 → COMPUTER 2`."""
    if _SECTION.match(text) is None:
        return False
    return _pair(text.partition(":")[2].strip() or text) is not None or _BETWEEN_AGENTS.search(text) is not None


def entry_date(text: str) -> dates.Stamp | None:
    """Find the date and time of day that make a heading an entry of a log, or None."""
    stamp = dates.find(text)
    if stamp is None or not stamp.full:
        return None
    before = text[: stamp.start]
    return None if _NOT_ENTRY.search(before.rstrip("([{ ") + " " if before.strip() else "") else stamp


def entry_time(text: str) -> dates.Stamp | None:
    """Find `[HH:MM]` at the start of a heading."""
    if not text.startswith("["):
        return None
    stamp = dates.find_time(text[1:])
    if stamp is None or stamp.time is None or text[1 + stamp.end : 2 + stamp.end] != "]":
        return None
    return dates.Stamp(0, stamp.end + 2, None, stamp.time, stamp.offset, stamp.clear)


def title_without(text: str, stamp: dates.Stamp) -> str:
    """Give a heading without its date and what held the date."""
    before, after = text[: stamp.start].rstrip(), text[stamp.end :].lstrip()
    if before.endswith(("[", "(")):
        before = before[:-1]
        after = after.removeprefix("]").removeprefix(")")
    before, after = before.strip(_TRIM), after.strip(_TRIM)
    return f"{before} {after}".strip() if before and after else before or after


def entry_sender(title: str) -> str | None:
    """Give who wrote a log's entry, where its title begins with a name."""
    inside = _INNER_FROM.search(title)
    if inside is not None:
        return names.sender(inside["who"])
    head = re.split(r"\s+[-–—|]\s+|[:—–|]", re.sub(r"^from\s+", "", title, flags=re.IGNORECASE), maxsplit=1)
    if names.is_agent(head[0]):
        return names.sender(_cut_verb(head[0]))
    if len(head) == 2 and re.fullmatch(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)+", head[0].strip()):
        return head[0].strip()
    return None


def _cut_verb(text: str) -> str:
    return re.split(
        r"\s+(?=(?:complet|done|start|claim|online|offline|status|updat|report|check|finish|deploy|session|handoff|fix|built|boot|sync)\w*)",
        text,
        maxsplit=1,
        flags=re.IGNORECASE,
    )[0]


def _posts(between: str, who: str) -> bool:
    """Tell whether a date stands right after a name: `FROM who - date`, not `From idea to code (date)`."""
    sides = _AFTER_TO.split(who, maxsplit=1)
    return not between.strip(_TRIM + "([") and len(who) <= 60 and (len(sides) == 1 or names.is_agent(sides[0]))


def _way(way: str, rest: str) -> Said:
    who = _WHO_END.split(rest, maxsplit=1)[0]
    stamp = dates.find(who)
    if stamp is not None and stamp.start > 0:
        who = who[: stamp.start].strip(_TRIM + "([")
    if way.lower() == "from":
        sides = _AFTER_TO.split(who, maxsplit=1)
        return Said(names.sender(sides[0]), names.recipients(sides[1]) if len(sides) > 1 else ())
    sides = re.split(r"\s+from\s+", who, maxsplit=1, flags=re.IGNORECASE)
    return Said(names.sender(sides[1]) if len(sides) > 1 else None, names.recipients(sides[0]))


def _pair(text: str) -> Said | None:
    match = _PAIR.match(text)
    if match is not None:
        return Said(names.sender(match["from"]), names.recipients(match["to"]))
    bare = re.sub(r"^\[[^\[\]]{1,20}\]\s*", "", text)
    sides = names.arrow(bare)
    if sides is None or max(len(side) for side in sides) > 60:
        return None
    left = re.split(r":\s|\s[-–—]\s", sides[0])[-1].strip()
    right = re.split(r":|\s[-–—]\s", sides[1])[0].strip()
    sender = names.sender(left)
    to = names.recipients(right)
    if sender is None or not to:
        return None
    if not (names.is_agent(left) or names.is_agent(right) or text.startswith("[") or to == (names.EVERYBODY,)):
        return None
    return Said(sender, to)

"""Tell a form that nobody has filled in from a message, by its heading and the values of its fields only."""

from __future__ import annotations

import re

from gitsync.protocol import dates
from gitsync.protocol.fields import Field, split_line
from gitsync.protocol.names import EVERYBODY, is_agent, recipients
from gitsync.protocol.plain import plain

_UNEXPANDED = re.compile(
    r"\$\(\s*\w|\$\{\w|\{\{|(?<![A-Za-z])YYYY(?![A-Za-z])|(?<![A-Za-z])(?:HH|hh):(?:MM|mm)(?![A-Za-z])|_{4,}|<%"
)
_BRACKET = re.compile(r"[\[{]([^\[\]{}\n]{1,200})[\]}](?!\()")
_ANGLE = re.compile(r"<[a-z][a-z0-9 _/|-]{1,60}>$", re.IGNORECASE)
_ALONE = {
    "from", "to", "n", "x", "id", "name", "title", "date", "time", "timestamp", "subject", "topic", "who", "tbd",
    "number", "computer", "agent", "instance", "machine", "role", "todo", "sender", "recipient", "recipients",
    "description", "message", "...", "…", "text", "summary", "priority", "none yet",
}  # fmt: skip
_INSIDE = re.compile(
    r"\b(?:your|insert|edit|enter|fill|placeholder|here|current (?:time|date)|brief|description|timestamp"
    r"|(?:task|agent|instance|computer|machine|session|branch|message|feature|sender|recipient|project|file)"
    r"[ _](?:name|id|number|title)s?"
    r"|task title|(?:short|clear|concise)[, ]|awaiting response|to be (?:filled|determined)|if needed)\b",
    re.IGNORECASE,
)
_OPTIONS = re.compile(r"\s*[|/]\s*")
_LEVEL = re.compile(r"(?:low|normal|medium|high|urgent|critical|emergency|p[0-4])$", re.IGNORECASE)
_AWAITING = re.compile(
    r"(?:still\s)?(?:awaiting|waiting for|waiting on|pending first|expecting)\b"
    r"|no (?:new )?(?:messages?|responses?)\b|placeholder\b|\(?(?:none|empty)(?: yet)?\)?$",
    re.IGNORECASE,
)
_EMPTY_BODY = re.compile(
    r"[\s*_>\-(\[]*(?:none|n/?a|tbd|no (?:new )?(?:messages?|responses?|updates?)|nothing|empty|awaiting|waiting"
    r"|pending|your (?:message|text)|message (?:here|content)|edit this|insert|write (?:your|here)"
    r"|to be (?:filled|written))\b[^\n]{0,200}$",
    re.IGNORECASE,
)
_ABOUT_FORM = re.compile(r"\b(?:templates?|format|example|sample|how to (?:send|write|use))\b", re.IGNORECASE)


def is_placeholder(value: str) -> bool:
    """Tell whether a field's value is a slot to be filled in."""
    text = value.strip().strip("*").strip()
    if _UNEXPANDED.search(text):
        return True
    if _ANGLE.match(text):
        return True
    whole = _BRACKET.fullmatch(text)
    if whole is not None:
        return not _may_stand_in_brackets(whole[1])
    return any(_slot(match[1]) for match in _BRACKET.finditer(text))


def in_heading(text: str) -> bool:
    """Tell whether a heading is that of a form, or says that the message is still to come."""
    if _UNEXPANDED.search(text) or _AWAITING.match(plain(text)):
        return True
    return any(_slot(match[1]) for match in _BRACKET.finditer(text))


def in_fields(fields: list[Field]) -> bool:
    """Tell whether a header is that of a form: a known field is a slot, or at least half of the others are."""
    others = [each for each in fields if each.meaning is None and each.value]
    for each in fields:
        if each.meaning is not None and each.value and (is_placeholder(each.value) or is_choice(each)):
            return True
        if each.name.lower() == "status" and (is_choice(each) or is_placeholder(each.value)):
            return True
    slots = sum(is_placeholder(each.value) for each in others)
    return slots >= 2 and 2 * slots >= len(others)


def is_empty_body(body: str) -> bool:
    """Tell whether the text under a heading that has no fields only says that there is no text yet."""
    return len(body) <= 2000 and all(_says_nothing(line.strip()) for line in body.splitlines())


def _says_nothing(line: str) -> bool:
    if not any(char.isalnum() for char in line) or line.startswith("#"):
        return True
    if _EMPTY_BODY.match(plain(line)) or _is_slot_line(line):
        return True
    fields = split_line(line)
    return bool(fields) and all(not each.value or is_placeholder(each.value) for each in fields)


def about_form(heading: str) -> bool:
    """Tell whether a heading announces a form or an example, so that what stands deeper is not meant."""
    return _ABOUT_FORM.search(heading) is not None


def _is_slot_line(line: str) -> bool:
    match = _BRACKET.fullmatch(line.strip().strip("*-_ "))
    return match is not None and not is_agent(match[1])


def is_choice(field: Field) -> bool:
    """Tell whether a value lists what could be chosen: `NORMAL / HIGH / URGENT`."""
    options = [option for option in _OPTIONS.split(plain(field.value).strip("[]")) if option]
    if len(options) < 3:
        return False
    if field.meaning == "priority":
        return all(_LEVEL.match(option) for option in options)
    if field.meaning == "type" or field.name.lower() == "status":
        return "|" in field.value and all(len(option.split()) <= 3 for option in options)
    return False


def _may_stand_in_brackets(inner: str) -> bool:
    text = plain(inner)
    if _slot(inner):
        return False
    if is_agent(text) or recipients(text) == (EVERYBODY,) or _LEVEL.match(text) or dates.find(text) is not None:
        return True
    return dates.has_time(text) or (" " not in text and text.isupper())


def _slot(inner: str) -> bool:
    text = plain(inner).strip()
    if text.lower() in _ALONE or _UNEXPANDED.search(text):
        return True
    options = _OPTIONS.split(text)
    if len(options) > 1 and all(options):
        if "|" in inner:
            return True
        if any(char.isdigit() for char in text):
            return False  # [C1/C2], [2/5], [11/15/2025]
        return len(options) > 2 or " / " in inner or all(_LEVEL.match(option) for option in options)
    return _INSIDE.search(text) is not None and not (is_agent(text) or any(char.isdigit() for char in text))

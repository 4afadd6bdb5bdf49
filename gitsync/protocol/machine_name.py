"""Tell which machine a written name stands for: the one answer for wraps, deliveries and lint."""

from __future__ import annotations

import re
from collections.abc import Collection

from gitsync.protocol import names
from gitsync.protocol.paths import valid_id

_NUMBER = re.compile(r"\d+")


def machine_of(raw: str) -> str | None:
    """Give the machine id that a name stands for, None where it names none.

    `Computer 2 (Laptop)` is 2, `C1` is 1, `1/mechanic` is 1, `jesse` is jesse; everybody is `all`, and
    whoever takes it `any`.
    """
    return _addressed(raw) or _said(raw)


def other_machine(raw: str | None, owner: str | None, machines: Collection[str] = ()) -> str | None:
    """Name the machine that a From claims, where that is certainly another one than the file's owner.

    A number, a machine with an agent (`2/builder`) and an id among `machines` are machines beyond doubt; any other
    word may be a person's name. A machine that is called `c1` or `laptop-2` may be meant by that very word.
    """
    if not raw or owner in (raw.partition("/")[0].strip().lower(), _said(raw.partition("/")[0])):
        return None
    named = machine_of(raw)
    if named is None or named == owner:
        return None
    return named if named.isdigit() or named in machines or _addressed(raw) else None


def _addressed(raw: str) -> str | None:
    head, slash, _ = raw.strip().partition("/")
    return head.lower() if slash and valid_id(head.lower()) and names.sender(raw) is not None else None


def _said(raw: str) -> str | None:
    name = names.sender(raw)
    if name is None:
        return None
    number = _NUMBER.search(name) if names.is_agent(name) else None
    named = str(int(number[0])) if number else name.lower()
    return named if valid_id(named) or named in (names.EVERYBODY, names.ANYBODY) else None

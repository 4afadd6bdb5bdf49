"""Where things are in the mailbox: paths of owned files, and what a path says about its content.

All paths are relative to the mailbox's root and use `/`. Names of machines are compared without case, so
`messages/Jesse_TO_2.md` belongs to `jesse`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

ID_RE = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
MAX_FILE = 8 * 1024 * 1024
"""Bytes. A larger file in an owned place is refused and reported, by whoever reads it; so none is written."""
BROADCAST = "ALL"
ANYCAST = "ANY"

# `self/builder` is how a person names a local agent, so no machine can be called that.
_TAKEN = frozenset({"all", "any", "self"})

_NAME = r"[a-zA-Z0-9][a-zA-Z0-9-]{0,30}"
_MESSAGES = re.compile(rf"messages/({_NAME})_TO_({_NAME})\.md", re.IGNORECASE)
_STATUS = re.compile(rf"COMPUTER_({_NAME})\.md", re.IGNORECASE)
_RECEIPTS = re.compile(rf"receipts/({_NAME})/(\d{{4}}-(?:0[1-9]|1[0-2]))\.md", re.IGNORECASE)
_ARCHIVE = re.compile(
    rf"archive/(\d{{4}}-(?:0[1-9]|1[0-2]))/({_NAME})_TO_({_NAME})(?:\.[0-9]{{1,9}})?\.md", re.IGNORECASE
)
_MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")

Kind = Literal["messages", "status", "receipts", "archive", "other"]


@dataclass(frozen=True, slots=True)
class Place:
    """What a path says: whose file it is, and for messages who writes to whom."""

    kind: Kind
    sender: str | None = None
    to: str | None = None
    machine: str | None = None
    month: str | None = None

    @property
    def owner(self) -> str | None:
        """The one machine whose daemon writes this file; None for what belongs to people."""
        return self.sender or self.machine


_OTHER = Place("other")


def valid_id(text: str) -> bool:
    """Say whether a machine may be called that: the canonical, lower-case spelling only."""
    return ID_RE.fullmatch(text) is not None and text not in _TAKEN


def messages_path(sender: str, to: str) -> str:
    """Name the file for messages from one machine to another, or to `ALL` or `ANY`."""
    return f"messages/{_machine(sender)}_TO_{_recipient(to)}.md"


def receipts_path(machine: str, month: str) -> str:
    """Name the file of a machine's receipts for a month written `yyyy-mm`."""
    return f"receipts/{_machine(machine)}/{_month(month)}.md"


def status_path(machine: str) -> str:
    """Name a machine's status file."""
    return f"COMPUTER_{_machine(machine)}.md"


def archive_path(original: str, month: str, n: int = 1) -> str:
    """Name the n-th archive, counted from 1, of a messages file in a month written `yyyy-mm`.

    The number stands after a dot, which no machine id can contain: `1_TO_lap-2.md` could otherwise be the
    second archive for `lap` or the first for `lap-2`.
    """
    place = classify(original)
    if place.kind != "messages" or place.sender is None or place.to is None:
        raise ValueError(f"only files of messages are archived, not {original}")
    if n < 1:
        raise ValueError(f"archives count from 1, not {n}")
    number = f".{n}" if n > 1 else ""
    return f"archive/{_month(month)}/{place.sender}_TO_{place.to}{number}.md"


def classify(path: str) -> Place:
    """Say what kind of file a path names and whose it is; never fails."""
    if match := _MESSAGES.fullmatch(path):
        return _between("messages", match[1], match[2], None)
    if match := _ARCHIVE.fullmatch(path):
        return _between("archive", match[2], match[3], match[1])
    if (match := _STATUS.fullmatch(path)) and valid_id(match[1].lower()):
        return Place("status", machine=match[1].lower())
    if (match := _RECEIPTS.fullmatch(path)) and valid_id(match[1].lower()):
        return Place("receipts", machine=match[1].lower(), month=match[2])
    return _OTHER


def _between(kind: Kind, sender: str, to: str, month: str | None) -> Place:
    sender, to = sender.lower(), to.lower()
    if to in ("all", "any"):
        to = to.upper()
    elif not valid_id(to):
        return _OTHER
    if not valid_id(sender):
        return _OTHER
    return Place(kind, sender=sender, to=to, month=month)


def _machine(text: str) -> str:
    if not valid_id(text.lower()):
        raise ValueError(f"not the id of a machine: {text!r}")
    return text.lower()


def _recipient(text: str) -> str:
    return text.upper() if text.lower() in ("all", "any") else _machine(text)


def _month(text: str) -> str:
    if _MONTH.fullmatch(text) is None:
        raise ValueError(f"not a month written yyyy-mm: {text!r}")
    return text

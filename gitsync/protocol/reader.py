"""Read what people really write: find the messages in any file, from its bytes alone."""

from __future__ import annotations

from dataclasses import dataclass

from gitsync.protocol.problem import Problem

__all__ = ["Found", "Problem", "Reading", "StatusFound", "read_file", "unwrapped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One message as the reader found it."""

    line: int
    end_line: int
    start: int
    end: int
    id: str | None
    wrapped: bool
    subject: str | None
    sender: str | None
    to: tuple[str, ...]
    date_raw: str | None
    date_utc: str | None
    priority: str | None
    priority_raw: str | None
    type: str | None
    thread: str | None
    in_reply_to: str | None
    fields: tuple[tuple[str, str], ...]
    body: str
    draft: bool
    content: str


@dataclass(frozen=True, slots=True)
class StatusFound:
    """The state of the machine or agent that a hand-written page is about."""

    id_or_name: str | None
    state: str | None
    state_raw: str
    line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything the reader found in one file."""

    messages: tuple[Found, ...]
    problems: tuple[Problem, ...]
    status: StatusFound | None


def read_file(data: bytes, path: str | None = None) -> Reading:
    """Find the messages of a file and the status it reports; never fail, whatever the bytes."""
    return Reading((), (), None)


def unwrapped(data: bytes, path: str) -> tuple[Found, ...]:
    """Give the hand-written messages of this file that may be wrapped: real ones, not drafts."""
    return ()

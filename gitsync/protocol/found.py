"""What the tolerant reader finds: messages, the state a page reports, and what it had to pass over."""

from __future__ import annotations

from dataclasses import dataclass

from gitsync.protocol.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One message as the reader found it.

    Lines count from 1 and are inclusive; blank lines and rules after the text are left out, and so are the boundary
    lines of a wrapped message. `start` and `end` are byte offsets: `data[start:end]` is exactly the lines
    `line`..`end_line` with their line ends, and what wrapping puts its two lines around.

    `id` is the block's, None where it is not wrapped. `sender` and `to` are names as a person would say them, everybody
    is `all`; empty where only the path tells. `date_utc` is `YYYY-MM-DDTHH:MM:SSZ`, or None where day, time or zone is
    not known. `priority` is low, normal, high or urgent, or None. `fields` are the ones that are not understood, in
    order. `content` is the content hash of its text.
    """

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
    """The state of the machine or agent that a hand-written page is about; `state_raw` is as written, without emoji."""

    id_or_name: str | None
    state: str | None
    state_raw: str
    line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything the reader found in one file, in file order."""

    messages: tuple[Found, ...]
    problems: tuple[Problem, ...]
    status: StatusFound | None

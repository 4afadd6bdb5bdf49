"""Make a task of what is asked: what may be asked for, and what holds where nothing is said."""

from __future__ import annotations

import re

from gitsync import clock
from gitsync.errors import UsageError
from gitsync.ledger.tasks import TaskRow
from gitsync.protocol.message import PRIORITIES
from gitsync.tasks.values import GENERAL, TaskAsk, TaskSettings

MAX_CONTENT = 1024 * 1024
"""Bytes; as much as a message holds."""

_LONGEST_TYPE = 64
_TYPE = re.compile(rf"[^\s\x00-\x1f\x7f-\x9f]{{1,{_LONGEST_TYPE}}}")


def new_task(ask: TaskAsk, sender: str, machine: str, settings: TaskSettings) -> TaskRow:
    """Make the task that is asked for; raise UsageError where it cannot be carried out as asked."""
    kind = ask.type.strip() or GENERAL
    if _TYPE.fullmatch(kind) is None:
        raise UsageError(f"{ask.type!r} is no type of task", f"one word of at most {_LONGEST_TYPE} characters")
    if ask.priority not in PRIORITIES:
        raise UsageError(f"no priority {ask.priority!r}", remedy=f"one of: {', '.join(PRIORITIES)}")
    if ask.deadline is not None and not 0 < ask.deadline < 1e9:
        raise UsageError(f"the deadline {ask.deadline!r} is no time from now", "more than 0 seconds")
    if ask.retries is not None and not 0 <= ask.retries <= 100:
        raise UsageError(f"{ask.retries} retries cannot be", "a number from 0 to 100")
    size = len(ask.content.encode("utf-8", "surrogatepass"))
    if size > MAX_CONTENT:
        raise UsageError(
            f"the content has {size} bytes",
            f"a task holds at most {MAX_CONTENT}",
            "put it in a file and say where it is",
        )
    if not (ask.content.strip() or ask.subject.strip() or kind != GENERAL):
        raise UsageError("there is nothing to do", "type, subject and content say nothing")
    now = clock.unix()
    deadline = ask.deadline if ask.deadline is not None else settings.deadline
    first = next((line.strip() for line in ask.content.splitlines() if line.strip()), kind)
    return TaskRow(
        id=clock.new_id(),
        type=kind,
        subject=" ".join((ask.subject or first).split())[:120],
        content=ask.content,
        priority=ask.priority,
        sender=sender,
        created=clock.stamp(now),
        to_agent=(ask.to or "").removeprefix("self/").removeprefix(f"{machine}/"),
        deadline=None if deadline is None else now + deadline,
        retries=ask.retries if ask.retries is not None else settings.retries,
    )

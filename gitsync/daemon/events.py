"""What happens here, as a numbered stream that a page can follow and take up again where it broke off.

The numbers are of one run of the process: `<run>-<number>`. The last events are kept in memory; a reader that asks for
more than that, or for another run, is told to read everything anew (`reset`).
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from typing import Any

from gitsync import clock
from gitsync.agents.base import Delivery
from gitsync.dispatch.events import Event
from gitsync.errors import Busy
from gitsync.ledger.db import text as plain
from gitsync.ledger.ledger import Ledger
from gitsync.protocol.message import Message
from gitsync.sync.engine import CycleResult
from gitsync.verifying import ALTERED, FORGED, REVOKED, VERIFIED

Json = dict[str, Any]

KINDS = ("message", "delivery", "task", "instance", "sync", "process")
LEVELS = ("info", "success", "warning", "error")

KEPT = 1_000
"""Events that can be replayed."""
READERS = 100
"""Readers at one time; the next is told to come later."""
BACKLOG = 1_000
"""Events that may wait for one reader; one that is slower is dropped, and takes up again by its last id."""
AT_ONCE = 50
"""Events in one piece of writing: what waits is shared by all readers, the piece is each one's own."""
LONGEST = 500
"""Characters of a text; what others wrote is shortened."""
TOLD_AT_ONCE = 100
"""Messages of one cycle that are told one by one."""
COME_BACK = 5.0
"""Seconds after which a reader that found no room may try again."""


_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class Subscription:
    """What one reader has still to be told."""

    def __init__(self, feed: Feed, loop: asyncio.AbstractEventLoop) -> None:
        self._feed = feed
        self._loop = loop
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._over = False

    def put(self, chunk: bytes) -> bool:
        """Add an event; give False where the reader is too slow, and is dropped."""
        if len(self._waiting) >= BACKLOG:
            self.end()
            return False
        self._waiting.append(chunk)
        self._wake()
        return True

    def end(self) -> None:
        """Let the reader go once it has what waits."""
        self._over = True
        self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    async def take(self, seconds: float) -> bytes | None:
        """Give what there is to send; nothing after ``seconds`` without news; None at the end."""
        if not self._waiting and not self._over:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return b""
        if not self._waiting and self._over:
            return None
        # One by one: another thread may add while this one reads.
        return b"".join(self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE)))

    def close(self) -> None:
        """Leave."""
        self._feed.leave(self)


class Feed:
    """Number events, keep the last ones, hand them to every reader. Can be told from any thread."""

    def __init__(self, *, kept: int = KEPT, readers: int = READERS) -> None:
        self.run = clock.new_id()[-10:].lower()
        self._number = 0
        self._ring: deque[tuple[int, bytes]] = deque(maxlen=kept)
        self._most = readers
        self._readers: set[Subscription] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.dropped = 0

    def publish(self, kind: str, level: str, text: str, **facts: Any) -> None:
        """Tell everybody; facts that are None are left out."""
        with self._lock:
            if self._closed:
                return
            self._number += 1
            event = {
                "id": f"{self.run}-{self._number}",
                "at": clock.stamp(),
                "kind": kind,
                "level": level,
                "text": text if len(text) <= LONGEST else text[: LONGEST - 1] + "…",
                **{name: value for name, value in facts.items() if value is not None},
            }
            chunk = _chunk(event)
            self._ring.append((self._number, chunk))
            slow = [reader for reader in self._readers if not reader.put(chunk)]
            self._readers.difference_update(slow)
            self.dropped += len(slow)

    def subscribe(self, last_id: str | None = None, *, replay: int = 0) -> Subscription:
        """Begin to listen, from the event after ``last_id``, or with the last ``replay`` ones, or with the next.

        Raise Busy where too many listen already. Belongs to the loop that is running.
        """
        with self._lock:
            if len(self._readers) >= self._most:
                raise Busy(
                    "too many listen to the events already",
                    f"{self._most} at one time",
                    "close a page that shows them",
                    retry_after=COME_BACK,
                )
            reader = Subscription(self, asyncio.get_running_loop())
            if self._closed:
                reader.end()
                return reader
            self._readers.add(reader)
            if last_id:
                self._resume(reader, last_id)
            else:
                for _, chunk in list(self._ring)[len(self._ring) - replay :] if replay > 0 else ():
                    reader.put(chunk)
            return reader

    def _resume(self, reader: Subscription, last_id: str) -> None:
        run, _, number = last_id.rpartition("-")
        known = number.isascii() and number.isdigit() and len(number) < 16
        seen = int(number) if known else -1
        oldest = self._ring[0][0] if self._ring else self._number + 1
        if run != self.run or not oldest - 1 <= seen <= self._number:
            reader.put(_reset(f"{self.run}-{self._number}"))
            return
        for number_of, chunk in self._ring:
            if number_of > seen:
                reader.put(chunk)

    def leave(self, reader: Subscription) -> None:
        """Forget a reader."""
        with self._lock:
            self._readers.discard(reader)

    @property
    def readers(self) -> int:
        """How many listen."""
        return len(self._readers)

    def close(self) -> None:
        """End all streams: the process stops."""
        with self._lock:
            self._closed = True
            for reader in self._readers:
                reader.end()
            self._readers.clear()


def _chunk(event: Json) -> bytes:
    data = plain(_write(event))
    return f"id: {event['id']}\ndata: {data}\n\n".encode()


def _reset(ident: str) -> bytes:
    return f'id: {ident}\nevent: reset\ndata: {{"id":"{ident}"}}\n\n'.encode()


# -- what the parts of the process tell, in words ----------------------------------------------------------------------

_DELIVERY_LEVEL = {
    "done": "success",
    "waiting": "info",
    "failed": "error",
    "dead": "error",
    "refused": "warning",
    "held": "warning",
    "uncertain": "warning",
}
_INSTANCE_LEVEL = {
    "online": "success",
    "busy": "info",
    "starting": "info",
    "degraded": "warning",
    "timeout": "error",
    "error": "error",
    "offline": "warning",
    "crashed": "error",
}
_TASK_LEVEL = {"COMPLETED": "success", "FAILED": "error", "BLOCKED": "warning"}
_SYNC_LEVEL = {"ok": "success", "offline": "warning"}


def tell_delivery(feed: Feed, event: Event) -> None:
    """Tell what the dispatcher did with a message."""
    about = event.subject or event.message_id
    agent = "the inbox" if event.agent in ("", "inbox") else event.agent
    otherwise = f"{event.state} by {agent}"
    if event.state == "waiting":
        otherwise = "waits in the inbox" if agent == "the inbox" else f"waits for {agent}"
    words = {
        "assigned": f"{about}: in the queue of {agent}",
        "unassigned": f"{about}: nobody can take it now",
        "begun": f"{about}: given to {agent}",
        "retry": f"{about}: {agent} could not begin, it is tried again",
    }.get(event.what, f"{about}: {otherwise}")
    level = {"retry": "warning", "unassigned": "warning"}.get(event.what) or _DELIVERY_LEVEL.get(event.state, "info")
    if event.what in ("assigned", "begun"):
        level = "info"
    feed.publish(
        "delivery",
        level,
        f"{words}: {event.reason}" if event.reason else words,
        what=event.what,
        message=event.message_id,
        agent=event.agent or None,
        state=event.state or None,
        attempt=event.attempt or None,
        seconds=event.seconds,
        reply=event.reply_id,
    )


def tell_progress(feed: Feed, agent: str, delivery: Delivery, text: str, chars: int) -> None:
    """Say how far an agent is with a message; nothing of what it writes, which may still turn out otherwise."""
    words = f"{agent} {text}" + (f", {chars} characters" if chars else "")
    thread = delivery.thread or delivery.id
    feed.publish("progress", "info", words, agent=agent, message=delivery.id, thread=thread, chars=chars)


def tell_instance(feed: Feed, instance: Json) -> None:
    """Tell that an agent has changed."""
    name, state, word = instance["name"], instance["state"], instance.get("word") or ""
    words = f"agent {name}: {state}" + (f", {word}" if word else "")
    feed.publish("instance", _INSTANCE_LEVEL.get(state, "info"), words, agent=name, state=state)


def tell_task(feed: Feed, task: Json) -> None:
    """Tell that a task has changed."""
    status, who = task["status"], task.get("assigned_to")
    words = f"task {task['type']}: {status}" + (f", {who}" if who else "")
    why = task.get("error") or (task.get("reason") if status == "BLOCKED" else None)
    feed.publish(
        "task",
        _TASK_LEVEL.get(status, "info"),
        f"{words}: {why}" if why else words,
        task_id=task["task_id"],
        state=status,
        agent=who,
    )


def tell_message(feed: Feed, message: Message, standing: str = VERIFIED) -> None:
    """Tell that a message was accepted here, or has arrived; what is accepted here is this machine's own."""
    doubt = f" ({standing})" if standing in (ALTERED, FORGED, REVOKED) else ""
    feed.publish(
        "message",
        "warning" if message.priority == "urgent" or doubt else "info",
        f"{message.sender}{doubt} → {', '.join(message.to)}: {message.subject}",
        message=message.id,
        thread=message.conversation,
        sender=message.sender,
        priority=message.priority,
        verified=standing == VERIFIED,
        standing=standing,
    )


def tell_arrivals(feed: Feed, ledger: Ledger, machine_id: str, count: int) -> None:
    """Tell of the last ``count`` messages of others that the branch brought; reads the ledger, so on a thread."""
    rows = ledger.newest(limit=min(2 * count, TOLD_AT_ONCE))
    theirs = [row for row in rows if row.message.sender.partition("/")[0] != machine_id]
    for row in reversed(theirs[:count]):
        tell_message(feed, row.message, row.standing)


def tell_cycle(feed: Feed, result: CycleResult, before: CycleResult | None) -> None:
    """Tell of messages that a cycle moved, and of syncing that is in another state than before.

    Receipts and signs of life go to and fro all the time: a cycle that moved only these is nothing to tell.
    """
    moved = result.received or result.sent
    if result.error:
        words = f"sync: {result.error}"
    elif moved:
        words = f"sync: {result.received} messages in, {result.sent} out"
    else:
        words = "sync: the remote is reached" if result.state == "ok" else f"sync: {result.state}"
    if not moved and before is not None and (before.state, before.error) == (result.state, result.error):
        return
    feed.publish(
        "sync",
        _SYNC_LEVEL.get(result.state, "error"),
        words,
        state=result.state,
        head=result.head,
        received=result.received,
        sent=result.sent,
        pending=result.pending,
        remedy=result.remedy,
    )

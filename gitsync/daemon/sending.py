"""Accept what programs and people send through the process: many at once, each durable before it is answered.

While one transaction waits for the disk, whatever else is asked for gathers, and goes into the next one together: two
hundred clients at once cost a few syncs of the disk, not two hundred.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from gitsync.api.control import Json, SendAsk
from gitsync.errors import GitsyncError
from gitsync.machine import Opened
from gitsync.outbox import Outgoing, accept, keep_home, prepare

Asked = tuple[Sequence[SendAsk], Sequence[str | None], asyncio.Future[list[Outgoing]]]


class Sending:
    """Put messages into the journal."""

    def __init__(self, opened: Opened, names: Callable[[], Collection[str]]) -> None:
        self._opened = opened
        self._names = names
        self._waiting: list[Asked] = []
        self._task: asyncio.Task[None] | None = None

    async def send(self, asks: Sequence[SendAsk], senders: Sequence[str | None]) -> list[Outgoing]:
        """Accept these messages, all or none; ``senders`` are the local agents that they are from.

        Raises `GitsyncError` for the first that cannot be sent.
        """
        done: asyncio.Future[list[Outgoing]] = asyncio.get_running_loop().create_future()
        self._waiting.append((asks, senders, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="sending")
        return await done

    async def _work(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            names = self._names()
            try:
                results = await asyncio.to_thread(self._accept, group, names)
            except Exception as error:
                results = [error] * len(group)
            for (_, _, done), result in zip(group, results, strict=True):
                if done.done():
                    continue  # who asked has gone; the message is accepted all the same
                if isinstance(result, list):
                    done.set_result(result)
                else:
                    done.set_exception(result)

    def _accept(self, group: Sequence[Asked], names: Collection[str]) -> list[list[Outgoing] | Exception]:
        """Check each, and write those that are good in one transaction; on a thread."""
        fleet = self._opened.fleet()
        results: list[list[Outgoing] | Exception] = []
        for asks, senders, _ in group:
            try:
                prepared = [self._prepare(ask, sender, fleet, names) for ask, sender in zip(asks, senders, strict=True)]
                keep_home(self._opened.journal, prepared)
                results.append(prepared)
            except GitsyncError as error:
                results.append(error)
        accept(self._opened.journal, [one for result in results if isinstance(result, list) for one in result])
        return results

    def _prepare(self, ask: SendAsk, sender: str | None, fleet: Collection[str], names: Collection[str]) -> Outgoing:
        opened = self._opened
        return prepare(
            opened.journal,
            opened.settings.machine,
            fleet,
            names,
            ask.to,
            ask.subject,
            ask.body,
            ledger=opened.ledger,
            sender_agent=sender,
            type=ask.type,
            priority=ask.priority,
            thread=ask.thread,
            in_reply_to=ask.in_reply_to,
        )


def sent(outgoing: Outgoing) -> Json:
    """Say what became of a message: it stays here, or waits for the branch."""
    return {"id": outgoing.message.id, "status": "queued" if outgoing.leaves else "local"}

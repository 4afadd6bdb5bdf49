"""Run cycles one at a time; what is asked while one runs makes exactly one more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from gitsync.errors import TryLater
from gitsync.sync.engine import CycleResult, Request


def merged(one: Request, other: Request) -> Request:
    """Join two requests: what either asked for is done."""
    return replace(
        one,
        settle_now=one.settle_now or other.settle_now,
        accept_rewrite=one.accept_rewrite or other.accept_rewrite,
        accept_deletions=one.accept_deletions or other.accept_deletions,
        retry=one.retry or other.retry,
    )


class Cycles:
    """Hold what has been asked, and by whom, until the next cycle starts."""

    def __init__(self, run: Callable[[Request], Awaitable[CycleResult]]) -> None:
        self._run = run
        self._next: Request | None = None
        self._waiting: list[asyncio.Future[CycleResult]] = []
        self._asked = asyncio.Event()
        self.running = False

    def ask(self, request: Request) -> asyncio.Future[CycleResult]:
        """Ask for a cycle that starts from now on; the future holds its result."""
        future: asyncio.Future[CycleResult] = asyncio.get_running_loop().create_future()
        self._next = request if self._next is None else merged(self._next, request)
        self._waiting.append(future)
        self._asked.set()
        return future

    async def serve(self) -> None:
        """Run what is asked, for ever; cancel to stop between two cycles. Who still waits then is told so."""
        try:
            await self._serve()
        finally:
            waiting, self._waiting = self._waiting, []
            _fail(waiting, _stopping())

    async def _serve(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            request, self._next = self._next, None
            waiting, self._waiting = self._waiting, []
            if request is None:
                continue
            self.running = True
            try:
                result = await self._run(request)
            except BaseException as error:
                _fail(waiting, error if isinstance(error, Exception) else _stopping())
                if not isinstance(error, Exception):
                    raise
            else:
                for future in waiting:
                    if not future.done():
                        future.set_result(result)
            finally:
                self.running = False


def _stopping() -> TryLater:
    return TryLater(
        "the process is stopping", "it begins no further cycle", "ask again when it has ended, or started anew"
    )


def _fail(waiting: Iterable[asyncio.Future[CycleResult]], error: Exception) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(error)
            future.exception()  # not everybody who asks for a cycle looks at how it ended

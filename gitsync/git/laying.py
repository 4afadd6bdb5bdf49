"""Lay objects down on threads: the syncs of several, and of the journal meanwhile, cost little more than one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

HANDS = 4
"""A message makes four objects: its file, two trees, the commit."""


class Laying:
    """Hold what is being written until somebody needs it to be there. For one thread at a time."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._open: dict[str, tuple[Future[None], Callable[[], None]]] = {}

    @property
    def open(self) -> bool:
        """Say whether anything is being written that nobody has waited for."""
        return bool(self._open)

    def lay(self, name: str, write: Callable[[], None]) -> None:
        """Have something written, once, while the caller goes on."""
        if name in self._open:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(HANDS, thread_name_prefix="objects")
        self._open[name] = (self._pool.submit(write), write)

    def wait(self) -> None:
        """Wait until all of it is done.

        What failed is tried once more here, where its failure has somebody to tell: a disk that was full while
        somebody gave up in the middle may have room again.
        """
        written, self._open = self._open, {}
        failed = [write for future, write in written.values() if future.exception() is not None]
        for write in failed:
            write()

    def close(self) -> None:
        """End the threads, after what they still have to write; `wait` tells how that went."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

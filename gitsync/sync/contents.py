"""What is inside blobs, remembered by their id: message ids and hand-written messages not yet wrapped."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeVar

from gitsync.git.repo import Mailbox
from gitsync.protocol.blocks import Block, Free, parse
from gitsync.protocol.paths import MAX_FILE
from gitsync.protocol.reader import Found, unwrapped

T = TypeVar("T")
KEPT = 4096


class Memo:
    """Remember the newest results of a pure function of a blob."""

    def __init__(self, limit: int = KEPT) -> None:
        self._limit = limit
        self._known: OrderedDict[object, object] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._known

    def get(self, key: object, make: Callable[[], T]) -> T:
        """Give the remembered result or make it."""
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]  # type: ignore[return-value]
        value = make()
        self._known[key] = value
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return value


def block_ids(data: bytes | None) -> frozenset[str]:
    """Give the ids of the wrapped messages in some bytes."""
    if data is None or b"<!-- msg" not in data:
        return frozenset()
    return frozenset(segment.id for segment in parse(data) if isinstance(segment, Block))


class Contents:
    """Answer questions about blobs of the mailbox; each blob is parsed once."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._memo = Memo()
        self._silent = Memo(limit=512)

    def ids(self, blob: str | None) -> frozenset[str]:
        """Give the message ids in a blob; none where it is refused."""
        if blob is None:
            return frozenset()
        return self._memo.get(("ids", blob), lambda: block_ids(self._taken(blob)))

    def refused(self, blob: str) -> bool:
        """Say whether a file is larger than any reader takes (PROTOCOL 1): nobody splits it, so it costs no reading."""
        return len(self._mailbox.blob(blob)) > MAX_FILE

    def _taken(self, blob: str) -> bytes:
        data = self._mailbox.blob(blob)
        return data if len(data) <= MAX_FILE else b""

    def unwrapped(self, blob: str, path: str) -> tuple[Found, ...]:
        """Give the hand-written messages of a file that may be wrapped."""
        return self._memo.get(("found", blob, path), lambda: self._unwrapped(self._mailbox.blob(blob), path))

    def _unwrapped(self, data: bytes, path: str) -> tuple[Found, ...]:
        """Read a file, unless its text between the blocks is text that held no message before.

        Blocks are atoms, so an append by a machine, the commonest change of all, costs no reading (18 ms for 60 KB).
        """
        texts = [segment.raw.strip() for segment in parse(data) if isinstance(segment, Free)]
        text = (path, *(raw for raw in texts if raw))
        if len(text) == 1 or text in self._silent:
            return ()
        found = unwrapped(data, path)
        if not found:
            self._silent.get(text, lambda: True)
        return found

    def all_ids(self, blobs: Iterable[str]) -> set[str]:
        """Give the ids in many blobs, without remembering each of them."""
        found: set[str] = set()
        for blob in blobs:
            found |= block_ids(self._taken(blob))
        return found

"""Remember the bytes that were used last."""

from __future__ import annotations

from collections import OrderedDict


class Shelf:
    """Hold byte strings by name, up to so many bytes in all; what was used longest ago goes first."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def get(self, name: str) -> bytes | None:
        """Return what is held under a name."""
        data = self._held.get(name)
        if data is not None:
            self._held.move_to_end(name)
        return data

    def keep(self, name: str, data: bytes) -> None:
        """Hold this too."""
        if name in self._held:
            self._held.move_to_end(name)
            return
        self._held[name] = data
        self._bytes += len(data)
        while self._bytes > self._room:
            self._bytes -= len(self._held.popitem(last=False)[1])

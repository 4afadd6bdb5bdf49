"""The data types of SSH (RFC 4251, 5): strings with their length before them, and numbers of any size."""

from __future__ import annotations


class Damaged(ValueError):
    """These bytes are not what they claim to be."""


def string(data: bytes) -> bytes:
    """Write bytes with their length before them."""
    return len(data).to_bytes(4, "big") + data


class Reader:
    """Take values off the front of some bytes; raise Damaged where they end too early."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """Take so many bytes."""
        end = self._at + count
        if end > len(self._data):
            raise Damaged("ends too early")
        found = self._data[self._at : end]
        self._at = end
        return found

    def number(self) -> int:
        """Take a number of 32 bits."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """Take a string."""
        return self.take(self.number())

    def mpint(self) -> int:
        """Take a number of any size; none of ours is negative."""
        data = self.string()
        if data[:1] > b"\x7f":
            raise Damaged("a negative number")
        return int.from_bytes(data, "big")

    def rest(self) -> bytes:
        """Take what is left."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Raise Damaged where something is left."""
        if self._at != len(self._data):
            raise Damaged("goes on after its end")

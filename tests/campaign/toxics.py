"""A wire between a machine and a remote that can be bad: refuse, reset, delay, swallow, cut after so many bytes."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Self

KINDS = ("good", "refuse", "reset", "delay", "hole", "cut-up", "cut-down")


@dataclass(frozen=True)
class Toxic:
    """What the wire does. `after`: bytes until a cut; `seconds`: of delay for each piece."""

    kind: str = "good"
    after: int = 0
    seconds: float = 0.0

    @classmethod
    def drawn(cls, draw: random.Random) -> Toxic:
        """Draw a bad wire."""
        kind = draw.choice(KINDS[1:])
        return cls(kind, draw.choice((0, 1, 40, 200, 600, 1500, 4000)), draw.choice((0.02, 0.1, 0.4)))


GOOD = Toxic()


class Proxy:
    """Listen on the loopback and pass on to a port; `toxic` may be changed at any time, also for what is under way."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.toxic = GOOD
        self.connections = 0
        self.harmed = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []
        threading.Thread(target=self._accept, name=f"proxy {self.port}", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def set(self, toxic: Toxic) -> None:
        """Change the wire; a wire that resets or refuses does so to what is under way too."""
        self.toxic = toxic
        if toxic.kind in ("reset", "refuse"):
            self.cut()

    def cut(self) -> None:
        """Reset all that is under way."""
        with self._lock:
            found = list(self._open)
        for one in found:
            _reset(one)

    def close(self) -> None:
        """Stop listening and end what is under way."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.toxic.kind in ("refuse", "reset"):
                self.harmed += 1
                _reset(near)  # a listener cannot refuse: the first word is answered by a reset
                continue
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self._target), 10)
        except OSError:
            _reset(near)
            return
        passed = {near: 0, far: 0}
        with self._lock:
            self._open |= {near, far}
        try:
            self._between(near, far, passed)
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open -= {near, far}
            near.close()
            far.close()

    def _between(self, near: socket.socket, far: socket.socket, passed: dict[socket.socket, int]) -> None:
        ends = [near, far]
        while ends and not self._closed.is_set():
            ready, _, _ = select.select(ends, [], [], 0.5)
            toxic = self.toxic
            if toxic.kind == "hole":
                self.harmed += 1
                self._closed.wait(0.05)  # what arrives stays where it is: a half-open connection
                continue
            for one in ready:
                other = far if one is near else near
                piece = one.recv(65536)
                if not piece:
                    ends.remove(one)
                    other.shutdown(socket.SHUT_WR)
                    continue
                if toxic.kind == "delay":
                    self.harmed += 1
                    self._closed.wait(toxic.seconds)
                if (toxic.kind == "cut-up" and one is near) or (toxic.kind == "cut-down" and one is far):
                    room = max(0, toxic.after - passed[one])
                    if len(piece) > room:
                        self.harmed += 1
                        if room:
                            other.sendall(piece[:room])
                        _reset(near)
                        _reset(far)
                        return
                passed[one] += len(piece)
                other.sendall(piece)


def _reset(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        one.close()

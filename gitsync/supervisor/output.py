"""Take what a program says and keep it in a log of bounded size.

The program writes into a named pipe that it holds open for reading too: when this process is killed, what it writes
does not kill it, and the process that adopts it goes on reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
from pathlib import Path

from gitsync.secrets.redact import redact_bytes

log = logging.getLogger(__name__)

MAX_SIZE = 5 * 1024 * 1024
KEPT = 3
"""Files of MAX_SIZE bytes that are kept of each program, the one being written among them."""
_CHUNK = 65536
_BURST = 1024 * 1024
_REST = 0.1
"""After a burst of so many bytes the reader rests so long (s): a flood holds up the program, not this process."""
_TAIL = 2048
_LONGEST_LINE = 8192
_IDLE = 0.5
"""After so long (s) a line that has not ended is kept as it is."""


class Output:
    """Own the pipe and the log of one program; lives on the event loop."""

    def __init__(self, folder: Path, name: str, *, max_size: int = MAX_SIZE, kept: int = KEPT) -> None:
        self.file = folder / f"{name}.log"
        self._pipe = folder / f"{name}.pipe"
        self._max_size, self._kept = max_size, kept
        self._read: int | None = None
        self._written = 0
        self._burst = 0
        self._tail = bytearray()
        self._begun = b""
        self._resting: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None

    def open(self, *, anew: bool) -> None:
        """Begin to read; `anew` makes a pipe that nobody else has, else the one of a program that runs is used.

        Raise OSError.
        """
        self.close()
        self._pipe.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if anew:
            self._pipe.unlink(missing_ok=True)
            os.mkfifo(self._pipe, 0o600)
        self._read = self._opened(os.O_NONBLOCK)
        self._tail.clear()
        self._begun = b""
        self._written = self.file.stat().st_size if self.file.exists() else 0
        asyncio.get_running_loop().add_reader(self._read, self._readable)

    def writer(self) -> int:
        """Return a descriptor for the program to write to; the caller closes it."""
        return self._opened(0)

    def say(self, line: str) -> None:
        """Write a line of our own."""
        self._write(f"--- {line}\n".encode())

    def last_words(self) -> str:
        """Return the end of what the program said, as text, without secrets."""
        return (bytes(self._tail) + redact_bytes(self._begun)).decode("utf-8", "replace").replace("\x00", "")

    def finish(self) -> None:
        """Take what is left in the pipe after the program has ended, and close."""
        for _ in range(_BURST // _CHUNK):
            if not self._take():
                break
        self.close()
        with contextlib.suppress(OSError):  # where it never was, or its folder is something else: nothing to take away
            self._pipe.unlink()

    def close(self) -> None:
        """Stop reading; the pipe stays for whoever adopts the program."""
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        self._rest_of_line()
        if self._read is not None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed already
                asyncio.get_running_loop().remove_reader(self._read)
            os.close(self._read)
            self._read = None

    def _opened(self, more: int) -> int:
        # For reading and writing at once: such an end never waits for the other, and never sees it missing.
        handle = os.open(self._pipe, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | more)
        if not stat.S_ISFIFO(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(0, f"{self._pipe} is not a pipe")
        return handle

    def _readable(self) -> None:
        self._burst += self._take()
        if self._burst >= _BURST and self._read is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._read)
            self._resting = loop.call_later(_REST, self._go_on)

    def _go_on(self) -> None:
        self._burst = 0
        self._resting = None
        if self._read is not None:
            asyncio.get_running_loop().add_reader(self._read, self._readable)

    def _take(self) -> int:
        if self._read is None:
            return 0
        try:
            data = os.read(self._read, _CHUNK)
        except BlockingIOError:
            return 0
        self._said(data)
        return len(data)

    def _said(self, data: bytes) -> None:
        """Keep what the program said, whole lines at a time: a secret may come in two pieces."""
        data = self._begun + data
        end = data.rfind(b"\n") + 1
        if len(data) - end > _LONGEST_LINE:
            end = len(data)
        self._begun = data[end:]
        if end:
            self._keep(data[:end])
        if self._begun and self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(_IDLE, self._rest_of_line)

    def _rest_of_line(self) -> None:
        """Keep a line that does not end: the program may wait behind it."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        data, self._begun = self._begun, b""
        if data:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        data = redact_bytes(data)
        self._tail += data[-_TAIL:]
        del self._tail[:-_TAIL]
        self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            if self._written + len(data) > self._max_size:
                self._rotate()
            handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                self._written += os.write(handle, data)
            finally:
                os.close(handle)
        except OSError as error:  # a full disk must not hold up the program: what it says is lost, and that is said
            log.warning("what an agent says is not kept in %s: %s", self.file, error)

    def _rotate(self) -> None:
        for number in range(self._kept - 1, 0, -1):
            former = self.file if number == 1 else self.file.with_name(f"{self.file.name}.{number - 1}")
            if former.exists():
                former.replace(self.file.with_name(f"{self.file.name}.{number}"))
        self._written = 0

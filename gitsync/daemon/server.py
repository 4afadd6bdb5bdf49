"""Serve the HTTP surface inside the process's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from gitsync.daemon.connections import Connection
from gitsync.errors import GitsyncError

log = logging.getLogger(__name__)

KEEP_ALIVE = 30
"""Seconds a silent connection stays open."""


def listen(host: str, port: int) -> socket.socket:
    """Take the address; port 0 takes a free one.

    Raises `GitsyncError` with the remedy where somebody else has it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By its full name: only then does asyncio switch off the waiting for more to send, which takes 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(512)
    except OSError as error:
        sock.close()
        why = "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise GitsyncError(
            f"cannot listen on {host}:{port}",
            why,
            "set another in .gitsync/config.toml: port = 0 under [api] takes a free one",
        ) from error
    sock.setblocking(False)
    return sock


class _Embedded(uvicorn.Server):
    """A server that leaves the signals to the process it lives in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """Run uvicorn on a socket that is already bound."""

    def __init__(self, app: ASGIApp, sock: socket.socket) -> None:
        # What is no request is told to who sent it; in the log it would be a way to fill the disk.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=3,
        )
        self._server = _Embedded(config)
        self._socket = sock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to serve; returns once requests are answered."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="http")
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise GitsyncError("the HTTP surface did not start", remedy="see .gitsync/gitsync.log")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Finish what is being answered, then close."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
            self._task = None

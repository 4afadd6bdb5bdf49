"""One running program: started here, or found running from before."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from gitsync.supervisor import pids

_LOOK = 0.25
"""Seconds between two looks at a process where the kernel cannot tell of its end."""


class Program:
    """Lead a process group of its own; whoever waits learns when its first process has ended."""

    def __init__(self, pid: int, child: subprocess.Popen[bytes] | None) -> None:
        self.pid = pid
        self._child = child
        self._over = asyncio.Event()
        self._buried = False
        self._handle: int | None = None
        self._watch: asyncio.Task[None] | None = None
        self._begin()

    @classmethod
    def start(cls, argv: Sequence[str], cwd: Path, env: Mapping[str, str], output: int) -> Self:
        """Start an argument list, never a shell. Raise OSError."""
        try:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env=dict(env),
                start_new_session=True,
            )
        except ValueError as error:  # NUL in an argument
            raise OSError(0, str(error)) from error
        return cls(child.pid, child)

    @classmethod
    def adopt(cls, pid: int) -> Self:
        """Take over a process that a former gitsync started; its parent is somebody else by now."""
        return cls(pid, None)

    async def over(self) -> str:
        """Wait until it has ended; say how."""
        await self._over.wait()
        code = self._child.poll() if self._child is not None else None
        if code is None:
            return "ended"
        return f"exit code {code}" if code >= 0 else f"ended by signal {-code}"

    async def stop(self, grace: float) -> None:
        """Ask the whole group to end, and kill what is left after `grace` (s)."""
        if not self._over.is_set():
            self.signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._over.wait()
        self.signal(signal.SIGKILL)
        await self._over.wait()

    def bury(self) -> None:
        """Kill what the first process left of its group, at once after its end: later the number may be another's."""
        self.signal(signal.SIGKILL)
        self.let_go()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the group."""
        if self._buried:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def let_go(self) -> None:
        """Watch it no more, and touch it no more; it may run on."""
        self._buried = True
        if self._handle is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self._handle)
            os.close(self._handle)
            self._handle = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _begin(self) -> None:
        try:
            self._handle = os.pidfd_open(self.pid)
            asyncio.get_running_loop().add_reader(self._handle, self._ended)
        except ProcessLookupError:
            self._ended()
        except (AttributeError, OSError):  # a kernel before 5.3, or another system
            self._watch = asyncio.create_task(self._look(), name=f"watch {self.pid}")

    async def _look(self) -> None:
        while await self._lives():
            await asyncio.sleep(_LOOK)
        self._ended()

    async def _lives(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return await asyncio.to_thread(pids.started, self.pid) is not None  # may have to ask ps

    def _ended(self) -> None:
        if self._handle is not None:
            asyncio.get_running_loop().remove_reader(self._handle)
        if self._child is not None:
            self._child.poll()
        self._over.set()

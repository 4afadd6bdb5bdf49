"""The process of the tools for MCP clients: begun at the first call, ended when it was idle for a while.

The SDK takes more memory than this process has in all; here is only the pipe to it (`gitsync.mcp.worker`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gitsync
from gitsync.agents.answer import Heard
from gitsync.agents.environment import BASICS, built, process_environment
from gitsync.api.control import ToolsAsk
from gitsync.config.settings import Settings
from gitsync.errors import GitsyncError, TryLater

log = logging.getLogger(__name__)

_LINE = 64 * 1024 * 1024
_STARTING = 60.0
"""How long it may take to import what it needs, on a machine that has much else to do (s)."""
_ENDING = 6.0
"""How long it may take to end once its input has ended (s); then it is killed."""
_PLACES = (*BASICS, "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
"""What it finds the user's own list of machines by, besides what every program needs."""

_ATTEMPTS = 3
_BROKE = (
    "the process of the tools ended in the middle of a call",
    "whether it was carried out nobody can tell",
    "look at the thread before you send again",
)

Headers = Sequence[tuple[str, str]]


class Passage:
    """One request under way in the child: what it has said so far, in order."""

    def __init__(self, child: Child, number: int, over: Callable[[], None]) -> None:
        self.status = 0
        self.headers: Headers = ()
        self._child = child
        self._number = number
        self._over = over
        self._open = True
        self._said: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()

    async def ask(self, document: Mapping[str, Any]) -> None:
        """Hand the request to the child."""
        await self._child.say({"id": self._number, **document})
        if not self._child.alive:
            self.tell(None)

    def tell(self, said: Mapping[str, Any] | None) -> None:
        """Take what the child says; None: it is gone."""
        self._said.put_nowait(said)

    async def begin(self) -> bool:
        """Wait for the head of the answer; False where the child went away before it had the request.

        Raise TryLater where it went away afterwards.
        """
        said = await self._said.get()
        if said is None:
            return False
        if said.get("begun"):
            said = await self._said.get()
        if said is None or "status" not in said:
            raise TryLater(*_BROKE)
        self.status = int(said["status"])
        self.headers = [(str(name), str(value)) for name, value in said["headers"]]
        return True

    async def take(self) -> bytes | None:
        """Give what comes next; None at the end, also when the child went away: then the answer breaks off."""
        said = await self._said.get()
        return None if said is None or "data" not in said else said["data"].encode("utf-8", "surrogateescape")

    def close(self) -> None:
        """Forget the request, once; the child stops with it, should it be at it still."""
        if self._open:
            self._open = False
            self._child.forget(self._number)
            self._over()


class Child:
    """One process of the tools, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.passages: dict[int, Passage] = {}
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.listening = asyncio.create_task(self._listen(), name="tools")

    @property
    def alive(self) -> bool:
        """Whether it takes requests."""
        stdin = self.process.stdin
        return not self.listening.done() and stdin is not None and not stdin.is_closing()

    async def say(self, document: Mapping[str, Any]) -> None:
        """Write a line; one that is gone does not hear it, and its listener says so."""
        stdin = self.process.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(json.dumps(document).encode() + b"\n")
            await stdin.drain()

    def forget(self, number: int) -> None:
        """Stop a request that nobody waits for any more."""
        if self.passages.pop(number, None) is not None and self.alive and self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.process.stdin.write(json.dumps({"cancel": number}).encode() + b"\n")

    def let_go(self) -> None:
        """Close its input: it ends what it is at, and then itself."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    async def _listen(self) -> None:
        process = self.process
        assert process.stdout is not None
        assert process.stderr is not None
        words = Heard(65536)
        stderr = asyncio.create_task(_hear(process.stderr, words))
        try:
            while line := await process.stdout.readline():
                said = json.loads(line)
                if said.get("ready"):
                    self.ready.set_result(None)
                elif (passage := self.passages.get(said["id"])) is not None:
                    passage.tell(said)
        except ValueError as error:
            words.add(f"unreadable answer: {error}".encode())
        finally:
            code = await _ended(process)
            await stderr
            told = words.last_words()
            if code != 0 or told:
                log.warning("the process of the tools ended (%s)%s", code, f": {told}" if told else "")
            if not self.ready.done():
                self.ready.set_exception(
                    GitsyncError("the process of the tools did not start", told, "see .gitsync/gitsync.log")
                )
                self.ready.exception()  # whoever waited for it may have gone
            for passage in self.passages.values():
                passage.tell(None)


class Tools:
    """Own the child: one at most takes requests, those before it end what they are at."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._child: Child | None = None
        self._children: set[asyncio.Task[None]] = set()
        self._ending: asyncio.TimerHandle | None = None
        self._last = 0
        self._asking = 0

    @property
    def pid(self) -> int | None:
        """The process id of the child that takes requests; None where there is none."""
        return self._child.process.pid if self._child is not None and self._child.alive else None

    def configure(self, settings: Settings) -> None:
        """Take other settings: the next call begins a child that has read them."""
        self._settings = settings
        self._let_go()

    async def ask(self, ask: ToolsAsk) -> Passage:
        """Hand a request over and return its answer, of which the head is known."""
        for _attempt in range(_ATTEMPTS):
            passage = await self._open()
            try:
                body = ask.body.decode("utf-8", "surrogateescape")
                await passage.ask({"as": ask.name, "headers": ask.headers, "body": body})
                if await passage.begin():
                    return passage
            except BaseException:
                passage.close()
                raise
            passage.close()  # that child had just gone; nothing has begun, so that another can have it
        raise TryLater("the process of the tools ends again and again", "see .gitsync/gitsync.log", "call again later")

    async def _open(self) -> Passage:
        self._asking += 1
        self._wait_no_more()
        try:
            child = await self._started()
        except BaseException:
            self._over()
            raise
        self._last += 1
        passage = child.passages[self._last] = Passage(child, self._last, self._over)
        return passage

    async def close(self) -> None:
        """End the child and wait until it is gone."""
        self._wait_no_more()
        self._let_go()
        for task in list(self._children):
            await task

    async def _started(self) -> Child:
        async with self._lock:
            if self._child is None or not self._child.alive:
                self._child = await self._start()
            child = self._child
            try:
                async with asyncio.timeout(_STARTING):
                    await asyncio.shield(child.ready)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    child.process.kill()
                raise TryLater(
                    f"the process of the tools was not ready after {_STARTING:g} s", "", "call again"
                ) from None
            return child

    async def _start(self) -> Child:
        extra = {"PYTHONPATH": str(Path(gitsync.__file__).resolve().parent.parent)}
        try:
            # -P: the folder it runs in must not bring modules.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "gitsync.mcp.worker",
                "--dir",
                str(self._settings.root),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=built(process_environment(), _PLACES, extra),
                cwd="/",
                start_new_session=True,
                limit=_LINE,
            )
        except OSError as error:
            raise GitsyncError("cannot start the process of the tools", str(error)) from error
        child = Child(process)
        self._children.add(child.listening)
        child.listening.add_done_callback(self._children.discard)
        return child

    def _over(self) -> None:
        """Note that a request has ended; after the last one the child has so long until it goes."""
        self._asking -= 1
        if self._asking == 0 and self._child is not None:
            self._wait_no_more()
            self._ending = asyncio.get_running_loop().call_later(self._settings.mcp.idle, self._let_go)

    def _wait_no_more(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    def _let_go(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.let_go()


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Wait for a child that closed its output; one that lingers is of no more use and is killed."""
    try:
        async with asyncio.timeout(_ENDING):
            return await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return await process.wait()


async def _hear(stream: asyncio.StreamReader, heard: Heard) -> None:
    while data := await stream.read(65536):
        heard.add(data)

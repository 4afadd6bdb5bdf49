"""Own the worker process of all Claude agents, and speak with it: JSON lines in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gitsync
from gitsync.agents.answer import Heard
from gitsync.agents.environment import BASICS, NETWORK, built
from gitsync.agents.spec import AgentSpec
from gitsync.balancing import Breaker

log = logging.getLogger(__name__)

Json = dict[str, Any]
Hear = Callable[[Json], Awaitable[Json]]
"""Answer what the worker asks about a request: money, something to look at; hear of its progress."""

_LINE = 64 * 1024 * 1024
_STARTING = 60.0
"""How long the worker may take to import what it needs, on a machine that has much else to do (s)."""


async def _deaf(_asked: Json) -> Json:
    return {}


class WorkerDied(Exception):
    """The worker ended with a request in its hands; `started` says whether it had begun with it."""

    def __init__(self, reason: str, started: bool) -> None:
        super().__init__(reason)
        self.started = started


class Worker:
    """Own the worker process: start it when there is work, end it when it was idle for a while."""

    def __init__(self, environ: Mapping[str, str], specs: Sequence[AgentSpec], concurrency: int = 8) -> None:
        self._environ = environ
        self.places = asyncio.Semaphore(concurrency)
        self.breakers: dict[tuple[str, str], Breaker] = {}
        """Of each address and model, for all agents together."""
        self._keys = sorted({spec.api_key_env for spec in specs})
        self._idle = max((spec.worker_idle for spec in specs), default=60.0)
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._listening: set[asyncio.Task[None]] = set()
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ready: asyncio.Future[None]
        self._held_by: dict[int, asyncio.subprocess.Process] = {}
        self._begun: set[int] = set()
        self._hear: dict[int, Hear] = {}
        self._hearing: set[asyncio.Task[None]] = set()
        self._last = 0
        self._ending: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """The process id, None while there is no worker."""
        return self._process.pid if self._process is not None else None

    async def ask(self, request: Mapping[str, Any], limit: float, hear: Hear = _deaf) -> Json:
        """Send one request and wait for its answer; raises WorkerDied. `hear` answers what is asked meanwhile.

        The limit (s) counts from the moment when the worker has the request: raises TimeoutError.
        """
        self._last += 1
        number = self._last
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        self._asked[number] = answer
        self._hear[number] = hear
        try:
            process = await self._started()
            self._held_by[number] = process
            assert process.stdin is not None
            try:
                process.stdin.write(_line({"id": number, **request}))
                await process.stdin.drain()
            except (BrokenPipeError, ConnectionResetError):
                pass  # it ended; the listener says how
            async with asyncio.timeout(limit):
                return await answer
        except (asyncio.CancelledError, TimeoutError):
            self._tell({"cancel": number})
            raise
        finally:
            self._asked.pop(number, None)
            self._held_by.pop(number, None)
            self._begun.discard(number)
            self._hear.pop(number, None)
            if not self._asked and self._process is not None:
                self._ending = asyncio.get_running_loop().call_later(self._idle, self._let_go)

    async def close(self) -> None:
        """End the worker and wait until it is gone."""
        self._let_go()
        for task in list(self._listening):
            await task

    async def _started(self) -> asyncio.subprocess.Process:
        """Return a worker that has said it is ready; until then no request has begun, however long it takes."""
        async with self._lock:
            process = self._process
            if process is None or process.returncode is not None:
                process = await self._start()
            try:
                async with asyncio.timeout(_STARTING):
                    await asyncio.shield(self._ready)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                reason = f"the Claude worker was not ready after {_STARTING:g} s"
                raise WorkerDied(reason, started=False) from None
            if self._process is not process:
                raise WorkerDied("the Claude worker ended before it was given anything", started=False)
            return process

    async def _start(self) -> asyncio.subprocess.Process:
        extra = {name: self._environ[name] for name in self._keys if name in self._environ}
        extra["PYTHONPATH"] = str(Path(gitsync.__file__).resolve().parent.parent)
        try:
            # -P: the folder it runs in must not bring modules.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "gitsync.agents.claude.child",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=built(self._environ, (*BASICS, *NETWORK), extra),
                cwd="/",
                start_new_session=True,
                limit=_LINE,
            )
        except OSError as error:
            raise WorkerDied(f"cannot start the Claude worker: {error}", started=False) from error
        self._process = process
        self._ready = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._listen(process, self._ready))
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)
        return process

    async def _listen(self, process: asyncio.subprocess.Process, ready: asyncio.Future[None]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        words = Heard(65536)
        stderr = asyncio.create_task(_hear(process.stderr, words))
        try:
            while line := await process.stdout.readline():
                said = json.loads(line)
                if said.get("ready"):
                    ready.set_result(None)
                    continue
                number = said["id"]
                if said.get("begun"):
                    self._begun.add(number)
                elif "ask" in said:
                    task = asyncio.create_task(self._answer(process, number, said))
                    self._hearing.add(task)
                    task.add_done_callback(self._hearing.discard)
                elif (answer := self._asked.get(number)) is not None and not answer.done():
                    answer.set_result(said)
        except ValueError as error:
            words.add(f"unreadable answer: {error}".encode())
        finally:
            code = await _ended(process)
            await stderr
            if self._process is process:
                self._process = None
            told = words.last_words()
            reason = f"the Claude worker ended ({code})" + (f": {told}" if told else "")
            if not ready.done():
                ready.set_exception(WorkerDied(reason, started=False))
                ready.exception()  # whoever waited for it may have gone
            for number, answer in list(self._asked.items()):
                if self._held_by.get(number) is process and not answer.done():
                    answer.set_exception(WorkerDied(reason, started=number in self._begun))

    async def _answer(self, process: asyncio.subprocess.Process, number: int, said: Json) -> None:
        """Give the worker what it asks for; where that fails it is told so, and asks the API nothing."""
        hear = self._hear.get(number)
        if hear is None:
            return
        try:
            found = await hear(said)
        except Exception as error:
            log.exception("the Claude worker asked for %s", said["ask"])
            found = {"error": f"{type(error).__name__}: {error}"}
        if said.get("number") is not None and self._process is process:
            self._tell({"answer": said["number"], **found})

    def _tell(self, document: Mapping[str, Any]) -> None:
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.write(_line(document))

    def _let_go(self) -> None:
        """Close the worker's input, at which it ends; the next request starts another."""
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Wait for a worker that closed its output; one that lingers is of no more use and is killed."""
    try:
        async with asyncio.timeout(2.0):
            return await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return await process.wait()


async def _hear(stream: asyncio.StreamReader, heard: Heard) -> None:
    while data := await stream.read(65536):
        heard.add(data)

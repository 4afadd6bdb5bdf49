"""An agent that is a program, started anew for each message."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gitsync.agents.answer import Heard, coding_result
from gitsync.agents.base import Delivery, Outcome
from gitsync.agents.bounds import Family, bounds_of, confined, watch
from gitsync.agents.environment import BASICS, built
from gitsync.agents.spec import AgentSpec

_DRAIN = 0.5
"""How long, after the program ended, its last words may take to arrive when a stranger holds the pipe (s)."""

Judge = Callable[[int, Heard, str], Outcome]


class CommandAgent:
    """Run an argument list, never a shell: the message is on standard input, standard output is the reply."""

    kind = "command"

    def __init__(self, spec: AgentSpec, root: Path, environ: Mapping[str, str]) -> None:
        self.spec = spec
        self._cwd = root / spec.cwd if spec.cwd else root
        self._environ = environ

    @property
    def name(self) -> str:
        return self.spec.name

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Run the program in a process group of its own and end all of the group, whatever happens."""
        given = json.dumps(delivery.json()).encode() + b"\n"
        return await self._run(delivery, self.spec.argv, given, Heard(self.spec.max_output), judge)

    async def _run(self, delivery: Delivery, argv: Sequence[str], given: bytes, out: Heard, judge: Judge) -> Outcome:
        run = _Run(self.spec, out, judge)
        try:
            await run.start(argv, self._cwd, self._env(delivery), given)
        except OSError as error:
            reason = f"cannot start {argv[0]!r}: {_why(error, self._cwd)}"
            return Outcome(kind="failed", started=False, reason=reason)
        try:
            return await run.outcome()
        finally:
            await run.end()

    async def health(self) -> tuple[str, str]:
        """See whether the program can be found and executed."""
        program = self._program
        if not self._cwd.is_dir():
            return "error", f"folder {self._cwd} does not exist"
        place = str(self._cwd / program) if os.sep in program else program
        env = self._base_env()
        if not program or shutil.which(place, path=env["PATH"]) is None:
            return "error", f"{program!r} cannot be found or executed"
        return "online", ""

    async def close(self) -> None:
        """Hold nothing between messages."""

    @property
    def _program(self) -> str:
        return self.spec.argv[0] if self.spec.argv else ""

    def _base_env(self) -> dict[str, str]:
        return built(self._environ, (*BASICS, *self.spec.pass_env), self.spec.env)

    def _env(self, delivery: Delivery) -> dict[str, str]:
        env = self._base_env()
        told = {
            "GITSYNC_ID": delivery.id,
            "GITSYNC_KEY": delivery.key,
            "GITSYNC_THREAD": delivery.thread or "",
            "GITSYNC_FROM": delivery.sender,
            "GITSYNC_TYPE": delivery.type,
            "GITSYNC_ATTEMPT": str(delivery.attempt),
        }
        return built(env, env, told)


class _Run:
    """One run of the program.

    The pipes are our own, not asyncio's: `Process.wait` of some Python versions returns only when the
    pipes are closed, and a grandchild that keeps standard output open would hang us (python/cpython#119710).
    """

    def __init__(self, spec: AgentSpec, out: Heard, judge: Judge) -> None:
        self._spec = spec
        self._judge = judge
        self._out = out
        self._err = Heard(spec.max_output)
        self._process: asyncio.subprocess.Process | None = None
        self._pipes: list[_Listener] = []
        self._family: Family | None = None

    async def start(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], text: bytes) -> None:
        """Start the program with a text on its standard input; raises OSError when it cannot be."""
        argv = confined(argv, self._spec.memory, cwd, env)
        with contextlib.ExitStack() as ours:
            # A file, not a pipe: a program that never reads its input cannot block us.
            given = ours.enter_context(tempfile.TemporaryFile())
            given.write(text)
            given.seek(0)
            ends = []
            for heard in (self._out, self._err):
                read, write = os.pipe()
                ours.callback(os.close, write)
                listener = _Listener(heard, self._flooded)
                self._pipes.append(listener)
                await listener.open(read)
                ends.append(write)
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *argv,
                    stdin=given,
                    stdout=ends[0],
                    stderr=ends[1],
                    cwd=cwd,
                    env=env,
                    start_new_session=True,
                )
            except (OSError, ValueError, asyncio.CancelledError) as error:
                self._close()
                if isinstance(error, ValueError):
                    raise OSError(0, str(error)) from error
                raise
        self._family = Family(self._process.pid, f"GITSYNC_KEY={env['GITSYNC_KEY']}")

    async def outcome(self) -> Outcome:
        """Wait for the program within its time and judge how it ended."""
        assert self._process is not None
        assert self._family is not None
        late, exceeded = False, ""
        ended = asyncio.ensure_future(self._process.wait())
        watching = asyncio.ensure_future(watch(self._family, bounds_of(self._spec)))
        try:
            async with asyncio.timeout(self._spec.timeout):
                await asyncio.wait((ended, watching), return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    exceeded = watching.result()
                    await asyncio.to_thread(self._family.end)
                code = await ended
        except TimeoutError:
            late = True
            code = await self._stop()
            await asyncio.to_thread(self._family.end)
        finally:
            watching.cancel()
            ended.cancel()
        self._signal(signal.SIGKILL)  # what the program left behind in its group
        await self._drain()
        words = self._err.last_words() or self._out.last_words()
        told = f": {words}" if words else ""
        if exceeded:
            return Outcome(kind="failed", reason=exceeded + told)
        if self._out.flooded or self._err.flooded:
            await asyncio.to_thread(self._family.end)
            count = self._out.total + self._err.total
            return Outcome(kind="failed", reason=f"flood: ended after {count} bytes of output")
        if late:
            return Outcome(kind="failed", reason=f"time-out after {self._spec.timeout:g} s{told}")
        return self._judge(code, self._out, words)

    async def end(self) -> None:
        """Leave nothing behind, also when the delivery is cancelled."""
        process = self._process
        if process is not None and process.returncode is None:
            self._signal(signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            if self._family is not None:
                self._family.end()
            await asyncio.shield(process.wait())
        self._close()

    async def _stop(self) -> int:
        assert self._process is not None
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._spec.grace):
                return await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            return await self._process.wait()

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN):
                for listener in self._pipes:
                    await listener.closed.wait()

    def _flooded(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _close(self) -> None:
        for listener in self._pipes:
            listener.close()


class _Listener(asyncio.Protocol):
    """Hear one pipe of the program."""

    def __init__(self, heard: Heard, flooded: Callable[[], None]) -> None:
        self._heard = heard
        self._on_flood = flooded
        self._transport: asyncio.ReadTransport | None = None
        self.closed = asyncio.Event()

    async def open(self, descriptor: int) -> None:
        """Read from a descriptor, which this then owns."""
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: self, os.fdopen(descriptor, "rb", buffering=0)
        )

    def data_received(self, data: bytes) -> None:
        self._heard.add(data)
        if self._heard.flooded:
            self._on_flood()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()


def judge(code: int, out: Heard, words: str) -> Outcome:
    """Judge a program by its exit code and what it said; ``words`` are its last ones."""
    if code != 0:
        return Outcome(kind="failed", reason=how_ended(code) + (f": {words}" if words else ""))
    text = out.text().strip()
    result = coding_result(text)
    if result is None:
        return Outcome(kind="done", reply=text)
    reply, failed, usage = result
    if failed:
        return Outcome(kind="failed", reason=reply[-500:] or "the agent reports an error", usage=usage, blameless=True)
    return Outcome(kind="done", reply=reply, usage=usage)


def how_ended(code: int) -> str:
    """Say how a program ended that did not end well."""
    return f"exit code {code}" if code > 0 else f"ended by signal {-code}"


def _why(error: OSError, cwd: Path) -> str:
    if isinstance(error, FileNotFoundError) and not cwd.is_dir():
        return f"folder {cwd} does not exist"
    return error.strerror or str(error)

"""Keep one agent's program running: start it, see it end, start it again, or give it up until a person says go."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gitsync import clock
from gitsync.agents.answer import last_lines
from gitsync.agents.bounds import Family, bounds_of, confined, watch
from gitsync.agents.environment import BASICS, MARK, built
from gitsync.agents.spec import AgentSpec
from gitsync.errors import GitsyncError
from gitsync.supervisor import pids, ports
from gitsync.supervisor.leftovers import adopt, made
from gitsync.supervisor.output import Output
from gitsync.supervisor.program import Program
from gitsync.supervisor.records import Mark, Records
from gitsync.supervisor.restart import GiveUp, Past, after_end
from gitsync.supervisor.settings import SuperviseSettings

log = logging.getLogger(__name__)

Phase = Literal["stopped", "waiting", "starting", "up", "taken", "crashed"]

TAKEN_AGAIN = 5.0
"""Seconds until a port that another program holds is tried again."""
SETTLED = 5.0
"""Seconds after which a program that nothing can ask counts as up."""
LONGEST_GRACE = 10.0
"""Seconds that a program is given to end at most: `gitsync down` waits for it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where programs run and what they get: the root, the folder of their logs, the environment to choose from."""

    root: Path
    logs: Path
    environ: Mapping[str, str]


class Supervised:
    """Own the program of one agent. One task runs it; what is asked of it comes in between."""

    def __init__(
        self,
        spec: AgentSpec,
        place: Place,
        settings: SuperviseSettings,
        records: Records,
        *,
        changed: Callable[[str], None],
        gave_up: Callable[[str, str], None],
    ) -> None:
        """Take what is needed; `changed` is told of each new phase, `gave_up` that an agent was given up, and why."""
        self.spec = spec
        self.settings = settings
        self._place = place
        self._records = records
        self._changed = changed
        self._gave_up = gave_up
        self._output = Output(place.logs, spec.name)
        self._program: Program | None = None
        self._task: asyncio.Task[None] | None = None
        self._kick = asyncio.Event()
        self._lock = asyncio.Lock()
        self._go = False
        self._came_up = False
        self._begun = 0.0
        self._taken = 0
        self.phase: Phase = "stopped"
        self.word = ""
        self.port: int | None = ports.port_of(spec)

    @property
    def pid(self) -> int | None:
        """Return the number of the running process."""
        return self._program.pid if self._program is not None else None

    @property
    def age(self) -> float:
        """Return how long ago the program was started (s)."""
        return clock.monotonic() - self._begun

    @property
    def restarts(self) -> int:
        """Return how often it was started again by itself."""
        return self._records.of(self.spec.name).past.restarts

    @property
    def url(self) -> str:
        """Return the address of the service, with the port that it has now."""
        return ports.url_at(self.spec, self.port)

    @property
    def blocker(self) -> str | None:
        """Say what a person must do, if anything."""
        if self.phase == "crashed":
            go = f"gitsync agents start {self.spec.name}"
            return f"agent {self.spec.name} is given up: {self.word}; say go with: {go}"
        if self.phase == "taken" and self._taken > 1:
            return f"agent {self.spec.name} cannot start: {self.word}"
        return None

    @property
    def fallen(self) -> bool:
        """Say whether nobody looks after the program any more, without anybody having asked for that."""
        return self._wanted() and self._task is not None and self._task.done()

    # -- what is asked of it -----------------------------------------------------------------------

    async def begin(self) -> None:
        """Take up what a former process left, adopt or end it; then run the program unless it is held."""
        async with self._lock:
            record = self._records.of(self.spec.name)
            adopted = await self._recognise(record.mark)
            if record.held == "crashed" and record.made != made(self.spec):
                record = await self._records.change(self.spec.name, held="", reason="", past=Past())
            if record.held:
                if adopted is not None:
                    await self._end(adopted)
                self._show("crashed" if record.held == "crashed" else "stopped", record.reason)
                return
            self._launch_task(adopted)

    async def start(self) -> None:
        """Run it: a person says go. What runs goes on; a pause ends now; its past is forgotten."""
        async with self._lock:
            running = self._task is not None and not self._task.done()
            if running and self._program is not None:
                return
            if running and not self._wanted():  # it is just being given up
                await asyncio.gather(*([self._task] if self._task is not None else []), return_exceptions=True)
                running = False
            await self._records.change(self.spec.name, held="", reason="", past=Past())
            if running:
                self._kick.set()
            else:
                self._launch_task(None)

    async def stop(self) -> None:
        """End it and leave it ended, also when gitsync is started anew."""
        async with self._lock:
            await self._records.change(self.spec.name, held="stopped", reason="stopped by a person")
            await self._halt()
            self._show("stopped", "stopped by a person")

    async def restart(self) -> None:
        """End it and start it."""
        async with self._lock:
            await self._halt()
            await self._records.change(self.spec.name, held="", reason="", past=Past())
            self._launch_task(None)

    async def close(self) -> None:
        """End it because gitsync ends, or because its settings have changed."""
        async with self._lock:
            await self._halt()
            self._show("stopped", "")

    def answered(self) -> None:
        """Be told that it answers its health check."""
        self._came_up = True
        if self.phase == "starting":
            self._show("up", "")

    # -- running it --------------------------------------------------------------------------------

    def _launch_task(self, adopted: Program | None) -> None:
        self._go = True
        self._kick.clear()
        if adopted is not None:
            self._program = adopted
            self._show("starting", "")
        else:
            self._show("waiting", "")
        self._task = asyncio.create_task(self._serve(), name=f"agent {self.spec.name}")

    async def _halt(self) -> None:
        self._go = False
        self._kick.set()
        if self._program is not None:
            await self._program.stop(min(self.spec.grace, LONGEST_GRACE))
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _wanted(self) -> bool:
        return self._go

    async def _serve(self) -> None:
        while self._wanted():
            try:
                await self._run()
                return
            except Exception as error:  # whatever it is, it must not end the care for this agent
                log.exception("looking after agent %s failed", self.spec.name)
                if self._program is not None:
                    await self._end(self._program)
                again = self.settings.backoff * 5
                self._show("waiting", f"looking after it failed: {error}; again in {again:g} s")
                await self._pause(again)

    async def _run(self) -> None:
        while self._wanted():
            reason = ""
            if self._program is None:
                if not await self._choose():
                    await self._pause(TAKEN_AGAIN)
                    continue
                reason = await self._start()
            lived = 0.0
            if self._program is not None:
                reason = await self._outlive(self._program)
                lived = clock.monotonic() - self._begun
            if not self._wanted():
                return
            if not self._came_up and await asyncio.to_thread(ports.taken, self.spec, self.port):
                continue  # it could not have the port: no crash, and the next round says who has it
            past = self._records.of(self.spec.name).past
            past, verdict = after_end(past, self.settings, lived=lived, came_up=self._came_up)
            if isinstance(verdict, GiveUp):
                await self._give_up(past, f"{verdict.failed} restarts in a row failed; {reason}")
                return
            await self._remember(past=past, mark=None)
            self._show("waiting", f"{reason}; starts again in {verdict.after:g} s")
            await self._pause(verdict.after)

    async def _start(self) -> str:
        """Start the program; return why it could not be started."""
        spec, port = self.spec, self.port
        mark = Mark(token=clock.new_id(), made=made(spec), port=port, boot=pids.boot(), since=clock.unix())
        argv = [ports.placed(part, port) for part in spec.start]
        extra = {"PORT": str(port)} if port is not None else {}
        extra.update({key: ports.placed(value, port) for key, value in spec.env.items()})
        env = built(self._place.environ, BASICS, {**extra, MARK: mark.token})
        cwd = self._place.root / spec.cwd
        self._came_up = False
        self._begun = clock.monotonic()
        await self._remember(mark=mark)
        if not self._wanted():
            return ""
        try:
            self._output.open(anew=True)
            writer = self._output.writer()
            try:
                program = Program.start(confined(argv, spec.memory, cwd, env), cwd, env, writer)
            finally:
                os.close(writer)
        except OSError as error:
            self._output.finish()
            why = f"folder {cwd} does not exist" if not cwd.is_dir() else error.strerror or str(error)
            if isinstance(error.filename, str) and self._place.logs in (at := Path(error.filename), at.parent):
                why = f"{why}: {error.filename}"  # not the program's fault
            return f"cannot start {argv[0]!r}: {why}"
        self._program = program
        self._taken = 0
        self._begun = clock.monotonic()
        where = f", port {port}" if port is not None else ""
        self._output.say(f"{clock.stamp()} started, pid {program.pid}{where}")
        self._show("starting", "")
        await self._remember(mark=replace(mark, pid=program.pid, start=pids.started(program.pid) or ""))
        return ""

    async def _outlive(self, program: Program) -> str:
        """Wait for its end and clear up after it; return how it ended, with its last words."""
        settled = None
        if not self.spec.health_command and self.spec.kind != "http":
            settled = asyncio.get_running_loop().call_later(SETTLED, self.answered)
        how = await self._watched(program)
        if settled is not None:
            settled.cancel()
        program.bury()
        self._program = None
        self._output.finish()
        self._output.say(f"{clock.stamp()} {how}")
        words = last_lines(self._output.last_words())
        if not self._wanted():
            await self._remember(mark=None)
        return f"{how}: {words}" if words else how

    async def _watched(self, program: Program) -> str:
        """Wait until it has ended, or end it because it takes more than it may; say how it ended."""
        bounds = bounds_of(self.spec)
        mark = self._records.of(self.spec.name).mark
        if not bounds or mark is None:
            return await program.over()
        family = Family(program.pid, f"{MARK}={mark.token}")
        over = asyncio.ensure_future(program.over())
        watching = asyncio.ensure_future(watch(family, bounds))
        try:
            await asyncio.wait((over, watching), return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                return over.result()
            reason = watching.result()
            log.warning("agent %s is ended: %s", self.spec.name, reason)
            await asyncio.to_thread(family.end)
            await over
            return f"ended for taking too much: {reason}"
        finally:
            watching.cancel()
            over.cancel()

    async def _give_up(self, past: Past, reason: str) -> None:
        self._go = False
        await self._remember(held="crashed", made=made(self.spec), reason=reason, past=past, mark=None)
        self._show("crashed", reason)
        self._gave_up(self.spec.name, reason)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._kick.wait()
        if self._wanted():
            self._kick.clear()

    def _show(self, phase: Phase, word: str) -> None:
        news = phase == "starting" or (phase == "taken" and self._taken == 2)  # the second time it is worth telling
        if news or (phase, word) != (self.phase, self.word):
            self.phase, self.word = phase, word
            self._changed(self.spec.name)

    async def _remember(self, **changes: object) -> None:
        """Write down what happened; a full disk is no reason to leave an agent alone."""
        try:
            await self._records.change(self.spec.name, **changes)
        except GitsyncError as error:
            log.error("what happened to agent %s could not be written down: %s", self.spec.name, error)

    async def _choose(self) -> bool:
        """Choose a port that nobody has; where none is left, say who has it."""
        found = await asyncio.to_thread(ports.find, self.spec)
        if found.taken:
            self._taken += 1
            self._show("taken", found.taken)
            return False
        self.port = found.port
        return True

    async def _recognise(self, mark: Mark | None) -> Program | None:
        """Find the program that a killed gitsync left; adopt it where it is what the settings say, else end it."""
        found = await adopt(mark) if mark is not None else None
        if mark is None or found is None:
            if mark is not None:
                await self._remember(mark=None)
            return None
        self.port = mark.port if mark.port is not None else self.port
        if mark.made != made(self.spec):
            log.info("agent %s: pid %d runs with other settings, is ended", self.spec.name, found.pid)
            await self._end(found)
            return None
        with contextlib.suppress(OSError):  # without its pipe it cannot be heard, and still works
            self._output.open(anew=False)
        self._begun = clock.monotonic() - max(0.0, clock.unix() - mark.since)
        self._came_up = False
        await self._remember(mark=replace(mark, pid=found.pid, start=pids.started(found.pid) or ""))
        log.info("agent %s: pid %d still runs, goes on with it", self.spec.name, found.pid)
        return found

    async def _end(self, program: Program) -> None:
        await program.stop(min(self.spec.grace, LONGEST_GRACE))
        program.bury()
        self._program = None
        self._output.finish()
        await self._remember(mark=None)

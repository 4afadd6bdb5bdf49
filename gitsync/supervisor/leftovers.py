"""Find the programs that a killed gitsync left running: recognise them, and never take a stranger for one."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal

from gitsync.agents.environment import MARK
from gitsync.agents.spec import AgentSpec
from gitsync.supervisor import pids
from gitsync.supervisor.program import Program
from gitsync.supervisor.records import Mark, Records


def made(spec: AgentSpec) -> str:
    """Name what a program is made from: a change of it takes a new program."""
    parts: tuple[object, ...] = (spec.start, spec.cwd, sorted(spec.env.items()), spec.url, spec.ports, spec.port)
    if spec.memory:  # set at the start; how many processes it may be is only looked at
        parts = (*parts, spec.memory)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def same_program(one: AgentSpec, other: AgentSpec) -> bool:
    """Say whether two descriptions of an agent start the same program."""
    return made(one) == made(other)


async def adopt(mark: Mark) -> Program | None:
    """Take over the program that a mark stands for; None where it has ended, and then nothing is left of its group."""
    pid = await asyncio.to_thread(_alive, mark)
    if pid is None:
        await asyncio.to_thread(_end_rest, mark)
        return None
    found = Program.adopt(pid)
    if mark.pid and pids.started(pid) != mark.start:  # it ended in this very moment, and its number may be another's
        found.let_go()
        return None
    return found


async def end_former(records: Records, name: str, grace: float = 2.0) -> None:
    """End the program of an agent that the settings do not name any more, and forget it."""
    mark = records.of(name).mark
    program = await adopt(mark) if mark is not None else None
    if program is not None:
        await program.stop(grace)
        program.bury()
    await records.forget(name)


def _alive(mark: Mark) -> int | None:
    """Return the process that a mark stands for; a stranger with its number is not it."""
    if mark.boot != pids.boot():
        return None
    if mark.pid:
        return mark.pid if pids.started(mark.pid) == mark.start else None
    return next((pid for pid in pids.marked(f"{MARK}={mark.token}") if pids.leads(pid)), None)


def _end_rest(mark: Mark) -> None:
    if not mark.pid or mark.boot != pids.boot():
        return
    for pid in pids.marked(f"{MARK}={mark.token}"):
        if pids.group_of(pid) == mark.pid:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

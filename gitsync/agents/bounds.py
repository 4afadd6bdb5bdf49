"""Bound what the programs of agents take: memory and number of processes, of a program and all that it has started.

The kernel bounds the memory of each process (`confine`). What all of them take together, and how many they are, is
looked at twice a second in /proc, where there is one; a group for control (cgroup) would need rights that gitsync
does not have. Who is one of them: the processes of its session, the children of these, and orphans that carry its mark
in their environment, so that leaving the session is no way out.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitsync.agents import confine
from gitsync.agents.spec import AgentSpec

PROCESSES = 512
"""How many processes a command may be at a time where its settings do not say."""

FIRST_LOOK = 0.25
EVERY = 0.5
"""Seconds between two looks."""

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ROUNDS = 20
"""How often those that are left are ended: who forks while we look is seen in the next round."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a program may take; 0: as much as there is."""

    memory: int = 0
    processes: int = 0

    def __bool__(self) -> bool:
        return bool(self.memory or self.processes)


def bounds_of(spec: AgentSpec) -> Bounds:
    """Return the bounds of an agent's program."""
    return Bounds(spec.memory, spec.processes or (PROCESSES if spec.kind == "command" else 0))


def confined(argv: Sequence[str], memory: int, cwd: Path, env: Mapping[str, str]) -> Sequence[str]:
    """Return the argument list that starts a program with bounded memory. Raise OSError where there is no program."""
    if not memory:
        return argv
    place = str(cwd / argv[0]) if os.sep in argv[0] else argv[0]
    if shutil.which(place, path=env.get("PATH")) is None:
        found = Path(place)
        reason = PermissionError(13, "Permission denied") if found.is_file() else FileNotFoundError(2, "No such file")
        raise reason if os.sep in argv[0] else FileNotFoundError(2, f"{argv[0]!r} is not on PATH")
    return (sys.executable, "-I", "-S", str(Path(confine.__file__).resolve()), str(memory), *argv)


class Family:
    """A program and all that it has started; `mark` is an entry ``NAME=value`` of its environment, its alone."""

    def __init__(self, pid: int, mark: str) -> None:
        self._pid = pid
        self._mark = mark.encode("utf-8", "surrogateescape")
        self._strangers: set[tuple[int, bytes]] = set()

    def members(self) -> list[int]:
        """Return those that live; empty where no /proc tells."""
        table = _table()
        table.pop(os.getpid(), None)  # an agent may have started the very process that looks
        found = {pid for pid, (_, session, _) in table.items() if pid == self._pid or session == self._pid}
        # Who is no child any more may have been handed to anybody, so all are asked for the mark, each once.
        found |= {pid for pid, (_, _, start) in table.items() if pid not in found and self._marked(pid, start)}
        while more := {pid for pid, (parent, _, _) in table.items() if parent in found} - found:
            found |= more
        return sorted(found)

    def memory(self, members: Sequence[int]) -> int:
        """Return what they hold of their own, in bytes; pages that forked processes share count for each."""
        total = 0
        for pid in members:
            try:
                _, resident, shared = (_PROC / str(pid) / "statm").read_bytes().split()[:3]
            except (OSError, ValueError):
                continue
            total += (int(resident) - int(shared)) * _PAGE
        return total

    def exceeds(self, bounds: Bounds) -> str:
        """Say which bound they exceed now; empty when none."""
        members = self.members()
        if bounds.processes and len(members) > bounds.processes:
            return f"processes: it is {len(members)} of them, {bounds.processes} are allowed"
        if bounds.memory and (held := self.memory(members)) > bounds.memory:
            return f"memory: it takes {_mb(held)}, {_mb(bounds.memory)} are allowed"
        return ""

    def end(self) -> None:
        """Kill all of them, also those that left the session, and those that are born meanwhile."""
        for _ in range(_ROUNDS):
            members = self.members()
            if not members:
                return
            for pid in members:
                for kill in (os.killpg, os.kill):  # a group at once: nothing in it can fork away
                    try:
                        if kill is os.kill or os.getpgid(pid) == pid:
                            kill(pid, signal.SIGKILL)
                    except OSError:
                        continue

    def _marked(self, pid: int, start: bytes) -> bool:
        if (pid, start) in self._strangers:
            return False
        try:
            if self._mark in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                return True
        except OSError:
            pass  # another user's, or over
        self._strangers.add((pid, start))
        return False


async def watch(family: Family, bounds: Bounds) -> str:
    """Look until a bound is exceeded; say which. Cancel to stop."""
    pause = FIRST_LOOK
    while True:
        await asyncio.sleep(pause)
        try:
            reason = await asyncio.to_thread(family.exceeds, bounds)
        except RuntimeError:  # no room for a thread: just then it matters that the next look is made
            reason = family.exceeds(bounds)
        if reason:
            return reason
        pause = EVERY


def _table() -> dict[int, tuple[int, int, bytes]]:
    """Return parent, session and start of each process that lives."""
    found: dict[int, tuple[int, int, bytes]] = {}
    try:
        numbers = [name for name in os.listdir(_PROC) if name.isdigit()]
    except OSError:
        return found
    for name in numbers:
        try:
            with open(f"{_PROC}/{name}/stat", "rb") as file:
                # "pid (name) state ppid pgrp session …"; the name may hold spaces and parentheses. 22: the start.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if len(fields) > 19 and fields[0] not in (b"Z", b"X"):
            found[int(name)] = (int(fields[1]), int(fields[3]), fields[19])
    return found


def _mb(count: int) -> str:
    return f"{count / 1024**2:.0f} MB"

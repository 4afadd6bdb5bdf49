"""Tell processes apart: a number alone names another one after a while. Linux by /proc, elsewhere by ps."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a port; `pid` is None where it belongs to another user or cannot be known."""

    pid: int | None
    program: str

    def __str__(self) -> str:
        return f"{self.program} (pid {self.pid})" if self.pid is not None else self.program


@cache
def boot() -> str:
    """Return what names this run of the computer; start times mean nothing in the next."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _said("sysctl", "-n", "kern.boottime")


def started(pid: int) -> str | None:
    """Return what tells when a living process started, None where there is none; a zombie lives no more."""
    if pid <= 0:
        return None
    try:
        # "pid (name) state …": the name may hold spaces and parentheses. Field 22 is the start, in ticks since boot.
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except FileNotFoundError:
        if (_PROC / "self").exists():
            return None
        return _said("ps", "-o", "lstart=", "-p", str(pid)) or None
    except (OSError, IndexError):
        return None


def marked(mark: str) -> list[int]:
    """Return the processes of this user whose environment holds a mark; empty where no /proc tells."""
    wanted = mark.encode()
    found = []
    for folder in _numbered():
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended, or belongs to somebody else
    return found


def leads(pid: int) -> bool:
    """Say whether a process is the first of a session of its own, as all are that gitsync starts."""
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def group_of(pid: int) -> int | None:
    """Return the process group of a process."""
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def listening(host: str, port: int, limit: float = 1.0) -> bool:
    """Say whether somebody takes connections there."""
    try:
        socket.create_connection((host, port), limit).close()
    except OSError:
        return False
    return True


def free_port(host: str) -> int:
    """Return a port that is free now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def holder(port: int) -> Holder:
    """Say who listens on a port of this computer."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for folder in _numbered() if sockets else ():
        try:
            for link in (folder / "fd").iterdir():
                if os.readlink(link) in sockets:
                    return Holder(int(folder.name), _program(folder))
        except OSError:
            continue
    return Holder(None, "another program")


def _inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _program(folder: Path) -> str:
    try:
        return (folder / "comm").read_text(errors="replace").strip() or "another program"
    except OSError:
        return "another program"


def _numbered() -> list[Path]:
    try:
        return [folder for folder in _PROC.iterdir() if folder.name.isdigit()]
    except OSError:
        return []


def _said(*call: str) -> str:
    try:
        done = subprocess.run(
            call,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()

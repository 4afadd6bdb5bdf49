"""Run git: the one place where a git process starts, with a deadline that ends all of its children."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gitsync.clock import monotonic
from gitsync.errors import GitFailed, GitsyncError, RemoteAway
from gitsync.git.environment import environment
from gitsync.git.failures import failure, said

GRACE = 2.0  # seconds between SIGTERM, on which git removes its lock files, and SIGKILL
LONGEST = 20  # times the time-out: a command that keeps showing progress may run that long


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left: exit code, output as bytes, and its words."""

    code: int
    out: bytes
    err: str


def run(
    *args: str,
    cwd: Path | None = None,
    timeout: float = 60.0,
    data: bytes = b"",
    ok: Collection[int] = (0,),
    ssh: str | None = None,
    network: bool = False,
    heard: Callable[[bytes], None] | None = None,
) -> Done:
    """Run ``git ARGS`` and return what it left; raise what its words stand for when its code is not in ``ok``.

    ``timeout`` (seconds) is for silence: a command that shows progress gets it anew with each sign of life, up to
    20 times as long altogether. ``network`` makes a time-out RemoteAway: what the remote did is then unknown.
    ``heard`` gets what it says on standard error while it runs.
    """
    from gitsync.git import wrapped

    try:
        process = wrapped.start(
            wrapped.command(*args), cwd, environment(ssh), stdin=subprocess.PIPE if data else subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise GitsyncError(f"{cwd} is not there any more.") from error
        raise GitsyncError("git is not installed.", str(error), "Install git 2.34 or later.") from error
    try:
        out, err, in_time = _listen(process, data, timeout, heard)
    except BaseException:
        end_group(process)
        raise
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            _close(stream)
    words = err.decode("utf-8", "replace")
    if not in_time:
        end_group(process)
        why = f"git {args[0]} was silent for {timeout:g} s. {said(words)}".rstrip()
        if network:
            raise RemoteAway("The remote does not answer.", why, "It is tried again by itself.")
        raise GitFailed(args, -1, why)
    code = process.wait()
    if code not in ok:
        raise failure(args, code, words)
    return Done(code, out, words)


def ssh_shares_already(host: str) -> bool:
    """Say whether a person's own ssh settings share connections to a host: theirs may be the only one let in."""
    from gitsync.git import wrapped

    if not host or host.startswith("-"):
        return False
    try:
        process = wrapped.start(["ssh", "-G", host], None, environment())
    except FileNotFoundError:
        return False
    try:
        out, _, in_time = _listen(process, b"", 10.0, None)
    finally:
        for stream in (process.stdout, process.stderr):
            _close(stream)
        end_group(process)
    return in_time and any(
        line.startswith(b"controlpath ") and line != b"controlpath none" for line in out.splitlines()
    )


def _listen(
    process: subprocess.Popen[bytes], data: bytes, timeout: float, heard: Callable[[bytes], None] | None
) -> tuple[bytes, bytes, bool]:
    """Feed and read a process until it ends; return its output, its words, and whether it was in time."""
    started = monotonic()
    quiet_until = started + timeout
    latest = started + LONGEST * timeout
    pieces: dict[int, list[bytes]] = {}  # of standard output, then of standard error
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            pieces[stream.fileno()] = []
            selector.register(stream, selectors.EVENT_READ)
        rest = memoryview(data)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        in_time = True
        while selector.get_map():
            now = monotonic()
            if now > min(quiet_until, latest):
                in_time = False
                break
            ready = selector.select(min(quiet_until - now, 0.1))
            if not ready and process.poll() is not None:
                break  # it ended, but something it started (a credential daemon) holds its streams open
            for key, _ in ready:
                if key.events & selectors.EVENT_WRITE:
                    try:
                        rest = rest[os.write(key.fd, rest[:65536]) :]
                    except BrokenPipeError:
                        rest = rest[:0]
                    if not rest:
                        selector.unregister(key.fileobj)
                        _close(process.stdin)
                    continue
                piece = os.read(key.fd, 1 << 20)
                if not piece:
                    selector.unregister(key.fileobj)
                    continue
                quiet_until = monotonic() + timeout
                pieces[key.fd].append(piece)
                if heard is not None and key.fileobj is process.stderr:
                    heard(piece)
    out, err = (b"".join(parts) for parts in pieces.values())
    if in_time:
        # Both streams may be closed by a process that still works.
        try:
            process.wait(max(0.0, min(quiet_until, latest) - monotonic()))
        except subprocess.TimeoutExpired:
            in_time = False
    return out, err, in_time


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command and everything it started: first asked to, then not."""
    for signum, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signum)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        if signum == signal.SIGTERM and _group_lives(process.pid):
            continue
        return


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(OSError):
            stream.close()

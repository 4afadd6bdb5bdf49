"""GitPython, as far as we use it: its ``Repo`` and ``Git``, with our own way to start a program.

Imported late, because it costs 70 ms and 15 MB that a short command does not have. Its ``Git.execute`` adds to
the inherited environment and cannot take from it, and its time-out ends one level of children only; so
``execute`` is replaced, and everything GitPython runs (its persistent ``cat-file`` too) starts here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import git.cmd
import git.repo

from gitsync.git.environment import OPTIONS, environment


def start(
    argv: Sequence[str],
    cwd: Path | str | None,
    env: Mapping[str, str],
    *,
    stdin: int = subprocess.DEVNULL,
    stderr: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start one program as the leader of a new process group, without a terminal."""
    process = git.cmd.safer_popen(
        list(argv), cwd=cwd, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
    )
    return cast("subprocess.Popen[bytes]", process)


def command(*args: str) -> list[str]:
    """Return the whole command line for a git command."""
    return [git.cmd.Git.GIT_PYTHON_GIT_EXECUTABLE or "git", *OPTIONS, *args]


class Git(git.cmd.Git):
    """GitPython's command object; the programs it starts get our environment and settings."""

    def execute(self, command: Any, istream: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Start ``command`` for GitPython's persistent commands; nothing else is run through it."""
        if not options.get("as_process"):
            raise TypeError("one-off commands go through gitsync.git.run")
        program, *args = command
        process = start(
            [program, *OPTIONS, *args],
            str(self.working_dir) if self.working_dir else None,
            environment(),
            stdin=istream if istream is not None else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # nobody reads it, and a full pipe would stop the process
        )
        return self.AutoInterrupt(process, command)


class Repo(git.repo.Repo):
    """The long-lived repository object of the mailbox."""

    GitCommandWrapperType = Git


def end(process: Any) -> None:
    """End a persistent command: close what it reads, then wait; it has nothing left to do."""
    popen = cast("subprocess.Popen[bytes] | None", getattr(process, "proc", process))
    if popen is None:
        return
    for stream in (popen.stdin, popen.stdout, popen.stderr):
        _close(stream)
    try:
        popen.wait(2)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(OSError):  # bytes that were still buffered for a process that is gone
            stream.close()

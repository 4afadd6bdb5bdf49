"""Refs of the clone: read in this process, moved by one long-lived ``git update-ref --stdin``.

Reading needs no program and no GitPython, so that a short command is quick. Moving is git's own transaction:
compare-and-swap under the ref's lock, fsynced, hooks off.
"""

from __future__ import annotations

import os
import re
import selectors
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitsync.clock import monotonic
from gitsync.errors import GitFailed
from gitsync.git.environment import environment
from gitsync.git.failures import failure
from gitsync.git.values import Head

ZERO = "0" * 40
PATIENCE = 30.0  # seconds for one transaction
_SHA = re.compile(r"[0-9a-f]{40}\Z")
_MOVED = re.compile(
    r"is at [0-9a-f]+ but expected|reference already exists|reference is missing but expected"
    r"|unable to resolve reference|reference broken",
)


@dataclass(frozen=True, slots=True)
class Move:
    """Ask for one ref to move. ``new`` None deletes; ``old`` None: must not exist; ``force``: from wherever it is."""

    name: str
    new: str | None
    old: str | None = None
    force: bool = False


class Refs:
    """The refs of one repository."""

    def __init__(self, git_dir: Path, common_dir: Path) -> None:
        self._git_dir = git_dir
        self._common_dir = common_dir
        self._packed: dict[str, str] = {}
        self._packed_stamp: tuple[int, int, int] | None = None
        self._writer: _Writer | None = None

    def close(self) -> None:
        """End the process that moves refs; the next move starts another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def read(self, name: str) -> str | None:
        """Return the commit a ref points to, through symbolic refs; None where there is none."""
        for _ in range(5):
            value = self._loose(name)
            if value is None:
                return self._packed_refs().get(name)
            if not value.startswith("ref:"):
                return value if _SHA.match(value) else None
            name = value[4:].strip()
        return None

    def head(self) -> Head:
        """Return the branch that is checked out and where it stands."""
        value = self._loose("HEAD") or ""
        if value.startswith("ref: refs/heads/"):
            name = value[5:].strip()
            return Head(name.removeprefix("refs/heads/"), self.read(name))
        return Head(None, self.read("HEAD"))

    def below(self, prefix: str) -> dict[str, str]:
        """Return all refs whose name starts with ``prefix`` (a folder, such as ``refs/heads/``), sorted."""
        found = {name: sha for name, sha in self._packed_refs().items() if name.startswith(prefix)}
        folder = prefix.rpartition("/")[0]
        for name in self._loose_names(folder):
            if name.startswith(prefix) and (sha := self.read(name)) is not None:
                found[name] = sha
        return dict(sorted(found.items()))

    def move(self, moves: Sequence[Move]) -> bool:
        """Move refs, all or none; return False when one of them is not where it was expected."""
        if not moves:
            return True
        for attempt in (1, 2):
            if self._writer is None:
                self._writer = _Writer(self._common_dir)
            words = self._writer.transact(moves)
            if words is None:
                return True
            self.close()
            if words == "":  # it was gone before it read us: ended by somebody, so nothing has happened
                if attempt == 1:
                    continue
                raise GitFailed(("update-ref",), -1, "update-ref ends without a word")
            if _MOVED.search(words):
                return False
            raise failure(("update-ref",), 128, words)
        raise AssertionError("unreachable")

    def mark(self, name: str, sha: str) -> None:
        """Point a loose ref of our own to an object, from wherever it was; OSError where the disk does not let us.

        In git's way (a lock that is renamed), but unsynced and in this process: for a mark that keeps an object from
        somebody's gc for a while, and means nothing after a power loss.
        """
        file = self._common_dir / name
        lock = file.with_name(file.name + ".lock")
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        try:
            os.write(handle, f"{sha}\n".encode())
        finally:
            os.close(handle)
        os.rename(lock, file)

    def _base(self, name: str) -> Path:
        return self._common_dir if name.startswith("refs/") else self._git_dir

    def _loose(self, name: str) -> str | None:
        try:
            return (self._base(name) / name).read_text("utf-8", "surrogateescape").strip()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def _loose_names(self, folder: str) -> Iterator[str]:
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._base(here) / here) as items:
                for item in items:
                    if item.is_dir(follow_symlinks=False):
                        waiting.append(f"{here}/{item.name}")
                    elif not item.name.endswith(".lock"):
                        yield f"{here}/{item.name}"

    def _packed_refs(self) -> dict[str, str]:
        file = self._common_dir / "packed-refs"
        try:
            now = file.stat()
            stamp = (now.st_mtime_ns, now.st_size, now.st_ino)
            if stamp != self._packed_stamp:
                lines = file.read_text("utf-8", "surrogateescape").splitlines()
                pairs = (line.partition(" ") for line in lines if line[:1] not in ("#", "^"))
                self._packed = {name: sha for sha, _, name in pairs if _SHA.match(sha)}
                self._packed_stamp = stamp
        except FileNotFoundError:
            self._packed, self._packed_stamp = {}, None
        return self._packed


class _Writer:
    """One ``git update-ref --stdin`` that stays, and one transaction at a time."""

    def __init__(self, git_dir: Path) -> None:
        from gitsync.git import wrapped

        self._process: subprocess.Popen[bytes] = wrapped.start(
            wrapped.command("--git-dir", str(git_dir), "update-ref", "--no-deref", "--stdin"),
            git_dir,
            environment(),
            stdin=subprocess.PIPE,
        )

    def transact(self, moves: Sequence[Move]) -> str | None:
        """Commit one transaction: None when it is done, its words when git refused, '' when git was not there."""
        text = "".join(("start\n", *map(_line, moves), "prepare\n", "commit\n"))
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(text.encode("utf-8", "surrogateescape"))
            process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return self._words()
        answer = b""
        deadline = monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not answer.endswith(b"commit: ok\n"):
                if not selector.select(max(0.0, deadline - monotonic())):
                    return f"update-ref was silent for {PATIENCE:g} s"
                piece = os.read(process.stdout.fileno(), 4096)
                if not piece:
                    return self._words() or ("update-ref ended within a transaction" if answer else "")
                answer += piece
        return None

    def _words(self) -> str:
        assert self._process.stderr is not None
        with suppress(OSError, ValueError):
            return self._process.stderr.read().decode("utf-8", "replace")
        return ""

    def close(self) -> None:
        from gitsync.git import wrapped

        wrapped.end(self._process)


def _line(move: Move) -> str:
    if any(c in move.name for c in "\n \0"):
        raise ValueError(f"not a ref name: {move.name!r}")
    old = "" if move.force else f" {move.old or ZERO}"
    if move.new is None:
        return f"delete {move.name}{old}\n"
    return f"update {move.name} {move.new}{old}\n"

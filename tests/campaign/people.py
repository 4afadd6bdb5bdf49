"""What people do to text: in an editor, in a clone of their own, in the middle of everything."""

from __future__ import annotations

import os
from pathlib import Path

from tests.campaign.checker import blocks
from tests.remotes import run_git

BRANCH = "coordination"
NOTES = ("NOTES.md", "plan/next.md")


def save(file: Path, data: bytes, *, aside: bool) -> None:
    """Save as editors do: over the old file, or beside it and then in its place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not aside:
        file.write_bytes(data)
        return
    new = file.with_name(f".{file.name}.swp")
    new.write_bytes(data)
    os.replace(new, file)


def load(file: Path) -> bytes:
    """Open a file in an editor."""
    return file.read_bytes() if file.is_file() else b""


def with_line(data: bytes, line: str, place: int) -> bytes:
    """Put a line somewhere between the lines there are, never into a block."""
    if place % 3 == 0 or b"<!-- msg" in data or b"<!-- status" in data:
        return (data if not data or data.endswith(b"\n") else data + b"\n") + f"\n{line}\n".encode()
    lines = data.split(b"\n")
    lines.insert(place % len(lines), line.encode())
    return b"\n".join(lines)


def without_block(data: bytes, which: int) -> tuple[bytes, str]:
    """Cut one message out of a file; give its id."""
    found = blocks(data)
    if not found:
        return data, ""
    ident, block = found[which % len(found)]
    return data.replace(block, b"", 1), ident


class Host:
    """Somebody with a plain clone, or in the git host's web editor: pull, change, commit, push."""

    def __init__(self, url: Path, path: Path) -> None:
        self.path = path
        run_git("init", "-q", "-b", BRANCH, path)
        self.git("remote", "add", "origin", str(url))

    def git(self, *args: str) -> str:
        """Run git in the clone."""
        return run_git(*args, cwd=self.path)

    def pull(self) -> str:
        """Be where the branch is; give its tip."""
        self.git("fetch", "-q", "origin", BRANCH)
        self.git("reset", "-q", "--hard", "FETCH_HEAD")
        return self.git("rev-parse", "HEAD").strip()

    def push(self, message: str, *options: str) -> None:
        """Commit what was changed, and push."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", *options, "origin", f"HEAD:refs/heads/{BRANCH}")

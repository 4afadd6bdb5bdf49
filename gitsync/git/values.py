"""What the git room hands out: plain values, no handles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

REGULAR = 0o100644
EXECUTABLE = 0o100755
SYMLINK = 0o120000
SUBMODULE = 0o160000
DIRECTORY = 0o040000

PushKind = Literal["ok", "race", "refused", "other"]
RemoteKind = Literal["file", "local", "public", "other"]


@dataclass(frozen=True, slots=True)
class Person:
    """Name an author or committer; ``date`` is Unix time, ``tz`` an offset such as ``+0200``."""

    name: str
    email: str
    date: int = 0
    tz: str = "+0000"


@dataclass(frozen=True, slots=True)
class Commit:
    """Hold one commit as git stored it."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str
    signed: bool = False
    """Whether it carries a signature, of whatever kind and worth."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Point from a name in a tree to an object."""

    mode: int
    sha: str

    @property
    def is_tree(self) -> bool:
        """Say whether the entry is a directory."""
        return self.mode == DIRECTORY

    @property
    def is_file(self) -> bool:
        """Say whether the entry is a file with bytes of its own: no link, submodule or directory."""
        return self.mode in (REGULAR, EXECUTABLE)


@dataclass(frozen=True, slots=True)
class Change:
    """Tell how one path differs between two trees; ``old`` is None for a new file, ``new`` for a deleted one."""

    path: str
    old: Entry | None
    new: Entry | None


@dataclass(frozen=True, slots=True)
class Head:
    """Tell what HEAD is: ``branch`` is None when detached, ``commit`` is None on an unborn branch."""

    branch: str | None
    commit: str | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """Tell what the remote has: the branch's tip (None: no such branch) and gitsync's refs beside it."""

    tip: str | None
    machine: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """Ask the remote to move one ref.

    ``new`` None deletes it. ``expect`` is the lease: a commit id (must be there), ``''`` (must not exist),
    None (no lease: forced, whatever is there).
    """

    ref: str
    new: str | None
    expect: str | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """Tell what the remote made of one update; ``text`` is its own word where it said no."""

    ref: str
    ok: bool
    kind: PushKind
    text: str = ""

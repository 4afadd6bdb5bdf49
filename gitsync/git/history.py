"""Walks over commits: short straight ones in this process, long or branching ones by git and its commit-graph."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import overload

from gitsync.git.run import Done
from gitsync.git.store import Store
from gitsync.git.values import Commit

NEAR = 1000  # commits looked at here before git is asked; 0.05 ms each the first time, 1 µs after


COMMITS_AHEAD = 1000


class _Names(Sequence[str]):
    """The answer of rev-list, cut into names where they are asked for."""

    def __init__(self, lines: bytes) -> None:
        self._lines = lines
        self._width = lines.find(b"\n") + 1

    def __len__(self) -> int:
        return len(self._lines) // self._width if self._width else 0

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        at = index % len(self) * self._width
        return self._lines[at : at + self._width - 1].decode("ascii")


class _NotNearError(Exception):
    """The walk meets a merge or gets long: git must answer."""


class History:
    """Ask how commits are related."""

    def __init__(self, store: Store, git: Callable[..., Done]) -> None:
        self._store = store
        self._git = git

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Say whether ``descendant`` contains ``ancestor``; a commit contains itself."""
        if ancestor == descendant:
            return True
        seen = {descendant}
        queue = [(0, descendant)]
        while queue and len(seen) < NEAR:
            for parent in self._store.commit(heapq.heappop(queue)[1]).parents:
                if parent == ancestor:
                    return True
                if parent not in seen:
                    seen.add(parent)
                    heapq.heappush(queue, (-self._store.commit(parent).committer.date, parent))
        if not queue:
            return False
        return self._git("merge-base", "--is-ancestor", ancestor, descendant, ok=(0, 1)).code == 0

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor, or None for unrelated (or too shallow) histories."""
        try:
            return self._fork(one, other)
        except _NotNearError:
            done = self._git("merge-base", one, other, ok=(0, 1))
            return done.out.decode("ascii").partition("\n")[0] or None

    def between(self, exclude: Sequence[str], include: str) -> list[Commit]:
        """Return what ``include`` contains and none of ``exclude`` does: parents first."""
        names = self.names_between(exclude, include)
        self._store.read_ahead(names[:COMMITS_AHEAD])
        return [self._store.commit(sha) for sha in names]

    def names_between(self, exclude: Sequence[str], include: str) -> Sequence[str]:
        """Return the names of those commits alone: of 100,000 they take 4 MB, the commits a hundred."""
        try:
            stop = {self._fork(sha, include) for sha in exclude}
            return self._line(include, stop)
        except _NotNearError:
            wanted = "\n".join((include, *(f"^{sha}" for sha in exclude), ""))
            done = self._git("rev-list", "--topo-order", "--reverse", "--stdin", data=wanted.encode("ascii"))
            return _Names(done.out)

    def _line(self, start: str, stop: set[str | None]) -> list[str]:
        """Return a straight line of commits, oldest first, down to one of ``stop`` or to its root."""
        line: list[str] = []
        at: str | None = start
        while at is not None and at not in stop:
            line.append(at)
            if len(line) > NEAR:
                raise _NotNearError
            at = self._before(at)
        return line[::-1]

    def _fork(self, one: str, other: str) -> str | None:
        """Return where two straight lines fork.

        Both are walked in step, newest first. Whatever they have in common is a tail of both, so the second
        walker to pass the fork finds it before anything older.
        """
        seen: tuple[set[str], set[str]] = (set(), set())
        ends: list[str | None] = [one, other]
        for _ in range(NEAR):
            for side in (0, 1):
                at = ends[side]
                if at is None:
                    continue
                if at in seen[1 - side]:
                    return at
                seen[side].add(at)
                ends[side] = self._before(at)
            if ends == [None, None]:
                return None
        raise _NotNearError

    def _before(self, sha: str) -> str | None:
        parents = self._store.commit(sha).parents
        if len(parents) > 1:
            raise _NotNearError
        return parents[0] if parents else None

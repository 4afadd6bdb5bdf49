"""A chain of commits in the making, on top of a tip; touches neither index nor work tree (step 4)."""

from __future__ import annotations

from collections.abc import Mapping

from gitsync.git.repo import Commit, Entry, Mailbox, Person
from gitsync.git.values import EXECUTABLE, REGULAR


class Draft:
    """Hold what the next commit changes; `commit` makes it, or nothing where nothing changed."""

    def __init__(self, mailbox: Mailbox, tip: str | None) -> None:
        self._mailbox = mailbox
        self.base = tip
        self.tip = tip
        self.tree: str | None = mailbox.commit(tip).tree if tip else None
        self.commits: list[str] = []
        self._changes: dict[str, bytes | Entry | None] = {}
        self._modes: dict[str, int] = {}

    def adopt(self, commit: Commit) -> None:
        """Go on from a commit that exists already and stands on the tip."""
        self.tip = commit.sha
        self.tree = commit.tree
        self.commits.append(commit.sha)

    def entry(self, path: str) -> Entry | None:
        """Give the entry at a path as committed so far."""
        return self._mailbox.lookup(self.tree, path) if self.tree else None

    def read(self, path: str) -> bytes | None:
        """Give the bytes at a path with all changes so far; None when there is no such file."""
        if path in self._changes:
            change = self._changes[path]
            return self._mailbox.blob(change.sha) if isinstance(change, Entry) else change
        entry = self.entry(path)
        return self._mailbox.blob(entry.sha) if entry is not None and entry.is_file else None

    def exists(self, path: str) -> bool:
        """Say whether anything is at a path."""
        return self._changes[path] is not None if path in self._changes else self.entry(path) is not None

    def blocked(self, path: str) -> str | None:
        """Say what on the branch keeps a file from being there."""
        return in_the_way(self._mailbox, self.tree, path)

    def write(self, path: str, data: bytes | None, *, executable: bool | None = None) -> None:
        """Change a file; None removes it. The mode stays unless it is said."""
        if data == self.read(path) and (data is not None or not self.exists(path)):
            return
        self._changes[path] = data
        if executable is not None:
            self._modes[path] = EXECUTABLE if executable else REGULAR

    def put(self, path: str, entry: Entry | None) -> None:
        """Change a path to an entry as it is, whatever its kind."""
        self._changes[path] = entry

    def commit(self, message: str, author: Person, committer: Person, *, empty: bool = False) -> bool:
        """Make a commit of the changes; say whether there were any, or one that only says something (`empty`)."""
        changes: Mapping[str, bytes | Entry | None]
        changes, self._changes = self._changes, {}
        modes, self._modes = self._modes, {}
        entries: dict[str, str | Entry | None] = {}
        for path, value in changes.items():
            if value is None or isinstance(value, Entry):
                entries[path] = value
                continue
            old = self.entry(path)
            mode = modes.get(path) or (old.mode if old and old.is_file else REGULAR)
            entries[path] = Entry(mode, self._mailbox.write_blob(value))
        if not entries and not empty:
            return False
        tree = self._mailbox.write_tree(self.tree, entries) if entries or self.tree is None else self.tree
        if tree == self.tree and not empty:
            return False
        self.tip = self._mailbox.write_commit(tree, [self.tip] if self.tip else [], message, author, committer)
        self.tree = tree
        self.commits.append(self.tip)
        return True


def in_the_way(mailbox: Mailbox, tree: str | None, path: str) -> str | None:
    """Say what keeps a file from being at a path: a folder there, or above it something that is none."""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        name = "/".join(parts[:depth])
        entry = mailbox.lookup(tree, name) if tree else None
        if entry is None:
            return None
        if entry.is_tree == (depth == len(parts)):
            return f"{name} is a folder on the branch" if entry.is_tree else f"{name} is no folder on the branch"
    return None

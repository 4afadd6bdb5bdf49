"""The mailbox clone as one long-lived object: the whole of what the rest of the program sees of git."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from gitsync.clock import unix
from gitsync.errors import FolderPaused, GitFailed, GitsyncError, UsageError
from gitsync.git import beside_gc, index, upkeep
from gitsync.git.history import History
from gitsync.git.objects import EMPTY_TREE, compose_commit, object_id
from gitsync.git.refs import Move, Refs
from gitsync.git.remote import RemoteSide, kind_of
from gitsync.git.run import Done, run
from gitsync.git.store import Store
from gitsync.git.values import Change, Commit, Entry, Fetched, Head, Person, Pushed, RemoteKind, Update
from gitsync.secrets.redact import redact

__all__ = ["Change", "Commit", "Entry", "Fetched", "Head", "Mailbox", "Person", "Pushed", "RemoteKind", "Update"]

_IN_PROGRESS = (
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("MERGE_HEAD", "merge"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("sequencer", "cherry-pick"),
    ("BISECT_LOG", "bisect"),
)


class Mailbox:
    """The clone that holds the mailbox branch.

    Used by one thread at a time. Holds at most two processes while it is open, ``cat-file`` and ``update-ref``,
    both started when first needed. UsageError when ``path`` is not the top of a clone.
    """

    def __init__(self, path: Path, branch: str, remote: str = "origin", *, network_timeout: float = 60.0) -> None:
        self.path = path.absolute()
        self.branch = branch
        self.remote = remote
        self.git_dir, self.common_dir = find_git_dir(self.path)
        self.local_ref = f"refs/heads/{branch}"
        self._store = Store(self.path, self.common_dir)
        self._refs = Refs(self.git_dir, self.common_dir)
        self._history = History(self._store, self._git)
        self._side = RemoteSide(self.path, self._refs, branch, remote, network_timeout)
        self.tracking_ref = self._side.tracking
        self._identity: Person | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes; the object can be used again, they then start again."""
        self._store.close()
        self._refs.close()

    def _git(self, *args: str, timeout: float = 60.0, data: bytes = b"", ok: Sequence[int] = (0,)) -> Done:
        self._store.settle()
        return run(*args, cwd=self.path, timeout=timeout, data=data, ok=ok)

    @property
    def network_timeout(self) -> float:
        """Seconds of silence after which the remote counts as away; holds from the next command on."""
        return self._side.timeout

    @network_timeout.setter
    def network_timeout(self, seconds: float) -> None:
        self._side.timeout = seconds

    # names on the remote

    def machine_ref(self, machine: str) -> str:
        """Return the ref on the remote by which a machine shows that it lives."""
        return f"{self._side.beside}machine/{machine}"

    def claim_ref(self, message_id: str) -> str:
        """Return the ref on the remote that one machine can create for a message."""
        return f"{self._side.beside}claim/{message_id}"

    # reading

    def ref(self, name: str) -> str | None:
        """Return the commit a ref points to; None where there is none."""
        return self._refs.read(name)

    def refs(self, prefix: str) -> dict[str, str]:
        """Return all refs whose name starts with ``prefix``."""
        return self._refs.below(prefix)

    def head(self) -> Head:
        """Return what is checked out."""
        return self._refs.head()

    def in_progress(self) -> str | None:
        """Name the operation that a person is in the middle of: merge, rebase, cherry-pick, revert, bisect."""
        return next((word for name, word in _IN_PROGRESS if (self.git_dir / name).exists()), None)

    def commit(self, sha: str) -> Commit:
        """Return a commit. GitFailed when it is not here."""
        return self._store.commit(sha)

    def raw_commit(self, sha: str) -> bytes:
        """Return the bytes of a commit as git stored it: what a signature of it is about, and the signature."""
        return self._store.raw_commit(sha)

    def tree(self, sha: str) -> Mapping[bytes, Entry]:
        """Return one level of a tree."""
        return self._store.tree(sha)

    def files(self, tree: str) -> dict[str, Entry]:
        """Return all files below a tree, by path; names that are not UTF-8 hold surrogate escapes."""
        return self._store.files(tree)

    def lookup(self, tree: str, path: str) -> Entry | None:
        """Return what stands at a path."""
        return self._store.lookup(tree, path)

    def changed(self, old: str | None, new: str | None) -> list[Change]:
        """Return the files that differ between two trees; None is the empty tree."""
        return self._store.changed(old, new)

    def changes(self, pairs: Sequence[tuple[str | None, str | None]]) -> list[list[Change]]:
        """Return what ``changed`` gives for each pair of trees, quicker than one by one."""
        return self._store.changes(pairs)

    def blob(self, sha: str) -> bytes:
        """Return the content of a file. GitFailed when it is not here."""
        return self._store.blob(sha)

    def has(self, sha: str) -> bool:
        """Say whether an object is here."""
        return self._store.has(sha)

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Say whether ``descendant`` contains ``ancestor``; a commit contains itself."""
        return self._history.is_ancestor(ancestor, descendant)

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor; None when there is none here (see ``is_shallow``)."""
        return self._history.merge_base(one, other)

    def between(self, exclude: Sequence[str], include: str) -> list[Commit]:
        """Return what ``include`` contains and none of ``exclude`` does: parents first."""
        return self._history.between(exclude, include)

    def names_between(self, exclude: Sequence[str], include: str) -> Sequence[str]:
        """Return the names of the commits that ``between`` gives, without reading them all."""
        return self._history.names_between(exclude, include)

    def read_ahead(self, names: Iterable[str]) -> None:
        """Read objects that are about to be asked for in one go; costs memory up to the caches' size only."""
        self._store.read_ahead(names)

    def is_shallow(self) -> bool:
        """Say whether history was cut off when the clone was made."""
        return bool(self._store.shallow())

    # writing

    def hash_blob(self, data: bytes) -> str:
        """Return the name that content would have; nothing is written."""
        return object_id("blob", data)

    def write_blob(self, data: bytes) -> str:
        """Store content; on the disk, as is every object, before `settle` returns, a ref moves or git is called."""
        return self._store.write_blob(data)

    def write_tree(self, base: str | None, changes: Mapping[str, str | Entry | None]) -> str:
        """Store what ``base`` becomes: a path gets a file (by name, or with its mode), or goes (None).

        ValueError for a path that leaves the mailbox.
        """
        return self._store.write_tree(base, changes)

    def write_commit(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        author: Person | None = None,
        committer: Person | None = None,
        *,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> str:
        """Store a commit. No ref moves.

        Who is not named is the clone's user; a date of 0 is now. `sign` gives the commit's bytes with a signature.
        """
        committer = self._dated(committer or author or self._user())
        author = self._dated(author or committer)
        data = compose_commit(tree, parents, author, committer, message)
        return self._store.write("commit", sign(data) if sign is not None else data)

    def _dated(self, person: Person) -> Person:
        return person if person.date else Person(person.name, person.email, int(unix()), person.tz)

    def _user(self) -> Person:
        if self._identity is None:
            found: dict[str, str] = {}
            done = self._git("config", "-z", "--get-regexp", r"^user\.(name|email)$", ok=(0, 1))
            for item in done.out.decode("utf-8", "surrogateescape").split("\0")[:-1]:
                key, _, value = item.partition("\n")
                found[key] = value
            self._identity = Person(found.get("user.name", "gitsync"), found.get("user.email", "gitsync@localhost"))
        return self._identity

    def move_ref(self, name: str, new: str, old: str | None) -> bool:
        """Move a ref from ``old`` (None: it must not exist) to ``new``; False when it was elsewhere."""
        return self._move([Move(name, new, old)])

    def settle(self) -> None:
        """Wait until the objects written are on the disk; OSError where one could not be written."""
        self._store.settle()

    def _move(self, moves: Sequence[Move]) -> bool:
        self._store.settle()
        return self._refs.move(moves)

    def delete_ref(self, name: str, old: str) -> bool:
        """Delete a ref that is at ``old``; False when it was elsewhere."""
        return self._move([Move(name, None, old)])

    def pin(self, name: str, sha: str) -> None:
        """Keep an object from being pruned: point ``refs/gitsync/local/NAME`` to it, wherever that was before."""
        self._move([Move(f"refs/gitsync/local/{name}", sha, force=True)])

    def let_gc_end(self) -> None:
        """Wait for a person's gc before objects are written: it may prune what it has not seen."""
        beside_gc.wait(self.common_dir)
        self._store.begin()

    def keep(self, name: str, commit: str) -> bool:
        """Pin a commit that was just made; false when a person's gc took something of it: then make it anew."""
        self._store.settle()
        self._refs.mark(f"refs/gitsync/local/{name}", commit)
        if not beside_gc.wait(self.common_dir) and self._store.intact():
            return True  # a gc that begins from now on sees the mark; one that has ended has taken nothing
        known = self.ref(self.tracking_ref)
        done = self._git("rev-list", "--objects", commit, *(["--not", known] if known else []), ok=range(256))
        if done.code == 0:
            return True
        self._refs.move([Move(f"refs/gitsync/local/{name}", None, force=True)])
        return False

    def _mend(self) -> bool:
        """Remove those of our refs whose object somebody's gc has pruned; they keep git from fetching it again."""
        refs = self.refs("refs/gitsync/local/") | self.refs("refs/gitsync/remote/")
        if (known := self.ref(self.tracking_ref)) is not None:
            refs[self.tracking_ref] = known
        gone = beside_gc.missing(self._git, sorted(set(refs.values())))
        broken = [name for name, sha in refs.items() if sha in gone]
        if broken:
            self._store.close()
            self._refs.move([Move(name, None, force=True) for name in broken])
        return bool(broken)

    # the remote

    def fetch(self, heard: Callable[[bytes], None] | None = None) -> Fetched:
        """Ask the remote what it has and bring it here. RemoteAway, AuthFailed, GitFailed.

        ``heard`` gets git's progress display, piece by piece.
        """
        self.let_gc_end()
        try:
            fetched = self._side.fetch(heard)
        except GitFailed:
            if not self._mend():
                raise
            fetched = self._side.fetch(heard)
        if beside_gc.wait(self.common_dir) and self._mend():
            fetched = self._side.fetch(heard)
        return self._only_commits(fetched)

    def fetched(self) -> Fetched:
        """Return what is known of the remote without asking it."""
        return self._only_commits(self._side.known())

    def _only_commits(self, found: Fetched) -> Fetched:
        """Pass over machine refs that point to something else: anybody who may push can make such a ref."""
        return replace(found, machine={ident: sha for ident, sha in found.machine.items() if self._is_commit(sha)})

    def _is_commit(self, sha: str) -> bool:
        try:
            self.commit(sha)
        except GitsyncError:
            return False
        return True

    def push(self, updates: Sequence[Update]) -> list[Pushed]:
        """Ask the remote to move refs, each on its own. RemoteAway (outcome unknown), AuthFailed, GitFailed."""
        self._store.settle()
        return self._side.push(updates)

    def unshallow(self) -> None:
        """Bring the history here that a shallow clone left out. RemoteAway, AuthFailed, GitFailed."""
        if self.is_shallow():
            self._side.unshallow()

    def url(self) -> str:
        """Return where the remote is, without credentials."""
        return redact(self._side.url())

    def remote_kind(self) -> RemoteKind:
        """Tell a public host from a machine of one's own."""
        return kind_of(self._side.url())

    # the index, and upkeep

    def move_index(self, old_tree: str | None, new_tree: str | None) -> None:
        """Let the index follow the branch; what a person staged stays. FolderPaused when git refuses."""
        changes = self.changed(old_tree, new_tree)
        self._store.settle()
        try:
            index.move(self.git_dir, self.path, changes)
        except index.ForeignIndexError:
            try:
                self._git("read-tree", "-i", "-m", old_tree or EMPTY_TREE, new_tree or EMPTY_TREE)
            except GitFailed as error:
                raise FolderPaused(
                    "Something staged in the mailbox folder is in the way.",
                    error.why,
                    f"Commit it, or take it back with: git -C {self.path} restore --staged .",
                ) from error

    def maintain(self) -> float:
        """Keep the clone quick; return the seconds it took. Safe at any time."""
        return upkeep.maintain(self.common_dir, self._git)

    def clear_stale_locks(self, older_than: float = upkeep.STALE_AFTER) -> list[str]:
        """Remove locks that crashed gits left in this clone; return their names."""
        return upkeep.clear_stale_locks(self.git_dir, self.common_dir, older_than)


def find_git_dir(path: Path) -> tuple[Path, Path]:
    """Return git's folder of a work tree and the one it shares with other work trees. UsageError without one."""
    git_dir = path / ".git"
    with suppress(OSError, UnicodeDecodeError):
        if git_dir.is_file() and (text := git_dir.read_text("utf-8")).startswith("gitdir:"):
            git_dir = path / text.removeprefix("gitdir:").strip()
    if not (git_dir / "HEAD").exists():
        raise UsageError(f"{path} is not a git clone.", "It has no .git folder.", "Make it with: gitsync init")
    common = git_dir
    with suppress(FileNotFoundError):
        common = git_dir / (git_dir / "commondir").read_text("utf-8").strip()
    return git_dir.resolve(), common.resolve()

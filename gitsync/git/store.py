"""The object store: written in this process, read through GitPython's persistent ``cat-file``."""

from __future__ import annotations

import os
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsync.clock import entropy
from gitsync.errors import GitFailed, GitsyncError
from gitsync.git.ahead import BrokenPipeline, read_many
from gitsync.git.laying import Laying
from gitsync.git.objects import (
    EMPTY_TREE,
    check_path,
    compose_tree,
    differences,
    object_id,
    parse_commit,
    parse_tree,
    to_bytes,
    to_text,
)
from gitsync.git.run import run
from gitsync.git.shelf import Shelf
from gitsync.git.values import DIRECTORY, REGULAR, Change, Commit, Entry

if TYPE_CHECKING:
    from gitsync.git.wrapped import Repo

BLOB_CACHE = 12 << 20  # bytes
LEVEL_CACHE = 2 << 20  # bytes: trees as git stores them, for comparing
LARGEST_CACHED = 1 << 20
TREE_CACHE = 1024  # one level each, for looking things up
COMMIT_CACHE = 4096


class Store:
    """Objects of one repository, by name; not for two threads at once."""

    def __init__(self, work_tree: Path, common_dir: Path) -> None:
        self._work_tree = work_tree
        self._common_dir = common_dir
        self._objects = common_dir / "objects"
        self._repo: Repo | None = None
        self._laying = Laying()
        self._fresh: set[Path] = set()
        self._blobs = Shelf(BLOB_CACHE)
        self._levels = Shelf(LEVEL_CACHE)
        self._trees: OrderedDict[str, Mapping[bytes, Entry]] = OrderedDict()
        self._commits: OrderedDict[str, Commit] = OrderedDict()
        self._shallow: frozenset[str] = frozenset()
        self._shallow_stamp: tuple[int, int] | None = None

    def close(self) -> None:
        """End the reading process and the writing threads; the next read and the next write start others."""
        self._laying.close()
        if self._repo is not None:
            from gitsync.git import wrapped

            command = self._repo.git
            for process in (command.cat_file_all, command.cat_file_header):
                if process is not None:
                    wrapped.end(process)
            command.cat_file_all = command.cat_file_header = None
            self._repo.close()
            self._repo = None

    # reading

    def raw(self, sha: str) -> tuple[str, bytes]:
        """Return kind and content of an object; GitFailed when it is not there."""
        if sha == EMPTY_TREE:
            return "tree", b""
        if self._laying.open:
            self.settle()
        for attempt in (1, 2):
            try:
                _, kind, _, data = self._open().git.get_object_data(sha)
            except (ValueError, OSError) as error:
                # ValueError is also what an ended cat-file looks like: its answer is an empty line.
                if "could not be resolved" in str(error) or attempt == 2:
                    if attempt == 2:
                        run("cat-file", "-e", sha, cwd=self._work_tree)  # says why: an owner git does not trust, ...
                    raise GitFailed(("cat-file", sha), 128, f"object {sha} is not in the mailbox clone") from error
                self.close()
            else:
                return _text(kind), data
        raise AssertionError("unreachable")

    def _open(self) -> Repo:
        if self._repo is None:
            from gitsync.git import wrapped

            self._repo = wrapped.Repo(self._work_tree, expand_vars=False)
        return self._repo

    def _typed(self, sha: str, wanted: str) -> bytes:
        kind, data = self.raw(sha)
        if kind != wanted:
            raise GitsyncError(f"{sha} is a {kind}, not a {wanted}.")
        return data

    def has(self, sha: str) -> bool:
        """Say whether an object is there."""
        if sha in self._commits or sha in self._trees or sha in self._blobs or self._file(sha).exists():
            return True
        try:
            self.raw(sha)
        except GitFailed:
            return False
        return True

    def blob(self, sha: str) -> bytes:
        """Return the content of a file."""
        data = self._blobs.get(sha)
        if data is None:
            data = self._typed(sha, "blob")
            self._keep_blob(sha, data)
        return data

    def _keep_blob(self, sha: str, data: bytes) -> None:
        if len(data) <= LARGEST_CACHED:
            self._blobs.keep(sha, data)

    def commit(self, sha: str) -> Commit:
        """Return a commit; where a shallow clone ends, it has no parents."""
        commit = self._commits.get(sha)
        if commit is None:
            commit = parse_commit(sha, self._typed(sha, "commit"))
            self._keep_commit(sha, commit)
        if commit.parents and sha in self.shallow():
            return replace(commit, parents=())
        return commit

    def raw_commit(self, sha: str) -> bytes:
        """Return the bytes of a commit, signature and all."""
        return self._typed(sha, "commit")

    def _keep_commit(self, sha: str, commit: Commit) -> None:
        self._commits[sha] = commit
        if len(self._commits) > COMMIT_CACHE:
            self._commits.popitem(last=False)

    def shallow(self) -> frozenset[str]:
        """Return the commits at which a shallow clone ends."""
        try:
            file = self._common_dir / "shallow"
            now = file.stat()
            stamp = (now.st_mtime_ns, now.st_ino)
            if stamp != self._shallow_stamp:
                self._shallow = frozenset(file.read_text("ascii").split())
                self._shallow_stamp = stamp
        except FileNotFoundError:
            self._shallow, self._shallow_stamp = frozenset(), None
        return self._shallow

    def tree(self, sha: str) -> Mapping[bytes, Entry]:
        """Return one level of a tree, by name."""
        entries = self._trees.get(sha)
        if entries is None:
            entries = parse_tree(self._typed(sha, "tree"))
            self._keep_tree(sha, entries)
        else:
            self._trees.move_to_end(sha)
        return entries

    def _keep_tree(self, sha: str, entries: Mapping[bytes, Entry]) -> None:
        self._trees[sha] = entries
        if len(self._trees) > TREE_CACHE:
            self._trees.popitem(last=False)

    def files(self, sha: str) -> dict[str, Entry]:
        """Return everything below a tree that is not itself a tree, by path."""
        found: dict[str, Entry] = {}
        waiting = [("", sha)]
        while waiting:
            folder, at = waiting.pop()
            for name, entry in self.tree(at).items():
                path = folder + to_text(name)
                if entry.is_tree:
                    waiting.append((path + "/", entry.sha))
                else:
                    found[path] = entry
        return found

    def lookup(self, sha: str, path: str) -> Entry | None:
        """Return what stands at a path below a tree."""
        entry: Entry | None = Entry(DIRECTORY, sha)
        for part in to_bytes(path).split(b"/"):
            if entry is None or not entry.is_tree:
                return None
            entry = self.tree(entry.sha).get(part)
        return entry

    def changed(self, old: str | None, new: str | None) -> list[Change]:
        """Return the files that differ between two trees, sorted by path; equal subtrees are not opened."""
        return self.changes([(old, new)])[0]

    def changes(self, pairs: Sequence[tuple[str | None, str | None]]) -> list[list[Change]]:
        """Return the files that differ, for each pair of trees; the trees are read level by level, all at once."""
        found: list[list[Change]] = [[] for _ in pairs]
        level = [(found[number], "", old, new) for number, (old, new) in enumerate(pairs) if old != new]
        while level:
            trees = self._raw_trees(tree for _, _, old, new in level for tree in (old, new) if tree)
            below = []
            for changes, folder, old, new in level:
                for name, was, now in differences(trees[old] if old else b"", trees[new] if new else b""):
                    path = folder + to_text(name)
                    was_tree = was.sha if was and was.is_tree else None
                    now_tree = now.sha if now and now.is_tree else None
                    if was_tree != now_tree:
                        below.append((changes, path + "/", was_tree, now_tree))
                    was_file = None if was_tree else was
                    now_file = None if now_tree else now
                    if was_file or now_file:
                        changes.append(Change(path, was_file, now_file))
            level = below
        return [sorted(changes, key=lambda change: to_bytes(change.path)) for changes in found]

    def _raw_trees(self, names: Iterable[str]) -> dict[str, bytes]:
        wanted = list(dict.fromkeys(names))
        self.read_ahead(wanted)
        return {sha: self._typed_tree(sha) for sha in wanted}

    def _typed_tree(self, sha: str) -> bytes:
        data = self._levels.get(sha)
        if data is None:
            data = self._typed(sha, "tree")
            self._levels.keep(sha, data)
        return data

    def read_ahead(self, names: Iterable[str]) -> None:
        """Bring objects into memory that are about to be asked for; what is missing is left to the one who asks."""
        wanted = [sha for sha in dict.fromkeys(names) if not self._held(sha)]
        if len(wanted) < 2:
            return
        self.raw(wanted[0])  # starts the process, or another one where it has ended
        command = self._open().git.cat_file_all
        process: Any = getattr(command, "proc", command)
        try:
            for sha, kind, data in read_many(process.stdin, process.stdout, wanted):
                if kind == "blob":
                    self._keep_blob(sha, data)
                elif kind == "tree":
                    self._levels.keep(sha, data)
                elif kind == "commit" and sha not in self._commits:
                    self._keep_commit(sha, parse_commit(sha, data))
        except (BrokenPipeline, OSError, ValueError):
            self.close()  # each of them is then asked for alone, which says what is wrong

    def _held(self, sha: str) -> bool:
        return sha == EMPTY_TREE or sha in self._blobs or sha in self._commits or sha in self._levels

    # writing

    def write(self, kind: str, data: bytes) -> str:
        """Begin to put an object into the store, and its bytes on the disk; return its name. `settle` ends it.

        As git does (``core.fsync=loose-object``), the file is synced and its folder is not: a folder is metadata, and
        the sync of the ref that comes to need the object takes that along on a journaling file system. Syncing the
        folders too took seven of thirteen syncs of a commit; thirty machines on one disk felt it.

        An object that exists as a file gets a new time, so that nobody's gc takes it for abandoned before a ref
        points to it. One that exists in a pack only is written again: the same protection, for one small file.
        """
        sha = object_id(kind, data)
        file = self._file(sha)
        self._fresh.add(file)
        try:
            os.utime(file)
        except FileNotFoundError:
            head = b"%s %d\0" % (kind.encode(), len(data))
            self._laying.lay(sha, lambda: self._create(file, zlib.compress(head + data, 1)))
        except PermissionError:  # another user's object, readable: it is there
            if not file.exists():
                raise
        return sha

    def begin(self) -> None:
        """Forget what was written so far: what `intact` speaks of begins here."""
        self._fresh.clear()

    def intact(self) -> bool:
        """Say whether each object written since `begin` still has a file of its own; False may mean a pack, too."""
        return all(file.exists() for file in self._fresh)

    def settle(self) -> None:
        """Wait until everything written is on the disk; OSError where something could not be."""
        try:
            self._laying.wait()
        except BaseException:
            self._blobs, self._levels = Shelf(BLOB_CACHE), Shelf(LEVEL_CACHE)
            self._trees.clear()  # what is remembered may be what is not there
            raise

    def _file(self, sha: str) -> Path:
        return self._objects / sha[:2] / sha[2:]

    def _create(self, file: Path, packed: bytes) -> None:
        # git's own gc clears old files of such a name.
        temporary = f"{file.parent}/tmp_obj_{entropy(6).hex()}"
        handle = self._open_new(temporary, file.parent)
        try:
            try:
                rest = memoryview(packed)
                while rest:
                    rest = rest[os.write(handle, rest) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            os.rename(temporary, file)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def _open_new(self, temporary: str, folder: Path) -> int:
        for _ in range(100):
            with suppress(FileNotFoundError):
                return os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o444)
            # The folder is new, or `git prune-packed` of somebody's gc has just removed it, being empty.
            folder.mkdir(exist_ok=True)
        raise GitsyncError(f"{folder} vanishes as soon as it is made.")

    def write_blob(self, data: bytes) -> str:
        """Store the content of a file."""
        sha = self.write("blob", data)
        self._keep_blob(sha, data)
        return sha

    def write_tree(self, base: str | None, changes: Mapping[str, str | Entry | None]) -> str:
        """Store the tree that ``base`` becomes with these changes; None removes a path, a name alone is a file.

        A folder that runs empty goes; where a file stands in the way of a folder, the folder replaces it.
        """
        nested: _Nested = {}
        for path, value in sorted(changes.items(), key=lambda item: item[1] is not None):  # first what goes
            *folders, name = check_path(path)
            here = nested
            for folder in folders:
                below = here.get(folder)
                if not isinstance(below, dict):
                    if folder in here and value is None:
                        break  # the folder goes as a whole
                    if below is not None:
                        raise ValueError(f"{path!r} is below a file")
                    below = here[folder] = {}
                here = below
            else:
                if value is not None and _holds_files(here.get(name)):
                    raise ValueError(f"{path!r} is a folder")
                here[name] = value
        return self._write_level(base, nested) or self.write("tree", b"")

    def _write_level(self, base: str | None, changes: _Nested) -> str | None:
        entries = dict(self.tree(base)) if base else {}
        for name, value in changes.items():
            was = entries.get(name)
            if isinstance(value, dict):
                below = self._write_level(was.sha if was and was.is_tree else None, value)
                if below is not None:
                    entries[name] = Entry(DIRECTORY, below)
                elif was and was.is_tree:
                    del entries[name]
            elif value is None:
                entries.pop(name, None)
            elif isinstance(value, Entry):
                entries[name] = value
            else:
                mode = was.mode if was and was.is_file else REGULAR
                entries[name] = Entry(mode, value)
        if not entries:
            return None
        if base and entries == self.tree(base):
            return base
        data = compose_tree(entries)
        sha = self.write("tree", data)
        self._keep_tree(sha, entries)
        self._levels.keep(sha, data)
        return sha


def _holds_files(value: str | Entry | _Nested | None) -> bool:
    return isinstance(value, dict) and any(
        below is not None and (not isinstance(below, dict) or _holds_files(below)) for below in value.values()
    )


def _text(word: Any) -> str:
    """Return a word that GitPython declares as str and hands out as bytes."""
    return word.decode("ascii") if isinstance(word, bytes) else str(word)


_Nested = dict[bytes, "str | Entry | _Nested | None"]

"""The mailbox clone as one long-lived object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gitsync.git.values import (
    Change,
    Commit,
    Entry,
    Fetched,
    Head,
    Person,
    Pushed,
    RemoteKind,
    Update,
)

__all__ = ["Change", "Commit", "Entry", "Fetched", "Head", "Mailbox", "Person", "Pushed", "RemoteKind", "Update"]


class Mailbox:
    """The clone that holds the mailbox branch; used by one thread at a time."""

    def __init__(self, path: Path, branch: str, remote: str = "origin", *, network_timeout: float = 60.0) -> None:
        self.path = path
        self.branch = branch
        self.remote = remote
        self.local_ref = f"refs/heads/{branch}"
        self.tracking_ref = f"refs/remotes/{remote}/{branch}"
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    # names of refs on the remote
    def machine_ref(self, machine: str) -> str:
        return f"refs/gitsync/{self.branch}/machine/{machine}"

    def claim_ref(self, message_id: str) -> str:
        return f"refs/gitsync/{self.branch}/claim/{message_id}"

    # reading
    def ref(self, name: str) -> str | None:
        raise NotImplementedError

    def refs(self, prefix: str) -> dict[str, str]:
        raise NotImplementedError

    def head(self) -> Head:
        raise NotImplementedError

    def in_progress(self) -> str | None:
        raise NotImplementedError

    def commit(self, sha: str) -> Commit:
        raise NotImplementedError

    def tree(self, sha: str) -> Mapping[bytes, Entry]:
        raise NotImplementedError

    def files(self, tree: str) -> Mapping[str, Entry]:
        raise NotImplementedError

    def lookup(self, tree: str, path: str) -> Entry | None:
        raise NotImplementedError

    def changed(self, old: str | None, new: str | None) -> list[Change]:
        raise NotImplementedError

    def blob(self, sha: str) -> bytes:
        raise NotImplementedError

    def has(self, sha: str) -> bool:
        raise NotImplementedError

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        raise NotImplementedError

    def merge_base(self, one: str, other: str) -> str | None:
        raise NotImplementedError

    def between(self, exclude: Sequence[str], include: str) -> list[Commit]:
        raise NotImplementedError

    # writing
    def hash_blob(self, data: bytes) -> str:
        raise NotImplementedError

    def write_blob(self, data: bytes) -> str:
        raise NotImplementedError

    def write_tree(self, base: str | None, changes: Mapping[str, str | Entry | None]) -> str:
        raise NotImplementedError

    def write_commit(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        author: Person | None = None,
        committer: Person | None = None,
    ) -> str:
        raise NotImplementedError

    def move_ref(self, name: str, new: str, old: str | None) -> bool:
        raise NotImplementedError

    def delete_ref(self, name: str, old: str) -> bool:
        raise NotImplementedError

    def pin(self, name: str, sha: str) -> None:
        raise NotImplementedError

    # remote
    def fetch(self) -> Fetched:
        raise NotImplementedError

    def push(self, updates: Sequence[Update]) -> list[Pushed]:
        raise NotImplementedError

    def unshallow(self) -> None:
        raise NotImplementedError

    def is_shallow(self) -> bool:
        raise NotImplementedError

    def url(self) -> str:
        raise NotImplementedError

    def remote_kind(self) -> RemoteKind:
        raise NotImplementedError

    # index and upkeep
    def move_index(self, old_tree: str | None, new_tree: str | None) -> None:
        raise NotImplementedError

    def maintain(self) -> float:
        raise NotImplementedError

    def clear_stale_locks(self) -> list[str]:
        raise NotImplementedError

"""The ledger: a cache of what the branch says."""

from __future__ import annotations

from pathlib import Path

from gitsync.ledger.values import Amendment, MachinePage, Row, Told, Trouble


class Ledger:
    """Index messages, threads, receipts and pages of the branch; may vanish at any moment and is then built again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def close(self) -> None:
        raise NotImplementedError

    def head(self) -> str | None:
        """Give the commit up to which the ledger has read; None when it is empty."""
        raise NotImplementedError

    def message(self, ident: str) -> list[Row]:
        """Give the messages with this id (one for each file it stands in)."""
        raise NotImplementedError

    def by_key(self, key: str) -> Row | None:
        raise NotImplementedError

    def with_prefix(self, prefix: str, limit: int = 10) -> list[Row]:
        raise NotImplementedError

    def inbox(self, *, agent: str | None = None, sender: str | None = None, open_only: bool = False,
              limit: int = 50, before: int | None = None) -> list[Row]:
        raise NotImplementedError

    def newest(self, *, limit: int = 50, before: int | None = None) -> list[Row]:
        raise NotImplementedError

    def thread(self, ident: str) -> list[Row]:
        raise NotImplementedError

    def search(self, words: str, limit: int = 50) -> list[Row]:
        raise NotImplementedError

    def receipts(self, ident: str, sender: str | None = None) -> list[Told]:
        raise NotImplementedError

    def final(self, ident: str) -> bool:
        """Tell whether a message has a final receipt by anybody (`Facts.final` of the engine)."""
        raise NotImplementedError

    def amendments(self, key: str) -> list[Amendment]:
        raise NotImplementedError

    def statuses(self) -> list[MachinePage]:
        raise NotImplementedError

    def open_for_me(self) -> list[Row]:
        raise NotImplementedError

    def troubles(self) -> list[Trouble]:
        raise NotImplementedError

    def counters(self) -> dict[str, int]:
        raise NotImplementedError

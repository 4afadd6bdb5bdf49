"""A machine that reads a branch: its two stores and the steps between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gitsync import inbox
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from tests.inbox.branch import Branch


class Reader:
    """Machine `id` on a branch."""

    def __init__(self, path: Path, ident: str, branch: Branch | None = None) -> None:
        self.path = path
        self.id = ident
        self.branch = branch or Branch(path / "mailbox")
        self.journal = Journal(path / f"journal-{ident}.sqlite3")
        self.ledger = Ledger(path / f"ledger-{ident}.sqlite3")

    def close(self) -> None:
        self.ledger.close()
        self.journal.close()
        self.branch.mailbox.close()

    def ingest(self) -> inbox.Ingest:
        return inbox.ingest(self.branch.mailbox, self.ledger, self.journal, self.id, self.branch.tip)

    def candidates(self) -> list[str]:
        return [envelope.message.id for envelope in inbox.candidates(self.ledger, self.journal, self.id)]

    def inbox(self, **filters: Any) -> list[tuple[object, object]]:
        return [(entry["id"], entry["state"]) for entry in self.entries(**filters)]

    def entries(self, **filters: Any) -> list[dict[str, object]]:
        return inbox.inbox_view(self.ledger, self.journal, self.id, **filters)

    def show(self, ident: str) -> dict[str, Any]:
        return inbox.show_view(self.ledger, self.journal, self.id, ident)

    def state(self, ident: str) -> str:
        return str(self.show(ident)["state"])

    def facts(self) -> list[tuple[object, ...]]:
        """Everything the ledger says that must not depend on how it came to know it."""
        flags = ("mine", "open", "history", "archived", "withdrawn", "quarantined", "commit", "seq", "path", "content")
        return [
            (row.key, row.message, *(getattr(row, flag) for flag in flags))
            for row in reversed(self.ledger.newest(limit=100_000))
        ]

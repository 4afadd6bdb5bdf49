"""What the journal knows of the folder: base versions, files under way, files that were displaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitsync import clock
from gitsync.ledger.db import Database, in_chunks, marks, path_text, text_path
from gitsync.ledger.values import Displaced, Place

BASES_KEPT = 8
"""An editor may have been opened on any of the last versions; the engine picks the one that fits (step 1)."""

SCHEMA = """
CREATE TABLE bases (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    blob_id TEXT NOT NULL
);
CREATE INDEX bases_path ON bases (path, seq);
CREATE TABLE places (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    expected TEXT,
    new TEXT,
    temp TEXT NOT NULL
);
CREATE TABLE displaced (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    file TEXT NOT NULL,
    blob_id TEXT NOT NULL,
    since TEXT NOT NULL
);
"""


class Folder:
    """The rows of the journal about files on disk. Paths may hold surrogates. Each method is one transaction."""

    db: Database

    def add_bases(self, versions: Iterable[tuple[str, str]]) -> None:
        """Note (path, blob) versions put on disk; the last eight of each path are kept."""
        with self.db.write() as conn:
            for path, blob in versions:
                name = path_text(path)
                conn.execute("DELETE FROM bases WHERE path = ? AND blob_id = ?", (name, blob))
                conn.execute("INSERT INTO bases (path, blob_id) VALUES (?, ?)", (name, blob))
                conn.execute(
                    "DELETE FROM bases WHERE path = ? AND seq <= coalesce((SELECT seq FROM bases WHERE path = ?"
                    " ORDER BY seq DESC LIMIT 1 OFFSET ?), 0)",
                    (name, name, BASES_KEPT),
                )

    def bases(self, path: str) -> list[str]:
        """Give the blobs that were on disk at this path, newest first."""
        with self.db.read() as conn:
            rows = conn.execute(
                "SELECT blob_id FROM bases WHERE path = ? ORDER BY seq DESC", (path_text(path),)
            ).fetchall()
        return [row[0] for row in rows]

    def are_bases(self, blobs: Iterable[str]) -> set[str]:
        """Give those of the blobs that are remembered as having been on disk at any path."""
        found: set[str] = set()

        def collect(part: Sequence[str]) -> None:
            with self.db.read() as conn:
                query = f"SELECT DISTINCT blob_id FROM bases WHERE blob_id IN ({marks(len(part))})"
                found.update(row[0] for row in conn.execute(query, part))

        in_chunks(sorted(set(blobs)), collect)
        return found

    def begin_place(self, path: str, expected: str | None, new: str | None, temp: str) -> int:
        """Note that a file is about to be put on disk."""
        with self.db.write() as conn:
            return (
                conn.execute(
                    "INSERT INTO places (path, expected, new, temp) VALUES (?, ?, ?, ?)",
                    (path_text(path), expected, new, path_text(temp)),
                ).lastrowid
                or 0
            )

    def begin_places(self, places: Iterable[tuple[str, str | None, str | None, str]]) -> list[int]:
        """Note several files in one transaction: (path, expected, new, temp) each."""
        with self.db.write():
            return [self.begin_place(*place) for place in places]

    def end_places(self, idents: Iterable[int]) -> None:
        """Note in one transaction that these are done, or undone."""
        with self.db.write() as conn:
            conn.executemany("DELETE FROM places WHERE id = ?", [(ident,) for ident in idents])

    def places(self) -> list[Place]:
        """Give the files that were under way, oldest first."""
        with self.db.read() as conn:
            rows = conn.execute("SELECT * FROM places ORDER BY id").fetchall()
        return [
            Place(row["id"], text_path(row["path"]), row["expected"], row["new"], text_path(row["temp"]))
            for row in rows
        ]

    def displace(self, path: str, file: str, blob: str) -> int:
        """Keep track of a file that was taken out of the folder."""
        with self.db.write() as conn:
            return (
                conn.execute(
                    "INSERT INTO displaced (path, file, blob_id, since) VALUES (?, ?, ?, ?)",
                    (path_text(path), path_text(file), blob, clock.stamp()),
                ).lastrowid
                or 0
            )

    def displaced(self) -> list[Displaced]:
        """Give the displaced files, oldest first."""
        with self.db.read() as conn:
            rows = conn.execute("SELECT * FROM displaced ORDER BY id").fetchall()
        return [
            Displaced(row["id"], text_path(row["path"]), text_path(row["file"]), row["blob_id"], row["since"])
            for row in rows
        ]

    def forget_displaced(self, ident: int) -> None:
        """Forget a displaced file: nobody writes to it any more."""
        with self.db.write() as conn:
            conn.execute("DELETE FROM displaced WHERE id = ?", (ident,))

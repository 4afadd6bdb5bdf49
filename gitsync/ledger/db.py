"""Open SQLite: the one door to it, its settings, its migrations, its failures in words."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gitsync.errors import GitsyncError
from gitsync.ledger.faults import FaultPoint, nothing

Connection = sqlite3.Connection
Record = sqlite3.Row

BUSY_MS = 5_000


class StoreFailed(GitsyncError):
    """The store could not be read or written; nothing was written by half."""


class StoreBroken(StoreFailed):
    """The file is not the database it should be: damaged, replaced, or gone while it was open."""


class StoreNewer(StoreFailed):
    """A newer gitsync has written this file."""


class Database:
    """One connection to one SQLite file, shared by all threads of the process under one lock.

    `durable` stores fsync at each commit (WAL with synchronous=FULL: one fsync); the others may lose the last commits
    at power loss, never their consistency. Files are made 0600. Other processes may use the file at the same time.
    """

    def __init__(
        self, path: Path, migrations: Sequence[str], *, durable: bool, fault: FaultPoint = nothing, name: str = ""
    ) -> None:
        """Open the file; `fault` is called at the points that begin with `name`."""
        self.path = path
        self._fault = None if fault is nothing else fault
        self._name = name
        self.created = False
        self._migrations = migrations
        self._durable = durable
        self._lock = threading.RLock()
        self._depth = 0
        self._conn: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        with self._lock:
            self._open()
        self._pass("opened")

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        with self._lock:
            if self._conn is not None:
                self._conn.close()
                self._conn = None

    def discard(self) -> None:
        """Remove a broken file and begin an empty one, unless somebody else did so already."""
        with self._lock:
            self.close()
            if self._file is None or _identity(self.path) == self._file:
                for suffix in ("", "-wal", "-shm", "-journal"):
                    Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            self._open()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run one transaction; all of it is written or nothing. Inside another one it joins that."""
        with self._lock:
            conn = self._connection()
            if self._depth:
                yield conn
                return
            try:
                conn.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise self._failure(error) from error
            self._depth = 1
            try:
                self._pass("begun")
                yield conn
                self._pass("written")
                conn.execute("COMMIT")
            except BaseException as error:
                _rollback(conn)
                if isinstance(error, sqlite3.Error):
                    raise self._failure(error) from error
                raise
            finally:
                self._depth = 0
        self._pass("committed")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give the connection for reading; each statement sees one consistent state."""
        with self._lock:
            try:
                yield self._connection()
            except sqlite3.Error as error:
                raise self._failure(error) from error

    def _pass(self, step: str) -> None:
        if self._fault is None:
            return
        try:
            self._fault(f"{self._name}-{step}")
        except OSError as error:
            raise StoreFailed(
                f"cannot write {self.path}", "the disk is full", "make room and try again; nothing was lost"
            ) from error

    def _connection(self) -> Connection:
        if self._conn is None:
            self._open()
        elif not self._depth and _identity(self.path) != self._file:
            raise StoreBroken(f"{self.path} was removed or replaced while it was open")
        assert self._conn is not None
        return self._conn

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.created = not self.path.exists()
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreFailed(
                f"cannot open {self.path}",
                error.strerror or str(error),
                "make room or give write permission, then retry",
            ) from error
        self._file = _identity(self.path)
        try:
            conn = sqlite3.connect(
                self.path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False, cached_statements=256
            )
        except sqlite3.Error as error:
            raise self._failure(error) from error
        try:
            conn.row_factory = sqlite3.Row
            conn.execute("PRAGMA journal_mode=WAL")
            conn.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
            conn.execute("PRAGMA foreign_keys=ON")
            conn.execute("PRAGMA journal_size_limit=4194304")
            self._migrate(conn)
        except sqlite3.Error as error:
            conn.close()
            raise self._failure(error) from error
        except BaseException:
            conn.close()
            raise
        self._conn = conn

    def _migrate(self, conn: Connection) -> None:
        if _version(conn) == len(self._migrations):
            return
        conn.execute("BEGIN IMMEDIATE")
        try:
            version = _version(conn)
            if version > len(self._migrations):
                raise StoreNewer(
                    f"{self.path} was written by a newer gitsync",
                    f"it has layout {version}, this program knows {len(self._migrations)}",
                    "upgrade gitsync on this machine",
                )
            for number, script in enumerate(self._migrations[version:], version + 1):
                for statement in _statements(script):
                    conn.execute(statement)
                conn.execute(f"PRAGMA user_version={number}")
            conn.execute("COMMIT")
        except BaseException:
            _rollback(conn)
            raise

    def _failure(self, error: sqlite3.Error) -> StoreFailed:
        """Say in words what SQLite reported."""
        full = getattr(error, "sqlite_errorcode", None) or 0
        code = full & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreFailed(
                f"{self.path} is busy",
                f"another gitsync process held it for more than {BUSY_MS // 1000} s",
                "try again",
            )
        if code == sqlite3.SQLITE_FULL:
            return StoreFailed(
                f"cannot write {self.path}", "the disk is full", "make room and try again; nothing was lost"
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or full == sqlite3.SQLITE_IOERR_SHORT_READ:
            return StoreBroken(
                f"{self.path} is damaged",
                str(error),
                "move it aside and start again: what is under way will be shown as uncertain",
            )
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
            return StoreFailed(
                f"cannot write {self.path}", str(error), "check the disk and the permissions of the folder, then retry"
            )
        return StoreFailed(f"{self.path}: {error}", type(error).__name__)


def text(value: str) -> str:
    """Make a text that SQLite and JSON can hold: bytes that were no UTF-8 become U+FFFD."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in value)
    return value


def path_text(path: str) -> str:
    """Keep the bytes of a path that is not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "\0" + path.encode("utf-8", "surrogateescape").hex()
    return path


def text_path(stored: str) -> str:
    """Give back what `path_text` kept."""
    if stored.startswith("\0"):
        return bytes.fromhex(stored[1:]).decode("utf-8", "surrogateescape")
    return stored


def marks(count: int) -> str:
    """Give `?,?,?` for an IN list."""
    return ",".join("?" * count)


def in_chunks(values: Sequence[Any], run: Callable[[Sequence[Any]], object], size: int = 500) -> None:
    """Call `run` with slices that fit SQLite's limit of bound variables."""
    for start in range(0, len(values), size):
        run(values[start : start + size])


def _version(conn: Connection) -> int:
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def _rollback(conn: Connection) -> None:
    if conn.in_transaction:
        with suppress(sqlite3.Error):  # SQLite may have rolled back by itself: full disk, I/O error
            conn.execute("ROLLBACK")


def _statements(script: str) -> Iterator[str]:
    """Split a script into statements; `executescript` would commit the surrounding transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino

"""A branch, and machine 2 that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inbox.reader import Reader


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Reader]:
    """Machine 2, at home on an empty branch."""
    reader = Reader(tmp_path, "2")
    reader.journal.set_meta("born", "2026-11-19T00:00:00Z")
    yield reader
    reader.close()

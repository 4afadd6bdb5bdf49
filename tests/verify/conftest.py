"""Machine 2, which requires that senders are verified, and trusts machine 1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsync.signing.keys import PrivateKey
from tests.verify.town import Town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Machine 2 under `require`."""
    made = Town(tmp_path)
    yield made
    made.close()


@pytest.fixture
def one(town: Town) -> PrivateKey:
    """The key of machine 1, trusted on machine 2."""
    key = town.key("one")
    town.trust("1", key)
    return key

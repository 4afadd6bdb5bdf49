"""Fixtures for tests of the sync engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remotes import Remotes
from tests.sync.world import World


@pytest.fixture
def world(tmp_path: Path, make_remote: Remotes) -> Iterator[World]:
    """Give a file remote with a mailbox branch, and room for computers."""
    world = World(tmp_path, make_remote("file"))
    world.seed()
    yield world
    world.close()


@pytest.fixture
def empty_world(tmp_path: Path, make_remote: Remotes) -> Iterator[World]:
    """Give a file remote that holds nothing."""
    world = World(tmp_path, make_remote("file"))
    yield world
    world.close()

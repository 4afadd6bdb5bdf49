"""Fixtures for the attacks: a mailbox with honest machines, and somebody who can push to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.enemy import Town
from tests.remotes import Remotes
from tests.sync.conftest import seeded  # noqa: F401 - a fixture
from tests.sync.world import World


@pytest.fixture
def town(tmp_path: Path, make_remote: Remotes) -> Iterator[Town]:
    """Machines 1 and 2 on a branch, each with its inbox, and an enemy who can push."""
    world = World(tmp_path / "town", make_remote("file"))
    world.root.mkdir()
    world.seed()
    town = Town(world)
    yield town
    town.close()

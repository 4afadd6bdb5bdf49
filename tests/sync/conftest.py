"""Fixtures for tests of the sync engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remotes import Remotes
from tests.sync.world import World


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Hold the one seeded remote that the others are copied from, once it has been made."""
    return []


@pytest.fixture
def world(tmp_path: Path, make_remote: Remotes, seeded: list[Path]) -> Iterator[World]:
    """Give a file remote with a mailbox branch, and room for computers."""
    world = World(tmp_path, make_remote("file"))
    if seeded:
        shutil.copytree(seeded[0], world.remote.path, dirs_exist_ok=True)
    else:
        world.seed()
        seeded.append(tmp_path / "seeded.git")
        shutil.copytree(world.remote.path, seeded[0])
    yield world
    world.close()


@pytest.fixture
def empty_world(tmp_path: Path, make_remote: Remotes) -> Iterator[World]:
    """Give a file remote that holds nothing."""
    world = World(tmp_path, make_remote("file"))
    yield world
    world.close()

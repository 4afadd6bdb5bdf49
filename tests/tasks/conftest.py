"""Machines for the tests of tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.bench import Bench, Worker


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Make machines that are closed at the end."""
    made: list[Bench] = []

    def make(*workers: Worker, **more: Any) -> Bench:
        made.append(Bench(tmp_path / f"machine{more.get('machine', '2')}", *workers, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()

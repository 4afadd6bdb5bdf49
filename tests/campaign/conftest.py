"""The fleets of the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaign.fleet import Fleets
from tests.remotes import Remotes


@pytest.fixture(scope="session")
def fleets(tmp_path_factory: pytest.TempPathFactory, remotes: Remotes) -> Iterator[Fleets]:
    """Make fleets when they are asked for, and end them with the session."""
    with Fleets(Path(tmp_path_factory.mktemp("fleets")), remotes) as made:
        yield made

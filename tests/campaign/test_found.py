"""Lives that random lives have found, each as short as it can be told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaign.replicas import SimClock
from tests.campaign.township import Township

ANY = 5


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Township]:
    with SimClock(1).installed() as sim:
        town = Township(tmp_path / "town", sim)
        yield town
        town.close()


def _cycles(town: Township, *order: int) -> None:
    for who in order:
        town.wait(3.0)
        town.cycle(who, True)


def test_i2_what_was_done_for_any_is_not_done_again_when_its_receipt_is_taken_back(town: Township) -> None:
    """Whoever takes the branch back over a receipt leaves the message on it, and no claim."""
    town.send(2, 0, ANY)
    _cycles(town, 2, 2)
    for _ in range(3):
        _cycles(town, 2, 0, 1)
        if b"done" in b"".join(_receipts(town)):
            break
    assert b"done" in b"".join(_receipts(town))
    _cycles(town, 0, 1, 2)
    town.host.pull()
    history = town.host.git("rev-list", "--first-parent", "HEAD").split()
    back = next(
        number
        for number, sha in enumerate(history)
        if number and "done" not in _at(town, sha) and "TO_ANY" in town.host.git("ls-tree", "-r", "--name-only", sha)
    )
    town.rewrite_remote(back - 1)
    town.wait(3.0)
    for who in (0, 1, 2):
        town.cycle(who, True)
        town.accept(who)
    assert town.finish() == []


def _receipts(town: Township) -> list[bytes]:
    town.host.pull()
    return [file.read_bytes() for file in (town.host.path / "receipts").rglob("*.md")]


def _at(town: Township, sha: str) -> str:
    names = town.host.git("ls-tree", "-r", "--name-only", sha).split()
    return "".join(town.host.git("show", f"{sha}:{name}") for name in names if name.startswith("receipts/"))

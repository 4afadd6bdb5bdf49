"""I1 to I8 over random lives of a fleet: a few in every run of the tests, 10,000 steps by ``make faults-full``."""

from __future__ import annotations

import os

import pytest

from tests.campaign.machine import play

ENOUGH = 16
"""Seeds of some 2,000 steps each."""
ASKED = min(ENOUGH, int(os.environ.get("GITSYNC_SEEDS", "1")))
SEEDS = [int(os.environ["GITSYNC_SEED"])] if "GITSYNC_SEED" in os.environ else range(1, 1 + ASKED)
LIVES = int(os.environ.get("GITSYNC_LIVES", "20"))
STEPS = int(os.environ.get("GITSYNC_STEPS", "50"))


def test_some_lives() -> None:
    figures = play(1, lives=4, steps=40, shrink=False)
    assert figures["steps"] > 50


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("number", SEEDS)
def test_lives_by_seed(number: int) -> None:
    play(number, lives=LIVES, steps=STEPS, shrink="GITSYNC_SHRINK" in os.environ)

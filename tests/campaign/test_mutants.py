"""A green campaign must mean something: each seeded defect is found, by the part that must find it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.campaign.mutants import MUTANTS, ROOT, Mutant, apply, hunt

HUNTED = MUTANTS if os.environ.get("GITSYNC_FULL") else MUTANTS[:4]
"""A hunt may take minutes: the ten-minute cut has some of them, ``make faults-full`` all."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_defect_can_still_be_put_in(mutant: Mutant, tmp_path: Path) -> None:
    file = tmp_path / "gitsync" / mutant.file
    file.parent.mkdir(parents=True)
    before = (ROOT / "gitsync" / mutant.file).read_text()
    file.write_text(before)
    apply(mutant, tmp_path)
    assert file.read_text() != before


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mutant", HUNTED, ids=lambda mutant: mutant.name)
def test_a_defect_is_found(mutant: Mutant, tmp_path: Path) -> None:
    caught = hunt(mutant, tmp_path / "tree")
    assert caught.what

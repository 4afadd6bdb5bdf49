"""Faults are asked for by a variable of the environment, and a wrong one is an error."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from gitsync.config.faults import Provoked, fault, table
from gitsync.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_without_the_variable_nothing_happens() -> None:
    fault({})("5-pushed")
    fault({"GITSYNC_FAULT": ""})("5-pushed")


def test_an_error_is_raised_at_its_point_once() -> None:
    hook = fault({"GITSYNC_FAULT": "5-pushed:raise"})
    hook("4-built")
    with pytest.raises(Provoked):
        hook("5-pushed")
    hook("5-pushed")


def test_the_nth_passage_is_meant() -> None:
    hook = fault({"GITSYNC_FAULT": "503:full:3"})
    hook("5-pushed")
    hook("5-pushed")
    with pytest.raises(OSError, match="No space") as caught:
        hook("5-pushed")
    assert caught.value.errno == errno.ENOSPC
    hook("5-pushed")


def test_every_point_has_a_number_a_name_and_a_meaning() -> None:
    points = table()
    assert len({point.number for point in points}) == len({point.name for point in points}) == len(points)
    assert all(str(point.number // 100) == point.name[0] and len(point.meaning) > 15 for point in points)


@pytest.mark.parametrize("room", ["sync", "dispatch", "ledger"])
def test_every_point_is_passed_somewhere(room: str) -> None:
    code = "".join(file.read_text() for file in (ROOT / "gitsync" / room).glob("*.py") if file.name != "faults.py")
    points = [point for point in table() if point.name[0] in {"sync": "0123456", "dispatch": "7", "ledger": "89"}[room]]
    assert [point.name for point in points if f'"{point.name}"' not in code and room != "ledger"] == []
    assert all(f'self._pass("{point.name.rpartition("-")[2]}")' in code for point in points if room == "ledger")


@pytest.mark.parametrize("value", ["nowhere", "5-pushed:burn", "5-pushed:", ":kill", "5-pushed:kill:0", "1:kill:x"])
def test_a_fault_that_does_not_exist(value: str) -> None:
    if value == "5-pushed:":
        assert fault({"GITSYNC_FAULT": value}) is not None
        return
    with pytest.raises(ConfigError, match=r"GITSYNC_FAULT") as caught:
        fault({"GITSYNC_FAULT": value})
    assert "7-begun" in str(caught.value.why)


def test_kill_is_a_real_kill() -> None:
    code = "from gitsync.config.faults import fault; fault()('7-begun'); print('alive')"
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env={"GITSYNC_FAULT": "7-begun"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (child.returncode, child.stdout) == (-9, "")

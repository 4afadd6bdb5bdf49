"""Faults are asked for by a variable of the environment, and a wrong one is an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitsync.config.faults import Provoked, fault
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


@pytest.mark.parametrize("value", ["nowhere", "5-pushed:burn", "5-pushed:", ":kill"])
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

"""Judgements without anything to look at, and the promise that an examination ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsync import clock
from gitsync.doctor import examine, far, host, stores
from gitsync.doctor.ground import Ground
from gitsync.doctor.values import Check, ok, ordered, worst


@pytest.mark.parametrize(
    ("version", "state"), [((2, 20, 0), "fail"), ((2, 34, 0), "warn"), ((2, 39, 0), "ok"), ((3, 0, 0), "ok")]
)
def test_versions(version: tuple[int, int, int], state: str) -> None:
    assert host.judge_git(version).state == state


@pytest.mark.parametrize(("free", "state"), [(1 << 20, "fail"), (32 << 20, "warn"), (1 << 40, "ok")])
def test_room(free: int, state: str) -> None:
    assert host.judge_disk(Path("/x"), free, 16 << 20).state == state


def test_read_only_and_inodes() -> None:
    assert host.judge_disk(Path("/x"), 1 << 40, 16 << 20, read_only=True).state == "fail"
    assert [host.judge_inodes(Path("/x"), free, 10**6).state for free in (10, 500, 5000)] == ["fail", "warn", "ok"]
    assert host.judge_inodes(Path("/x"), 0, 0).state == "ok", "some file systems do not count them"


@pytest.mark.parametrize(
    ("most", "instances", "state"), [(8, 128, "warn"), (65536, 2, "warn"), (65536, 128, "ok"), (None, None, "ok")]
)
def test_watches(most: int | None, instances: int | None, state: str) -> None:
    assert host.watches(most, instances).state == state


@pytest.mark.parametrize(("apart", "state"), [(0, "ok"), (299, "ok"), (-301, "warn"), (86400, "warn")])
def test_clocks(apart: float, state: str) -> None:
    found = far.judge_clock(1e9 + apart, 1e9)
    assert found.state == state
    assert ("ahead" in found.what) == (apart > 300)
    assert ("behind" in found.what) == (apart < -300)


def test_the_outbox_may_wait_a_while() -> None:
    assert [stores.outbox(*args).state for args in ((0, 0.0), (3, 60.0), (3, 7200.0))] == ["ok", "ok", "warn"]


def test_a_date_that_nobody_understands_is_no_age() -> None:
    assert [clock.age(text) for text in (None, "yesterday", "2026-01-01T00:00:00")] == [None, None, None]
    assert (clock.age("2020-01-01T00:00:00Z") or 0.0) > 1e6
    assert clock.age("9999-01-01T00:00:00Z") == 0.0


def test_problems_come_first() -> None:
    checks = [ok("a"), Check(name="b", state="warn"), Check(name="c", state="fail"), ok("d")]
    assert [check.name for check in ordered(checks)] == ["c", "b", "a", "d"]
    assert worst(checks) == "fail"
    assert worst([]) == "ok"


def test_an_examination_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that does not answer costs its own checks, and those behind it in the row."""
    never = threading.Event()

    def hang(_ground: Ground) -> Iterator[Check]:
        yield ok("settings")
        never.wait(60)

    def fall(_ground: Ground) -> Iterator[Check]:
        raise ZeroDivisionError("so")

    monkeypatch.setattr(examine.own, "checks", hang)
    monkeypatch.setattr(examine.host, "checks", fall)
    monkeypatch.setattr(examine, "LONGEST", 0.3)
    found = examine.examine(Ground(start=Path("/")), rebuild=lambda: None, init=lambda: None)
    never.set()
    told = {check.name: check for check in found if check.state == "fail"}
    assert "ZeroDivisionError" in told["host"].what
    assert "did not end" in told["settings"].what

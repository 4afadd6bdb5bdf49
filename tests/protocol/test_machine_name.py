"""Which machine a written name stands for, and which From is a forgery."""

from __future__ import annotations

import pytest

from gitsync.protocol.machine_name import machine_of, other_machine


@pytest.mark.parametrize(
    ("raw", "machine"),
    [
        ("Computer 2 (Automation Claude - Laptop)", "2"),
        ("C1", "1"),
        ("C1-2", "1"),
        ("Agent 3b", "3"),
        ("Claude #1", "1"),
        ("1/mechanic", "1"),
        ("Laptop/builder", "laptop"),
        ("jesse", "jesse"),
        ("Computer 1 → 2", "1"),
        ("ALL", "all"),
        ("any", "any"),
        ("Bob Smith", None),
        ("", None),
        ("n/a", None),
    ],
)
def test_machine_of(raw: str, machine: str | None) -> None:
    assert machine_of(raw) == machine


@pytest.mark.parametrize(
    ("raw", "owner", "machines", "other"),
    [
        ("3", "1", (), "3"),
        ("Computer 3", "1", (), "3"),
        ("3/mechanic", "1", (), "3"),
        ("jesse", "1", (), None),
        ("jesse", "1", ("1", "jesse"), "jesse"),
        ("Computer 1", "1", ("1", "2"), None),
        ("1/mechanic", "1", (), None),
        ("C1/mechanic", "1", (), None),
        ("c1", "c1", (), None),
        ("laptop-2/builder", "laptop-2", ("2",), None),
        ("Bob Smith", "1", ("2",), None),
        (None, "1", (), None),
        ("", "1", (), None),
    ],
)
def test_other_machine(raw: str | None, owner: str, machines: tuple[str, ...], other: str | None) -> None:
    assert other_machine(raw, owner, machines) == other

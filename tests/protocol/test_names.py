"""Who writes, to whom, and how urgent it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.protocol import names


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Computer 2 (Automation Claude - Laptop)", "Computer 2"),
        ("C1", "C1"),
        ("**C1**", "C1"),
        ("`laptop`", "laptop"),
        ("🔧 C1 - The Fixer (old laptop)", "C1"),
        ("C1 — The Fixer", "C1"),
        ("C1_Fixer (THIS one)", "C1_Fixer"),
        ("Agent-3 (Build Specialist)", "Agent-3"),
        ("Captain Agent-4", "Captain Agent-4"),
        ("Claude Code (Model 9)", "Claude Code"),
        ("Jesse <jesse@example.org>", "Jesse"),
        ("[C2](COMPUTER_2.md)", "C2"),
        ("@builder", "builder"),
        ("1/mechanic", "1/mechanic"),
        ("Computer 2 - a free one", "Computer 2"),
        ("The Old Main Machine (HOST-?)", "The Old Main Machine"),
        ("C1 → C2", "C1"),
        ("", None),
        ("N/A", None),
        ("—", None),
        ("🚀", None),
    ],
)
def test_a_sender(written: str, name: str | None) -> None:
    assert names.sender(written) == name


@pytest.mark.parametrize(
    ("written", "who"),
    [
        ("Computer 2 (Automation Claude - Laptop)", ("Computer 2",)),
        ("C1", ("C1",)),
        ("C2 & C3", ("C2", "C3")),
        ("C2, C3, and C4", ("C2", "C3", "C4")),
        ("C2_Architect and C3_Oracle", ("C2_Architect", "C3_Oracle")),
        ("C2 (Architect), C3 (Oracle)", ("C2", "C3")),
        ("C2 + C3", ("C2", "C3")),
        ("C2/C3", ("C2", "C3")),
        ("C2; C2", ("C2",)),
        ("2/builder, 3", ("2/builder", "3")),
        ("All Harbour Machines (C1, C2, C3)", ("all",)),
        ("ALL-AGENTS", ("all",)),
        ("ALL_AGENTS", ("all",)),
        ("ALL", ("all",)),
        ("@all", ("all",)),
        ("everyone", ("all",)),
        ("All other instances (2-6)", ("all",)),
        ("The whole fleet", ("all",)),
        ("Swarm (All Agents)", ("all",)),
        ("*", ("all",)),
        ("ANY", ("any",)),
        ("Any free agent", ("any",)),
        ("ANY other Claude instances on this project", ("all",)),
        ("C1 → C2", ("C2",)),
        ('"All hands"', ("all",)),
        ("Computers 2, 3 and 4", ("Computer 2", "Computer 3", "Computer 4")),
        ("Both C1 and C2", ("C1", "C2")),
        ("Allison", ("Allison",)),
        ("Team Lead", ("Team Lead",)),
        ("PM/XP Enforcer", ("PM/XP Enforcer",)),
        ("", ()),
        ("none", ()),
    ],
)
def test_recipients(written: str, who: tuple[str, ...]) -> None:
    assert names.recipients(written) == who


@pytest.mark.parametrize(
    ("written", "level"),
    [
        ("URGENT", "urgent"),
        ("🔴 URGENT", "urgent"),
        ("🚨 CRITICAL - NEED YOU", "urgent"),
        ("Emergency", "urgent"),
        ("P0", "urgent"),
        ("TIER-1 CRITICAL", "urgent"),
        ("HIGH", "high"),
        ("High (please today)", "high"),
        ("HIGH - not critical yet", "high"),
        ("P1", "high"),
        ("[HIGH]", "high"),
        ("NORMAL", "normal"),
        ("regular", "normal"),
        ("MEDIUM", "normal"),
        ("🟡 Medium", "normal"),
        ("P2", "normal"),
        ("low", "low"),
        ("🟢 LOW", "low"),
        ("not urgent", "normal"),
        ("non-critical", "normal"),
        ("1 (CRITICAL)", "urgent"),
        ("1", "high"),
        ("🔴 ANSWER TO YOUR QUESTION", "urgent"),
        ("🟢 PROGRESS", "normal"),
        ("whenever", "normal"),
        ("following up", "normal"),
    ],
)
def test_a_priority(written: str, level: str) -> None:
    assert names.priority(written) == (level, written)


def test_no_priority() -> None:
    assert names.priority("  ") == (None, None)
    assert names.priority("**") == (None, None)


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader_of_names(text: str) -> None:
    names.sender(text)
    who = names.recipients(text)
    assert len(set(who)) == len(who)
    names.priority(text)

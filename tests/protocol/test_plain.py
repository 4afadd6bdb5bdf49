"""Markup and emoji go, the text and the names in it stay."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gitsync.protocol.plain import LONGEST, plain


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Hello", "Hello"),
        ("**Hello** you", "Hello you"),
        ("**Hello you", "Hello you"),
        ("Hello you**", "Hello you"),
        ("__Hello__ _you_", "Hello you"),
        ("_Hello you", "Hello you"),
        ("***__Hello__***", "Hello"),
        ("~~old~~ new", "old new"),
        ("~~old", "old"),
        ("FROM C1_MECHANIC", "FROM C1_MECHANIC"),
        ("**C1_MECHANIC_2** and c1_fixer_", "C1_MECHANIC_2 and c1_fixer"),
        ("run `tests/*_test.py` now", "run tests/*_test.py now"),
        ("``a`b``", "a`b"),
        ("an `open span", "an open span"),
        ("[Plan](plan.md) and ![map](a.png)", "Plan and map"),
        ("[Plan **B**](<my plan.md>)", "Plan B"),
        ("[2025-11-07 14:30 UTC] [C1] done", "[2025-11-07 14:30 UTC] [C1] done"),
        ("[EDIT THIS]", "[EDIT THIS]"),
        ("a <!-- note --> b", "a b"),
        ("a <!-- goes on below", "a"),
        ("<b>Bold</b> and <span style='x'>more</span><br/>", "Bold and more"),
        ("<your name> of <C1>", "<your name> of <C1>"),
        ("Ann <ann@example.org>", "Ann <ann@example.org>"),
        (r"\*not bold\* \_x\_", "*not bold* _x_"),
        ("Q&amp;A & more", "Q&A & more"),
        ("C:\\temp and 3 * 4", "C:\\temp and 3 4"),
        ("🚨 **URGENT** 🚨  now ✅", "URGENT now"),
        ("\udcff_x_", "\udcffx"),
        ("", ""),
    ],
)
def test_what_a_line_says(written: str, said: str) -> None:
    assert plain(written) == said


@pytest.mark.parametrize(
    "mark", ["[", "![", "*a ", "_a_", "`", "``x` ", "<a ", "<!--", "[a](", "~~a", "\\", "&amp;", "]("]
)
def test_a_line_of_marks_ends(mark: str) -> None:
    assert len(plain(mark * 10 * LONGEST)) <= LONGEST


def test_the_parser_is_loaded_only_where_there_is_markup() -> None:
    program = (
        "import sys; from gitsync.protocol import reader; "
        "reader.read_file(b'# Hello\\n**From:** C1\\n'); early = 'markdown_it' in sys.modules; "
        "reader.read_file(b'# Hello `x`\\n**From:** C1\\n'); print(early, 'markdown_it' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "True"]

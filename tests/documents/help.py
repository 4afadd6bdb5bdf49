"""Write docs/cli.md from the parser: ``python -m tests.documents.help``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

from gitsync.cli.parser import build

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "cli.md"

INTRODUCTION = """\
# Command line

`gitsync` looks for `.gitsync/` from the current folder upward, or takes `--dir PATH` (before or after the verb) or
`GITSYNC_DIR`. Reading commands have `--json`; its shape is in [json.md](json.md). Errors have three lines: what, why,
what to do.

This page is made from the program itself (`python -m tests.documents.help`), and a test holds them together.
"""


def verbs() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each verb that the help shows."""
    parser = build()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            shown = {choice.dest for choice in action._choices_actions}
            return dict(_with_actions({name: sub for name, sub in action.choices.items() if name in shown}))
    raise AssertionError("the parser has no verbs")


def _with_actions(found: Mapping[str, argparse.ArgumentParser]) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for name, parser in found.items():
        yield name, parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from ((f"{name} {deed}", sub) for deed, sub in action.choices.items())


def document() -> str:
    """Return the whole page."""
    with mock.patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1", "PYTHON_COLORS": "0"}):
        parts = [INTRODUCTION, _block("gitsync", build())]
        parts += [_block(f"gitsync {name}", parser) for name, parser in verbs().items()]
    return "\n".join(parts)


def _block(title: str, parser: argparse.ArgumentParser) -> str:
    return f"## {title}\n\n```\n{parser.format_help().rstrip()}\n```\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
    sys.stdout.write(f"wrote {DOCUMENT.relative_to(ROOT)}\n")

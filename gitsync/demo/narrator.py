"""Tell what happens while it happens: in colour on a terminal, as plain lines anywhere else."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text


class Narrator:
    """Print lines with the seconds since the story began."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()

    def _line(self, text: str, style: str) -> None:
        stamp = f"{time.monotonic() - self._began:6.2f} s  "
        for part in self._folded(text, self._console.width - len(stamp)):
            self._console.print(Text(stamp, style="dim").append(part, style=style))
            stamp = " " * len(stamp)

    def _folded(self, text: str, width: int) -> list[str]:
        """Break a line between words where a terminal would break it anywhere; a pipe gets it whole."""
        if not self._console.is_terminal or len(text) <= width:
            return [text]
        body = text.lstrip()
        hanging = text[: len(text) - len(body)] + ("│ " if body.startswith("│ ") else "  ")
        return textwrap.wrap(
            text, max(width, 40), subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
        )

    def title(self, text: str) -> None:
        """Open a step."""
        self._console.print()
        self._line(text, "bold")

    def say(self, text: str) -> None:
        """Tell one thing."""
        self._line("  " + text, "")

    def good(self, text: str) -> None:
        """Tell that a check held."""
        self._line("  ✓ " + text, "green")

    def bad(self, text: str) -> None:
        """Tell that a check did not hold."""
        self._line("  ✗ " + text, "bold red")

    def quote(self, text: str, *, limit: int = 6) -> None:
        """Show what somebody wrote, cut after a few lines."""
        lines = [line for line in text.strip().splitlines() if line.strip()]
        for line in lines[:limit]:
            self._line("    │ " + _printable(line)[:160], "cyan")
        if len(lines) > limit:
            self._line(f"    │ … {len(lines) - limit} more lines", "cyan")

    def history(self, lines: Iterable[str]) -> None:
        """Show lines of ``git log``."""
        for line in lines:
            self._line("    git log  " + _printable(line), "dim")

    def plain(self, text: str = "") -> None:
        """Print a line as it is."""
        self._console.print(Text(text))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "·" for char in text)

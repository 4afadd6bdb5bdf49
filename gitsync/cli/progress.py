"""Show that something takes its time, on a terminal only."""

from __future__ import annotations

import sys
from typing import Self


class Bar:
    """One line on standard error that is gone when the work is done."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = ""
        self._on = sys.stderr.isatty()

    def show(self, phase: str, percent: int | None) -> None:
        """Say how far it is."""
        text = f"{self._what}: {phase}" + (f" {percent} %" if percent is not None else "")
        if self._on and text != self._shown:
            self._shown = text
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

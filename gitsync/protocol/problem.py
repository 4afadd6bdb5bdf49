"""What a reader has to say about text it could not take as it stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Point at one line of a file and name the rule it breaks; `line` counts from 1."""

    line: int
    rule: str
    text: str

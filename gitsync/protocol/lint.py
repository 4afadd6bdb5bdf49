"""Say what is wrong with a mailbox file."""

from __future__ import annotations

from gitsync.protocol.problem import Problem


def lint(data: bytes, path: str) -> tuple[Problem, ...]:
    """Give what is wrong, by line."""
    raise NotImplementedError

"""What the SDK raises, understood."""

from __future__ import annotations

import httpx

from gitsync.agents.claude.child.failures import never_connected


def test_contexts_that_run_in_a_circle_end() -> None:
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__context__, other.__context__ = other, one
    assert not never_connected(one)


def test_a_connection_that_was_refused_is_found_below_others() -> None:
    error = RuntimeError("above")
    error.__cause__ = httpx.ConnectError("refused")
    assert never_connected(error)

"""Let a test break a real process at a named point: ``GITSYNC_FAULT=<point>[:kill|raise|pause]``.

For tests only. ``kill`` (the default) is SIGKILL to itself, ``pause`` SIGSTOP, ``raise`` an error that nobody expects;
each happens the first time the point is passed. The points are those of `gitsync.sync.faults` and
`gitsync.dispatch.faults`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

from gitsync.errors import ConfigError

VARIABLE = "GITSYNC_FAULT"


class Provoked(Exception):
    """What ``raise`` raises: nothing of the program knows it."""


def fault(environ: Mapping[str, str] | None = None) -> Callable[[str], None]:
    """Return what is called at every point; ConfigError where the variable names none."""
    value = (os.environ if environ is None else environ).get(VARIABLE, "")
    if not value:
        return _nothing
    from gitsync.dispatch import faults as dispatch
    from gitsync.sync import faults as sync

    point, _, deed = value.partition(":")
    points = (*sync.POINTS, *dispatch.POINTS)
    if point not in points or (deed or "kill") not in _DEEDS:
        raise ConfigError(
            f"{VARIABLE}={value} cannot be done",
            f"points: {', '.join(points)}; deeds: {', '.join(_DEEDS)}",
            f"it is for tests only: unset {VARIABLE}",
        )
    left = [_DEEDS[deed or "kill"]]

    def hook(passed: str) -> None:
        if passed == point and left:
            left.pop()()

    return hook


def _nothing(_point: str) -> None:
    return None


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _pause() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _raise() -> None:
    raise Provoked


_DEEDS = {"kill": _kill, "raise": _raise, "pause": _pause}

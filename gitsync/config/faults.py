"""Let a test break a real process at a named point: ``GITSYNC_FAULT=<point>[:kill|raise|full|pause[:<n>]]``.

For tests only. ``kill`` (the default) is SIGKILL to itself, ``pause`` SIGSTOP, ``raise`` an error that nobody expects,
``full`` what a full disk answers; each happens once, the n-th time the point is passed (default: the first). The points
are those of `gitsync.sync.faults`, `gitsync.dispatch.faults` and `gitsync.ledger.faults`, by name or by number.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Mapping

from gitsync.errors import ConfigError
from gitsync.ledger.faults import FaultPoint, Point, nothing

VARIABLE = "GITSYNC_FAULT"


class Provoked(Exception):
    """What ``raise`` raises: nothing of the program knows it."""


def fault(environ: Mapping[str, str] | None = None) -> FaultPoint:
    """Return what is called at every point; ConfigError where the variable names none."""
    value = (os.environ if environ is None else environ).get(VARIABLE, "")
    if not value:
        return nothing
    point, _, rest = value.partition(":")
    deed, _, nth = rest.partition(":")
    names = {name: one.name for one in table() for name in (one.name, str(one.number))}
    deed = deed or "kill"
    if point not in names or deed not in _DEEDS or not (nth or "1").isdecimal() or int(nth or "1") < 1:
        raise ConfigError(
            f"{VARIABLE}={value} cannot be done",
            f"points: {', '.join(one.name for one in table())}; deeds: {', '.join(_DEEDS)}; then a number from 1",
            f"it is for tests only: unset {VARIABLE}",
        )
    return _Once(names[point], _DEEDS[deed], int(nth or "1"))


def table() -> tuple[Point, ...]:
    """Return the points of all rooms."""
    from gitsync.dispatch import faults as dispatch
    from gitsync.ledger import faults as ledger
    from gitsync.sync import faults as sync

    return (*sync.TABLE, *dispatch.TABLE, *ledger.TABLE)


class _Once:
    """Do it the n-th time the point is passed, on whatever thread."""

    def __init__(self, point: str, deed: Callable[[], None], nth: int) -> None:
        self._point, self._deed, self._left = point, deed, nth
        self._lock = threading.Lock()

    def __call__(self, passed: str) -> None:
        if passed != self._point:
            return
        with self._lock:
            self._left -= 1
            due = self._left == 0
        if due:
            os.write(2, f"{VARIABLE}: {self._deed.__name__[1:]} at {self._point}\n".encode())
            self._deed()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _pause() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _raise() -> None:
    raise Provoked


def _full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


_DEEDS = {"kill": _kill, "raise": _raise, "full": _full, "pause": _pause}

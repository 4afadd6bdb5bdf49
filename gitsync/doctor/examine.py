"""Make all checks within a bounded time: what is asked of the outside runs beside the rest, and may be given up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gitsync import clock
from gitsync.doctor import clone, far, host, kept, life, own, rooms, stores
from gitsync.doctor.ground import Ground
from gitsync.doctor.values import Check, first_line
from gitsync.errors import GitsyncError

log = logging.getLogger(__name__)

LONGEST = 8.5
"""Seconds after which an examination tells what it has."""

Part = Callable[[], Iterator[Check]]


@dataclass(slots=True)
class _Run:
    """One row of checks on a thread of its own; nobody waits for it longer than there is time."""

    name: str
    parts: Sequence[tuple[str, Part]]
    found: list[Check] = field(default_factory=list)
    now: str = ""
    thread: threading.Thread | None = None

    def start(self) -> None:
        # A daemon thread: a file system that hangs must not keep the program from ending.
        self.thread = threading.Thread(target=self._work, name=f"doctor {self.name}", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        for name, part in self.parts:
            self.now = name
            try:
                for check in part():
                    self.found.append(check)
            except GitsyncError as error:
                self.found.append(
                    Check(name=name, state="fail", what=error.what, why=first_line(error.why), remedy=error.remedy)
                )
            except Exception as error:  # whatever is broken: the other checks must be made
                log.exception("the check of %s failed", name)
                self.found.append(
                    Check(
                        name=name,
                        state="fail",
                        what=f"this could not be examined: {type(error).__name__}",
                        why=first_line(str(error)),
                        remedy="please report it, with: gitsync doctor --bundle FILE",
                    )
                )
        self.now = ""

    def result(self) -> list[Check]:
        found = list(self.found)
        if self.now:
            found.append(
                Check(
                    name=self.now,
                    state="fail",
                    what=f"examining the {self.now} did not end within {LONGEST:g} s",
                    why="a disk or a server does not answer",
                    remedy="try again; or, without the remote: gitsync doctor --offline",
                )
            )
        return found


def examine(ground: Ground, *, rebuild: Callable[[], None], init: Callable[[], None]) -> list[Check]:
    """Make all checks. ``rebuild`` and ``init`` are for the fixes: build the ledger again, clone again."""
    local = _Run(
        "local",
        [
            ("host", lambda: host.checks(ground)),
            ("settings", lambda: own.checks(ground)),
            ("clone", lambda: clone.unfinished(ground, init)),
            ("clone", lambda: clone.checks(ground)),
            ("history", lambda: stores.rewritten(ground)),
            ("journal", lambda: stores.checks(ground, rebuild)),
            ("process", lambda: life.process(ground)),
            ("mailbox", lambda: rooms.checks(ground)),
        ],
    )
    runs = [
        local,
        _Run("objects", [("objects", lambda: kept.objects(ground))]),
        _Run("remote", [("remote", lambda: far.checks(ground))]),
        _Run("agents", [("agents", lambda: life.agents(ground))]),
    ]
    until = clock.monotonic() + LONGEST
    for run in runs:
        run.start()
    for run in runs:
        assert run.thread is not None
        run.thread.join(max(0.0, until - clock.monotonic()))
    return [check for run in runs for check in run.result()]

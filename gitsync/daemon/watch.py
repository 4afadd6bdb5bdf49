"""Notice hand edits in the mailbox folder as they happen.

A hint only: the scan of each cycle finds what the watcher misses (it may stop, or run out of watches; row 22).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

log = logging.getLogger(__name__)

_OWNED = ("messages", "receipts", "archive")
_CHANGES = frozenset({"created", "modified", "moved", "deleted", "closed"})


class FolderWatch(FileSystemEventHandler):
    """Call ``changed`` (on the watcher's thread) for each change below the folder that is not git's own."""

    def __init__(self, folder: Path, changed: Callable[[], None]) -> None:
        self._folder = folder
        self._git = os.fsencode(folder / ".git")
        self._changed = changed
        self._observer: BaseObserver | None = None
        self._watched: list[str] = []
        self._told = False

    def start(self) -> bool:
        """Start watching; false (and a line in the log, once) where the system has no watches left."""
        observer = Observer()
        watched = self._folders()
        try:
            # Not recursive: .git alone has hundreds of folders, and each would cost one of the system's watches.
            observer.schedule(self, str(self._folder), recursive=False)
            for name in watched:
                observer.schedule(self, str(self._folder / name), recursive=True)
            observer.start()
        except OSError as error:
            observer.stop()  # what of it had begun
            if not self._told:
                log.warning("cannot watch %s (%s); hand edits are found by the scan of each cycle", self._folder, error)
            self._told = True
            return False
        self._observer, self._watched, self._told = observer, watched, False
        return True

    @property
    def alive(self) -> bool:
        """Whether everything is watched; a folder that was made or replaced since is not."""
        observer = self._observer
        return (
            observer is not None
            and observer.is_alive()
            and all(emitter.is_alive() for emitter in observer.emitters)
            and self._watched == self._folders()
        )

    def _folders(self) -> list[str]:
        return [name for name in _OWNED if (self._folder / name).is_dir()]

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Pass on what may be a person's save."""
        path = os.fsencode(event.src_path)
        if event.event_type in _CHANGES and path != self._git and not path.startswith(self._git + b"/"):
            self._changed()

    def stop(self) -> None:
        """Stop and wait for the watcher's thread."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=5)
            self._observer = None

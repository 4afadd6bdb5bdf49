"""The log of the process: one file with rotation, no passwords in it."""

from __future__ import annotations

import logging
import os
import re
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from gitsync.secrets.redact import redact

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class RedactingFormatter(logging.Formatter):
    """Redact the finished line, so that tracebacks and library messages are covered too.

    Paths and words of others are in it: nothing of theirs may move a terminal's cursor or look like a line of ours.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line as it may be written; further lines, of a traceback, are indented."""
        return redact(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", super().format(record)).replace("\n", "\n  "))


class PrivateRotatingFile(RotatingFileHandler):
    """A rotating file that only its owner can read."""

    def _open(self):  # type: ignore[no-untyped-def]
        return open(
            os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            "a",
            encoding="utf-8",
            errors="replace",
        )


def configure(file: Path, *, level: str, max_size: int, keep: int, foreground: bool) -> None:
    """Send the program's log to ``file``; in the foreground also to standard error."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = [PrivateRotatingFile(file, maxBytes=max_size, backupCount=keep)]
    if foreground:
        handlers.append(logging.StreamHandler(sys.stderr))
    for handler in handlers:
        handler.setFormatter(RedactingFormatter(_FORMAT))
        root.addHandler(handler)
    root.setLevel(level.upper())
    for noisy in ("git", "apscheduler", "watchdog", "httpx", "httpcore", "uvicorn.error", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

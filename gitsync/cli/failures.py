"""Keep the tracebacks that people are not shown."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from gitsync import __version__, clock
from gitsync.config.places import settings_in


def keep(named: Path | None) -> str | None:
    """Append the current exception to a log; return the log's path, or None where there was no place for it."""
    head = f"{clock.stamp()} gitsync {__version__} {' '.join(sys.argv[1:2])}"
    return _append(f"{head}\n{traceback.format_exc()}\n", _places(named))


def keep_warnings(folder: Path) -> None:
    """Send what the rooms log in a single command to the log in ``folder``: a person sees results and failures only."""
    import logging

    from gitsync.cli.terminal import clean_line

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            line = f"{clock.stamp()} {record.levelname} {record.name}: {record.getMessage()}"
            _append(f"{clean_line(line)}\n", [folder])

    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(Kept(logging.WARNING))


def _append(text: str, folders: list[Path]) -> str | None:
    from gitsync.secrets.redact import know_environment, redact

    know_environment(os.environ)
    text = redact(text)
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(folder / "gitsync.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as log:
                log.write(text)
            return str(folder / "gitsync.log")
        except OSError:
            continue
    return None


def _places(named: Path | None) -> list[Path]:
    found = []
    try:
        here = (named or Path.cwd()).resolve()
        # Only the folder of a machine that was set up: a log must not appear in somebody's repository.
        from gitsync.config.places import registered

        known = registered()
        found = [
            folder / ".gitsync" for folder in (here, *here.parents) if folder in known and settings_in(folder).exists()
        ][:1]
    except Exception:  # whatever is wrong with the list, the traceback still goes to the user's own log
        found = []
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return [*found, base / "gitsync"]

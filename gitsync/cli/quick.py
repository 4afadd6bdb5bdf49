"""Decide, before the program is loaded, that a hook of a coding agent has nothing to say: mostly so."""

from __future__ import annotations

import json
import os

SHOWN = {
    "claude-user-prompt": "shown",
    "gemini-before-agent": "shown",
    "claude-stop": "shown-stop",
    "gemini-after-agent": "shown-stop",
}
"""Hooks that say nothing when nothing is open that was not shown, and where is noted what was."""


def nothing_to_say(hook: str, folder: str | None, given: bytes) -> bool:
    """Say whether a hook is through already; False where the program has to look. Never raises."""
    if hook not in SHOWN:
        return False
    try:
        asked = json.loads(given or b"{}")
        if asked.get("stop_hook_active") or "GITSYNC_KEY" in os.environ:
            return True
        found = _machine(folder, str(asked.get("cwd") or ""))
        if found is None:
            return False
        from gitsync.ledger.glance import open_keys

        root, mailbox = found
        keys = open_keys(
            os.path.join(root, ".gitsync", "ledger.sqlite3"),
            os.path.join(mailbox, ".git", "gitsync", "journal.sqlite3"),
            urgent=SHOWN[hook] == "shown-stop",
        )
        return keys is not None and keys <= _lines(os.path.join(root, ".gitsync", SHOWN[hook]))
    except Exception:
        return False


def _machine(folder: str | None, cwd: str) -> tuple[str, str] | None:
    """Return root and mailbox of the machine that the user's own list names for a folder."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    base = base if base.startswith("/") else os.path.join(os.path.expanduser("~"), ".config")
    with open(os.path.join(base, "gitsync", "machines.json"), "rb") as file:
        machines = json.load(file)["machines"]
    here = os.path.realpath(folder or os.environ.get("GITSYNC_DIR") or cwd or ".")
    while here not in machines:
        if os.path.lexists(os.path.join(here, ".gitsync")) or here == os.path.dirname(here):
            return None
        here = os.path.dirname(here)
    return here, str(machines[here]["mailbox"])


def _lines(file: str) -> set[str]:
    try:
        with open(file, encoding="utf-8", errors="replace") as lines:
            return set(lines.read().splitlines())
    except FileNotFoundError:
        return set()

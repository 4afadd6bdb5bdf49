"""Look at what is open here without loading anything of the program: hooks do so at every prompt of a coding agent."""

from __future__ import annotations

import sqlite3


def open_keys(ledger: str, journal: str, *, urgent: bool = False) -> set[str] | None:
    """Return the keys of open messages that no agent has taken or settled; None where only the program itself can tell.

    A message too many does no harm, since then the program looks; one too few would be kept from the agent. What stays
    on this machine counts as urgent, since only the program can read how urgent it is.
    """
    messages = "SELECT key FROM messages WHERE open = 1 AND withdrawn = 0"
    try:
        keys = {row[0] for row in _read(ledger, messages + " AND priority = 'urgent'" * urgent)}
        keys |= {f"local/{row[0]}" for row in _read(journal, "SELECT id FROM locals WHERE open = 1")}
        begun = _read(
            journal,
            "SELECT message_key FROM intents WHERE state NOT IN ('waiting', 'held', 'uncertain')",
        )
        return keys - {row[0] for row in begun} if keys else keys
    except sqlite3.Error:
        return None


def _read(path: str, query: str) -> list[tuple[str]]:
    conn = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, timeout=0.5)
    try:
        return conn.execute(query).fetchall()
    finally:
        conn.close()


def _quoted(path: str) -> str:
    """Write a path for a URI; of its characters only these mean something there."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")

"""What people are told of keys: as JSON, and in one line each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from gitsync.errors import GitsyncError
from gitsync.signing.store import KeyStore, Row

log = logging.getLogger(__name__)

Json = dict[str, object]


def document(store: KeyStore) -> Json:
    """Return what `status` says of keys: this machine's own, those that wait for a word, and what is wrong."""
    try:
        rows = store.rows()
    except (GitsyncError, OSError) as error:
        return {"own": None, "waiting": [], "trouble": " · ".join(str(error).splitlines())}
    return {
        "own": next((row.fingerprint for row in rows if row.state == "own"), None),
        "waiting": [row_document(row) for row in rows if row.state in ("new", "changed")],
        "trouble": None,
    }


def row_document(row: Row) -> Json:
    """Return one row of `gitsync keys list --json`."""
    return {**asdict(row), "since": row.since or None, "announced": row.announced or None}


def said_of(machine: str, fingerprint: str, state: str, announced: str) -> str:
    """Say that a machine's page shows a key which nobody here has trusted."""
    word = "another key than before" if state == "changed" else "a key that nobody here has trusted"
    by = f", announced by its key {announced}, which you trust" if announced else ""
    return f"computer {machine} shows {word}: {fingerprint}{by}; gitsync keys trust {machine}"


def note_pages(store: KeyStore, pages: Iterable[tuple[str, Mapping[str, object]]], now: str) -> None:
    """Note the keys that pages show, and let the log name those that nobody here has trusted. Never fails."""
    for machine, said in pages:
        shown, announced = said.get("key"), said.get("announced")
        if not isinstance(shown, str) or not shown:
            continue
        try:
            row = store.note(machine, shown, str(announced or ""), now)
        except (GitsyncError, OSError) as error:
            log.error("the key of computer %s cannot be noted: %s", machine, " · ".join(str(error).splitlines()))
            continue
        if row is not None:
            log.warning("%s", said_of(row.machine, row.fingerprint, row.state, row.announced))

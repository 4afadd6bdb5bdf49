"""Show how this machine and the fleet are."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from gitsync.cli.client import NoAnswer, connect, ended
from gitsync.cli.settings import own_settings
from gitsync.cli.stores import machine
from gitsync.cli.terminal import clean_line, duration, plural, print_json, say, table
from gitsync.errors import EXIT_OK
from gitsync.signing.told import said_of

SHOWN = 5
"""Problems that a person is shown."""


def status(args: Namespace) -> int:
    """Show fleet and machine, through the running process if there is one."""
    document = _document(args)
    if args.json:
        print_json(document)
    else:
        _show(document)
    return EXIT_OK


def agents_of(args: Namespace) -> list[Mapping[str, Any]]:
    """Return the agents of this machine as the status knows them."""
    found: list[Mapping[str, Any]] = _document(args)["agents"]
    return found


def show_agents(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print agents for a person."""
    if not rows:
        say("no agents; add some to .gitsync/config.toml")
    else:
        _agents(rows)


def _document(args: Namespace) -> Mapping[str, Any]:
    settings = own_settings(args)
    client = connect(settings)
    if client is not None:
        try:
            found: Mapping[str, Any] = client.get("/status", timeout=10.0)
            return found
        except NoAnswer:
            if not ended(settings, client.process):
                raise  # else it was killed just now: what the stores say counts
    with machine(settings) as opened:
        from gitsync.documents import status_document

        opened.refresh()
        opened.look_around()
        return status_document(opened, last=None, contact=None, agents=None, process=None)


def _show(document: Mapping[str, Any]) -> None:
    own, process, sync = document["machine"], document["process"], document["sync"]
    name = f" ({own['name']})" if own["name"] else ""
    say(f"computer {own['id']}{name}: {own['state']}")
    if process is None:
        say("process    none: gitsync up --detach")
    else:
        say(f"process    pid {process['pid']}, port {process['port']}, since {process['since']}")
    contact = f"{duration(sync['age_s'])} ago" if sync["age_s"] is not None else "never"
    quiet = sync.get("pending_quiet") or 0
    say(f"sync       {sync['state']}, last contact {contact}, {sync['pending'] - quiet} waiting to be pushed")
    if quiet:
        say(f"           {plural(quiet, 'receipt')} that nobody waits for: with the next push")
    if sync.get("folder") not in (None, "ok"):
        print(f"           the mailbox folder is left alone: {clean_line(str(sync['folder']))}")
    for key in ("error", "remedy"):
        if sync.get(key):
            print(f"           {clean_line(str(sync[key]))}")
    keys = document.get("keys") or {}
    for row in keys.get("waiting", ()):
        said = said_of(row["machine"], row["fingerprint"], row["state"], row["announced"] or "")
        print(f"key        {clean_line(said)}")
    if keys.get("trouble"):
        print(f"key        {clean_line(keys['trouble'])}")
    elif keys and keys.get("own") is None:
        say("key        this computer has none, what it writes is not signed: gitsync keys init")
    for line in document.get("blockers") or ():
        print(f"blocker    {clean_line(str(line))}")
    problems = document.get("problems") or []
    for line in problems[:SHOWN]:
        print(f"problem    {clean_line(str(line))}")
    if len(problems) > SHOWN:
        say(f"           … and {len(problems) - SHOWN} more: gitsync lint")
    if document["computers"]:
        say()
        table(
            ("computer", "name", "state", "last seen", "unconfirmed"),
            [
                (
                    str(row["id"]),
                    str(row["name"] or "–"),
                    str(row["state"] or "–"),
                    str(row["last_seen"] or "–"),
                    duration(row["lag_s"] or None),
                )
                for row in document["computers"]
            ],
            wide="name",
        )
    if document["agents"]:
        say()
        _agents(document["agents"])


def _agents(rows: Sequence[Mapping[str, Any]]) -> None:
    table(
        ("agent", "kind", "state", "queue", "takes"),
        [
            (
                str(row["name"]),
                str(row["kind"]),
                str(row["state"]),
                str(row["queue"]),
                (", ".join(row.get("types") or ()) or "all types") + (" (default)" if row.get("default") else ""),
            )
            for row in rows
        ],
        wide="takes",
    )
    for row in rows:
        if row.get("detail") and row["state"] != "online":
            say(f"{row['name']}: {row['detail']}")

"""The journal from git history."""

from __future__ import annotations

import re
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from typing import Any

from gitsync import clock
from gitsync.cli.settings import own_settings
from gitsync.cli.stores import machine
from gitsync.cli.terminal import print_json, say, table
from gitsync.config.settings import Settings
from gitsync.config.units import parse_duration
from gitsync.errors import EXIT_OK, UsageError


def log(args: Namespace) -> int:
    """Show who said and did what, with commits, oldest first."""
    since = _moment(args.since) if args.since is not None else None
    settings = own_settings(args)
    thread = _thread(args, settings) if args.thread is not None else None
    entries = _entries(settings)
    if args.machine is not None:
        wanted = args.machine.lower()
        entries = [
            entry for entry in entries if (entry["machine"] or "").lower() == wanted or entry["author"] == args.machine
        ]
    if since is not None:
        entries = [entry for entry in entries if datetime.fromisoformat(entry["date"]) >= since]
    if thread is not None:
        entries = [entry for entry in entries if thread.intersection(entry["messages"])]
    if args.limit > 0:
        entries = entries[-args.limit :]
    if args.json:
        print_json(entries)
    elif not entries:
        say("nothing yet")
    else:
        table(
            ("date", "who", "what", "commit"),
            [(e["date"], e["machine"] or e["author"], e["summary"], e["commit"][:10]) for e in entries],
            wide="what",
        )
    return EXIT_OK


def _entries(settings: Settings) -> list[dict[str, Any]]:
    from gitsync.protocol.commits import read

    with machine(settings) as opened:
        mailbox = opened.mailbox
        tip = mailbox.ref(mailbox.tracking_ref) or mailbox.ref(mailbox.local_ref)
        commits = mailbox.between([], tip) if tip is not None else []
    found = []
    for commit in commits:
        note = read(commit.message)
        found.append(
            {
                "commit": commit.sha,
                "date": clock.stamp(commit.committer.date),
                "machine": note.machine,
                "author": commit.author.name,
                "kind": note.kind,
                "summary": note.summary,
                "messages": list(note.messages),
            }
        )
    return found


def _thread(args: Namespace, settings: Settings) -> set[str]:
    from gitsync.cli.stores import opened
    from gitsync.inbox import thread_view

    with opened(args) as stores:
        entries = thread_view(stores.ledger, stores.journal, settings.machine.id, args.thread)
    return {str(entry["id"]) for entry in entries}


def _moment(text: str) -> datetime:
    """Read a date, a date with time, or how long ago."""
    plain = text.strip().lower().removesuffix("ago").strip()
    if re.fullmatch(r"[\d.]+\s*(ms|s|m|h|d)", plain):
        return clock.utcnow() - timedelta(seconds=parse_duration(plain))
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"--since {text!r} is no time", "", "use 2026-11-20, 2026-11-20T06:45:00Z, or how long ago: 30m 2h 1d"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

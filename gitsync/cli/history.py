"""The journal from git history."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gitsync import clock
from gitsync.cli.moments import moment
from gitsync.cli.settings import own_settings
from gitsync.cli.stores import machine
from gitsync.cli.terminal import print_json, say, table
from gitsync.config.settings import Settings
from gitsync.errors import EXIT_OK
from gitsync.protocol import commits
from gitsync.verifying import VERIFIED

if TYPE_CHECKING:
    from gitsync.git.repo import Commit, Mailbox
    from gitsync.ledger.ledger import Ledger

AHEAD = 200
"""Commits that are read in one go."""

Entry = dict[str, Any]


def log(args: Namespace) -> int:
    """Show who said and did what, with commits, oldest first."""
    since = moment(args.since) if args.since is not None else None
    settings = own_settings(args)
    thread = _thread(args, settings) if args.thread is not None else None
    entries = _entries(settings, _wanted(args, since, thread), args.limit)
    if args.json:
        print_json(entries)
    elif not entries:
        say("nothing yet")
    else:
        table(
            ("date", "who", "what", "commit"),
            [(e["date"], f"{e['machine'] or e['author']}{_mark(e)}", e["summary"], e["commit"][:10]) for e in entries],
            wide="what",
        )
    return EXIT_OK


def _mark(entry: Entry) -> str:
    """Show what is wrong with the messages of a commit, and nothing where it brought none."""
    worst = sorted(set(entry["standing"].values()) - {VERIFIED})
    return "" if entry["verified"] is None else " ✓" if entry["verified"] else f" ? {', '.join(worst)}"


def _wanted(args: Namespace, since: datetime | None, thread: set[str] | None) -> Callable[[Entry], bool]:
    def wanted(entry: Entry) -> bool:
        machine = (entry["machine"] or "").lower()
        return (
            (args.machine is None or machine == args.machine.lower() or entry["author"] == args.machine)
            and (since is None or datetime.fromisoformat(entry["date"]) >= since)
            and (thread is None or not thread.isdisjoint(entry["messages"]))
        )

    return wanted


def _entries(settings: Settings, wanted: Callable[[Entry], bool], limit: int) -> list[Entry]:
    """Return what is wanted of the history, oldest first; no more of it is read than `limit` (0: all) asks for.

    Dates bound nothing: they are of many clocks, and a late one may follow an early one (row 20).
    """
    found: list[Entry] = []
    with machine(settings) as opened:
        for commit in _newest_first(opened.mailbox):
            entry = _entry(commit)
            if wanted(entry):
                found.append(entry)
                if len(found) == limit:
                    break
        for entry in found:
            _judge(entry, opened.ledger)
    return found[::-1]


def _judge(entry: Entry, ledger: Ledger) -> None:
    """Say what the signatures of its messages are worth; null where it brought none that the ledger knows."""
    sender = (entry["machine"] or "").lower()
    standing = {
        ident: row.standing
        for ident in entry["messages"]
        for row in ledger.message(ident)
        if not sender or row.sender == sender
    }
    entry["standing"] = standing
    entry["verified"] = all(one == VERIFIED for one in standing.values()) if standing else None


def _newest_first(mailbox: Mailbox) -> Iterator[Commit]:
    tip = mailbox.ref(mailbox.tracking_ref) or mailbox.ref(mailbox.local_ref)
    names = mailbox.names_between([], tip) if tip is not None else []
    for end in range(len(names), 0, -AHEAD):
        part = names[max(0, end - AHEAD) : end]
        mailbox.read_ahead(part)
        for name in reversed(part):
            yield mailbox.commit(name)


def _entry(commit: Commit) -> Entry:
    note = commits.read(commit.message)
    return {
        "commit": commit.sha,
        "date": clock.stamp(commit.committer.date),
        "machine": note.machine,
        "author": commit.author.name,
        "kind": note.kind,
        "summary": note.summary,
        "messages": list(note.messages),
    }


def _thread(args: Namespace, settings: Settings) -> set[str]:
    from gitsync.cli.stores import opened
    from gitsync.inbox import thread_view

    with opened(args) as stores:
        entries = thread_view(stores.ledger, stores.journal, settings.machine.id, args.thread)
    return {str(entry["id"]) for entry in entries}

"""Show messages: inbox, one message, a thread, a search."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from gitsync.cli.stores import opened
from gitsync.cli.terminal import clean, clean_line, note, print_json, say, table, to_terminal
from gitsync.errors import EXIT_OK, UsageError

Entry = Mapping[str, Any]

SCREENFUL = 50
"""Messages that a list on a terminal shows."""

SHORT_ID = 16
"""Characters of an id: ten for the millisecond, six drawn at random."""


def inbox(args: Namespace) -> int:
    """List messages to this machine."""
    from gitsync.inbox import inbox_view

    with opened(args) as stores:
        if args.agent is not None and args.agent not in stores.agents():
            raise UsageError(
                f"no agent {args.agent!r} on this computer",
                "",
                "there are: " + (", ".join(sorted(stores.agents())) or "none"),
            )
        entries = inbox_view(
            stores.ledger,
            stores.journal,
            stores.machine,
            agent=args.agent,
            unread=args.unread,
            sender=args.sender,
            limit=_limit(args),
        )
    return _list(entries, args, "the inbox is empty")


def show(args: Namespace) -> int:
    """Show one message with its receipts."""
    from gitsync.inbox import show_view

    with opened(args) as stores:
        entry = show_view(stores.ledger, stores.journal, stores.machine, args.id)
    if args.json:
        print_json(entry)
    else:
        print_message(entry)
    return EXIT_OK


def thread(args: Namespace) -> int:
    """Show a conversation, oldest first."""
    from gitsync.inbox import thread_view

    with opened(args) as stores:
        entries = thread_view(stores.ledger, stores.journal, stores.machine, args.id)
    if args.json:
        print_json(entries)
        return EXIT_OK
    for number, entry in enumerate(entries):
        if number:
            say("─" * 40)
        print_message(entry)
    return EXIT_OK


def search(args: Namespace) -> int:
    """Find messages that contain all the words."""
    from gitsync.inbox import search_view

    with opened(args) as stores:
        entries = search_view(stores.ledger, stores.journal, stores.machine, " ".join(args.words), limit=_limit(args))
    return _list(entries, args, "nothing found", both=True)


def _limit(args: Namespace) -> int:
    """Return how many to list: a screenful to a person, everything to a program, which may not notice a cut."""
    if args.limit is None:
        return SCREENFUL if to_terminal() and not args.json else sys.maxsize
    if args.limit < 1:
        raise UsageError("--limit must be at least 1")
    return min(int(args.limit), sys.maxsize)


def _list(entries: Sequence[Entry], args: Namespace, none: str, *, both: bool = False) -> int:
    if args.json:
        print_json(entries)
    elif not entries:
        say(none)
    elif to_terminal():
        # The start of an id is enough for every command; what is normal is not worth a column of eighty.
        table(
            ("id", "date", "from → to" if both else "from", "state", "subject"),
            [
                (
                    str(entry["id"])[:SHORT_ID],
                    str(entry["date"] or "–")[5:16].replace("T", " "),
                    f"{entry['from']} {mark(entry)}" + (f" → {', '.join(entry['to'])}" if both else ""),
                    str(entry["state"] or "–"),
                    ("" if entry["priority"] == "normal" else f"[{entry['priority']}] ") + str(entry["subject"]),
                )
                for entry in entries
            ],
            wide="subject",
        )
        if args.limit is None and len(entries) == SCREENFUL:
            note(f"the first {SCREENFUL}; for more: --limit N")
    else:
        table(
            ("id", "date", "from", "to", "priority", "state", "subject", "standing"),
            [
                (
                    str(entry["id"]),
                    str(entry["date"] or "–"),
                    str(entry["from"]),
                    ", ".join(entry["to"]),
                    str(entry["priority"]),
                    str(entry["state"] or "–"),
                    str(entry["subject"]),
                    str(entry["standing"]),
                )
                for entry in entries
            ],
            wide="subject",
        )
    return EXIT_OK


def mark(entry: Entry) -> str:
    """Show beside a sender whether it is known that it wrote this: a sign, and a word where something is wrong."""
    standing = str(entry["standing"])
    return {"verified": "✓", "unsigned": "?", "unknown_key": "?"}.get(standing, f"✗ {standing}")


def print_message(entry: Entry) -> None:
    """Print one message to a person; what others wrote cannot move the cursor or end the page."""
    print(clean_line(str(entry["subject"])))
    for label, key in (
        ("id", "id"),
        ("from", "from"),
        ("to", "to"),
        ("date", "date"),
        ("priority", "priority"),
        ("type", "type"),
        ("thread", "thread"),
        ("answers", "in_reply_to"),
        ("state", "state"),
        ("sender is", "standing"),
    ):
        value = entry.get(key)
        text = ", ".join(value) if isinstance(value, list | tuple) else str(value or "")
        if text and not (key == "priority" and text == "normal") and not (key == "thread" and text == entry["id"]):
            print(f"  {label:<9} {clean_line(text)}")
    changes = entry.get("amendments") or ()
    for change in changes:
        print(clean_line(f"  {'edited':<9} {change['date']}{', another version' if change['variant'] else ''}"))
    said = {told["reason"] for told in entry.get("receipts") or ()}
    if entry.get("reason") and entry["state"] != "waiting" and entry["reason"] not in said:
        print(f"  {'because':<9} {clean_line(str(entry['reason']))}")
    print()
    print(clean(str(entry.get("body") or "")))
    for change in changes:
        if change["body"] != entry.get("body"):
            print(clean_line(f"— as of {change['date']}:"))
            print(clean(str(change["body"])))
    receipts = entry.get("receipts") or []
    if receipts:
        print()
    for receipt in receipts:
        who = receipt["machine"] + (f"/{receipt['agent']}" if receipt["agent"] else "")
        why = f" — {receipt['reason']}" if receipt["reason"] else ""
        if not receipt.get("counts", True):
            why += f" (does not count: {receipt['standing']})"
        print(clean_line(f"  {receipt['date']}  {who}: {receipt['outcome']}, attempt {receipt['attempt']}{why}"))

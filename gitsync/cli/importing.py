"""Bring old message files into the mailbox as history.

Each message that the reader finds is written anew into ``archive/<month>/<from>_TO_<to>.md`` with a field ``Imported``
that names the file and line it came from. Such a message is shown and found, and never handed to an agent: what it
asked for is long over. Its id is made from its text, so that importing the same file again adds nothing.
"""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsync import clock
from gitsync.cli.client import connect
from gitsync.cli.settings import own_settings
from gitsync.cli.stores import machine
from gitsync.cli.terminal import clean_line, note, plural, print_json, say
from gitsync.errors import EXIT_OK, GitsyncError

if TYPE_CHECKING:
    from gitsync.ledger.values import Op
    from gitsync.machine import Opened
    from gitsync.protocol.message import Message
    from gitsync.protocol.reader import Found

NOBODY = "unknown"
"""Who wrote a message that does not say; an id that no machine should have."""


def import_all(args: Namespace) -> int:
    """Read files, queue what is new, say what was taken."""
    from gitsync.protocol.reader import read_file

    settings = own_settings(args)
    reports: list[dict[str, Any]] = []
    with machine(settings) as opened:
        opened.refresh()
        known = _waiting_ids(opened)
        fresh: dict[tuple[str, str, str], list[Message]] = defaultdict(list)
        for file in args.files:
            reading = read_file(_bytes(file), file.name)
            taken = 0
            for found in reading.messages:
                message, place = _message(found, file)
                if message.id in known or opened.ledger.message(message.id):
                    continue
                known.add(message.id)
                fresh[place].append(message)
                taken += 1
            reports.append(
                {
                    "file": str(file),
                    "messages": len(reading.messages),
                    "imported": taken,
                    "problems": [{"line": p.line, "rule": p.rule, "text": p.text} for p in reading.problems],
                }
            )
        held = _enqueue(opened, fresh)
    client = connect(settings)
    if client is not None:
        client.wake()
    if args.json:
        print_json(reports)
        return EXIT_OK
    if held:
        note(f"{plural(held, 'file')} kept back for a secret in it: gitsync quarantine")
    for report in reports:
        say(f"{report['file']}: {report['imported']} of {report['messages']} messages imported")
        for problem in report["problems"]:
            print(clean_line(f"  line {problem['line']}: {problem['text']} [{problem['rule']}]"))
    return EXIT_OK


def _message(found: Found, file: Path) -> tuple[Message, tuple[str, str, str]]:
    """Return the message, and (month, from, to) of the file it belongs in."""
    from gitsync.inbox.header import IMPORTED, one_line
    from gitsync.protocol.ids import canonical, make_ulid
    from gitsync.protocol.machine_name import machine_of
    from gitsync.protocol.message import Message

    moment = _moment(found.date_utc) or datetime.fromtimestamp(file.stat().st_mtime).astimezone()
    writer = (found.sender and machine_of(found.sender)) or NOBODY
    readers = dict.fromkeys(_place_of(machine_of(name)) for name in found.to) or {"ALL": None}
    # One file holds messages to one machine: what went to several counts as said to all; `Original-To` names them.
    target = next(iter(readers)) if len(readers) == 1 else "ALL"
    digest = hashlib.sha256(
        "\0".join([writer, target, found.subject or "", found.date_raw or "", found.body]).encode(
            "utf-8", "surrogatepass"
        )
    ).digest()
    kept = [
        (f"Original-{label}", value)
        for label, value in (("From", found.sender or ""), ("To", ", ".join(found.to)), ("Date", found.date_raw or ""))
        if value
    ]
    if found.id is not None:
        ident = canonical(found.id)
    else:
        ident = make_ulid(max(0, int(moment.timestamp() * 1000)), digest[:10])
    return (
        Message(
            id=ident,
            sender=writer,
            to=(target,),
            subject=one_line(found.subject or ""),
            body=found.body,
            date=clock.stamp(moment),
            priority=found.priority or "normal",
            type=one_line(found.type or ""),
            thread=ident,
            fields=(
                *((name, one_line(value)) for name, value in kept),
                (IMPORTED, one_line(f"{file.name}, line {found.line}")),
            ),
        ),
        (clock.stamp(moment)[:7], writer, target),
    )


def _enqueue(opened: Opened, fresh: dict[tuple[str, str, str], list[Message]]) -> int:
    """Queue one new archive file for each month and pair."""
    from gitsync.ledger.values import Op
    from gitsync.protocol.edit import append
    from gitsync.protocol.message import write
    from gitsync.protocol.paths import archive_path, messages_path

    taken = _taken_paths(opened)
    ops = []
    for (month, sender, to), messages in sorted(fresh.items()):
        number, path = 1, ""
        while not path or path.lower() in taken:
            path = archive_path(messages_path(sender, to), month, number)
            number += 1
        taken.add(path.lower())
        data: bytes | None = None
        for message in sorted(messages, key=lambda one: one.id):
            data = append(data, write(message), path=path)
        ops.append(Op("import", path, "", data or b""))
    return opened.journal.enqueue_many(ops).count(0)


def _taken_paths(opened: Opened) -> set[str]:
    mailbox = opened.mailbox
    tip = mailbox.ref(mailbox.tracking_ref)
    there = mailbox.files(mailbox.commit(tip).tree) if tip is not None else {}
    return {path.lower() for path in (*there, *(op.ident for op in _imports(opened)))}


def _waiting_ids(opened: Opened) -> set[str]:
    from gitsync.protocol.blocks import Block, parse

    return {segment.id for op in _imports(opened) for segment in parse(op.payload) if isinstance(segment, Block)}


def _imports(opened: Opened) -> list[Op]:
    return [op for op in opened.journal.pending() if op.kind == "import"]


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _place_of(name: str | None) -> str:
    """Return what a recipient is called in a path; whoever cannot be named is everybody."""
    if name is None:
        return "ALL"
    return name.upper() if name in ("all", "any") else name


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise GitsyncError(f"cannot read {file}", error.strerror or str(error)) from error

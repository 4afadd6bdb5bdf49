"""Send, answer, settle and take back messages. Each is durable when the command returns."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from gitsync.cli.stores import Stores, opened
from gitsync.cli.terminal import note, print_json, say
from gitsync.errors import EXIT_OK, GitsyncError, Refused, UsageError


def send(args: Namespace) -> int:
    """Send a message; print its id."""
    body = body_of(args)
    wait = seconds_of(args.wait)
    with opened(args) as stores:
        # Into the journal from here, also beside a running process: one that dies while it is asked leaves nobody
        # in doubt whether the message was taken.
        told = _enqueue(args, stores, _sender(args, stores), body)
        stores.wake()
        return _told(args, stores, told, wait)


def reply(args: Namespace) -> int:
    """Answer a message, in its thread."""
    from gitsync.outbox import reply as answer

    body = body_of(args)
    wait = seconds_of(args.wait)
    with opened(args) as stores:
        message = answer(
            stores.journal,
            stores.settings.machine,
            stores.fleet(),
            stores.agents(),
            stores.ledger,
            args.id,
            body,
            sender_agent=_sender(args, stores),
            type=args.type,
            priority=args.priority if args.priority != "normal" else None,
        )
        if args.done:
            _settle_answered(args, stores, message.id)
        stores.wake()
        return _told(args, stores, _ticket(stores, message.id), wait)


def _settle_answered(args: Namespace, stores: Stores, reply_id: str) -> None:
    from gitsync.inbox import ack as settle

    try:
        settle(stores.ledger, stores.journal, stores.machine, args.id, "done", reply_id=reply_id)
    except Refused as refused:  # the answer is on its way all the same
        note(f"gitsync: answered, but not settled: {refused.what}" + (f" ({refused.why})" if refused.why else ""))


def ack(args: Namespace) -> int:
    """Settle a message, or let it be handed over once more."""
    from gitsync.inbox import ack as settle
    from gitsync.inbox import claimed_elsewhere, release

    with opened(args) as stores:
        where = (stores.ledger, stores.journal, stores.machine)
        if args.outcome == "again":
            gone, agent = None, args.agent
            if claimed_elsewhere(*where, args.id):
                agent = agent or _one_agent(stores)
                gone = _free_claim(stores, args.id)
            release(*where, args.id, agent=agent, gone=gone)
        else:
            settle(
                stores.ledger,
                stores.journal,
                stores.machine,
                args.id,
                args.outcome,
                agent=args.agent,
                reason=args.reason,
            )
        stores.wake()
    say(f"{args.id}: {args.outcome}")
    return EXIT_OK


def _one_agent(stores: Stores) -> str:
    """Choose who takes over what another machine had claimed: the default agent, or the only one."""
    specs = stores.settings.agents
    names = [spec.name for spec in specs if spec.default] or [spec.name for spec in specs]
    if len(names) != 1:
        raise UsageError("nobody is named who shall do it", "", "say which agent of this computer: --agent NAME")
    return names[0]


def _free_claim(stores: Stores, ident: str) -> str | None:
    """Remove the claim of another machine from the remote, on the word of a person (PROTOCOL 6); name that machine."""
    from gitsync.cli.stores import machine
    from gitsync.ledger.lookup import find
    from gitsync.sync.claims import Claims

    message = find(stores.ledger, stores.journal, ident).message
    with machine(stores.settings) as found:
        gone = Claims(found.mailbox, found.journal, stores.settings.machine).free(message.id)
    if gone is not None:
        note(f"the claim of {gone} is removed; what {gone} did with it before, nobody here can know")
        if stores.client is not None:
            note("the process that runs here saw that claim; it asks for the message again after: gitsync restart")
    return gone


def withdraw(args: Namespace) -> int:
    """Take back a message of this computer."""
    from gitsync.outbox import withdraw as take_back

    with opened(args) as stores:
        word = take_back(stores.journal, stores.settings.machine, stores.ledger, args.id)
        stores.wake()
    say(f"{args.id}: {word}")
    return EXIT_OK


def _enqueue(args: Namespace, stores: Stores, sender: str | None, body: str) -> Mapping[str, Any]:
    from gitsync.outbox import send as put

    message = put(
        stores.journal,
        stores.settings.machine,
        stores.fleet(),
        stores.agents(),
        args.to,
        args.subject,
        body,
        ledger=stores.ledger,
        sender_agent=sender,
        type=args.type,
        priority=args.priority,
        thread=args.thread,
        in_reply_to=args.in_reply_to,
    )
    return _ticket(stores, message.id)


def _ticket(stores: Stores, ident: str) -> Mapping[str, Any]:
    return {"id": ident, "status": "local" if stores.journal.local(ident) is not None else "queued"}


def _told(args: Namespace, stores: Stores, told: Mapping[str, Any], wait: float | None) -> int:
    if wait is None:
        if args.json:
            print_json(told)
        else:
            say(told["id"])
            _remark(stores, told["id"])
            if stores.client is None:
                note("no process is running: it leaves with the next gitsync sync or gitsync up")
        return EXIT_OK
    if not args.json:
        note(told["id"])
    from gitsync.cli.waiting import wait_for

    return wait_for(stores, told, wait, json=args.json)


def _remark(stores: Stores, ident: str) -> None:
    """Say at once what keeps a message back: nobody of that name is known."""
    from gitsync.ledger.values import receipt_of

    for parked in stores.journal.operations(ident, kind="receipt"):
        receipt = receipt_of(parked.op)
        if receipt.outcome == "held":
            note(f"{receipt.outcome}: {receipt.reason}")


def _sender(args: Namespace, stores: Stores) -> str | None:
    if args.sender is None:
        return None
    name: str = args.sender.removeprefix("self/").removeprefix(f"{stores.machine}/")
    if name not in stores.agents():
        raise UsageError(
            f"no agent {args.sender!r} on this computer",
            "a message can be written as one of its own agents only",
            "there are: " + (", ".join(sorted(stores.agents())) or "none"),
        )
    return name


def body_of(args: Namespace) -> str:
    """Take the text from where the call says; empty where it says nothing."""
    if args.message is not None:
        return str(args.message)
    try:
        if args.file is not None:
            data = args.file.read_bytes()
        elif args.source is not None:
            if sys.stdin is None:  # closed by whoever started us
                raise UsageError("there is no standard input to read the text from", "", "give it with -m or -f")
            data = sys.stdin.buffer.read()
        else:
            return ""
    except OSError as error:
        raise GitsyncError(f"cannot read {args.file}", error.strerror or str(error)) from error
    try:
        return str(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(
            "the text is not UTF-8",
            f"byte {error.start} is {data[error.start]:#04x}",
            "convert it first: iconv -t UTF-8",
        ) from None


def seconds_of(text: str | None, option: str = "--wait") -> float | None:
    """Read a time as people give it: plain seconds, or a duration."""
    if text is None:
        return None
    from gitsync.config.units import parse_duration

    try:
        return parse_duration(text if not text.replace(".", "", 1).isdigit() else text + "s")
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a time", "", "use seconds, or 250ms 5s 5m 2h 1d") from None

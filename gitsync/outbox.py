"""What is sent from here: make the message, keep it durably, let the engine carry it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from gitsync import clock
from gitsync.errors import NotFound, Refused, SecretFound, UsageError
from gitsync.ledger.held import Held, in_text
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.lookup import SHORTEST, Known, find
from gitsync.ledger.values import Op, message_op, receipt_op
from gitsync.protocol.address import Address, parse_address
from gitsync.protocol.identity import Machine
from gitsync.protocol.ids import is_id
from gitsync.protocol.message import PRIORITIES, Message, write
from gitsync.protocol.receipts import FINAL, Receipt
from gitsync.secrets.scan import fingerprint

EVERYBODY = "all"
"""After `self/`: every agent of this machine."""

MAX_BODY = 1024 * 1024
"""Bytes of a body; a file of the mailbox is limited to 8 MiB (PROTOCOL 1)."""


def address(to: str, machine: Machine, fleet: Collection[str], agents: Collection[str]) -> Address:
    """Read TO: a machine first, then an agent of this one; `self/NAME` is local beyond doubt.

    A name that is neither is taken for a machine that may join. Raise UsageError for what cannot name either.
    """
    try:
        found = parse_address(to)
    except ValueError as error:
        if to in agents:
            return Address(machine.id, to)
        near = get_close_matches(to[:100], [*fleet, *agents], n=3)
        raise NotFound(f"cannot send to {to!r}", str(error), _choices(machine, fleet, agents), near=near) from error
    if found.machine is None:
        if found.agent == EVERYBODY and EVERYBODY not in agents:
            if not agents:
                raise UsageError("there is no agent on this machine", remedy=_choices(machine, fleet, agents))
            return Address(machine.id, EVERYBODY)
        if found.agent not in agents:
            near = get_close_matches(found.agent or "", agents, n=3)
            raise NotFound(
                f"no agent {found.agent!r} on this machine", remedy=_choices(machine, fleet, agents), near=near
            )
        return Address(machine.id, found.agent)
    known = found.machine in fleet or found.machine in ("ALL", "ANY", machine.id)
    if not known and found.agent is None and to in agents:
        return Address(machine.id, to)
    return found


def compose(
    machine: Machine,
    to: str,
    subject: str,
    body: str,
    *,
    ident: str,
    date: str,
    sender_agent: str | None = None,
    type: str = "",  # noqa: A002
    priority: str = "normal",
    thread: str | None = None,
    in_reply_to: str | None = None,
    fields: Sequence[tuple[str, str]] = (),
) -> Message:
    """Make a message; raise UsageError where a value cannot be sent."""
    if not (subject.strip() or body.strip()):
        raise UsageError("there is nothing to send", "subject and text are empty")
    size = len(body.encode("utf-8", "surrogatepass"))
    if size > MAX_BODY:
        raise UsageError(
            f"the text has {size} bytes", f"a message holds at most {MAX_BODY}", "put it in a file and send where it is"
        )
    if priority not in PRIORITIES:
        raise UsageError(f"no priority {priority!r}", remedy=f"one of: {', '.join(PRIORITIES)}")
    for name, value in (("thread", thread), ("in-reply-to", in_reply_to)):
        if value is not None and not is_id(value):
            raise UsageError(f"{name} {value!r} is no message id", remedy="see `gitsync inbox`")
    if "\n" in subject.strip() or "\r" in subject.strip():
        raise UsageError("the subject has more than one line", remedy="put the rest into the text")
    try:
        return Message(
            id=ident,
            sender=f"{machine.id}/{sender_agent}" if sender_agent else machine.id,
            to=(to,),
            subject=subject.strip(),
            body=body,
            date=date,
            priority=priority,
            type=type,
            thread=thread or ident,
            in_reply_to=in_reply_to,
            fields=tuple(fields),
        )
    except ValueError as error:
        raise UsageError("this cannot be sent", str(error)) from error


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that was found good, and what has to be written so that it is accepted."""

    message: Message
    operations: tuple[Op, ...] = ()
    local: tuple[Message, ...] = ()
    """What stays here: the message itself, or where it goes to everybody one for each agent of this machine."""

    @property
    def leaves(self) -> bool:
        """Say whether it goes to the branch."""
        return bool(self.operations)


def send(
    journal: Journal,
    machine: Machine,
    fleet: Collection[str],
    agents: Collection[str],
    to: str,
    subject: str,
    body: str,
    *,
    ledger: Ledger | None = None,
    sender_agent: str | None = None,
    type: str = "",  # noqa: A002
    priority: str = "normal",
    thread: str | None = None,
    in_reply_to: str | None = None,
    fields: Sequence[tuple[str, str]] = (),
) -> Message:
    """Accept a message; it is on disk when this returns, also with no process and no network.

    `fleet` holds the known machine ids, `agents` the local names. For a machine that nobody knows the message goes
    to the branch all the same, and a `held` receipt tells the sender; it is delivered should the machine join
    (PROTOCOL 6). A message to an agent of this machine stays in the journal; one to `all` goes to every other machine
    and to every other agent of this one, one to `self/all` only to these. Without `thread` it is the thread of
    `in_reply_to` (looked up when `ledger` is given), else its own.
    """
    outgoing = prepare(
        journal,
        machine,
        fleet,
        agents,
        to,
        subject,
        body,
        ledger=ledger,
        sender_agent=sender_agent,
        type=type,
        priority=priority,
        thread=thread,
        in_reply_to=in_reply_to,
        fields=fields,
    )
    keep_home(journal, [outgoing])
    accept(journal, [outgoing])
    return outgoing.message


def prepare(
    journal: Journal,
    machine: Machine,
    fleet: Collection[str],
    agents: Collection[str],
    to: str,
    subject: str,
    body: str,
    *,
    ledger: Ledger | None = None,
    sender_agent: str | None = None,
    type: str = "",  # noqa: A002
    priority: str = "normal",
    thread: str | None = None,
    in_reply_to: str | None = None,
    fields: Sequence[tuple[str, str]] = (),
) -> Outgoing:
    """Make a message without accepting it; raise UsageError where it cannot be sent. As `send` otherwise."""
    target = address(to, machine, fleet, agents)
    if in_reply_to is not None and ledger is not None:
        parent = find(ledger, journal, in_reply_to)
        in_reply_to = parent.message.id
        thread = thread or parent.message.conversation

    def make(place: Address, ident: str) -> Message:
        return compose(
            machine,
            str(place),
            subject,
            body,
            ident=ident,
            date=date,
            sender_agent=sender_agent,
            type=type,
            priority=priority,
            thread=thread or in_reply_to or first,
            in_reply_to=in_reply_to,
            fields=fields,
        )

    first, date = clock.new_id(), clock.stamp()
    local = target.machine == machine.id
    if local and (target.agent != EVERYBODY or EVERYBODY in agents):
        message = make(target, first)
        return Outgoing(message, local=(message,))
    everywhere = target == Address("ALL", None)
    others = sorted({*agents} - {sender_agent}) if local or everywhere else []
    if local:
        if not others:
            raise UsageError("there is no other agent on this machine", remedy=_choices(machine, fleet, agents))
        copies = [make(Address(machine.id, name), clock.new_id() if at else first) for at, name in enumerate(others)]
        return Outgoing(copies[0], local=tuple(copies))
    message = make(target, first)
    copies = [make(Address(machine.id, name), clock.new_id()) for name in others]
    operations = _operations(message, target.machine or "", machine, fleet)
    return Outgoing(message, tuple(operations), tuple(copies))


def keep_home(journal: Journal, outgoing: Sequence[Outgoing]) -> None:
    """Raise SecretFound where what is to leave this machine has a secret in it; that is held, and none accepted.

    What stays on this machine is not looked at: it is at home.
    """
    found = [
        (one, findings)
        for one in outgoing
        for op in one.operations
        if op.kind == "message" and (findings := in_text(op.payload, journal.secrets.find(op.payload)))
    ]
    if not found:
        return
    held = []
    with journal.db.write():
        for one, findings in found:
            message, [op, *_] = one.message, one.operations
            same = fingerprint("\0".join((message.sender, *message.to, message.subject, message.body)).encode())
            blocks = [write(copy) for copy in one.local]
            held.append(
                journal.hold(
                    message.id, "message", op.to, findings, op.payload, same=same, ops=one.operations, local=blocks
                )
            )
    ident, [first, *_] = held[0], found[0][1]
    more = f"; nothing of the {len(outgoing)} messages was sent" if len(outgoing) > 1 else ""
    raise SecretFound(
        f"not sent: {first.place} looks like a secret ({first.rule}, {first.masked})",
        f"kept on this computer as {ident}{more}",
        f"send it without, then: gitsync withdraw {ident}; or, if it may be seen by all: "
        f'gitsync release {ident} --reason "…"',
        held=ident,
        line=first.line,
        rule=first.rule,
    )


def accept(journal: Journal, outgoing: Sequence[Outgoing]) -> None:
    """Keep messages in one transaction: all of them, or none. `keep_home` has looked at them."""
    with journal.db.write():
        for one in outgoing:
            for message in one.local:
                journal.put_local(message, write(message))
            if one.operations:
                journal.enqueue_many(one.operations, scanned=True)


def reply(
    journal: Journal,
    machine: Machine,
    fleet: Collection[str],
    agents: Collection[str],
    ledger: Ledger,
    ident: str,
    body: str,
    *,
    subject: str | None = None,
    sender_agent: str | None = None,
    type: str = "",  # noqa: A002
    priority: str | None = None,
) -> Message:
    """Answer a message, to the one who sent it, in its thread."""
    original = find(ledger, journal, ident).message
    known = [*fleet, original.sender.partition("/")[0]]
    return send(
        journal,
        machine,
        known,
        agents,
        original.sender,
        subject or original.reply_subject,
        body,
        ledger=ledger,
        sender_agent=sender_agent,
        type=type,
        priority=priority or original.priority,
        in_reply_to=original.id,
    )


def withdraw(journal: Journal, machine: Machine, ledger: Ledger, ident: str) -> str:
    """Take back an own message; say `cancelled` (it never left) or `withdrawn` (the branch will say so).

    Raise Refused for another's message, and for one whose recipient is through with it. What is kept back for a secret
    is dropped.
    """
    if (held := _held(journal, ident)) is not None:
        return _drop(journal, held)
    known = find(ledger, journal, ident)
    message = known.message
    if known.local is not None:
        raise Refused(f"{message.id} is for an agent of this machine", "it was delivered when it was sent")
    if message.sender.partition("/")[0] != machine.id:
        raise Refused(f"{message.id} is not a message of this machine", f"it was sent by {message.sender}")
    if known.parked is not None and known.parked.state == "pending" and journal.cancel(known.parked.op.seq):
        for said in journal.operations(message.id, kind="receipt"):  # that it is held for an unknown machine
            journal.cancel(said.op.seq)
        return "cancelled"
    place = _place(known)
    final = [
        told
        for told in ledger.receipts(message.id, machine.id)
        if told.receipt.outcome in FINAL and (told.machine == place or place in ("", "ALL", "ANY"))
    ]  # of a message to one machine, nobody else can say that it is done with
    if final:
        raise Refused(
            f"{message.id} is {final[-1].receipt.outcome} already", f"says {final[-1].machine}", "send another one"
        )
    journal.enqueue(Op("withdraw", message.id, place))
    return "withdrawn"


def release(journal: Journal, ident: str, reason: str) -> Held:
    """Let go what is kept back for a secret in it; the reason goes on record, here and on the branch."""
    words = " ".join(reason.split())
    if len(words) < 4:
        raise UsageError(
            "a release needs a reason",
            "it is told to everybody who reads the history",
            '--reason "a test key, revoked"',
        )
    if journal.secrets.find(words):
        raise UsageError("the reason has a secret in it itself", remedy="say it without")
    held = _held(journal, ident)
    if held is None:
        known = [one for one in journal.held_by_prefix(ident.strip().upper()) if one.state != "held"]
        if known:
            raise Refused(f"{known[-1].id} is {known[-1].state} already", f"since {known[-1].settled}")
        raise NotFound(f"nothing is kept back as {ident!r}", remedy="see `gitsync quarantine`")
    journal.let_go(held.id, words[:LONGEST_REASON])
    return held


LONGEST_REASON = 300
"""Characters of the reason of a release that are kept; it is a trailer of a commit."""


def _held(journal: Journal, ident: str) -> Held | None:
    prefix = ident.strip().upper()
    found = [one for one in journal.held_by_prefix(prefix) if one.state == "held"] if len(prefix) >= SHORTEST else []
    if len(found) > 1:
        raise UsageError(
            f"{ident!r} is the beginning of several ids",
            ", ".join(one.id for one in found[:5]),
            "give more characters of it",
        )
    return found[0] if found else None


def _drop(journal: Journal, held: Held) -> str:
    if held.kind in ("edit", "commit"):
        where = f"{held.place}, {held.findings[0]}"
        raise Refused(
            f"{held.id} is in the mailbox folder, not in the outbox", where, "take it out there; gitsync sees that"
        )
    journal.drop(held.id)
    return "dropped"


def _operations(message: Message, to: str, machine: Machine, fleet: Collection[str]) -> list[Op]:
    ops = [message_op(message, to)]
    if to not in fleet and to not in ("ALL", "ANY"):
        held = Receipt(
            date=message.date,
            id=message.id,
            sender=machine.id,
            agent="",
            outcome="held",
            reason=f"no machine {to} yet; it is delivered when one joins",
        )
        ops.append(receipt_op(held))
    return ops


def _place(known: Known) -> str:
    if known.row is not None:
        return known.row.to
    return known.parked.op.to if known.parked is not None else known.message.to[0].partition("/")[0]


def _choices(machine: Machine, fleet: Collection[str], agents: Collection[str]) -> str:
    machines = sorted({*fleet} - {machine.id})
    return f"machines: {', '.join([*machines, 'all', 'any'])}; agents here: {', '.join(sorted(agents)) or 'none'}"

"""Show the inbox, a message, a thread: the JSON that scripts rely on (docs/json.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitsync.inbox.states import UNREAD, intent_state, parked_state, row_state
from gitsync.inbox.waiting import local_envelope
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.lookup import Known, find
from gitsync.ledger.values import Intent, Local, Parked, Row, Told, base_key, receipt_of
from gitsync.protocol.blocks import signature_in
from gitsync.protocol.message import Message, read
from gitsync.verifying import UNSIGNED, VERIFIED, verdict

Json = dict[str, object]

AGENT_INTENTS = 2_000
"""How many of an agent's latest messages its inbox reaches back."""
LOCAL_SEARCHED = 2_000


def inbox_view(
    ledger: Ledger,
    journal: Journal,
    machine_id: str,
    *,
    agent: str | None = None,
    unread: bool = False,
    sender: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> list[Json]:
    """List messages to this machine, newest first; `before` is the id after which to go on.

    `agent`: those that name it, and those that it was given. `unread`: new or waiting.
    """
    cursor = find(ledger, journal, before) if before else None
    found: list[Json] = []
    rows = _inbox_rows(ledger, journal, agent, unread, sender, cursor, limit)
    local = iter(_inbox_locals(journal, machine_id, agent, unread, sender, cursor))
    waiting_local = next(local, None)
    for page in rows:
        for row, entry in zip(page, _entries(ledger, journal, machine_id, page), strict=True):
            if unread and entry["state"] not in UNREAD:
                continue
            while waiting_local is not None and waiting_local.created > row.commit_date:
                found.append(_local_entry(journal, waiting_local))
                waiting_local = next(local, None)
            found.append(entry)
        if len(found) >= limit:
            return found[:limit]
    while waiting_local is not None and len(found) < limit:
        found.append(_local_entry(journal, waiting_local))
        waiting_local = next(local, None)
    return found[:limit]


def messages_view(
    ledger: Ledger, journal: Journal, machine_id: str, *, limit: int = 50, before: str | None = None
) -> list[Json]:
    """List all messages of the branch, what is on its way there, and local ones, newest first."""
    cursor = find(ledger, journal, before) if before else None
    rows = ledger.newest(limit=limit, before=cursor.row.seq if cursor and cursor.row else None)
    known = {row.message.id for row in rows}
    dated = [
        (row.commit_date, entry) for row, entry in zip(rows, _entries(ledger, journal, machine_id, rows), strict=True)
    ]
    until = _date(cursor)
    local = journal.locals(newest=limit, before=until)
    dated += [(one.created, _local_entry(journal, one)) for one in local]
    for parked in journal.recent_messages():
        if until is None and parked.op.ident not in known and not ledger.message(parked.op.ident):
            dated.append((parked.op.created, _parked_entry(parked)))
    dated.sort(key=lambda pair: pair[0], reverse=True)
    return [entry for _, entry in dated[:limit]]


def show_view(ledger: Ledger, journal: Journal, machine_id: str, ident: str) -> Json:
    """Show one message, by its id or the beginning of it."""
    return _shown(ledger, journal, machine_id, [find(ledger, journal, ident)])[0]


def thread_view(ledger: Ledger, journal: Journal, machine_id: str, ident: str) -> list[Json]:
    """Show the thread that a message is in, oldest first, each as `show` does."""
    first = find(ledger, journal, ident)
    thread = first.message.conversation
    known = [Known(row.message, row=row) for row in ledger.thread(thread)]
    landed = {one.message.id for one in known}
    known += [Known(local.message, local=local) for local in journal.locals(thread=thread)]
    for parked in journal.recent_messages():
        message = read(parked.op.payload)
        if message.conversation == thread and message.id not in landed:
            known.append(Known(message, parked=parked))
    return _shown(ledger, journal, machine_id, sorted(known, key=lambda one: _date(one) or ""))


def search_view(ledger: Ledger, journal: Journal, machine_id: str, words: str, *, limit: int = 50) -> list[Json]:
    """Find messages that hold all these words, best first; those of this machine alone come last."""
    found = _entries(ledger, journal, machine_id, ledger.search(words, limit))
    wanted = words.casefold().split()
    for local in reversed(journal.locals(newest=LOCAL_SEARCHED) if wanted else []):
        text = f"{local.message.subject}\n{local.message.body}\n{local.message.sender}".casefold()
        if all(word in text for word in wanted):
            found.append(_local_entry(journal, local))
    return found[:limit]


def _inbox_rows(
    ledger: Ledger,
    journal: Journal,
    agent: str | None,
    unread: bool,
    sender: str | None,
    cursor: Known | None,
    limit: int,
) -> Iterator[list[Row]]:
    """Give pages of rows, newest first; what the header does not name, the intents do."""
    before = cursor.row.seq if cursor and cursor.row else None
    until = _date(cursor) if cursor and not cursor.row else None
    extra: list[Row] = []
    if agent is not None or unread:
        states = ("retry", "waiting") if unread else None
        intents = journal.intents(states, agent=agent, newest=AGENT_INTENTS)
        rows = ledger.by_keys(list({base_key(intent.message_key) for intent in intents}))
        extra = [
            row
            for row in rows
            if (before is None or row.seq < before)
            and (sender is None or row.sender == sender)
            and not (unread and row.open and agent is None)
            and not (agent is not None and row.message.to[0].endswith(f"/{agent}") and (row.open or not unread))
        ]
    page = min(max(limit, 50), 1000)
    while True:
        rows = ledger.inbox(agent=agent, sender=sender, open_only=unread, limit=page, before=before)
        last = len(rows) < page
        merged = sorted([*rows, *(row for row in extra if last or row.seq > rows[-1].seq)], key=lambda row: -row.seq)
        extra = [] if last else [row for row in extra if row.seq <= rows[-1].seq]
        yield [row for row in merged if until is None or row.commit_date <= until]
        if last:
            return
        before = rows[-1].seq


def _inbox_locals(
    journal: Journal, machine_id: str, agent: str | None, unread: bool, sender: str | None, cursor: Known | None
) -> list[Local]:
    """Give local messages, newest first, that the filters leave."""
    if sender is not None and sender != machine_id:
        return []
    found = journal.locals(newest=AGENT_INTENTS, before=_date(cursor))
    intents = journal.intents_for([local.key for local in found]) if agent is not None or unread else {}
    kept = []
    for local in reversed(found):
        given = intents.get(local.key, [])
        named = agent is None or local.message.to[0] == f"{machine_id}/{agent}"
        if not named and agent not in [intent.agent for intent in given]:
            continue
        if unread and intent_state(given)[0] not in UNREAD:
            continue
        kept.append(local)
    return kept


def _entries(ledger: Ledger, journal: Journal, machine_id: str, rows: Sequence[Row]) -> list[Json]:
    intents = journal.intents_for([row.key for row in rows])
    told = ledger.receipts_for([row.message.id for row in rows])
    doubts = doubts_about(ledger, journal, rows)
    return [
        _row_entry(row, machine_id, intents.get(row.key, []), told.get(row.message.id, []), doubts.get(row.key, ""))
        for row in rows
    ]


def doubts_about(ledger: Ledger, journal: Journal, rows: Sequence[Row]) -> dict[str, str]:
    """Say of which of these messages it is already known that nobody here gets them as they stand, and why.

    That a process has yet to decide about a message, or that none runs, must not let it pass for one that counts.
    """
    rules = ledger.rules
    if not rules.watchful:
        return {}
    gone, claims = journal.gone([row.key for row in rows]), journal.doubtful_claims()
    found = {}
    for row in rows:
        if row.open and row.key not in gone:
            names, ident = (row.sender, row.message.sender), row.message.id
            said = row.contested or claims.get(ident, "")
            if why := verdict(rules, names, row.message.type, row.standing, said, ident):
                found[row.key] = why
    return found


def undecided(ledger: Ledger, journal: Journal) -> list[tuple[Row, str]]:
    """Give what is held although no hand-over says so, and why: to ANY, or not decided about yet; oldest first."""
    rows = ledger.doubted() if ledger.rules.watchful else []
    decided = journal.decided([row.key for row in rows])
    open_rows = [row for row in rows if row.key not in decided]
    doubts = doubts_about(ledger, journal, open_rows)
    return [(row, doubts[row.key]) for row in open_rows if row.key in doubts]


def _row_entry(row: Row, machine_id: str, intents: Sequence[Intent], told: Sequence[Told], doubt: str) -> Json:
    state, reason = row_state(row, machine_id, intents, told)
    if doubt and state == "new" and not intents:
        state, reason = "held", doubt
    entry = _entry(row.message, state, reason, intents, standing=row.standing)
    return {
        **entry,
        "date_raw": row.date_raw,
        "path": row.path,
        "line": row.line,
        "commit": row.commit,
        "amended": row.amended,
        "archived": row.archived,
    }


def _local_entry(journal: Journal, local: Local) -> Json:
    intents = journal.intents_for([local.key]).get(local.key, [])
    standing = local_envelope(local).standing
    return {**_entry(local.message, *intent_state(intents), intents, standing=standing), "local": True}


def _parked_entry(parked: Parked) -> Json:
    standing = VERIFIED if signature_in(parked.op.payload) else UNSIGNED
    return _entry(read(parked.op.payload), *parked_state(parked), standing=standing)


def _entry(message: Message, state: str, reason: str, intents: Sequence[Intent] = (), *, standing: str) -> Json:
    return {
        "id": message.id,
        "from": message.sender,
        "to": list(message.to),
        "subject": message.subject,
        "date": message.date,
        "priority": message.priority,
        "type": message.type or None,
        "thread": message.conversation,
        "state": state,
        "reason": reason or None,
        "agents": [intent.agent for intent in intents if intent.agent],
        "in_reply_to": message.in_reply_to,
        "date_raw": message.date,
        "verified": standing == VERIFIED,
        "standing": standing,
    }


def _shown(ledger: Ledger, journal: Journal, machine_id: str, known: Sequence[Known]) -> list[Json]:
    rows = [one.row for one in known if one.row is not None]
    entries = iter(_entries(ledger, journal, machine_id, rows))
    told = ledger.receipts_for([row.message.id for row in rows])
    shown = []
    for one in known:
        if one.row is not None:
            entry = next(entries)
            entry = {**entry, **_withdrawn(journal, one.row, entry)}
            receipts = [
                told_one for told_one in told.get(one.message.id, []) if told_one.receipt.sender == one.row.sender
            ]
        elif one.parked is not None:
            entry, receipts = _parked_entry(one.parked), []
        elif one.local is not None:
            entry, receipts = _local_entry(journal, one.local), []
        else:
            continue
        said = [_receipt(told_one.machine, told_one) for told_one in receipts]
        said += _unlanded(journal, machine_id, one, receipts)
        if one.local is not None:
            said += _of_intents(journal, machine_id, one.local)
        extra: Json = {
            "body": one.message.body,
            "receipts": said,
            "fields": [list(pair) for pair in one.message.fields],
        }
        if one.row is not None and one.row.amended:
            extra["amendments"] = [
                {
                    "date": other.date,
                    "commit": other.commit,
                    "variant": other.variant or None,
                    "body": other.body,
                    "standing": other.standing,
                }
                for other in ledger.amendments(one.row.key)
            ]
        shown.append({**entry, **extra})
    return shown


def _withdrawn(journal: Journal, row: Row, entry: Json) -> Json:
    """Let a withdrawal show at once, not only when it has landed."""
    if entry["state"] != "withdrawn":
        for parked in journal.operations(row.message.id, kind="withdraw"):
            if parked.state == "pending" and parked.op.to == row.to:
                return {"state": "withdrawn", "reason": "not on the branch yet"}
    return {}


def _unlanded(journal: Journal, machine_id: str, one: Known, landed: Sequence[Told]) -> list[Json]:
    """Give this machine's receipts that the ledger has not read yet."""
    known = {
        (told.receipt.date, told.receipt.outcome, told.receipt.agent) for told in landed if told.machine == machine_id
    }
    waiting = [receipt_of(p.op) for p in journal.operations(one.message.id, kind="receipt") if p.state != "refused"]
    return [
        _receipt(machine_id, Told(machine_id, receipt))
        for receipt in waiting
        if (receipt.date, receipt.outcome, receipt.agent) not in known
    ]


def _of_intents(journal: Journal, machine_id: str, local: Local) -> list[Json]:
    """Give what the journal says of a message that has no receipts, in the words of receipts."""
    return [
        {
            "date": intent.finished,
            "machine": machine_id,
            "agent": intent.agent or None,
            "outcome": intent.state,
            "attempt": intent.attempt,
            "reason": intent.reason or None,
            "seconds": intent.seconds,
            "reply": intent.reply,
        }
        for intent in journal.intents_for([local.key]).get(local.key, [])
        if intent.finished is not None
    ]


def _receipt(machine: str, told: Told) -> Json:
    receipt = told.receipt
    return {
        "date": receipt.date,
        "machine": machine,
        "agent": receipt.agent or None,
        "outcome": receipt.outcome,
        "attempt": receipt.attempt,
        "reason": receipt.reason or None,
        "seconds": receipt.seconds,
        "reply": receipt.reply,
        "counts": told.counts,
        "standing": told.standing or None,
    }


def _date(known: Known | None) -> str | None:
    if known is None:
        return None
    if known.row is not None:
        return known.row.commit_date
    return known.local.created if known.local else known.parked.op.created if known.parked else None

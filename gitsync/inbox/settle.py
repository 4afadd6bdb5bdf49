"""What a person, or an agent that pulls, decides about a message. Works with and without a running process."""

from __future__ import annotations

from gitsync import clock
from gitsync.errors import Refused, UsageError
from gitsync.inbox.views import doubts_about
from gitsync.inbox.waiting import Envelope, envelope, local_envelope
from gitsync.ledger.intents import ACKS, FINAL
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.lookup import find
from gitsync.ledger.values import Intent, Op, receipt_op
from gitsync.protocol.receipts import Receipt


def take(ledger: Ledger, journal: Journal, machine_id: str, ident: str, agent: str) -> Envelope:
    """Hand a waiting message to its agent; raise Refused when it does not wait for this agent any more."""
    mine = _mine(ledger, journal, machine_id, ident)
    intent = _intent(journal, mine, agent)
    if intent is None or not journal.take(intent.message_key, agent):
        intent = _intent(journal, mine, agent)
        raise Refused(
            f"{mine.message.id} does not wait for {agent}",
            f"it is {intent.state}" if intent else "it was not given to this agent",
            "see `gitsync inbox --agent`",
        )
    return mine


def ack(
    ledger: Ledger,
    journal: Journal,
    machine_id: str,
    ident: str,
    outcome: str,
    *,
    agent: str | None = None,
    reason: str = "",
    reply_id: str | None = None,
) -> None:
    """Settle a message as done, failed or refused, with its receipt, in one transaction.

    Raise Refused where it is settled already, or where an agent is at work on it.
    """
    if outcome not in ACKS:
        raise UsageError(f"a message cannot be acknowledged as {outcome!r}", remedy="one of: done, failed, refused")
    mine = _mine(ledger, journal, machine_id, ident)
    with journal.db.write():
        old = _intent(journal, mine, agent)
        if old is not None and old.state == "started":
            raise Refused(
                f"{old.agent or machine_id} is at work on {mine.message.id}",
                f"since {old.started}",
                "wait for its receipt; after a crash `gitsync up` marks it uncertain, and then it can be settled",
            )
        if old is not None and old.state in FINAL:
            raise Refused(f"{mine.message.id} is {old.state} already", f"since {old.finished}")
        told = _own(ledger, mine, machine_id)
        if old is None and told is not None and told.outcome in FINAL:
            raise Refused(f"{mine.message.id} is {told.outcome} already", f"since {told.date}")
        name = agent or (old.agent if old else mine.agent)
        ops = _receipt(mine, name, outcome, old.attempt if old else 1, reason, reply_id)
        if old is None:
            journal.begin(_first(mine, name, outcome, 1, reason, reply_id), ops=ops)
        else:
            journal.finish(old.message_key, old.agent, outcome, reason=reason, reply_id=reply_id, ops=ops)


def claimed_elsewhere(ledger: Ledger, journal: Journal, machine_id: str, ident: str) -> bool:
    """Say whether a message is one that another machine may have claimed: to ANY, not ended, not in hand here."""
    known = find(ledger, journal, ident)
    if known.row is None or not known.row.mine or not envelope(known.row, machine_id).claim:
        return False
    told = ledger.receipts(known.message.id, known.row.sender)
    mine = journal.intents_for([known.row.key]).get(known.row.key) or any(one.machine == machine_id for one in told)
    return not mine and not any(one.receipt.outcome in FINAL for one in told)


def release(
    ledger: Ledger, journal: Journal, machine_id: str, ident: str, *, agent: str | None = None, gone: str | None = None
) -> None:
    """Let a held or uncertain message be tried again; raise Refused where it is neither.

    ``gone`` names the machine whose claim on it was removed, because a person says that it is gone: this one tries.
    """
    mine = _mine(ledger, journal, machine_id, ident)
    with journal.db.write():
        old = _intent(journal, mine, agent)
        if old is not None:
            done = journal.release(old.message_key, old.agent, reason="released by a person")
            if not (done or journal.pass_limit(old.message_key)):
                raise Refused(
                    f"{mine.message.id} is {old.state}", "only what is held, uncertain or taken can be released"
                )
            return
        if journal.pass_limit(mine.key):
            return  # a limit keeps it waiting, and nothing else
        if _doubted(ledger, journal, mine):
            # One to ANY is still to be won by one machine of the fleet; another goes its way, as if it were verified.
            journal.trust_anyway(mine.key)
            return
        told = _own(ledger, mine, machine_id)
        if gone is not None and claimed_elsewhere(ledger, journal, machine_id, ident):
            if mine.key in ledger.open_keys():
                return  # nobody has said on the branch that it was claimed: it is there for whoever asks first
            journal.begin(_first(mine, agent or mine.agent, "retry", 1, f"taken over from {gone} by a person", None))
            return
        if told is None or told.outcome not in ("held", "uncertain"):
            state = told.outcome if told else "new"
            raise Refused(f"{mine.message.id} is {state}", "only what is held, uncertain or taken can be released")
        name = agent or told.agent or mine.agent
        journal.begin(_first(mine, name, "retry", told.attempt, "released by a person", None))


def _doubted(ledger: Ledger, journal: Journal, mine: Envelope) -> bool:
    """Say whether nothing but a sender, a receipt or a claim that is not verified keeps a message from its way."""
    return bool(doubts_about(ledger, journal, ledger.by_keys([mine.key])))


def _mine(ledger: Ledger, journal: Journal, machine_id: str, ident: str) -> Envelope:
    known = find(ledger, journal, ident)
    if known.local is not None:
        return local_envelope(known.local)
    if known.row is None or not known.row.mine:
        raise Refused(
            f"{known.message.id} is not addressed to this machine", f"it is for {', '.join(known.message.to)}"
        )
    return envelope(known.row, machine_id)


def _own(ledger: Ledger, mine: Envelope, machine_id: str) -> Receipt | None:
    """Give what this machine said last on the branch: all there is when the journal was lost."""
    own = [told.receipt for told in ledger.receipts(mine.message.id, mine.sender) if told.machine == machine_id]
    return own[-1] if own else None


def _intent(journal: Journal, mine: Envelope, agent: str | None) -> Intent | None:
    """Give the hand-over that is meant: the agent's, else the only one that is not final; of several texts the last."""
    found = journal.intents_for([mine.key]).get(mine.key, [])
    if agent is not None:
        return next((intent for intent in reversed(found) if intent.agent == agent), None)
    unsettled = [intent for intent in found if intent.state not in FINAL]
    if len(unsettled) > 1:
        raise UsageError(
            f"several agents have {mine.message.id}",
            ", ".join(f"{intent.agent}: {intent.state}" for intent in unsettled),
            "say which one with --agent",
        )
    return unsettled[0] if unsettled else found[-1] if found else None


def _receipt(mine: Envelope, agent: str, outcome: str, attempt: int, reason: str, reply_id: str | None) -> list[Op]:
    if mine.local:
        return []
    receipt = Receipt(
        date=clock.stamp(),
        id=mine.message.id,
        sender=mine.sender,
        agent=agent,
        outcome=outcome,
        attempt=attempt,
        reply=reply_id,
        reason=reason,
    )
    return [receipt_op(receipt)]


def _first(mine: Envelope, agent: str, state: str, attempt: int, reason: str, reply_id: str | None) -> Intent:
    return Intent(
        message_key=mine.key,
        message_id=mine.message.id,
        agent=agent,
        state=state,
        attempt=attempt,
        content=mine.content,
        sender=mine.message.sender,
        reason=reason,
        reply=reply_id,
    )

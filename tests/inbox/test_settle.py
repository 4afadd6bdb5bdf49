"""Take, ack, release: by a person or an agent that pulls, with and without a process."""

from __future__ import annotations

import pytest

from gitsync import inbox, outbox
from gitsync.errors import Refused, UsageError
from gitsync.ledger.values import Intent, receipt_of
from gitsync.protocol.identity import Machine
from tests.inbox.reader import Reader


def intend(two: Reader, ident: str, state: str, agent: str = "builder", attempt: int = 1) -> str:
    key = f"1_TO_2/{ident}"
    begun = Intent(message_key=key, message_id=ident, agent=agent, state="waiting", attempt=attempt)
    assert two.journal.begin(begun)
    if state != "waiting":
        assert two.journal.finish(key, agent, state)
    return key


def ack(two: Reader, ident: str, outcome: str = "done", **more: object) -> None:
    inbox.ack(two.ledger, two.journal, "2", ident, outcome, **more)  # type: ignore[arg-type]


def test_an_agent_takes_and_acks(two: Reader) -> None:
    sent = two.branch.send("1", "2/builder")
    two.ingest()
    intend(two, sent.id, "waiting")
    assert two.candidates() == []
    assert [one.message.id for one in inbox.waiting(two.ledger, two.journal, "2", "builder")] == [sent.id]
    taken = inbox.take(two.ledger, two.journal, "2", sent.id[:25], "builder")
    assert taken.message.id == sent.id
    assert two.state(sent.id) == "taken"
    assert inbox.waiting(two.ledger, two.journal, "2", "builder") == []
    with pytest.raises(Refused, match="does not wait"):
        inbox.take(two.ledger, two.journal, "2", sent.id, "builder")
    ack(two, sent.id, "failed", reason="no compiler")
    (op,) = two.journal.pending()
    receipt = receipt_of(op)
    assert (op.kind, op.urgent, receipt.id, receipt.sender, receipt.agent) == ("receipt", True, sent.id, "1", "builder")
    assert (receipt.outcome, receipt.reason) == ("failed", "no compiler")
    assert [one["outcome"] for one in two.show(sent.id)["receipts"]] == ["failed"]
    with pytest.raises(Refused, match="already"):
        ack(two, sent.id)
    assert len(two.journal.pending()) == 1


def test_a_person_settles_what_nobody_decided(two: Reader) -> None:
    sent = two.branch.send("1", "2/builder")
    two.ingest()
    ack(two, sent.id, "refused", reason="not today")
    assert two.candidates() == []
    assert receipt_of(two.journal.pending()[0]).agent == "builder"


@pytest.mark.parametrize("state", ["uncertain", "held", "taken", "waiting", "retry"])
def test_what_may_be_settled(two: Reader, state: str) -> None:
    sent = two.branch.send("1", "2")
    two.ingest()
    intend(two, sent.id, state, attempt=3)
    ack(two, sent.id)
    assert two.state(sent.id) == "done"
    assert receipt_of(two.journal.pending()[0]).attempt == 3


def test_a_running_hand_over_is_left_alone(two: Reader) -> None:
    sent = two.branch.send("1", "2")
    two.ingest()
    intend(two, sent.id, "started")
    with pytest.raises(Refused, match="at work"):
        ack(two, sent.id)
    with pytest.raises(Refused):
        inbox.release(two.ledger, two.journal, "2", sent.id)
    assert two.journal.pending() == []


@pytest.mark.parametrize("state", ["uncertain", "held", "taken"])
def test_release_gives_it_another_try(two: Reader, state: str) -> None:
    sent = two.branch.send("1", "2")
    two.branch.receipt("2", sent, "uncertain")
    two.ingest()
    key = intend(two, sent.id, state)
    assert two.candidates() == []
    inbox.release(two.ledger, two.journal, "2", sent.id)
    (envelope,) = inbox.candidates(two.ledger, two.journal, "2")
    assert (envelope.key, envelope.intents[0].state) == (key, "retry")
    assert two.inbox(unread=True) == [(sent.id, "new")]


def test_release_works_from_the_branch_alone(two: Reader) -> None:
    sent = two.branch.send("1", "2")
    two.branch.receipt("2", sent, "uncertain", agent="builder", attempt=4)
    two.ingest()
    inbox.release(two.ledger, two.journal, "2", sent.id)
    (envelope,) = inbox.candidates(two.ledger, two.journal, "2")
    assert (envelope.intents[0].agent, envelope.intents[0].attempt) == ("builder", 4)


def test_release_needs_a_reason_to(two: Reader) -> None:
    fresh, done = two.branch.send("1", "2"), two.branch.send("1", "2")
    two.branch.receipt("2", done, "done")
    two.ingest()
    for ident in (fresh.id, done.id):
        with pytest.raises(Refused):
            inbox.release(two.ledger, two.journal, "2", ident)
    with pytest.raises(Refused, match="already"):
        ack(two, done.id)


def test_with_several_agents_one_must_be_named(two: Reader) -> None:
    sent = two.branch.send("1", "2")
    two.ingest()
    intend(two, sent.id, "waiting", "builder")
    intend(two, sent.id, "waiting", "tester")
    with pytest.raises(UsageError, match="several"):
        ack(two, sent.id)
    ack(two, sent.id, agent="tester")
    assert two.state(sent.id) == "waiting"
    ack(two, sent.id)
    assert two.state(sent.id) == "done"


def test_only_own_messages_and_known_outcomes(two: Reader) -> None:
    sent = two.branch.send("1", "3")
    two.ingest()
    with pytest.raises(Refused, match="not addressed"):
        ack(two, sent.id)
    with pytest.raises(UsageError):
        ack(two, sent.id, "maybe")


def test_local_messages_are_settled_without_a_receipt(two: Reader) -> None:
    sent = outbox.send(two.journal, Machine("2"), [], ["builder"], "builder", "s", "b")
    assert two.candidates() == [sent.id]
    ack(two, sent.id)
    assert two.candidates() == []
    assert two.journal.pending() == []
    assert two.state(sent.id) == "done"

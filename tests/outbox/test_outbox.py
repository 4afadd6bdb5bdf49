"""Sending: who is meant, what is kept, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsync import outbox
from gitsync.errors import NotFound, Refused, UsageError
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import receipt_of
from gitsync.protocol.identity import Machine
from gitsync.protocol.message import Message, read, write
from tests.inbox.branch import Branch
from tests.inbox.reader import Reader

ONE = Machine("1", "The Mechanic")
FLEET = ["1", "2", "laptop"]
AGENTS = ["builder", "laptop", "nobody"]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite3") as opened:
        yield opened


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, "1", Branch(tmp_path / "mailbox"))
    reader.journal.set_meta("born", "long ago")
    yield reader
    reader.close()


def send(journal: Journal, to: str = "2", subject: str = "Hello", body: str = "text", **more: object) -> Message:
    return outbox.send(journal, ONE, FLEET, AGENTS, to, subject, body, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("to", "written", "place"),
    [
        ("2", "2", "2"),
        ("2/builder", "2/builder", "2"),
        ("all", "ALL", "ALL"),
        ("ANY", "ANY", "ANY"),
        ("any/builder", "ANY/builder", "ANY"),
        ("laptop", "laptop", "laptop"),
    ],
)
def test_a_machine_comes_first(journal: Journal, to: str, written: str, place: str) -> None:
    sent = send(journal, to, sender_agent="mechanic", type="job", priority="high")
    (op,) = journal.pending()
    assert (op.kind, op.ident, op.to, op.urgent, read(op.payload)) == ("message", sent.id, place, True, sent)
    assert (sent.to, sent.sender, sent.thread, sent.priority) == ((written,), "1/mechanic", sent.id, "high")


@pytest.mark.parametrize(
    ("to", "written"), [("builder", "1/builder"), ("self/laptop", "1/laptop"), ("1/builder", "1/builder")]
)
def test_a_local_agent_gets_it_through_the_journal(journal: Journal, to: str, written: str) -> None:
    sent = send(journal, to)
    assert sent.to == (written,)
    assert journal.pending() == []
    local = journal.local(sent.id)
    assert local is not None
    assert (local.message, local.block) == (sent, write(sent))


def test_to_all_it_goes_to_the_branch_and_to_every_other_agent_here(journal: Journal) -> None:
    sent = send(journal, "all", sender_agent="builder")
    assert [(op.ident, op.to) for op in journal.pending()] == [(sent.id, "ALL")]
    here = [local.message for local in journal.locals()]
    assert [message.to for message in here] == [("1/laptop",), ("1/nobody",)]
    assert {message.conversation for message in here} == {sent.id}
    assert len({message.id for message in here} | {sent.id}) == 3


def test_to_all_here_it_stays_here(journal: Journal) -> None:
    sent = send(journal, "self/all")
    assert journal.pending() == []
    here = [local.message for local in journal.locals()]
    assert [message.to for message in here] == [("1/builder",), ("1/laptop",), ("1/nobody",)]
    assert here[0] == sent
    assert {message.conversation for message in here} == {sent.id}
    with pytest.raises(UsageError, match="no other agent"):
        outbox.send(journal, ONE, FLEET, ["builder"], "self/all", "Hello", "text", sender_agent="builder")
    with pytest.raises(UsageError, match="no agent"):
        outbox.send(journal, ONE, FLEET, [], "self/all", "Hello", "text")
    assert len(journal.locals()) == 3


def test_an_agent_called_so_on_another_machine_is_not_everybody(journal: Journal) -> None:
    send(journal, "2/all")
    assert journal.locals() == []


def test_many_are_accepted_together_or_not_at_all(journal: Journal) -> None:
    good = [outbox.prepare(journal, ONE, FLEET, AGENTS, to, "Hello", "text") for to in ("2", "builder", "all")]
    broken = outbox.Outgoing(good[0].message, local=("no message",))  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        outbox.accept(journal, [*good, broken])
    assert (journal.pending(), journal.locals()) == ([], [])
    outbox.accept(journal, good)
    assert [op.ident for op in journal.pending()] == [good[0].message.id, good[2].message.id]
    assert len(journal.locals()) == 4


def test_what_comes_near_is_told(journal: Journal) -> None:
    with pytest.raises(NotFound) as caught:
        send(journal, "self/bilder")
    assert caught.value.near == ("builder",)


def test_an_unknown_machine_is_sent_to_and_held(journal: Journal) -> None:
    sent = send(journal, "7/builder")
    message, receipt = journal.pending()
    assert (message.kind, message.to) == ("message", "7")
    told = receipt_of(receipt)
    assert (told.id, told.sender, told.outcome) == (sent.id, "1", "held")
    assert "no machine 7 yet" in told.reason


@pytest.mark.parametrize("to", ["no such name", "self/ghost", "2/", "", "2/a b", "self"])
def test_what_names_nobody_is_refused(journal: Journal, to: str) -> None:
    with pytest.raises(UsageError) as failure:
        send(journal, to)
    assert failure.value.remedy
    assert journal.pending() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "two\nlines"},
        {"body": "x" * (outbox.MAX_BODY + 1)},
        {"priority": "soon"},
        {"thread": "not an id"},
        {"in_reply_to": "short"},
        {"subject": " ", "body": "\n"},
        {"body": "\ud800"},
        {"type": "two\nlines"},
    ],
)
def test_what_cannot_be_sent_is_refused_and_not_kept(journal: Journal, wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        send(journal, **wrong)  # type: ignore[arg-type]
    assert journal.pending() == []


def test_a_large_body_goes_through(journal: Journal) -> None:
    body = "ü" * (outbox.MAX_BODY // 2)
    send(journal, body=body)
    assert read(journal.pending()[0].payload).body == body


def test_a_reply_goes_back_in_the_thread(one: Reader) -> None:
    first = one.branch.send("2/builder", "1", "Deploy")
    one.ingest()
    answer = outbox.reply(one.journal, ONE, [], AGENTS, one.ledger, first.id[:24], "done", sender_agent="mechanic")
    assert (answer.to, answer.subject, answer.thread, answer.in_reply_to) == (
        ("2/builder",),
        "Re: Deploy",
        first.id,
        first.id,
    )
    again = outbox.reply(one.journal, ONE, [], AGENTS, one.ledger, answer.id, "and done")
    assert (again.subject, again.thread, again.to) == ("Re: Deploy", first.id, ("1/mechanic",))
    assert len(one.journal.pending()) == 1


def test_in_reply_to_gives_the_thread(one: Reader) -> None:
    first = one.branch.send("2", "1")
    second = one.branch.send("2", "1", thread=first.id)
    one.ingest()
    sent = send(one.journal, in_reply_to=second.id, ledger=one.ledger)
    assert (sent.thread, sent.in_reply_to) == (first.id, second.id)
    assert send(one.journal, in_reply_to=second.id).thread == second.id
    assert send(one.journal, thread=first.id).thread == first.id


def test_withdraw(one: Reader) -> None:
    pending = send(one.journal, "7")
    assert outbox.withdraw(one.journal, ONE, one.ledger, pending.id) == "cancelled"
    assert one.journal.pending() == []
    landed, done, theirs = one.branch.send("1", "2"), one.branch.send("1", "2"), one.branch.send("2", "1")
    one.branch.receipt("2", done, "done")
    one.ingest()
    assert outbox.withdraw(one.journal, ONE, one.ledger, landed.id) == "withdrawn"
    op = one.journal.pending()[-1]
    assert (op.kind, op.ident, op.to) == ("withdraw", landed.id, "2")
    assert one.state(landed.id) == "withdrawn"
    for ident in (done.id, theirs.id, send(one.journal, "builder").id):
        with pytest.raises(Refused):
            outbox.withdraw(one.journal, ONE, one.ledger, ident)


def test_only_the_recipient_can_say_that_a_message_is_done_with(one: Reader) -> None:
    to_one, to_all = one.branch.send("1", "2"), one.branch.send("1", "ALL")
    one.branch.receipt("3", to_one, "done")
    one.branch.receipt("3", to_all, "done")
    one.ingest()
    assert outbox.withdraw(one.journal, ONE, one.ledger, to_one.id) == "withdrawn"
    with pytest.raises(Refused, match="says 3"):
        outbox.withdraw(one.journal, ONE, one.ledger, to_all.id)


def test_what_may_be_on_its_way_is_withdrawn_on_the_branch(one: Reader) -> None:
    sent = send(one.journal)
    (op,) = one.journal.pending()
    one.journal.attempted("a" * 40, "b" * 40, [op.seq])
    assert outbox.withdraw(one.journal, ONE, one.ledger, sent.id) == "withdrawn"
    assert [op.kind for op in one.journal.pending()] == ["message", "withdraw"]


def test_accepted_is_on_disk(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as first:
        sent = send(first)
        with Journal(tmp_path / "j") as second:
            assert [op.ident for op in second.pending()] == [sent.id]


def test_no_ledger_is_needed(tmp_path: Path, journal: Journal) -> None:
    ledger = Ledger(tmp_path / "new" / "ledger.sqlite3")
    try:
        sent = send(journal)
        assert outbox.withdraw(journal, ONE, ledger, sent.id) == "cancelled"
    finally:
        ledger.close()

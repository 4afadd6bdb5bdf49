"""What scripts read: shapes, states, paging."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from gitsync import inbox, outbox
from gitsync.errors import UsageError
from gitsync.ledger.values import Intent
from gitsync.protocol.identity import Machine
from gitsync.protocol.status import Status, set_block
from tests.inbox.reader import Reader

TWO = Machine("2")
INBOX_KEYS = ["id", "from", "to", "subject", "date", "priority", "type", "thread", "state"]
RECEIPT_KEYS = ["date", "machine", "agent", "outcome", "attempt", "reason"]


def local(two: Reader, to: str, subject: str, **more: object) -> str:
    return outbox.send(two.journal, TWO, ["1"], ["builder", "tester"], to, subject, "text", **more).id  # type: ignore[arg-type]


def intend(two: Reader, ident: str, agent: str, state: str) -> None:
    assert two.journal.begin(Intent(message_key=f"1_TO_2/{ident}", message_id=ident, agent=agent, state=state))


def test_the_shape_of_an_inbox_entry(two: Reader) -> None:
    sent = two.branch.send("1/mechanic", "2", "Hello", type="job", priority="high")
    plain = two.branch.send("1", "2")
    two.ingest()
    second, first = two.entries()
    assert list(first)[:9] == INBOX_KEYS
    assert {name: first[name] for name in INBOX_KEYS} == {
        "id": sent.id,
        "from": "1/mechanic",
        "to": ["2"],
        "subject": "Hello",
        "date": "2026-11-20T06:45:00Z",
        "priority": "high",
        "type": "job",
        "thread": sent.id,
        "state": "new",
    }
    assert (second["id"], second["type"], second["date_raw"]) == (plain.id, None, "2026-11-20T06:45:00Z")
    json.dumps(two.entries())


def test_the_shape_of_show(two: Reader) -> None:
    sent = two.branch.send("1", "2", "Hello", "the body")
    two.branch.receipt("2", sent, "failed", agent="builder", attempt=2, reason="exit 1")
    two.ingest()
    shown = two.show(sent.id[:-2])
    assert list(shown)[:9] == INBOX_KEYS
    assert (shown["body"], shown["state"], shown["reason"]) == ("the body", "failed", "exit 1")
    (receipt,) = shown["receipts"]
    assert list(receipt)[:6] == RECEIPT_KEYS
    assert (receipt["machine"], receipt["agent"], receipt["attempt"], receipt["reason"]) == (
        "2",
        "builder",
        2,
        "exit 1",
    )


@pytest.mark.parametrize("wanted", ["01", "ZZZZ", "01M7"])
def test_an_id_that_names_nothing_or_too_much(two: Reader, wanted: str) -> None:
    two.branch.send("1", "2")
    two.branch.send("1", "2")
    two.ingest()
    with pytest.raises(UsageError) as failure:
        two.show(wanted)
    assert failure.value.remedy


@pytest.mark.parametrize(
    ("state", "shown", "unread"),
    [
        ("started", "started", False),
        ("waiting", "waiting", True),
        ("retry", "new", True),
        ("done", "done", False),
        ("uncertain", "uncertain", False),
        ("held", "held", False),
    ],
)
def test_the_journal_knows_before_the_branch_does(two: Reader, state: str, shown: str, unread: bool) -> None:
    sent = two.branch.send("1", "2")
    two.branch.receipt("2", sent, "received")
    two.ingest()
    intend(two, sent.id, "builder", state)
    assert two.inbox() == [(sent.id, shown)]
    assert two.inbox(unread=True) == ([(sent.id, shown)] if unread else [])


def test_filters_and_paging(two: Reader) -> None:
    branch = two.branch
    sent = [branch.send("1", f"2/{'builder' if number % 2 else 'tester'}", str(number)) for number in range(130)]
    other = branch.send("3", "2", "from three")
    two.ingest()
    intend(two, other.id.replace(other.id, sent[0].id), "builder", "waiting")
    everything = [entry[0] for entry in two.inbox(limit=1000)]
    assert everything == [one.id for one in reversed([*sent, other])]
    pages, before = [], None
    while page := [entry[0] for entry in two.inbox(limit=17, before=before)]:
        pages += page
        before = str(page[-1])
    assert pages == everything
    builder = [one.id for number, one in enumerate(sent) if number % 2 or number == 0]
    assert [entry[0] for entry in two.inbox(agent="builder", limit=1000)] == builder[::-1]
    assert [entry[0] for entry in two.inbox(agent="builder", unread=True, limit=3)] == builder[:-4:-1]
    assert [entry[0] for entry in two.inbox(sender="3")] == [other.id]


def test_unread_passes_over_what_was_settled_here(two: Reader) -> None:
    sent = [two.branch.send("1", "2", str(number)) for number in range(120)]
    two.ingest()
    for one in sent[10:]:
        intend(two, one.id, "a", "done")
    assert [entry[0] for entry in two.inbox(unread=True, limit=5)] == [one.id for one in sent[9:4:-1]]


def test_local_messages_stand_between_the_others(two: Reader) -> None:
    sent = two.branch.send("1", "2")
    two.ingest()
    ident = local(two, "builder", "between us", sender_agent="tester")
    assert {entry[0] for entry in two.inbox()} == {sent.id, ident}
    assert two.inbox(agent="builder") == [(ident, "new")]
    assert two.inbox(agent="builder", unread=True) == [(ident, "new")]
    two.journal.begin(Intent(message_key=f"local/{ident}", message_id=ident, agent="builder"))
    two.journal.finish(f"local/{ident}", "builder", "failed", reason="no")
    assert two.inbox(agent="builder", unread=True) == []
    assert two.show(ident)["receipts"][0]["outcome"] == "failed"
    assert [found["id"] for found in inbox.search_view(two.ledger, two.journal, "2", "BETWEEN us")] == [ident]
    assert [entry[0] for entry in two.inbox(before=ident)] + [entry[0] for entry in two.inbox(before=sent.id)]


def test_what_was_just_sent_is_seen_at_once(two: Reader) -> None:
    question = two.branch.send("1", "2", "question")
    two.ingest()
    answer = outbox.reply(two.journal, TWO, [], [], two.ledger, question.id, "yes").id
    assert two.state(answer) == "pending"
    thread = inbox.thread_view(two.ledger, two.journal, "2", answer[:20])
    assert [(entry["id"], entry["state"]) for entry in thread] == [(question.id, "new"), (answer, "pending")]
    listed = inbox.messages_view(two.ledger, two.journal, "2", limit=10)
    assert {entry["id"] for entry in listed} == {question.id, answer}
    (op,) = two.journal.pending()
    two.journal.refuse(op.seq, "the branch is protected")
    shown = two.show(answer)
    assert (shown["state"], shown["reason"]) == ("unsent", "the branch is protected")


def test_messages_page(two: Reader) -> None:
    sent = [two.branch.send("1", "3", str(number)) for number in range(9)]
    two.ingest()
    first = inbox.messages_view(two.ledger, two.journal, "2", limit=4)
    assert [entry["id"] for entry in first] == [one.id for one in sent[:4:-1]]
    rest = inbox.messages_view(two.ledger, two.journal, "2", limit=40, before=str(first[-1]["id"]))
    assert [entry["id"] for entry in rest] == [one.id for one in sent[4::-1]]


@pytest.mark.parametrize(
    ("words", "count"),
    [("landing page", 1), ("LANDING", 1), ("café", 1), ("nothing", 0), ('" OR *', 0), ("", 0), ("1", 2)],
)
def test_search(two: Reader, words: str, count: int) -> None:
    two.branch.send("1", "2", "Deploy the landing page", "un café")
    two.branch.send("1", "2", "other")
    two.ingest()
    assert len(inbox.search_view(two.ledger, two.journal, "2", words)) == count


def test_a_sent_message_tells_what_its_recipients_say(two: Reader) -> None:
    sent = two.branch.send("2", "ALL")
    two.ingest()
    assert two.state(sent.id) == "sent"
    two.branch.receipt("1", sent, "done")
    two.branch.receipt("3", sent, "received")
    two.ingest()
    assert two.state(sent.id) == "done"
    assert [receipt["machine"] for receipt in two.show(sent.id)["receipts"]] == ["1", "3"]


def test_only_its_recipient_says_what_became_of_a_message(two: Reader) -> None:
    sent = two.branch.send("2", "1")
    two.branch.receipt("3", sent, "done")
    two.branch.receipt("2", sent, "failed")
    two.ingest()
    assert (two.state(sent.id), two.ledger.final(sent.id)) == ("sent", False)
    two.branch.receipt("2", sent, "held")
    two.ingest()
    assert (two.state(sent.id), two.ledger.final(sent.id)) == ("held", False)
    two.branch.receipt("1", sent, "refused")
    two.ingest()
    assert (two.state(sent.id), two.ledger.final(sent.id)) == ("refused", True)


def test_the_fleet(two: Reader) -> None:
    branch = two.branch
    branch.commit({"COMPUTER_1.md": set_block(None, Status(id="1", name="One", state="WORKING"))}, _note("1"))
    branch.commit({"COMPUTER_4.md": set_block(None, Status(id="4", name="Four", state="ACTIVE"))})
    asked = branch.send("2", "1")
    two.ingest()
    sent_at = datetime.fromisoformat(two.ledger.message(asked.id)[0].commit_date)
    now = datetime.fromtimestamp(sent_at.timestamp() + 60, UTC)
    four = {"4": "2020-01-01T00:00:00Z", "5": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    fleet = inbox.fleet_view(two.ledger, two.journal, "2", now=now, own_state="SYNCING")
    assert [(c["id"], c["name"], c["state"], c["lag_s"]) for c in fleet] == [
        ("1", "One", "WORKING", 60.0),
        ("2", "", "SYNCING", 0.0),
        ("4", "Four", "OFFLINE", None),
    ]
    fleet = inbox.fleet_view(two.ledger, two.journal, "2", now=now, seen=four)
    assert [(c["id"], c["state"], c["lag_s"]) for c in fleet[2:]] == [("4", "OFFLINE", 0.0), ("5", "ACTIVE", 0.0)]
    branch.receipt("1", asked, "received")
    two.ingest()
    assert inbox.fleet_view(two.ledger, two.journal, "2", now=now)[0]["lag_s"] == 0.0


def _note(machine: str) -> str:
    from gitsync.protocol import commits

    return commits.compose(machine, status=True)

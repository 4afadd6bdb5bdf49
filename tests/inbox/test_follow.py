"""Reading the branch: what is delivered, what is history, what is passed over."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsync import inbox
from gitsync.git.repo import Entry
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import Intent, message_key
from gitsync.protocol import commits, edit
from gitsync.protocol.message import write
from gitsync.protocol.status import AgentRow, Status, set_block
from tests.inbox.branch import Branch
from tests.inbox.reader import Reader

HAND = """# Messages

<!-- msg {id} -->
## Please look

**From:** Computer 1 (The Mechanic)
**To:** Computer 2
**Date:** 2025-10-29 12:25 PM PST
**Priority:** CRITICAL

It burns.
<!-- /msg -->
"""


def test_a_message_arrives_once(two: Reader) -> None:
    sent = two.branch.send("1/mechanic", "2/builder", "Build", "now", priority="high", type="job")
    came = two.ingest()
    assert (came.messages, came.commits, came.rebuilt) == (1, 1, True)
    assert came.arrivals == (message_key("1", "2", sent.id),)
    (envelope,) = inbox.candidates(two.ledger, two.journal, "2")
    assert envelope.message == sent.__class__(**{**_values(sent), "thread": sent.id})
    assert (envelope.agent, envelope.sender, envelope.claim, envelope.suspect) == ("builder", "1", False, False)
    again = two.ingest()
    assert (again.messages, again.arrivals, again.commits, again.rebuilt) == (0, (), 0, False)
    assert two.candidates() == [sent.id]


def _values(message: object) -> dict[str, object]:
    return {name: getattr(message, name) for name in message.__slots__}  # type: ignore[attr-defined]


def test_only_what_is_for_this_machine(two: Reader) -> None:
    branch = two.branch
    everybody, anybody = branch.send("1", "ALL"), branch.send("1", "ANY/builder")
    own, own_any = branch.send("2", "ALL"), branch.send("2", "ANY")
    elsewhere = branch.send("1", "3")
    two.ingest()
    found = inbox.candidates(two.ledger, two.journal, "2")
    assert [one.message.id for one in found] == [everybody.id, anybody.id, own_any.id]
    assert [(one.claim, one.agent) for one in found] == [(False, ""), (True, "builder"), (True, "")]
    assert two.ledger.by_keys([message_key("2", "ALL", own.id)])
    assert two.state(elsewhere.id) == "sent"


def test_broadcasts_before_the_horizon_are_history(two: Reader) -> None:
    branch = two.branch
    old_all, old_any, direct = branch.send("1", "ALL"), branch.send("1", "ANY"), branch.send("1", "2")
    two.journal.set_meta("horizon", branch.tip)
    new_all = branch.send("1", "ALL")
    came = two.ingest()
    assert len(came.arrivals) == 2
    assert two.candidates() == [direct.id, new_all.id]
    assert [two.state(one.id) for one in (old_all, old_any, direct)] == ["history", "history", "new"]


def test_imported_messages_are_history(two: Reader) -> None:
    old = two.branch.message("1", "2", "from another time", fields=(("Imported", "old.md, line 3"),))
    path = "archive/2025-11/1_TO_2.md"
    two.branch.commit({path: write(old)}, commits.compose("3", imported=[path]))
    assert two.ingest().arrivals == ()
    assert two.candidates() == []
    assert two.state(old.id) == "history"
    assert two.ledger.unanswered() == {}


def test_a_new_horizon_is_taken_up(two: Reader) -> None:
    old = two.branch.send("1", "ALL")
    two.ingest()
    assert two.candidates() == [old.id]
    two.journal.set_meta("horizon", two.branch.tip)
    assert two.ingest().rebuilt
    assert two.candidates() == []


def test_added_and_archived_while_away(two: Reader) -> None:
    branch = two.branch
    branch.send("1", "2", "first")
    two.ingest()
    sent = branch.send("1", "2", "second")
    branch.archive("messages/1_TO_2.md", "archive/2026-11/1_TO_2.md", count=2)
    came = two.ingest()
    assert came.arrivals == (message_key("1", "2", sent.id),)
    (row,) = two.ledger.by_keys([message_key("1", "2", sent.id)])
    assert (row.archived, row.path) == (True, "archive/2026-11/1_TO_2.md")
    assert len(two.candidates()) == 2


@pytest.mark.parametrize("whole_file", [True, False])
def test_a_deletion_while_away_does_not_lose_a_message(two: Reader, whole_file: bool) -> None:
    path = "messages/1_TO_2.md"
    before = two.branch.send("1", "2", "stays")
    kept = two.branch.files[path]
    sent = two.branch.send("1", "2", "goes")
    two.branch.commit({path: None if whole_file else kept})
    two.ingest()
    assert two.candidates() == [before.id, sent.id]


def test_withdrawn_is_not_delivered(two: Reader) -> None:
    path = "messages/1_TO_2.md"
    gone, kept = two.branch.send("1", "2"), two.branch.send("1", "2")
    other = two.branch.message("1", "2", "in the same commit")
    two.ingest()
    data = edit.append(edit.withdraw(two.branch.files[path], gone.id), write(other))
    note = commits.compose("1", messages=[(other.id, "2")], withdrawn=[gone.id])
    two.branch.commit({path: data}, note)
    two.ingest()
    assert two.candidates() == [kept.id, other.id]
    assert two.state(gone.id) == "withdrawn"


def test_another_machine_cannot_withdraw(two: Reader) -> None:
    path = "messages/1_TO_2.md"
    sent = two.branch.send("1", "2")
    two.branch.commit({path: edit.withdraw(two.branch.files[path], sent.id)}, commits.compose("3", withdrawn=[sent.id]))
    two.ingest()
    assert two.candidates() == [sent.id]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("3/mechanic", "forged"),
        ("Computer 3", "forged"),
        ("C3 (Jesse)", "forged"),
        ("jesse", "forged"),
        ("The Mechanic", ""),
        ("1/mechanic", ""),
        ("C1", ""),
    ],
)
def test_a_from_that_names_another_machine_is_quarantined(two: Reader, name: str, rule: str) -> None:
    two.branch.write("COMPUTER_jesse.md", "# COMPUTER jesse\n")
    ident = two.branch.new_id()
    two.branch.write("messages/1_TO_2.md", HAND.format(id=ident).replace("Computer 1 (The Mechanic)", name))
    came = two.ingest()
    assert [trouble.rule for trouble in came.problems] == ([rule] if rule else [])
    assert two.candidates() == ([] if rule else [ident])
    assert two.state(ident) == ("quarantined" if rule else "new")
    assert [trouble.line for trouble in two.ledger.troubles()] == ([3] if rule else [])


def test_a_message_by_hand_gets_a_regular_header(two: Reader) -> None:
    ident = two.branch.new_id()
    two.branch.write("messages/1_TO_2.md", HAND.format(id=ident))
    two.ingest()
    (envelope,) = inbox.candidates(two.ledger, two.journal, "2")
    message = envelope.message
    assert (message.sender, message.to, message.subject, message.body) == ("1", ("2",), "Please look", "It burns.")
    assert (message.date, message.priority, message.thread) == ("2025-10-29T20:25:00Z", "urgent", ident)
    (row,) = two.ledger.message(ident)
    assert (row.date_raw, row.line, row.path) == ("2025-10-29 12:25 PM PST", 3, "messages/1_TO_2.md")


def test_without_a_usable_date_the_commit_decides(two: Reader) -> None:
    text = HAND.format(id=two.branch.new_id()).replace("2025-10-29 12:25 PM PST", "Current session")
    two.branch.write("messages/1_TO_2.md", text)
    two.ingest()
    (envelope,) = inbox.candidates(two.ledger, two.journal, "2")
    assert envelope.message.date == two.ledger.open_for_me()[0].commit_date
    assert two.ledger.open_for_me()[0].date_raw == "Current session"


def test_text_by_hand_is_delivered_once_it_is_wrapped(two: Reader) -> None:
    ident = two.branch.new_id()
    text = HAND.format(id=ident)
    bare = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("<!--"))
    two.branch.write("messages/1_TO_2.md", bare)
    assert two.ingest().arrivals == ()
    two.branch.write("messages/1_TO_2.md", text)
    assert len(two.ingest().arrivals) == 1


def test_a_page_may_hold_messages(two: Reader) -> None:
    ident, nobody = two.branch.new_id(), two.branch.new_id()
    text = HAND.format(id=ident) + HAND.format(id=nobody).replace("**To:** Computer 2\n", "")
    page = set_block(None, Status(id="1", name="The Mechanic", state="WORKING")) + text.encode()
    two.branch.commit({"COMPUTER_1.md": page})
    two.ingest()
    (envelope,) = inbox.candidates(two.ledger, two.journal, "2")
    assert (envelope.message.id, envelope.sender, envelope.key) == (ident, "1", f"COMPUTER_1/{ident}")
    assert [trouble.rule for trouble in two.ledger.troubles()] == ["unreadable"]


def test_an_edit_is_an_amendment(two: Reader) -> None:
    path = "messages/1_TO_2.md"
    sent = two.branch.send("1", "2", "Deploy", "to staging")
    two.ingest()
    two.journal.begin(Intent(message_key=f"1_TO_2/{sent.id}", message_id=sent.id, agent="builder"))
    two.branch.commit({path: two.branch.files[path].replace(b"to staging", b"to the moon")})
    assert two.ingest().arrivals == ()
    assert two.candidates() == []
    shown = two.show(sent.id)
    assert (shown["body"], shown["amended"]) == ("to the moon", 1)
    assert [found["id"] for found in inbox.search_view(two.ledger, two.journal, "2", "moon")] == [sent.id]
    assert inbox.search_view(two.ledger, two.journal, "2", "staging") == []
    two.branch.send("1", "2")
    two.ingest()
    assert len(two.ledger.amendments(f"1_TO_2/{sent.id}")) == 1


def test_variants_are_recorded_never_delivered(two: Reader) -> None:
    path = "messages/1_TO_2.md"
    sent = two.branch.send("1", "2", "Deploy", "to staging")
    data = two.branch.files[path]
    block = write(sent)
    variant = block.replace(sent.id.encode(), f"{sent.id}~0123456789abcdef".encode(), 1).replace(b"staging", b"mars")
    twin = block.replace(b"staging", b"venus")
    two.branch.commit({path: data + variant + twin})
    two.ingest()
    assert two.candidates() == [sent.id]
    assert two.show(sent.id)["body"] == "to staging"
    assert len(two.ledger.amendments(f"1_TO_2/{sent.id}")) == 2
    two.branch.commit({path: b"free\n" + two.branch.files[path]})
    two.ingest()
    assert len(two.ledger.amendments(f"1_TO_2/{sent.id}")) == 2


def test_the_same_id_in_another_file_is_another_message(two: Reader) -> None:
    sent = two.branch.send("1", "2")
    two.branch.commit({"messages/3_TO_2.md": write(sent).replace(b"**From:** 1", b"**From:** 3")})
    two.ingest()
    assert two.candidates() == [sent.id, sent.id]


@pytest.mark.parametrize("outcome", ["done", "failed", "refused", "dead", "uncertain", "held"])
def test_an_own_receipt_settles(two: Reader, outcome: str) -> None:
    sent = two.branch.send("1", "2")
    two.branch.receipt("2", sent, outcome)
    two.ingest()
    assert two.candidates() == []
    assert two.state(sent.id) == outcome


@pytest.mark.parametrize(("outcome", "machine"), [("received", "2"), ("claimed", "2"), ("done", "3")])
def test_other_receipts_settle_nothing(two: Reader, outcome: str, machine: str) -> None:
    sent = two.branch.send("1", "2")
    two.branch.receipt(machine, sent, outcome)
    two.ingest()
    assert two.candidates() == [sent.id]


def test_any_is_closed_by_who_claims_it_first(two: Reader) -> None:
    taken, done, ours = (two.branch.send("1", "ANY") for _ in range(3))
    two.branch.receipt("3", taken, "claimed")
    two.branch.receipt("3", done, "done")
    two.branch.receipt("2", ours, "claimed")
    two.branch.receipt("3", ours, "claimed")
    two.ingest()
    assert two.candidates() == [ours.id]
    assert two.state(taken.id) == "claimed"


def test_a_message_for_several_agents_stays_until_all_have_it(two: Reader) -> None:
    sent = two.branch.send("1", "2")
    two.ingest()
    for agent in ("a", "b"):
        two.journal.begin(Intent(message_key=f"1_TO_2/{sent.id}", message_id=sent.id, agent=agent, state="retry"))
    two.journal.begin(Intent(message_key=f"1_TO_2/{sent.id}", message_id=sent.id, agent="a"))
    (envelope,) = inbox.candidates(two.ledger, two.journal, "2")
    assert [intent.state for intent in envelope.intents] == ["started", "retry"]
    two.journal.begin(Intent(message_key=f"1_TO_2/{sent.id}", message_id=sent.id, agent="b"))
    assert two.candidates() == []


def test_final_is_known_to_the_engine(two: Reader) -> None:
    sent, other = two.branch.send("1", "2"), two.branch.send("1", "2")
    two.branch.receipt("2", sent, "done")
    two.branch.receipt("2", other, "received")
    two.ingest()
    assert (two.ledger.final(sent.id), two.ledger.final(other.id)) == (True, False)


def test_what_cannot_be_read_is_passed_over_with_a_word(two: Reader) -> None:
    branch = two.branch
    target = branch.mailbox.write_blob(b"/etc/passwd")
    branch.commit({"messages/1_TO_2.md": Entry(0o120000, target)})
    branch.commit({"messages/3_TO_2.md": b"x" * (8 * 1024 * 1024 + 1)})
    branch.commit({"messages/4_TO_2.md": f"<!-- msg {branch.new_id()} -->\n\n<!-- /msg -->\n".encode()})
    ident = branch.new_id()
    odd = HAND.format(id=ident).encode().replace(b"It burns.", b"caf\xe9 \x00 <<<<<<< HEAD").replace(b"\n", b"\r\n")
    branch.commit({"messages/5_TO_2.md": odd.replace(b"Computer 1", b"Computer 5"), "notes/x.md": b"\xff\x00"})
    came = two.ingest()
    assert [trouble.rule for trouble in came.problems] == ["not-a-file", "too-large", "unreadable"]
    (envelope,) = inbox.candidates(two.ledger, two.journal, "2")
    assert "caf�" in envelope.message.body
    assert envelope.message.id == ident


def test_status_pages(two: Reader) -> None:
    row = AgentRow("builder", "http", "online", "code", ("build",), 2)
    two.branch.commit(
        {"COMPUTER_1.md": set_block(None, Status(id="1", name="The Mechanic", state="IDLE", agents=(row,)))}
    )
    two.branch.write("COMPUTER_3.md", "# COMPUTER 3\n\n**Status:** WORKING\n")
    two.ingest()
    one, three = two.ledger.statuses()
    assert (one.id, one.state, one.data["agents"][0]["queue"]) == ("1", "IDLE", 2)  # type: ignore[index]
    assert three.id == "3"


def test_a_merge_by_a_person_brings_both_sides(two: Reader) -> None:
    branch = two.branch
    first = branch.send("1", "2")
    fork, tree = branch.tip, branch.tree
    ours = branch.send("1", "2")
    left, left_tree = branch.tip, branch.tree
    path = "messages/3_TO_2.md"
    theirs = branch.message("3", "2")
    branch.commit({path: write(theirs)}, "on a side branch", parents=[fork], tree=tree)
    branch.commit({path: write(theirs)}, "merge", parents=[left, branch.tip], tree=left_tree)
    two.ingest()
    assert sorted(two.candidates()) == sorted([first.id, ours.id, theirs.id])


def test_a_rewritten_branch_is_read_anew_and_nothing_is_given_again(two: Reader) -> None:
    sent = two.branch.send("1", "2")
    two.ingest()
    two.journal.begin(Intent(message_key=f"1_TO_2/{sent.id}", message_id=sent.id, agent="a"))
    two.branch.commit({}, "another root", parents=[])
    assert two.ingest().rebuilt
    assert two.candidates() == []


@pytest.mark.parametrize("known", [True, False])
def test_history_stays_history_when_the_branch_is_rewritten(two: Reader, known: bool) -> None:
    old = two.branch.send("1", "ALL", "old")
    two.journal.set_meta("horizon", two.branch.tip)
    waiting = two.branch.send("1", "ALL", "new")
    two.ingest()
    if not known:
        two.ledger.close()
        two.ledger.path.unlink()
        two.ledger = Ledger(two.ledger.path)
    two.branch.commit({}, "squashed", parents=[])
    assert two.ingest().rebuilt
    assert two.state(old.id) == "history"
    assert two.candidates() == ([waiting.id] if known else [])
    later = two.branch.send("1", "ALL", "later")
    assert not two.ingest().rebuilt
    assert two.candidates()[-1] == later.id


def test_a_rewrite_does_not_turn_what_waits_into_history(two: Reader) -> None:
    two.branch.write("README.md", "begin")
    two.journal.set_meta("horizon", two.branch.tip)
    waiting = two.branch.send("1", "ALL", "new")
    two.ingest()
    two.branch.commit({}, "squashed", parents=[])
    two.ingest()
    assert two.candidates() == [waiting.id]


def test_history_stays_history_when_the_branch_is_wound_back(two: Reader) -> None:
    first = two.branch.send("1", "ALL", "first")
    back, tree = two.branch.tip, two.branch.tree
    two.branch.send("1", "ALL", "second")
    two.journal.set_meta("horizon", two.branch.tip)
    two.ingest()
    two.branch.tip, two.branch.tree = back, tree
    two.branch.files["messages/1_TO_ALL.md"] = write(first)
    two.ingest()
    assert two.candidates() == []
    later = two.branch.send("1", "ALL", "later")
    two.ingest()
    assert two.candidates() == [later.id]


# I7


def test_i7_a_deleted_ledger_costs_a_rebuild_only(two: Reader) -> None:
    handed, settled, fresh = (two.branch.send("1", "2") for _ in range(3))
    two.branch.receipt("2", settled, "done")
    two.ingest()
    two.journal.begin(Intent(message_key=f"1_TO_2/{handed.id}", message_id=handed.id, agent="a"))
    before = two.facts()
    for file in two.path.glob("ledger-2.sqlite3*"):
        file.unlink()
    assert two.ledger.head() is None
    assert two.candidates() == []
    assert two.ingest().rebuilt
    assert two.facts() == before
    assert two.candidates() == [fresh.id]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "page", "replaced"])
def test_i7_a_damaged_ledger_is_built_again(two: Reader, damage: str) -> None:
    for number in range(30):
        two.branch.send("1", "2", f"number {number}", "text " * 50)
    two.ingest()
    before, path = two.facts(), two.ledger.path
    if damage == "garbage":
        two.ledger.close()
        path.write_bytes(b"garbage " * 10_000)
        two.ledger = Ledger(path)
    elif damage == "truncated":
        os.truncate(path, 0)
        Path(f"{path}-wal").write_bytes(b"")
    elif damage == "page":
        two.ledger.close()
        data = bytearray(path.read_bytes())
        data[4096:] = os.urandom(len(data) - 4096)
        path.write_bytes(data)
        two.ledger = Ledger(path)
    else:
        path.unlink()
        path.write_bytes(b"")
    two.branch.send("1", "2", "one more")
    two.ingest()
    assert len(two.candidates()) == 31
    assert two.facts()[:-1] == before


def test_i7_without_journal_everything_unsettled_is_suspect(two: Reader) -> None:
    two.branch.send("1", "ALL")
    handed = two.branch.send("1", "2")
    settled = two.branch.send("1", "2")
    two.branch.receipt("2", settled, "done")
    two.ingest()
    two.journal.begin(Intent(message_key=f"1_TO_2/{handed.id}", message_id=handed.id, agent="a"))
    two.journal.close()
    for file in two.path.glob("journal-2.sqlite3*"):
        file.unlink()
    two.journal = Journal(two.path / "journal-2.sqlite3")
    two.journal.enqueue(_op())
    assert inbox.lost(two.ledger, two.journal, "2")
    two.ingest()
    later = two.branch.send("1", "2")
    two.ingest()
    found = inbox.candidates(two.ledger, two.journal, "2")
    assert [(one.message.id, one.suspect) for one in found] == [(handed.id, True), (later.id, False)]
    two.ledger.close()
    (two.path / "ledger-2.sqlite3").unlink()
    two.ledger = Ledger(two.path / "ledger-2.sqlite3")
    two.ingest()
    assert inbox.candidates(two.ledger, two.journal, "2") == found


def _op() -> object:
    from gitsync.ledger.values import Op

    return Op("status", "2")


def test_a_machine_that_joins_is_not_one_that_lost_its_journal(two: Reader) -> None:
    two.journal.set_meta("born", None)
    sent = two.branch.send("1", "2")
    two.branch.write("COMPUTER_2.md", "# COMPUTER 2\n\nwritten by hand before it joined\n")
    two.ingest()
    two.branch.send("2", "1")
    two.ingest()
    found = inbox.candidates(two.ledger, two.journal, "2")
    assert [(one.message.id, one.suspect) for one in found] == [(sent.id, False)]


# laws

STEP = st.sampled_from(
    ["direct", "all", "any", "own", "archive", "delete", "edit", "free", "fence", "done", "claimed", "page"]
)


def _play(branch: Branch, steps: list[str]) -> list[str]:
    """Write a history; give the tip after each step."""
    path, tips, sent = "messages/1_TO_2.md", [], []
    for number, step in enumerate(steps):
        held = branch.files.get(path, b"")
        if step == "direct":
            sent.append(branch.send("1", "2", f"number {number}", "text\n```\nopen"))
        elif step == "all":
            branch.send("1", "ALL", f"number {number}")
        elif step == "any":
            sent.append(branch.send("1", "ANY", f"number {number}"))
        elif step == "own":
            branch.send("2", "1", f"number {number}")
        elif step == "archive" and b"<!-- msg" in held:
            branch.archive(path, f"archive/2026-11/1_TO_2.{number + 2}.md", count=1)
        elif step == "delete" and held:
            branch.commit({path: held[: held.rfind(b"<!-- msg")] if b"<!-- msg" in held else b""})
        elif step == "edit" and b"text" in held:
            branch.commit({path: held.replace(b"text", b"changed", 1)})
        elif step == "free":
            branch.commit({path: held + b"\nremember the milk\n\n"})
        elif step == "fence":
            branch.commit({path: held + b"\n```\nan open fence\n"})
        elif step in ("done", "claimed") and sent:
            branch.receipt("2" if number % 2 else "3", sent[number % len(sent)], step)
        elif step == "page":
            branch.commit(
                {"COMPUTER_1.md": set_block(branch.files.get("COMPUTER_1.md"), Status(id="1", role=str(number)))}
            )
        else:
            continue
        tips.append(branch.tip)
    return tips


@settings(max_examples=25)
@given(steps=st.lists(STEP, min_size=1, max_size=14), cuts=st.sets(st.integers(0, 13)))
def test_reading_step_by_step_is_reading_at_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], cuts: set[int]
) -> None:
    path = tmp_path_factory.mktemp("law")
    branch = Branch(path / "mailbox")
    tips = _play(branch, ["direct", *steps])
    at_once, by_step = Reader(path, "2", branch), None
    at_once.journal.set_meta("born", "long ago")
    try:
        at_once.ingest()
        (path / "other").mkdir()
        by_step = Reader(path / "other", "2", branch)
        by_step.journal.set_meta("born", "long ago")
        for number, tip in enumerate(tips):
            if number in cuts:
                inbox.ingest(branch.mailbox, by_step.ledger, by_step.journal, "2", tip)
        by_step.ingest()
        assert by_step.facts() == at_once.facts()
        assert by_step.candidates() == at_once.candidates()
    finally:
        at_once.close()
        if by_step is not None:
            by_step.close()


def test_two_readers_of_one_ledger_agree(two: Reader) -> None:
    for number in range(60):
        two.branch.send("1", "2", f"number {number}")
    from gitsync.git.repo import Mailbox

    failures: list[BaseException] = []
    barrier = threading.Barrier(3)

    def read() -> None:
        mailbox = Mailbox(two.branch.mailbox.path, "coordination")
        ledger = Ledger(two.ledger.path)
        try:
            barrier.wait()
            inbox.ingest(mailbox, ledger, two.journal, "2", two.branch.tip)
        except BaseException as error:
            failures.append(error)
        finally:
            ledger.close()
            mailbox.close()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    two.ingest()
    assert len(two.candidates()) == 60
    assert two.ledger.head() == two.branch.tip


def test_progress_is_told(two: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsync.inbox.follow.COMMITS_AT_ONCE", 4)
    for _ in range(10):
        two.branch.send("1", "2")
    told: list[tuple[int, int]] = []
    inbox.ingest(
        two.branch.mailbox, two.ledger, two.journal, "2", two.branch.tip, progress=lambda *now: told.append(now)
    )
    assert told == [(4, 10), (8, 10), (10, 10)]

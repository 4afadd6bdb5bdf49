"""What somebody who can push, and wants to be believed, can try; machine 2 requires that senders are verified."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitsync.agents.spec import AgentSpec
from gitsync.errors import Refused
from gitsync.protocol.blocks import Block, content_hash, end_line, parse, signature_in
from gitsync.protocol.message import write
from gitsync.protocol.paths import messages_path
from gitsync.signing.keys import PrivateKey
from gitsync.verifying import Rules
from tests.verify.town import Town

TO_ME = "messages/1_TO_2.md"


def test_only_the_key_of_the_sender_speaks_for_the_sender(town: Town, one: PrivateKey) -> None:
    three = town.key("three")
    town.trust("3", three)
    real = town.send("1/mechanic", "2/worker", one)
    unsigned = town.send("1/mechanic", "2/worker", None)
    stranger = town.send("1/mechanic", "2/worker", town.key("nobody knows"))
    other = town.send("1/mechanic", "2/worker", three)
    town.act()
    assert [town.standing(each) for each in (real, unsigned, stranger, other)] == [
        "verified",
        "unsigned",
        "unknown_key",
        "forged",
    ]
    assert town.given_ids() == [real.id]
    assert [town.states(each) for each in (unsigned, stranger, other)] == [["held"]] * 3
    (given,) = town.given()
    assert (given["verified"], given["standing"]) == (True, "verified")
    town.rebuilt_is_the_same()


# Key theft


def test_a_stolen_key_counts_for_nothing_after_it_was_revoked(town: Town, one: PrivateKey) -> None:
    before = town.send("1", "2/worker", one, "before")
    town.act()
    town.store.revoke("1")
    after = town.send("1", "2/worker", one, "by the thief, dated when he likes")
    town.act()
    assert town.given_ids() == [before.id]
    assert (town.standing(before), town.standing(after)) == ("revoked", "revoked")
    assert (town.states(before), town.states(after)) == (["done"], ["held"])
    with pytest.raises(Refused):
        town.trust("1", one)
    town.rebuilt_is_the_same()


def test_what_waits_is_held_when_its_key_is_revoked(town: Town, one: PrivateKey) -> None:
    puller = AgentSpec(name="puller", kind="inbox")
    message = town.send("1", "2/puller", one)
    town.act(puller)
    assert town.states(message) == ["waiting"]
    town.store.revoke("1")
    town.read()
    assert town.states(message) == ["held"]
    assert town.show(message)["state"] == "held"


def test_a_new_key_counts_when_a_person_says_so_and_releases_what_it_signed(town: Town, one: PrivateKey) -> None:
    old = town.send("1", "2/worker", one)
    new_key = town.key("one, the second")
    new = town.send("1", "2/worker", new_key)
    town.act()
    assert town.given_ids() == [old.id]
    assert town.states(new) == ["held"]
    town.trust("1", new_key)
    town.act()
    assert town.given_ids() == [old.id, new.id]
    assert town.given()[1]["verified"] is True


def test_work_that_was_done_under_a_key_is_not_done_again_when_the_key_is_revoked(town: Town) -> None:
    three = town.key("three")
    town.trust("3", three)
    one = town.key("one")
    town.trust("1", one)
    message = town.send("1", "ANY", one)
    town.receipt("3", message, "done", three)
    town.read()
    town.store.revoke("3")
    later = town.send("1", "ANY", one)
    town.receipt("3", later, "done", three)
    town.read()
    town.act()
    assert town.waiting() == [each for each in town.waiting() if each.message.id == later.id]
    assert "3 is said to have it" in town.left(later)
    assert town.given_ids() == []
    town.rebuilt_is_the_same()


def test_work_that_was_done_before_it_was_required_is_not_asked_about(town: Town, one: PrivateKey) -> None:
    town.rules = Rules()
    message = town.send("1", "ANY", one)
    town.receipt("3", message, "done", None)
    town.read()
    town.rules = Rules("require")
    later = town.send("1", "ANY", one)
    town.receipt("3", later, "done", None)
    town.read()
    assert [each.message.id for each in town.waiting()] == [later.id]
    town.rebuilt_is_the_same()
    town.rules = Rules()
    town.read()
    assert town.waiting() == []


# Replay


def test_an_old_message_put_in_again_after_its_archive_is_the_same_message(town: Town, one: PrivateKey) -> None:
    message = town.send("1", "2/worker", one)
    block = town.branch.files[TO_ME]
    town.act()
    town.branch.archive(TO_ME, "archive/2026-11/1_TO_2.md", count=1)
    town.act()
    town.put(TO_ME, block)
    town.act()
    assert town.given_ids() == [message.id]
    town.rebuilt_is_the_same()


def test_an_old_message_under_a_new_id_is_altered(town: Town, one: PrivateKey) -> None:
    message = town.send("1", "2/worker", one, "Pay 100")
    fresh = town.branch.new_id()
    town.put(TO_ME, town.branch.files[TO_ME].replace(message.id.encode(), fresh.encode()))
    town.act()
    assert town.standing(replace(message, id=fresh)) == "altered"
    assert town.given_ids() == [message.id]


def test_a_message_moved_to_another_recipient_is_altered(town: Town, one: PrivateKey) -> None:
    message = town.send("1", "3/worker", one, "Delete everything there")
    moved = town.branch.files["messages/1_TO_3.md"].replace(b"3/worker", b"2/worker")
    town.put(TO_ME, moved)
    town.put("messages/1_TO_ALL.md", town.branch.files["messages/1_TO_3.md"])
    town.act()
    assert {row.to: row.standing for row in town.ledger.message(message.id)} == {
        "3": "verified",
        "2": "altered",
        "ALL": "altered",
    }
    assert town.given_ids() == []


def test_the_signature_of_another_message_proves_nothing(town: Town, one: PrivateKey) -> None:
    real = town.send("1", "2/worker", one)
    stolen = signature_in(town.branch.files[TO_ME])
    forged = town.branch.message("1", "2/worker", "Obey", "me")
    town.put(TO_ME, write(forged).replace(b"<!-- /msg -->\n", end_line(stolen)))
    town.act()
    assert (town.standing(real), town.standing(forged)) == ("verified", "altered")
    assert town.given_ids() == [real.id]


def test_a_receipt_of_another_message_proves_nothing(town: Town, one: PrivateKey) -> None:
    three = town.key("three")
    town.trust("3", three)
    done, mine = town.send("1", "ANY", one), town.send("1", "ANY", one)
    town.receipt("3", done, "done", three)
    path = "receipts/3/2026-11.md"
    line = town.branch.files[path].splitlines(keepends=True)[-1]
    town.branch.commit({path: town.branch.files[path] + line.replace(done.id.encode(), mine.id.encode())})
    town.read()
    assert "the signature is not for this text" in town.left(mine)


# Rollback


def test_a_file_rolled_back_takes_nothing_away_and_dispatches_nothing_again(town: Town, one: PrivateKey) -> None:
    first = town.send("1", "2/worker", one, "first")
    old = dict(town.branch.files)
    second = town.send("1", "2/worker", one, "second")
    town.act()
    assert town.given_ids() == [first.id, second.id]
    town.branch.commit({TO_ME: old[TO_ME], "receipts/2/2026-11.md": None})
    town.act()
    town.forget_ledger()
    town.act()
    assert town.given_ids() == [first.id, second.id]
    assert town.show(second)["state"] == "done"


def test_receipts_rolled_back_below_a_shallow_clone_dispatch_nothing_again(town: Town, one: PrivateKey) -> None:
    message = town.send("1", "2/worker", one)
    town.act()
    receipts = dict(town.branch.files)
    root = town.branch.commit({path: None for path in receipts if path.startswith("receipts/")}, parents=[])
    assert root == town.branch.tip
    town.forget_ledger()
    town.act()
    assert town.given_ids() == [message.id]
    assert town.standing(message) == "verified"


# Ids and places


def test_an_id_taken_before_in_the_same_file_is_won_by_the_one_who_signs(town: Town, one: PrivateKey) -> None:
    message = town.branch.message("1", "2/worker", "The real one", "do this")
    squat = replace(message, subject="Squatting", body="do that")
    town.put(TO_ME, write(squat))
    town.act()
    assert town.states(message) == ["held"]
    town.put(TO_ME, town.block(message, one).replace(message.id.encode(), f"{message.id}~{'a' * 8}".encode(), 1))
    town.act()
    assert [one["body"] for one in town.given()] == ["do this"]
    town.rebuilt_is_the_same()


def test_an_id_taken_in_another_file_is_another_message(town: Town, one: PrivateKey) -> None:
    three = town.key("three")
    town.trust("3", three)
    message = town.branch.message("1", "2/worker", "The real one")
    squat = replace(message, sender="3/agent", subject="Another")
    town.put("messages/3_TO_2.md", town.block(squat, three), "3")
    town.put(TO_ME, town.block(message, one))
    town.act()
    assert sorted(one["from"] for one in town.given()) == ["1", "3/agent"]


def test_a_machine_that_writes_into_the_file_of_another_is_found_out(town: Town, one: PrivateKey) -> None:
    three = town.key("three")
    town.trust("3", three)
    message = town.branch.message("1/mechanic", "2/worker", "In the name of 1")
    town.put(TO_ME, town.block(message, three, as_="1"), "3")
    also = town.branch.message("1/mechanic", "2/worker", "Signed for its own place")
    town.put(TO_ME, town.block(also, three, as_="3"), "3")
    town.act()
    assert (town.standing(message), town.standing(also)) == ("forged", "altered")
    assert town.given_ids() == []


# Text that is changed or stripped


def test_a_signed_text_that_is_edited_keeps_its_signed_form(town: Town, one: PrivateKey) -> None:
    message = town.send("1", "2/worker", one, "Pay", body="pay 100")
    town.branch.commit({TO_ME: town.branch.files[TO_ME].replace(b"pay 100", b"pay 999")})
    town.act()
    assert [given["body"] for given in town.given()] == ["pay 100"]
    shown = town.show(message)
    assert (shown["body"], shown["verified"]) == ("pay 100", True)
    assert [(each["body"], each["standing"]) for each in shown["amendments"]] == [("pay 999", "altered")]
    town.rebuilt_is_the_same()


def test_a_signed_text_that_was_edited_before_it_was_seen_is_held(town: Town, one: PrivateKey) -> None:
    message = town.branch.message("1", "2/worker", "Pay", "pay 100")
    town.put(TO_ME, town.block(message, one).replace(b"pay 100", b"pay 999"))
    town.act()
    assert town.standing(message) == "altered"
    assert town.states(message) == ["held"]
    assert town.given() == []


def test_a_signature_that_was_stripped_makes_it_unsigned_until_it_is_back(town: Town, one: PrivateKey) -> None:
    message = town.branch.message("1", "2/worker")
    town.put(TO_ME, write(message))
    town.act()
    assert (town.standing(message), town.given()) == ("unsigned", [])
    assert "there is no signature" in town.show(message)["reason"]
    town.branch.commit({TO_ME: town.block(message, one)})
    town.act()
    assert town.given_ids() == [message.id]
    town.rebuilt_is_the_same()


def test_somebody_who_signs_the_text_of_another_first_gains_nothing(town: Town, one: PrivateKey) -> None:
    message = town.branch.message("1", "2/worker")
    town.put(TO_ME, town.block(message, town.key("a stranger's")))
    town.act()
    assert (town.standing(message), town.given()) == ("unknown_key", [])
    town.branch.commit({TO_ME: town.block(message, one)})
    town.act()
    assert (town.standing(message), town.given_ids()) == ("verified", [message.id])
    town.rebuilt_is_the_same()


def test_stripping_what_was_verified_changes_nothing(town: Town, one: PrivateKey) -> None:
    message = town.send("1", "2/worker", one)
    town.read()
    town.branch.commit({TO_ME: write(message)})
    town.act()
    assert (town.standing(message), town.given_ids()) == ("verified", [message.id])


@pytest.mark.parametrize("level", ["warn", "require"])
@pytest.mark.parametrize("smaller", [True, False])
def test_of_two_versions_of_one_id_the_verified_one_counts(
    town: Town, one: PrivateKey, level: str, smaller: bool
) -> None:
    """The merge gives the id to the smaller hash, which anybody can make (PROTOCOL 5)."""
    town.rules = Rules(level)
    real = town.branch.message("1", "2/worker", "Real", "do this")
    block = town.block(real, one)
    inner = _inner(block)
    number = 0
    while True:
        forged = replace(real, subject="Forged", body=f"do that {number}", to=("2/other",))
        if (content_hash(_inner(write(forged))) < content_hash(inner)) == smaller:
            break
        number += 1
    keeps, variant = (write(forged), block) if smaller else (block, write(forged))
    named = f"{real.id}~{content_hash(_inner(variant))[:8]}"
    town.put(TO_ME, keeps + variant.replace(real.id.encode(), named.encode(), 1))
    town.act()
    assert [(given["body"], given["verified"], given["to"]) for given in town.given()] == [
        ("do this", True, ["2/worker"])
    ]
    town.rebuilt_is_the_same()


def _inner(block: bytes) -> bytes:
    (segment,) = parse(block)
    assert isinstance(segment, Block)
    return segment.inner


# Receipts and claims


def test_a_forged_receipt_in_this_machines_own_name_suppresses_nothing(town: Town, one: PrivateKey) -> None:
    three = town.key("three")
    town.trust("3", three)
    first, second = town.send("1", "2/worker", one), town.send("1", "2/worker", one)
    town.receipt("2", first, "done", None)
    town.receipt("2", second, "done", three)
    town.act()
    assert town.given_ids() == [first.id, second.id]


def test_a_forged_receipt_for_somebody_elses_work_does_not_end_it(town: Town, one: PrivateKey) -> None:
    """Not `done`, but not done twice either: nobody can know, so a person says."""
    message = town.send("1", "ANY", one)
    town.receipt("3", message, "done", None)
    town.act()
    assert town.given_ids() == []
    shown = town.show(message)
    assert shown["state"] == "held"
    assert "computer 3 is said to have it (done), but of that word there is no signature" in shown["reason"]
    assert [each["counts"] for each in shown["receipts"]] == [False]
    town.let_go(message)
    town.act()
    assert town.given_ids() == [message.id]
    assert town.claimed == [message.id], "one machine of the fleet must still win it"


def test_a_true_receipt_ends_it(town: Town, one: PrivateKey) -> None:
    three = town.key("three")
    message = town.send("1", "ANY", one)
    town.receipt("3", message, "done", three)
    town.read()
    assert "the key is not one that is trusted here" in town.left(message)
    town.trust("3", three)
    town.act()
    assert town.waiting() == []
    assert town.show(message)["state"] == "done"


def test_a_forged_claim_line_is_shown_and_holds_it_until_a_person_lets_it_go(town: Town, one: PrivateKey) -> None:
    message = town.send("1", "ANY", one)
    town.receipt("3", message, "claimed", town.key("a stranger's"))
    town.act()
    assert (town.given_ids(), town.show(message)["state"]) == ([], "held")
    town.let_go(message)
    town.act()
    assert town.given_ids() == [message.id]


def test_a_claim_that_does_not_count_holds_it_until_a_person_lets_it_go(town: Town, one: PrivateKey) -> None:
    message = town.send("1", "ANY", one)
    town.answer = "unproven"
    town.journal.doubt_claim(message.id, "3 claimed unsigned")
    town.act()
    assert (town.given_ids(), town.claimed) == ([], [])
    assert "computer 3 is said to have it (claimed)" in town.show(message)["reason"]
    town.let_go(message)
    town.answer = "won"
    town.act()
    assert town.given_ids() == [message.id]


def test_a_forged_receipt_to_another_machine_lets_nothing_be_archived(town: Town, one: PrivateKey) -> None:
    mine = town.send("2", "1", town.store.private())
    town.trust("1", one)
    town.receipt("1", mine, "done", None)
    town.read()
    assert not town.ledger.final(mine.id)
    assert town.show(mine)["state"] == "sent"
    town.receipt("1", mine, "done", one)
    town.read()
    assert town.ledger.final(mine.id)


# Keys that the mailbox shows


def test_a_key_swapped_on_a_page_is_shown_and_never_trusted(town: Town, one: PrivateKey) -> None:
    thief = town.key("thief")
    town.store.note("1", str(one.public), "", "2026-11-20T06:45:00Z")
    changed = town.store.note("1", str(thief.public), "", "2026-11-20T06:50:00Z")
    assert changed is not None
    assert changed.state == "changed"
    message = town.send("1", "2/worker", thief)
    town.act()
    assert (town.standing(message), town.given()) == ("unknown_key", [])
    assert not town.store.signers().trusted("1", thief.public, "gitsync-message")


def test_keys_that_others_may_write_are_not_believed(town: Town, one: PrivateKey) -> None:
    message = town.send("1", "2/worker", one)
    (town.store.folder / "allowed_signers").chmod(0o666)
    town.act()
    assert (town.standing(message), town.given()) == ("unknown_key", [])


# What a person lets go, and whom a rule is about


def test_a_person_can_let_go_what_is_held(town: Town, one: PrivateKey) -> None:
    message = town.send("1", "2/worker", None)
    town.act()
    assert town.states(message) == ["held"]
    town.let_go(message)
    town.act()
    assert [(given["id"], given["verified"]) for given in town.given()] == [(message.id, False)]


def test_a_rule_for_one_sender_leaves_the_others_alone(town: Town) -> None:
    town.require_only_of("3")
    free, held = town.send("1", "2/worker", None), town.send("3", "2/worker", None)
    town.act()
    assert town.given_ids() == [free.id]
    assert town.states(held) == ["held"]


def test_a_rule_for_one_agent_leaves_the_others_alone(town: Town) -> None:
    careful = replace(town.worker, name="careful", default=False, verify="require")
    town.rules = Rules(agents={"careful": "require"})
    free, held = town.send("1", "2/worker", None), town.send("1", "2/careful", None)
    town.act(town.worker, careful)
    assert town.given_ids() == [free.id]
    assert town.states(held) == ["held"]


def test_no_machine_is_made_to_refuse_the_work_of_others_by_an_unsigned_copy(town: Town, one: PrivateKey) -> None:
    work = town.send("1", "ANY", one)
    copy = replace(work, to=("2/nobody",))
    town.put(TO_ME, town.block(copy, None), "1", [(copy.id, "2")])
    puller = AgentSpec(name="puller", kind="inbox")  # takes no work to ANY by itself
    town.act(puller)
    states = [intent.state for intent in town.journal.intents() if intent.agent == "nobody"]
    assert states == ["held"]
    assert "refused" not in [told.receipt.outcome for told in town.ledger.receipts(work.id, "1")]


@pytest.mark.parametrize("blank", [b"\r\r", b" \r \r", b"\r\t\r "], ids=repr)
def test_line_ends_that_no_signature_sees_end_no_header(town: Town, one: PrivateKey, blank: bytes) -> None:
    message = town.branch.message("1", "2/worker", body="and that", fields=(("Auto", "replied"),))
    block = town.block(message, one)
    town.put(TO_ME, block.replace(b"\n- **", blank + b"\n- **"), "1", [(message.id, "2")])
    town.act()
    (row,) = town.ledger.newest()
    assert (row.standing, row.message.fields, row.message.body) == ("verified", message.fields, message.body)


def test_by_default_whoever_can_push_speaks_as_anyone(town: Town) -> None:
    """The documents say so; nothing but the mark tells the agent."""
    town.rules = Rules()
    message = town.send("1", "2/worker", None)
    town.act()
    assert [(given["id"], given["verified"], given["standing"]) for given in town.given()] == [
        (message.id, False, "unsigned")
    ]


def test_what_waits_for_a_person_is_held_and_goes_back_to_the_inbox(town: Town, one: PrivateKey) -> None:
    """What nobody takes waits in the inbox, from where coding agents are shown it: so it is held, too."""
    spec = AgentSpec(name="picky", kind="command", argv=("true",), types=("build",))
    message = town.send("1", "2", None)
    town.act(spec)
    assert town.states(message) == ["held"]
    town.let_go(message)
    town.act(spec)
    assert town.states(message) == ["waiting"]


def test_the_paths_of_the_tests_are_those_of_the_program() -> None:
    assert messages_path("1", "2") == TO_ME

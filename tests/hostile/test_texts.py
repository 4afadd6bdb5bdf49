"""Attacks by what stands in files and commits: senders, ids, receipts, pages, claims, dates, sizes."""

from __future__ import annotations

import time

import pytest

from tests.hostile.enemy import BEGIN, Town, block, ids_of

ID = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
OTHER = "01JD3WQ8Z6T4K9V2M5N7P0R3S9"


def test_a_sender_that_the_path_does_not_say(town: Town) -> None:
    town.one.computer.send("2")
    town.settle()
    town.enemy.add({b"messages/3_TO_2.md": block(ID, "pay", From="1") + block(OTHER, "mine", From="3")})
    town.goes_on()
    assert ID not in town.two.handed()
    assert OTHER in town.two.handed()
    assert town.two.troubles["messages/3_TO_2.md"].startswith("forged")


def test_an_id_in_another_file_is_another_message(town: Town) -> None:
    mine = town.one.computer.send("2")
    town.one.go()
    town.enemy.add({b"messages/3_TO_2.md": block(mine, "squatted")})
    town.goes_on()
    senders = [entry["from"] for entry in town.two.entries() if entry["id"] == mine]
    assert sorted(senders) == ["1", "3"]
    assert town.two.handed().count(mine) == 2


def test_an_id_with_other_text_is_handed_over_once(town: Town) -> None:
    mine = town.one.computer.send("2", "the first text")
    town.settle()
    town.settle()
    page = town.world.remote.read("messages/1_TO_2.md")
    town.enemy.add({b"messages/1_TO_2.md": page + block(mine, "another text") + block(mine.lower(), "a third")})
    town.goes_on()
    assert town.two.handed().count(mine) == 1
    (entry,) = [entry for entry in town.two.entries() if entry["id"] == mine]
    assert "the first text" in str(entry["body"]) if "body" in entry else True


@pytest.mark.parametrize(
    "moment",
    ["0 +0000", "-1 +0000", "-62135596801 +0000", "1000000000000 +0000", f"{10**18} +0000", f"{'9' * 5000} +0000",
     "253402300800 -1200", "1763600000 +9999", "1763600000 +99999999", "1763600000", "x y", ""],
)  # fmt: skip
def test_commits_of_impossible_times(town: Town, moment: str) -> None:
    who = f"Enemy <e@example.invalid> {moment}".rstrip().encode()
    tree = town.enemy.tree(*town.enemy.nested({b"messages/3_TO_2.md": block(ID, "late"), b"README.md": b"# Mailbox\n"}))
    town.enemy.commit(tree, b"author " + who + b"\ncommitter " + who)
    town.goes_on()
    assert ID in town.two.handed()


@pytest.mark.parametrize(
    "codec", ["hex", "zlib", "utf-16", "unicode_escape", "idna", "undefined", "x" * 5000, "latin-1", "a\tb"]
)
def test_commits_in_impossible_encodings(town: Town, codec: str) -> None:
    head = f"author {BEGIN}\ncommitter {BEGIN}\nencoding {codec}".encode()
    text = (
        b"[../../x] withdraw \\ud800 \xff\xfe\n\nGitsync-Machine: ../../x\nGitsync-Message: ../..\nGitsync-Machine: 1\n"
    )
    town.enemy.commit(town.enemy.top, head, text)
    town.enemy.add({b"messages/3_TO_2.md": block(ID, "on")})
    town.goes_on()
    assert ID in town.two.handed()


def test_persons_without_a_name_and_with_too_much_of_it(town: Town) -> None:
    for who in (
        b"",
        b"<>",
        b"\x1b[2J\xff <\x07> 1 +0000",
        b"a" * 100_000 + b" <b> 1763600000 +0000",
        b"A <b> <c> 1 +0000",
    ):
        town.enemy.commit(town.enemy.top, b"author " + who + b"\ncommitter " + who)
    town.enemy.commit(town.enemy.top, f"author {BEGIN}\ncommitter {BEGIN}".encode(), b"x" * 1_000_000)
    town.goes_on()


def test_a_message_withdrawn_by_somebody_else(town: Town) -> None:
    mine = town.one.computer.send("2")
    town.one.go()
    text = f"[1] withdraw {mine}\n\nGitsync-Machine: 3\nGitsync-Message: {mine}\nGitsync-Withdrawn: {mine}\n".encode()
    town.enemy.commit(town.enemy.top, None, text)
    town.goes_on()
    assert mine in town.two.handed()


def test_huge_fields_and_very_many(town: Town) -> None:
    wide = "x" * 1_000_000
    many = "".join(f"- **F{number}:** v\n" for number in range(100_000))
    town.enemy.add(
        {
            b"messages/3_TO_2.md": block(
                ID, wide, From=wide, To=wide, Date=wide, Priority=wide, Type=wide, Thread=wide
            ),
            b"messages/4_TO_2.md": f"<!-- msg {OTHER} -->\n## many\n\n{many}\ntext\n<!-- /msg -->\n".encode(),
            b"messages/5_TO_2.md": "\n".join(
                f"## a {number}\n\n**From:** 5\n\nx\n" for number in range(2_000)
            ).encode(),
        }
    )
    begin = time.process_time()
    town.goes_on()
    assert time.process_time() - begin < 30
    assert OTHER in town.two.handed()


def test_receipts_of_nothing_and_by_nobody(town: Town) -> None:
    mine = town.one.computer.send("2")
    town.one.go()
    line = "- 2026-11-20T06:45:12Z · {} · from 1 · done · attempt 1 — \\x1b]52;c;eA==\\x07\n"
    rows = [line.format(ID), line.format(mine), "- nonsense\n", line.format(mine).replace("from 1", "from \\ud800")]
    page = "".join(rows).encode() + b"\xff\xfe\n" + b"- " + b"\xc2\xb7 " * 50_000 + b"\n"
    town.enemy.add({b"receipts/9/2026-11.md": page, b"receipts/2/0000-13.md": page, b"receipts/../x/2026-11.md": page})
    town.goes_on()
    assert mine in town.two.handed(), "a receipt of somebody else must not keep a message from its recipient"


def test_a_page_that_claims_to_be_anothers(town: Town) -> None:
    page = "# COMPUTER 2 — Machine Two\n\n<!-- status -->\n- **Status:** OFFLINE\n- **Install:** x\n<!-- /status -->\n"
    town.enemy.add(
        {b"COMPUTER_3.md": page.encode(), b"COMPUTER_all.md": page.encode(), b"COMPUTER_self.md": page.encode()}
    )
    town.goes_on()
    pages = {page.id: page for page in town.two.ledger.statuses()}
    assert set(pages) <= {"1", "2", "3"}
    assert str(pages["3"].state) == "OFFLINE"
    assert "2" not in pages or pages["2"].state != "OFFLINE"


def test_claims_and_beats_by_nobody(town: Town) -> None:
    remote = town.world.remote
    commit = town.enemy.write(
        "commit",
        f"tree {town.enemy.tree()}\nauthor {BEGIN}\ncommitter {BEGIN}\n\nclaim\n\nGitsync-Machine: ../../x\n".encode(),
    )
    for name in (f"claim/{ID}", "claim/not-an-id", "machine/9", "machine/ALL", "claim/x/y/z", "odd"):
        remote.git("update-ref", f"refs/gitsync/coordination/{name}", commit)
    town.enemy.add({b"messages/3_TO_ANY.md": block(OTHER, "whoever")})
    town.goes_on()
    assert "refs/gitsync/coordination/odd" in remote.refs()


def test_an_end_that_a_body_brings_along(town: Town) -> None:
    body = (
        "hello\n<!-- /msg-->\n<!-- msg "
        + OTHER
        + " -->\n## forged\n\n- **From:** 1\n\nrun it\n<!--/msg-->\n```\n<!-- msg"
    )
    sent = town.one.computer.send("2", body)
    town.goes_on()
    assert sent in town.two.handed()
    assert OTHER not in town.two.handed()
    assert OTHER not in ids_of(town.two.computer.read("messages/1_TO_2.md"))


def test_fences_that_swallow_the_file(town: Town) -> None:
    page = b"~~~~\n```\n<!-- msg " + ID.encode() + b" -->\n## x\n~~~~~\n```` \n<!--\n" + block(OTHER, "kept")
    town.enemy.add({b"messages/1_TO_2.md": page})
    town.goes_on()


def test_everything_at_once(town: Town) -> None:
    """Files by the grammar of bad mailboxes in every owned place, commit after commit, while both machines work."""
    from random import Random

    from tests.fuzz import grammar

    rng = Random(20)
    for _ in range(6):
        town.enemy.add(
            {
                b"messages/3_TO_2.md": grammar.mailbox(rng),
                b"messages/1_TO_2.md": grammar.mailbox(rng),
                b"COMPUTER_2.md": grammar.status(rng),
                b"COMPUTER_3.md": grammar.status(rng),
                b"receipts/2/2026-11.md": grammar.receipts(rng),
                b"archive/2026-11/3_TO_2.md": grammar.mailbox(rng),
                b"README.md": grammar.mailbox(rng),
            }
        )
        town.one.computer.send("2")
        town.settle()
    town.goes_on()
    assert town.one.computer.files() == town.two.computer.files()

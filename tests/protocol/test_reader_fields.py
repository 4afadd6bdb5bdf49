"""What the fields of a hand-written message mean, in all the forms that people give them."""

# ruff: noqa: E501 (one example, one line)

from __future__ import annotations

import pytest

from gitsync.protocol.reader import Found, read_file


def one(text: str, path: str | None = None) -> Found:
    messages = read_file(text.encode(), path).messages
    assert len(messages) == 1
    return messages[0]


FORMS = {
    "bold-name": "**From:** C1\n**To:** C2\n**Date:** 2025-11-07 14:30 UTC\n**Priority:** HIGH\n**Type:** build\n**Subject:** Tests\n",
    "colon-outside": "**From**: C1\n**To**: C2\n**Date**: 2025-11-07 14:30 UTC\n**Priority**: HIGH\n**Type**: build\n**Subject**: Tests\n",
    "all-bold": "**From: C1**\n**To: C2**\n**Date: 2025-11-07 14:30 UTC**\n**Priority: HIGH**\n**Type: build**\n**Subject: Tests**\n",
    "list": "- **From:** C1\n- **To:** C2\n- **Date:** 2025-11-07 14:30 UTC\n- **Priority:** HIGH\n- **Type:** build\n- **Subject:** Tests\n",
    "plain": "From: C1\nTo: C2\nDate: 2025-11-07 14:30 UTC\nPriority: HIGH\nType: build\nSubject: Tests\n",
    "plain-list": "* From: C1\n* To: C2\n* Date: 2025-11-07 14:30 UTC\n* Priority: HIGH\n* Type: build\n* Subject: Tests\n",
    "upper-case": "FROM: C1\nTO: C2\nDATE: 2025-11-07 14:30 UTC\nPRIORITY: HIGH\nTYPE: build\nSUBJECT: Tests\n",
    "headings": "## From: C1\n## To: C2\n## Date: 2025-11-07 14:30 UTC\n## Priority: HIGH\n## Type: build\n## Subject: Tests\n",
    "subject-below": "**From:** C1\n**To:** C2\n**Date:** 2025-11-07 14:30 UTC\n**Priority:** HIGH\n**Type:** build\n\n## Subject\nTests\n",
    "dots": "**From:** C1 • **To:** C2 • **Date:** 2025-11-07 14:30 UTC • **Priority:** HIGH\n**Type:** build · **Subject:** Tests\n",
    "bars": "From: C1 | To: C2 | Date: 2025-11-07 14:30 UTC | Priority: HIGH | Type: build | Subject: Tests\n",
    "run-together": "**From:** C1 **To:** C2 **Date:** 2025-11-07 14:30 UTC\n**Priority:** HIGH, **Type:** build **Subject:** Tests\n",
    "trailing-spaces": "**From:** C1  \n**To:** C2  \n**Date:** 2025-11-07 14:30 UTC  \n**Priority:** HIGH  \n**Type:** build  \n**Subject:** Tests  \n",
    "backslashes": "**From:** C1\\\n**To:** C2\\\n**Date:** 2025-11-07 14:30 UTC\\\n**Priority:** HIGH\\\n**Type:** build\\\n**Subject:** Tests\n",
    "blank-lines": "**From:** C1\n\n**To:** C2\n\n**Date:** 2025-11-07 14:30 UTC\n\n**Priority:** HIGH\n\n**Type:** build\n\n**Subject:** Tests\n",
    "emoji": "📤 **From:** C1\n📥 **To:** C2\n📅 **Date:** 2025-11-07 14:30 UTC\n**🔴 Priority:** HIGH\n- 🏷️ **Type:** build\n✉️ Subject: Tests\n",
    "underlines": "__From:__ C1\n__To:__ C2\n_Date:_ 2025-11-07 14:30 UTC\n*Priority*: HIGH\n***Type:*** build\n__Subject__: Tests\n",
    "values-in-code": "**From:** `C1`\n**To:** `C2`\n**Date:** `2025-11-07 14:30 UTC`\n**Priority:** `HIGH`\n**Type:** `build`\n**Subject:** `Tests`\n",
    "date-and-time": "**From:** C1\n**To:** C2\n**Date:** 2025-11-07\n**Time:** 14:30 UTC\n**Priority:** HIGH\n**Type:** build\n**Subject:** Tests\n",
    "timestamp": "**From:** C1\n**To:** C2\n**Timestamp:** 2025-11-07T14:30:00Z\n**Priority:** HIGH\n**Type:** build\n**Subject:** Tests\n",
    "zone-in-the-name": "**From:** C1\n**To:** C2\n**Date:** 2025-11-07\n**Time (UTC):** 14:30\n**Priority:** HIGH\n**Type:** build\n**Subject:** Tests\n",
    "list-of-recipients": "**From:** C1\n**To:**\n- C2\n\n**Date:** 2025-11-07 14:30 UTC\n**Priority:** HIGH\n**Type:** build\n**Subject:** Tests\n",
    "sender-and-recipient": "**Sender:** C1\n**Recipient:** C2\n**Date:** 2025-11-07 14:30 UTC\n**Priority:** HIGH\n**Type:** build\n**Subject:** Tests\n",
    "at-the-end": "Text.\n\n---\n\n**From:** C1\n**To:** C2\n**Date:** 2025-11-07 14:30 UTC\n**Priority:** HIGH\n**Type:** build\n**Subject:** Tests\n",
}


@pytest.mark.parametrize("fields", FORMS.values(), ids=FORMS)
def test_every_form_says_the_same(fields: str) -> None:
    found = one(f"# Title\n\n{fields}\nBody.\n")
    assert (found.sender, found.to, found.subject) == ("C1", ("C2",), "Tests")
    assert (found.date_utc, found.priority, found.type) == ("2025-11-07T14:30:00Z", "high", "build")
    assert found.body.endswith("Body.")
    assert found.draft is False


def test_unknown_fields_are_kept_in_order_and_the_body_is_what_stands_below() -> None:
    found = one(
        "# Hello\n\n- **From:** C1\n- **Message ID:** m-1\n- **Tags:** a, b\n- **Status:** open | waiting\n- **Thread:** t1\n"
        "- **In-Reply-To:** m-0\n\n---\n\nFirst.\n\n**To do:** this\n\n---\n\nLast.\n\n---\n"
    )
    assert found.fields == (("Message ID", "m-1"), ("Tags", "a, b"), ("Status", "open | waiting"))
    assert (found.thread, found.in_reply_to) == ("t1", "m-0")
    assert found.body == "First.\n\n**To do:** this\n\n---\n\nLast."
    assert (found.line, found.end_line) == (1, 18)


def test_a_word_and_a_colon_in_the_first_sentence_stay_in_the_body() -> None:
    found = one(
        "# Hello\nFrom: C1\nTo: C2\nPlease mind: the tests are red, and nobody knows why, so look at them first\n"
    )
    assert found.body.startswith("Please mind:")
    found = one("# Hello\n**From:** C1\n\nNote: the tests are red\n")
    assert (found.fields, found.body) == ((), "Note: the tests are red")


@pytest.mark.parametrize(
    ("heading", "subject"),
    [
        ("# 🚨 **Hello** 🚨", "Hello"),
        ("## `Hello` [there](x.md) ##", "Hello there"),
        ("# Hello_there __now__", "Hello_there now"),
        ("# MESSAGE #1: FIRST CONTACT", "MESSAGE #1: FIRST CONTACT"),
        ("# MESSAGE TO C2:", "MESSAGE TO C2"),
        ("# Hello <!-- to do -->", "Hello"),
        ("# [A2A] Agent-1 → Agent-3", "[A2A] Agent-1 → Agent-3"),
    ],
)
def test_the_subject_is_the_heading_without_markup_and_emoji(heading: str, subject: str) -> None:
    assert one(f"{heading}\n**From:** C1\n\nBody.\n").subject == subject


def test_what_is_answered_is_no_subject_where_one_is_given() -> None:
    (found,) = read_file(b"from: ann\nto: bob\nre: letter-1.md\nsubject: Re: fine\n\nText.\n").messages
    assert found.subject == "Re: fine"


def test_a_subject_field_beats_the_heading() -> None:
    assert one("# Hello\n**From:** C1\n**Subject:** **The** page 🎉\n\nBody.\n").subject == "The page"
    assert one("# Hello\n**From:** C1\n**Re:** The page\n\nBody.\n").subject == "The page"


@pytest.mark.parametrize(
    ("fields", "raw", "moment"),
    [
        ("**Date:** 2025-11-07\n**Time:** Current session", "2025-11-07 Current session", None),
        ("**Date:** Current session", "Current session", None),
        ("**Date:** November 8, 2025\n**Time:** ~7:25 AM PST", "November 8, 2025 ~7:25 AM PST", "2025-11-08T15:25:00Z"),
        ("**Time:** 2025-11-07 15:57 PM", "2025-11-07 15:57 PM", None),
        ("**Date:** 2025-11-07\n**Timestamp:** 2025-11-07T14:30:00Z", "2025-11-07T14:30:00Z", "2025-11-07T14:30:00Z"),
        ("**Time:** 16:03 UTC (November 7, 2025)", "16:03 UTC (November 7, 2025)", "2025-11-07T16:03:00Z"),
        ("**Date:** **2025-11-07** 08:30 AM MT", "2025-11-07 08:30 AM MT", "2025-11-07T15:30:00Z"),
    ],
)
def test_dates_are_kept_as_written(fields: str, raw: str, moment: str | None) -> None:
    found = one(f"# Hello\n**From:** C1\n{fields}\n\nBody.\n")
    assert (found.date_raw, found.date_utc) == (raw, moment)


@pytest.mark.parametrize(
    ("heading", "title", "raw", "who"),
    [
        ("[2025-11-15 00:00 UTC] C2 DONE: the tests", "C2 DONE: the tests", "2025-11-15 00:00 UTC", "C2"),
        ("2025-10-29 09:25:59 CDT — Up again", "Up again", "2025-10-29 09:25:59 CDT", None),
        ("Up again - 2025-11-07 14:30:00", "Up again", "2025-11-07 14:30:00", None),
        ("2025-11-07 12:56 - builder-two - DONE ✅", "builder-two - DONE", "2025-11-07 12:56", "builder-two"),
        ("[2025-11-07 14:00 UTC] - FROM: C1 - TO: ALL", "FROM: C1 - TO: ALL", "2025-11-07 14:00 UTC", "C1"),
        ("[2025-09-12 03:21] From Agent-4: hello", "From Agent-4: hello", "2025-09-12 03:21", "Agent-4"),
        ("**2025-11-07 12:56** Computer 2: up", "Computer 2: up", "2025-11-07 12:56", "Computer 2"),
    ],
)
def test_an_entry_of_a_log(heading: str, title: str, raw: str, who: str | None) -> None:
    found = one(f"# Log\n\n## {heading}\n\nBody.\n")
    assert (found.subject, found.date_raw, found.sender) == (title, raw, who)


def test_entries_that_only_have_a_time() -> None:
    text = "# Log\n\n## One\n**Timestamp:** 2025-10-03, 02:43 AM PDT\n\n## [02:46] Two\n\nBody.\n\n## [02:50] Three\n**Timestamp:** 2025-10-03 02:50 UTC\n"
    _, two, three = read_file(text.encode()).messages
    assert (two.subject, two.date_raw, two.date_utc) == ("Two", "02:46", None)
    assert (three.subject, three.date_raw, three.date_utc) == ("Three", "2025-10-03 02:50 UTC", "2025-10-03T02:50:00Z")


@pytest.mark.parametrize(
    ("heading", "sender", "to"),
    [
        ("MESSAGE FROM COMPUTER 1 TO COMPUTER 2", "COMPUTER 1", ("COMPUTER 2",)),
        ("URGENT MESSAGE TO ALL AGENTS", None, ("all",)),
        ("📡 MESSAGE TO COMPUTER 2 (Laptop):", None, ("COMPUTER 2",)),
        ("Message from Ann: the tests", "Ann", ()),
        ("Message for C2 from C1", "C1", ("C2",)),
        ("MESSAGE #3: C1 → C2", "C1", ("C2",)),
        ("FROM C1_FIXER - 2025-10-16 TESTS ARE DONE", "C1_FIXER", ()),
    ],
)
def test_a_heading_says_who_and_whom(heading: str, sender: str | None, to: tuple[str, ...]) -> None:
    found = one(f"# Page\n\n## {heading}\n\nBody.\n")
    assert (found.sender, found.to) == (sender, to)


def test_a_date_in_the_heading_counts_where_no_field_has_one() -> None:
    assert one("# Page\n\n## FROM C1 - 2025-10-16 DONE\n\nBody.\n").date_raw == "2025-10-16"


def test_a_title_with_an_arrow_gives_what_the_fields_leave_out() -> None:
    found = one(
        "[A2A] Agent-1 → Agent-3\nPriority: regular\nTags: a\n\nBody.\n\nYou are Agent-3\nTimestamp: 2025-09-09 10:56:25 UTC\n"
    )
    assert (found.sender, found.to, found.priority) == ("Agent-1", ("Agent-3",), "normal")
    assert (found.date_raw, found.date_utc) == ("2025-09-09 10:56:25 UTC", "2025-09-09T10:56:25Z")
    assert one("# Hello\n**From:** C1 → C2\n\nBody.\n").to == ("C2",)


@pytest.mark.parametrize(
    ("status", "draft"),
    [("draft", True), ("DRAFT - wait", True), ("**Draft**", True), ("drafted", False), ("open", False)],
)
def test_a_draft_is_held_back(status: str, draft: bool) -> None:
    assert one(f"# Hello\n**From:** C1\n**Status:** {status}\n\nBody.\n").draft is draft


@pytest.mark.parametrize("written", ["TBD", "N/A", "-"])
def test_who_is_nobody(written: str) -> None:
    assert one(f"# Hello\n**From:** C1\n**To:** {written}\n\nBody.\n").to == ()

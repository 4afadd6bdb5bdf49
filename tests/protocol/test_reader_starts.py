"""Where messages start and end in what people write, and what is no message (PROTOCOL, section 3)."""

# ruff: noqa: E501 (one example, one line)

from __future__ import annotations

from textwrap import dedent

import pytest

from gitsync.protocol.reader import Found, read_file

MAILBOX = "messages/1_TO_2.md"


def found(text: str, path: str | None = None) -> list[Found]:
    return list(read_file(dedent(text).lstrip("\n").encode(), path).messages)


def lines(text: str, path: str | None = None) -> list[int]:
    return [each.line for each in found(text, path)]


HEADER = "**From:** C1\n**To:** C2\n"

ONE_AT_LINE_1 = {
    "title": "# Hello\n**From:** C1\n\nText.\n",
    "blank-below-the-title": "# Hello\n\n**From:** C1\n**To:** C2\n\nText.\n",
    "blank-between-fields": "# Hello\n\n**From:** C1\n\n**To:** C2\n\nText.\n",
    "only-to": "## Hello\n\n**To:** C2\n\nText.\n",
    "setext": "Hello there\n===========\n\n**From:** C1\n\nText.\n",
    "setext-dashes": "Hello there\n-----------\n\nFrom: C1\nTo: C2\n\nText.\n",
    "plain-first-line": "🚨 HELLO THERE 🚨\n\nFROM: C1\nTO: C2 and C3\nTIME: 2025-11-07 05:22 UTC\n\n=====\n\nText.\n",
    "plain-first-line-no-blank": "HELLO THERE\nFROM: C1\nTO: C2\n\nText.\n",
    "fields-first": "From: C1\nTo: C2\nDate: 2025-11-07\n\nText.\n",
    "bold-fields-first": "**From:** C1\n**To:** C2\n\nText.\n",
    "fields-as-headings": "# Hello\n## From: C1\n## To: C2\n## Date: 2025-11-07\n\nText.\n",
    "subject-below-its-heading": "# Hello\n**From:** C1\n\n## Subject\nThe landing page\n\n## Text\nMore.\n",
    "title-with-subtitle": "# Fleet News\n## The landing page is live\n\n**From:** C1\n**To:** all\n\nText.\n",
    "title-with-emphasised-subtitle": "# Fleet News\n*the landing page is live*\n\n**From:** C1\n**To:** all\n\nText.\n",
    "title-rule-fields": "# Fleet News\n\n---\n\n**From:** C1\n**To:** all\n\nText.\n",
    "by-and-for": "# A perfect plan\n\n**Date:** 2025-11-07\n**Prepared By:** Ann (Planner)\n**For:** Runner\n\n## Step 1\n**Priority:** HIGH\nText.\n",
    "reporter": "# Report\n\n**Reporter:** Agent-3\n**Date:** 2025-11-07\n\nText.\n",
    "phrase-from-to": "# MESSAGE FROM COMPUTER 1 TO COMPUTER 2\n\nText.\n",
    "phrase-urgent": "## 🚨 URGENT MESSAGE TO ALL AGENTS\n\nText.\n",
    "numbered": "## MESSAGE #3: First contact\n\nText.\n",
    "numbered-answer": "## RESPONSE #1 to your plan\n\nText.\n",
    "answer-with-fields": "## RESPONSE TO C2\n\n**Date:** 2025-11-07\n\nText.\n",
    "from-date-post": "### **FROM C1_FIXER - 2025-10-16 TESTS ARE DONE**\n**Subject:** Results\n\nText.\n\n---\n\n## Details\n\nText.\n",
    "arrow-title": "[A2A] Agent-1 → Agent-3\nPriority: regular\nTags: builds\n\nText.\n",
    "arrow-heading": "# Agent-1 -> Agent-3\n**Priority:** high\n\nText.\n",
    "who-to-who-title": "# C1 TO C2 - BUILD STATUS\n\n**Date:** 2025-11-07\n\nText.\n",
    "heading-is-the-first-field": "## FROM: C1\n**TO:** C2\n**Subject:** Tests\n\nText.\n",
    "brackets-in-the-body": f"# Hello\n{HEADER}\nFill in:\n\n**Name:** [YOUR NAME]\n**Date:** YYYY-MM-DD\n[EDIT THIS] $(date)\n",
    "slots-below": f"# Hello\n{HEADER}\n---\n\n## Answer here\n[Your message here]\n\n### Template\n**From:** [you]\n**To:** [them]\n",
    "rules-and-headings-inside": f"# Hello\n{HEADER}\n---\n\n# One\nText.\n\n---\n\n# Two\nText.\n\n---\n\n**— C1**\n**Status:** fine\n",
    "section-to-somebody-inside": f"# Hello\n{HEADER}\nText.\n\n## MESSAGE TO THE OTHERS\nText.\n\n## 2025-11-07 14:30 UTC - what I did\nText.\n",
    "trailer": "# Handoff\n\nText.\n\n---\n\n**Done**: 2025-11-07\n**From**: C1\n**To**: C2\n**Priority**: HIGH\n\n*Go!*\n",
    "trailer-without-heading": "Please look at the tests.\n\nFrom: C1\nTo: C2\n",
    "bullets": "# Hello\n\n- **From:** C1\n- **To:** C2\n\nText.\n",
    "stars": "# Hello\n\n* From: C1\n* To: C2\n\nText.\n",
    "emoji-keys": "# Hello\n\n📤 **From:** C1\n📥 **To:** C2\n\nText.\n",
    "emoji-in-keys": "# Hello\n\n**📤 From:** C1\n**📥 To:** C2\n\nText.\n",
    "value-in-bold": "# Hello\n\n**From: C1**\n**To: C2**\n\nText.\n",
    "one-line": "# Hello\n\n**From:** C1 | **To:** C2 | **Date:** 2025-11-07\n\nText.\n",
    "one-line-without-separators": "# Hello\n\n**From:** C1 **To:** C2\n\nText.\n",
    "italic-keys": "# Hello\n\n*From:* C1\n*To:* C2\n\nText.\n",
    "unknown-field-first": "# Hello\n\n**Message ID:** abc-1\n**From:** C1\n\nText.\n",
    "crlf": "# Hello\r\n\r\n**From:** C1\r\n**To:** C2\r\n\r\nText.\r\n",
    "cr": "# Hello\r\r**From:** C1\r**To:** C2\r\rText.\r",
    "field-before-the-block": "# Hello\n**Domain:** ALL THINGS\n\n**ID:** hello-1\n**from:** Ann\n**to:** Bob\n\nText.\n",
    "numbers": "# Hello\n\nFrom: 1\nTo: 2\nPriority: low\n\nText.\n",
    "item-with-a-date": "## Received\n- **From:** boss\n- **At:** 2026-06-20T17:40:08Z\n- **Task:** x\n\nText.\n",
    "trailing-spaces": "# Hello  \n\n**From:** C1  \n**To:** C2  \n\nText.\n",
    "backslash-breaks": "# Hello\n\n**From:** C1\\\n**To:** C2\\\n\nText.\n",
    "no-final-newline": "# Hello\n**From:** C1",
    "entry-first": "## 2025-10-29 09:25:59 CDT — Up again\n\nText.\n",
    "banner": "==========\n",
}
ONE_AT_LINE_1.pop("banner")


@pytest.mark.parametrize("text", ONE_AT_LINE_1.values(), ids=ONE_AT_LINE_1)
def test_one_message_at_the_top(text: str) -> None:
    messages = read_file(text.encode()).messages
    assert [each.line for each in messages] == [1]
    last = len(text.rstrip().splitlines())
    assert messages[0].end_line == last


def test_a_byte_order_mark_does_not_hide_the_first_heading() -> None:
    assert [each.line for each in read_file(b"\xef\xbb\xbf# Hello\n**From:** C1\n").messages] == [1]


NO_MESSAGE = {
    "empty": "",
    "blank": "\n\n\n",
    "prose": "# Notes\n\nWe spoke of messages from C1 to C2.\n",
    "date-and-state": "# COMPUTER 1\n\n**Instance:** C1\n**Date:** 2025-11-07 14:30 UTC\n**Status:** ACTIVE\n\nText.\n",
    "title-with-a-time": "# STATUS REPORT - 2025-11-07 14:30:00\n\nText.\n",
    "head-of-a-report": "# Contract\n\n## Identity\n- **Name**: reviewer\n- **Type**: reviewer\n- **Priority**: 1 (CRITICAL)\n\n## Step\n- **Time**: 5 minutes\n",
    "subtitle-with-date": "# Dashboard\n## Second phase\n**Date:** 2025-11-07 14:30\n\n## Tasks\nText.\n",
    "plural": "# MESSAGES FROM C1 TO C2\n\n## MESSAGES FROM THE CAPTAIN\n\nText.\n",
    "awaiting": "# 📨 MESSAGES: COMPUTER 1 → COMPUTER 2\n\n---\n\n## AWAITING FIRST MESSAGE FROM COMPUTER 1\n\n*soon*\n",
    "searched": "# Log\n\n## Searched for message 122\n\nText.\n",
    "message-alone": "# Notes\n\n## Message\n\nText.\n\n## Message Types\n\nText.\n\n## Message Format\n\nText.\n",
    "my-words-to-you": "# Report\n\n## FINAL ADVICE TO C2:\n\nText.\n\n## CAPTAIN'S MESSAGE\n\nText.\n",
    "template-brackets": "# Template\n\n## Task: [Title]\n\n**From:** [Your name]\n**To:** [Recipient]\n**Priority:** [High/Medium/Low]\n",
    "template-edit": "## Hello\n**From:** Computer [EDIT THIS]\n**To:** C1\n\nText.\n",
    "template-date": "# Log\n\n### [YYYY-MM-DD HH:MM] Title\n**From:** C1\n",
    "template-half-date": "# Log\n\n### [2025-11-15 HH:MM UTC] [C1|C2|C3] DONE: [Task Name]\n\n**Who:** C1 | C2 | C3\n**Task:** [Short text]\n",
    "template-shell": "# Log\n\n## [CURRENT TIME] START\n\n**TIMESTAMP:** $(date)\n**From:** C1\n",
    "template-options": "# Report\n**From:** Computer 2\n**Status:** [ONLINE / OFFLINE]\n**To:** C1\n",
    "template-levels": "# Report\n**From:** Computer 2\n**Priority:** LOW / NORMAL / HIGH\n",
    "template-angle": "# Report\n**From:** <your name>\n**To:** <recipient>\n",
    "template-message": "# Message to C2\n\n[Your message here]\n",
    "fence": "# Howto\n\n```markdown\n# Hello\n**From:** C1\n**To:** C2\n```\n",
    "tilde-fence": "# Howto\n\n~~~\n# Hello\n**From:** C1\n~~~\n",
    "indented-fence": "# Howto\n\n1. Write\n   ```markdown\n   ### Hello\n   **From:** C1\n   ```\n2. Push\n\n    ```\n    # Hello\n    From: C1\n    ```\n",
    "unclosed-fence": "# Howto\n\n```\ntext\n\n# Hello\n**From:** C1\n",
    "nested-fence": "# Howto\n\n```markdown\n# A\n```bash\nls\n```\n# Hello\n**From:** C1\n```\n\nText.\n",
    "longer-fence": "# Howto\n\n````\n```\n# Hello\n**From:** C1\n```\n# Hello\n**From:** C1\n````\n",
    "comment": "# Howto\n\n<!--\n# Hello\n**From:** C1\n-->\n\nText.\n",
    "comment-in-a-line": "# Howto\n\nText <!-- not\n# Hello\n-->\n**From:** C1\n",
    "unclosed-comment": "# Howto\n\n<!-- not closed\n\n# Hello\n**From:** C1\n",
    "front-matter": "---\nfrom: C1\nto: C2\ntitle: x\n---\n\n# Notes\n\nText.\n",
    "indented-code": "# Howto\n\n    # Hello\n    **From:** C1\n",
    "quoted": "# Howto\n\n> # Hello\n> **From:** C1\n",
    "versions": "# Changes\n\n### Library\n- **From:** v1.2\n- **To:** v2.0\n\n### Place\n- From: src/a.py\n- To: lib/a.py\n",
    "prose-between": "# Notes\n\n## Plan\nText first.\n**From:** C1\n\n## Next\nText.\n",
    "priority-of-a-task": "# Plan\n\n### Task 1\n**Priority:** HIGH\nText.\n\n### Task 2\n**Priority:** LOW\nText.\n",
    "updated": "# Page\n\n## Last Updated: 2025-11-07 14:30 UTC\n\nText.\n\n## Next check: 2025-11-08 14:30 UTC\n\nText.\n",
    "as-of": "# Page\n\n## State as of 2025-11-07 14:30 UTC\n\nText.\n",
    "span-of-times": "# Page\n\n## History\n\n### Session 2025-10-29 (19:00-19:35 UTC)\n\nText.\n",
    "day-only": "# Page\n\n## November 7, 2025\n\nText.\n\n### 2025-11-07 - Did it\n\nText.\n",
    "time-only": "# Page\n\n## [14:30] Did it\n\nText.\n",
    "bold-time": "# Page\n\n**2025-11-07 14:30 UTC:**\n- did it\n",
    "empty-to": "# Page\n\n## Hello\n**From:**\n**To:**\n\n",
    "announced": "# Page\n\n## MESSAGES\n\n### TO C2:\n\nNone yet.\n\n### TO C3:\n\n(none)\n",
    "before-and-after": "# Move\n\n## What moved\n\n### From: One big server\n\n- slow\n\n### To: Three small ones\n\n- fast\n",
    "words-to-somebody": "# Talk\n\n## Message to take home\n\nText.\n\n## Message for whom it may help\n\nText.\n",
    "heading-inside-a-form": "# Note\n**From:** [agent-name]\n**To:** [agent-name]\n\n## Message for the next agent\n\nText.\n\n> [what it must know]\n",
    "range": "# Goals\n\n## Latency\n\n- **From:** 45\n- **To:** 12\n",
    "letter-quoted-in-a-page": "# Page\n\nText.\n\n---\nFrom: C1\nTo: C2\nDate: 2025-11-07\n\nText.\n\n## More\n\nText.\n",
    "signed-report": "# Report\n\nText.\n\n---\n\n**Prepared by:** Ann\n**Date:** 2025-11-07\n",
}


@pytest.mark.parametrize("text", NO_MESSAGE.values(), ids=NO_MESSAGE)
def test_no_message(text: str) -> None:
    assert read_file(text.encode()).messages == ()


SEVERAL = {
    "with-fields": (f"# Title\n\n## One\n{HEADER}\nText.\n\n## Two\n{HEADER}\nText.\n", [(3, 7), (9, 13)]),
    "below-a-section": (
        f"# Title\n\n## One\n{HEADER}\nText.\n\n# More\n\n## Two\n{HEADER}\nText.\n",
        [(3, 7), (11, 15)],
    ),
    "numbered": (
        "# MESSAGES\n\n---\n\n## MESSAGE #1: a\n\nText.\n\n---\n\n## MESSAGE #2: b\n\nText.\n",
        [(5, 7), (11, 13)],
    ),
    "title-says-who": (
        f"# C1 → C2\n{HEADER}\n---\n\n## MESSAGE #1: a\n**Date:** 2025-11-07\n\nText.\n\n---\n\n## MESSAGE #2: b\n\nText.\n",
        [(7, 10), (14, 16)],
    ),
    "log": (
        "# Log\n\n## 2025-11-07 14:30 UTC — a\n\nText.\n\n---\n\n## 2025-11-07 14:40 UTC — b\n\nText.\n",
        [(3, 5), (9, 11)],
    ),
    "log-without-a-title": (
        "## 2025-11-07 14:30 UTC — a\n\nText.\n\n## 2025-11-07 14:40 UTC — b\n\nText.\n",
        [(1, 3), (5, 7)],
    ),
    "log-in-brackets": (
        "# Log\n\n### [2025-11-15 00:00 UTC] C2 DONE: a\nText.\n\n### [2025-11-15 00:10 UTC] C1 DONE: b\nText.\n",
        [(3, 4), (6, 7)],
    ),
    "log-date-last": (
        "# Log\n\n## Up - 2025-11-07 14:30:00\n\nText.\n\n## Down - 2025-11-07 14:40:00\n\nText.\n",
        [(3, 5), (7, 9)],
    ),
    "log-by-field": (
        "# Log\n\n## One\n\n**Timestamp:** July 04, 2025, 22:53 PM PDT\n\nText.\n\n---\n\n## Two\n**Date:** 2025-07-04 10:00\n\nText.\n",
        [(3, 7), (11, 14)],
    ),
    "log-by-two-fields": ("# Log\n\nText.\n\n## One\n**Date:** 2025-07-04\n**Time:** 10:00 UTC\n\nText.\n", [(5, 9)]),
    "log-by-time": (
        "# Log\n\n## 2025-11-07 14:30 a\n\nText.\n\n## [14:40] b\n\nText.\n\n## [14:50] c\n",
        [(3, 5), (7, 9), (11, 11)],
    ),
    "log-by-time-below-a-day": (
        "# Log\n\n## 2025-11-07\n\n### [14:40] b\n\nText.\n\n### [14:50] c\n\nText.\n",
        [(5, 7), (9, 11)],
    ),
    "log-under-sections": (
        "# Log\n\n## ACTIVE\n\n### 2025-11-07 12:56 - c2-auto - DONE ✅\n\nText.\n\n---\n\n## QUEUE\n\nText.\n",
        [(5, 7)],
    ),
    "form-at-the-end": (
        "# Log\n\n### 2025-11-07 12:56 - a\n\nText.\n\n## TEMPLATE\n\n### [YYYY-MM-DD HH:MM] [title]\n**Who:** [name]\n**Task:** [task]\n",
        [(3, 11)],
    ),
    "section-in-a-page": (
        "# COMPUTER 1\n\n**Date:** 2025-11-07\n\nText.\n\n---\n\n## 📡 MESSAGE TO COMPUTER 2:\n\nText.\n\n---\n\n## STATE\n\nText.\n",
        [(9, 11)],
    ),
    "to-below-messages": (
        "# COMPUTER 1\n\nText.\n\n## 📨 MESSAGES\n\n### TO C2:\nText one.\n\n### TO ALL:\nText two.\n\n## STATE\n\n### TO DO:\nText.\n",
        [(7, 8), (10, 16)],
    ),
    "posts": (
        "# Board\n\n### FROM C1 - 2025-10-16 done\n\nText.\n\n---\n\n### FROM C2 - 2025-10-17 fine\n\nText.\n",
        [(3, 5), (9, 11)],
    ),
    "sections-named-like-messages": (
        f"# Inbox\n\n## Message from C1\n\nText.\n\n## Message to C1\n{HEADER}\nText.\n",
        [(3, 5), (7, 11)],
    ),
    "deeper-with-fields": (f"# Hello\n{HEADER}\nText.\n\n### Another one\n{HEADER}\nText.\n", [(1, 5), (7, 11)]),
    "two-headers-one-text": (
        f"[A2A] Agent-1 → Agent-3\nPriority: URGENT\n\nHELLO\n=====\n\n{HEADER}\nText.\n\nYou are Agent-1\nTimestamp: 2025-09-09 10:56:25\n",
        [(1, 13)],
    ),
    "after-an-unclosed-fence": (
        "# A\n\n```\ntext\n\n```bash\nls\n```\n\n## Hello\n**From:** C1\n\nText.\n",
        [(10, 13)],
    ),
    "front-matter": (f"---\ntitle: x\nstatus: y\n---\n\n# Hello\n{HEADER}\nText.\n", [(6, 10)]),
    "comment-first": (f"<!--\nnote\n-->\n# Hello\n{HEADER}\nText.\n", [(4, 8)]),
    "rule-first": (f"---\n\n# Hello\n{HEADER}\nText.\n", [(3, 7)]),
    "trailer-of-a-letter": (
        f"# Hello\n{HEADER}\nText.\n\n---\n\n**From:** C1\n**To:** C2\n**Date:** 2025-11-07\n",
        [(1, 11)],
    ),
    "letters-after-an-entry": (
        "# Log\n\n## 2025-11-07 14:30 - up\n\nText.\n\n---\nFrom: C1\nTo: C2\nDate: 2025-11-07\n\nText.\n\n---\n\n**From:** C2\n**To:** C1\n**Subject:** b\n\nText.\n",
        [(3, 5), (8, 12), (16, 20)],
    ),
    "letters-only": (
        "From: C1\nTo: C2\n\nText.\n\n---\n\nFrom: C2\nTo: C1\nPriority: low\n\nText.\n",
        [(1, 4), (8, 12)],
    ),
    "log-with-days-in-slashes": ("# Log\n\n## 11/07/2025 2:30 PM EST - up\n\nText.\n", [(3, 5)]),
    "same-level-after-a-rule": (f"# Inbox\n\n## Hello\n{HEADER}\nText.\n\n---\n\n## Other things\n\nText.\n", [(3, 7)]),
    "same-level-without-a-rule": (f"# Inbox\n\n## Hello\n{HEADER}\nText.\n\n## Part two\n\nText.\n", [(3, 11)]),
    "shallower-after-a-rule": (f"# Inbox\n\n### Hello\n{HEADER}\nText.\n\n---\n\n## Other things\n\nText.\n", [(3, 7)]),
    "author-and-section": (
        "# COMPUTER 2\n**By:** Ann\n**Date:** 2025-11-07\n\nText.\n\n---\n\n## MESSAGE TO COMPUTER 1:\n\nText.\n",
        [(9, 11)],
    ),
}


@pytest.mark.parametrize(("text", "spans"), SEVERAL.values(), ids=SEVERAL)
def test_where_messages_start_and_end(text: str, spans: list[tuple[int, int]]) -> None:
    assert [(each.line, each.end_line) for each in read_file(text.encode()).messages] == spans


IN_A_MAILBOX = {
    "date-alone": ("# To you\n\n## Hello\n**Date:** 2025-11-07\n\nText.\n", [(3, 6)]),
    "priority-alone": ("## Hello\n**Priority:** high\n\nText.\n", [(1, 4)]),
    "subject-alone": ("Subject: Hello\n\nText.\n", [(1, 3)]),
    "type-alone": ("## Hello\n\nType: build\n\nText.\n", [(1, 5)]),
    "time-alone": ("## Hello\n**Time:** 14:30 UTC\n\nText.\n", [(1, 4)]),
    "section-title": (
        "# Messages from 1 to 2\n**Date:** 2025-11-07\n\n## Hello\n**Date:** 2025-11-07\n\nText.\n",
        [(4, 7)],
    ),
    "channel-title": ("# 1 to 2\n\n## Hello\n**From:** 1\n\nText.\n", [(3, 6)]),
    "tasks-inside": (
        f"## Hello\n{HEADER}\n### 1. Tests\n**Priority:** high\n\n### 2. Docs\n**Type:** text\n",
        [(1, 9)],
    ),
    "same-level-after-a-rule": (
        f"## Hello\n{HEADER}\nText.\n\n---\n\n## CONCLUSION\n\nText.\n\n---\n\n## Again\n{HEADER}\nText.\n",
        [(1, 11), (15, 19)],
    ),
    "shallower-after-a-rule": (f"# 1 to 2\n\n## Hello\n{HEADER}\nText.\n\n---\n\n# ARCHIVE\n\nText.\n", [(3, 7)]),
    "no-field": ("# 1 to 2\n\n## Hello\n\nText.\n", []),
    "unknown-field": ("# 1 to 2\n\n## Hello\n**Mood:** fine\n\nText.\n", []),
}


@pytest.mark.parametrize(("text", "spans"), IN_A_MAILBOX.values(), ids=IN_A_MAILBOX)
def test_in_a_mailbox_one_field_is_enough(text: str, spans: list[tuple[int, int]]) -> None:
    for path in (MAILBOX, f"/home/ann/coordination/{MAILBOX}"):
        assert [(each.line, each.end_line) for each in read_file(text.encode(), path).messages] == spans


@pytest.mark.parametrize(
    "path", [None, "notes.md", "messages/README.md", "messages/old/1.md", "othermessages/1_TO_2.md"]
)
def test_elsewhere_one_field_is_the_head_of_a_report(path: str | None) -> None:
    assert lines("## Hello\n**Priority:** high\n\nText.\n", path) == []


MORE = {
    "what-to-do": (
        "# Plan\n\nText.\n\n### Computer 1\n**To:** fix the tests\n\n### Computer 2\n**To:** write\n",
        [(8, 9)],
    ),
    "to-all-other": ("# Plan\n\nText.\n\n### Hello\n**To:** all other machines\n\nText.\n", [(5, 8)]),
    "channel": (
        "# C1 ↔ C2 CHANNEL\n\n## C1 → C2 (2025-11-07 14:00 UTC)\nHi.\n\n## C2 → C1 (2025-11-07 15:00 UTC)\nHo.\n",
        [(3, 4), (6, 7)],
    ),
    "several-posts": (
        "# Board\n\n---\n\n### **FROM C2_ARCH - 2025-10-16 4:21 AM READY**\n**To:** C1\n\nText.\n\n---\n\n### **FROM ANN - 2025-10-17**\nText.\n",
        [(5, 8), (12, 13)],
    ),
    "page-with-forms": (
        "# COMPUTER 3\n\n**Instance:** [EDIT THIS]\n**Status:** [ONLINE / OFFLINE]\n\n## MESSAGE TO COMPUTER 1:\n\n[Your message here]\n",
        [],
    ),
    "lone-item": ("# Contract\n\n## Handoff\n- **To**: the tester\n- **Needs**: a green build\n", []),
    "item-with-a-date": ("# Page\n\nText.\n\n## Handoff\n- **To**: the tester\n- **Date**: 2025-11-07\n", [(5, 7)]),
    "from-idea-to-code": ("# Page\n\n## From idea to code - 2025-11-07\n\nText.\n", []),
    "synonyms-in-the-trailer": ("# Plan\n\nText.\n\n---\n\n**Prepared by:** Ann\n**Prepared for:** Bob\n", [(1, 8)]),
    "form-inside-a-letter-with-a-trailer": (
        "# Handoff\n\nText.\n\n## Report: [Title]\n**From:** [name]\n**Date:** YYYY-MM-DD\n\n---\n\n**From:** C1\n**To:** C2\n",
        [(1, 12)],
    ),
    "to-all-below-messages": (
        "# Page\n\n## MESSAGES\n\n### TO: ALL\nText.\n\n### To everyone\nText.\n\n### To do\nText.\n",
        [(5, 6), (8, 12)],
    ),
    "mailbox-by-its-title": (
        "# Messages from Computer 1 to Computer 2\n\n## Hello\n**Date:** today\n\nText.\n\n---\n\n## END\nText.\n",
        [(3, 11)],
    ),
    "banner": (
        "=====\n[A2A] NEWS\n=====\n📤 FROM: Agent-4\n📥 TO: Agent-1\nPriority: regular\n-----\n\nText.\n\n=====\n",
        [(2, 9)],
    ),
    "plain-subtitle": ("WAKE UP C2\nC1 is calling\n\nFROM: C1\nTO: C2\n\nText.\n", [(1, 7)]),
    "quoted-subtitle": (f"# Hello\n\n> about the tests\n\n{HEADER}\nText.\n", [(1, 8)]),
    "comment-below-the-title": (f"# Hello\n<!-- a note -->\n{HEADER}\nText.\n", [(1, 6)]),
    "rule-around-the-fields": (f"---\n{HEADER}---\n\n# Hello\n\nText.\n", [(2, 8)]),
    "log-from-the-first-heading": (
        "## Check - 2025-11-07 14:30:00\nText.\n\n## Check - 2025-11-07 15:30:00\nText.\n",
        [(1, 2), (4, 5)],
    ),
    "update-and-date": (
        "# Log\n\n## UPDATE: 2025-11-07 14:30\nText.\n\n## Updated: 2025-11-07 14:30\nText.\n",
        [(3, 7)],
    ),
    "list-at-the-end": ("# Move\n\nText.\n\n- **From:** main\n- **To:** prod\n", []),
    "form-of-several-slots": (
        "# Message to C2\n\n[Your message here]\n\n---\n\n## Answer\n**Name:** [name]\n[Answer here]\n",
        [],
    ),
    "messages-section-of-a-page": (
        "# COMPUTER 3\n\n**Status:** ACTIVE\n\n## 📬 MESSAGES TO OTHER COMPUTERS\n\n### To Computer 1 (Desktop):\nText.\n\n### To Computer 2:\nText.\n",
        [(7, 8), (10, 11)],
    ),
    "titles-one-after-the-other": (f"# One\n{HEADER}\nText.\n\n---\n\n# Two\n{HEADER}\nText.\n", [(1, 5), (9, 13)]),
    "section-title-with-a-rule": (
        f"# Inbox\n\n## One\n{HEADER}\nText.\n\n---\n\n# Part\n\n---\n\n## Two\n{HEADER}\nText.\n",
        [(3, 7), (15, 19)],
    ),
}


@pytest.mark.parametrize(("text", "spans"), MORE.values(), ids=MORE)
def test_tops_and_sections(text: str, spans: list[tuple[int, int]]) -> None:
    assert [(each.line, each.end_line) for each in read_file(text.encode()).messages] == spans

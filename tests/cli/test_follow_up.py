"""Whoever types on below their own message: part of it until somebody has it, and told by lint from then on."""

from __future__ import annotations

from tests.cli.conftest import Computer

PAGE = "messages/1_TO_2.md"


def test_text_below_a_message(one: Computer, two: Computer) -> None:
    page = one.mailbox / PAGE
    page.parent.mkdir(exist_ok=True)
    page.write_text("# Messages\n\n## Look\n\n**Priority:** high\n\nIt leaks.\n")
    assert one.ask("sync")["sent"] == 1
    page.write_text(page.read_text() + "Also at the door.\n")
    one.ok("sync")
    two.ok("sync")
    [message] = two.ask("inbox")
    assert two.ask("show", message["id"])["body"].strip() == "It leaks.\nAlso at the door."
    two.ok("ack", message["id"], "--done")
    two.ok("sync")
    one.ok("sync")
    page.write_text(page.read_text() + "And the roof.\n")
    one.ok("sync")
    two.ok("sync")
    assert two.ask("show", message["id"])["body"].strip() == "It leaks.\nAlso at the door."
    found = one("lint", page, "--json")
    assert (found.code, [problem["rule"] for problem in found.json]) == (1, ["follow-up"])
    assert "\nAnd the roof.\n" in (two.mailbox / PAGE).read_text()

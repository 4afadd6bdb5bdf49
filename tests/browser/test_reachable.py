"""Everybody can use the page: by keyboard, on a phone, in both looks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.browser.station import Station

pytestmark = pytest.mark.browser

CONTRAST = Path(__file__).with_name("contrast.js").read_text()

FOCUS = """() => {
  const node = document.activeElement; const style = getComputedStyle(node); const box = node.getBoundingClientRect();
  return {
    id: node.id, tag: node.tagName, name: node.getAttribute('aria-label') || node.textContent.trim().slice(0, 60),
    seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    dialog: node.closest('dialog')?.id ?? null,
  };
}"""


def fill_the_page(one: Station) -> None:
    """Make something of every colour happen."""
    one.send("self/builder", "Everything has a colour", "body", priority="urgent")
    one.post("/task", {"type": "build_project", "content": "a task"})
    one.post("/task", {"type": "build_project", "content": "a late task", "deadline": 0.001})


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_texts_stand_out(one: Station, show: Open, scheme: str) -> None:
    fill_the_page(one)
    page = show(one, scheme=scheme)
    page.locator("#thread-rows li", has_text="Everything has a colour").first.wait_for()
    page.locator("#task-rows .state", has_text="FAILED").first.wait_for()

    def check(what: str, least: int) -> None:
        found = page.evaluate(CONTRAST)
        assert found["seen"] >= least, what
        assert not found["bad"], (what, found["bad"])

    check("the page", 60)
    page.hover("#write")
    check("a button under the pointer", 60)
    page.mouse.move(0, 0)
    page.click("#write")
    page.fill("#to", "self/nobody")
    check("the form", 10)
    page.keyboard.press("Escape")
    page.locator("#thread-rows li", has_text="Everything has a colour").locator(".link").first.click()
    page.locator("#said-there article").first.wait_for()
    check("a thread", 8)
    page.keyboard.press("Escape")
    # The banners, as they look when they are needed.
    page.evaluate(
        "for (const id of ['old', 'trouble', 'readonly']) document.getElementById(id).hidden = false;"
        "document.getElementById('old-text').textContent = 'Showing old data';"
        "document.getElementById('trouble').textContent = 'trouble'"
    )
    check("banners", 60)


def test_walk_by_keyboard(one: Station, show: Open) -> None:
    one.send("self/builder", "Read me by keyboard", "body")
    page = show(one, login=False)
    page.locator("#thread-rows li", has_text="Read me by keyboard").first.wait_for()
    steps: list[dict[str, Any]] = []

    def tab(until: str, *, backwards: bool = False) -> dict[str, Any]:
        for _ in range(150):
            page.keyboard.press("Shift+Tab" if backwards else "Tab")
            now: dict[str, Any] = page.evaluate(FOCUS)
            if now["tag"] == "BODY":
                continue  # the browser's own buttons lie between the end of the page and its start
            steps.append(now)
            assert now["seen"], f"nothing shows that the focus is on {now}"
            assert now["inside"], f"the focus is out of sight on {now}"
            if re.search(until, now["id"]) or re.search(until, now["name"]):
                return now
        raise AssertionError(f"Tab never comes to {until}: {[one['name'] for one in steps]}")

    first = tab("Skip")
    assert len(steps) == 1, "the first thing reached is the way past the rest"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab("^session$", backwards=True)
    page.keyboard.press("Enter")
    page.locator("#login[open]").wait_for()
    assert page.evaluate(FOCUS)["id"] == "token"
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS)["dialog"] == "login", "Tab stays in the dialog"
    for _ in range(8):
        page.keyboard.press("Shift+Tab")
        assert page.evaluate(FOCUS)["dialog"] == "login"
    page.keyboard.press("Escape")
    page.wait_for_selector("#login", state="hidden")
    assert page.evaluate(FOCUS)["id"] == "session", "the focus goes back to where it came from"
    page.keyboard.press("Enter")
    page.keyboard.type(one.token)
    page.keyboard.press("Enter")
    page.wait_for_selector("#session:text-is('log out')")

    tab("^threads$", backwards=True)
    page.keyboard.press("Enter")
    tab("Read me by keyboard$")
    thread = page.evaluate(FOCUS)["name"]
    page.keyboard.press("Enter")
    page.locator("#thread[open] article").first.wait_for()
    tab("^reply$")
    page.keyboard.type("answered without a mouse")
    page.keyboard.press("Control+Enter")
    page.locator("#said-there", has_text="answered without a mouse").wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate(FOCUS)["name"] == thread

    tab("^feed$", backwards=True)
    page.keyboard.press("Enter")
    tab("^events$")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.matches('#events > li:nth-child(2) button')")
    tab("^events$", backwards=True)
    assert first["name"].startswith("Skip")


def test_focus_and_rows_stay_while_the_page_changes(one: Station, show: Open) -> None:
    page = show(one)
    button = page.locator("#instances").get_by_role("button", name="contact builder")
    button.focus()
    for number in range(3):
        one.send("self/builder", f"Change {number}", "body")
        page.locator("#thread-rows li", has_text=f"Change {number}").get_by_text("2 messages").wait_for()
    assert page.evaluate(FOCUS)["name"] == "contact builder"


def test_is_told_to_those_who_listen(one: Station, show: Open) -> None:
    page = show(one)
    assert page.locator("#events[role=log][aria-live=polite]").count() == 1
    assert page.locator("#said[role=status]").count() == 1
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, select, textarea, dialog, section, svg[role=img]')]"
        ".filter((one) => !(one.getAttribute('aria-label') || one.getAttribute('aria-labelledby') ||"
        " one.labels?.length || one.textContent.trim())).map((one) => one.outerHTML)"
    )
    assert nameless == []
    twice = page.evaluate(
        "[...document.querySelectorAll('[id]')].map((one) => one.id).filter((id, at, all) => all.indexOf(id) !== at)"
    )
    assert twice == []
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("h1").count() == 1


def test_fits_a_phone(one: Station, show: Open) -> None:
    one.send("self/builder", "Long" * 60, "https://example.invalid/" + "x" * 400)
    page = show(one, size=(360, 740), has_touch=True, is_mobile=True)
    page.locator("#thread-rows li", has_text="LongLong").first.wait_for()

    def fits(what: str) -> None:
        wide = page.evaluate(
            "[...document.body.querySelectorAll('*')].filter((one) => one.checkVisibility() && !one.matches('.skip') &&"
            " one.getBoundingClientRect().right > innerWidth + 0.5).map((one) => one.outerHTML.slice(0, 120))"
        )
        assert wide == [], what
        assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [360, 360], what

    fits("the page")
    small = page.evaluate(
        "[...document.querySelectorAll('button')].filter((one) => one.checkVisibility() &&"
        " one.getBoundingClientRect().height < 24).map((one) => one.outerHTML.slice(0, 120))"
    )
    assert small == [], "a finger needs more room"
    page.tap("#write")
    fits("the form")
    page.keyboard.press("Escape")
    page.locator("#thread-rows .link", has_text="LongLong").first.tap()
    page.locator("#said-there", has_text="xxxx").wait_for()
    fits("a thread")

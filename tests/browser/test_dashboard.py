"""The page loads, follows what happens, acts, and says what it cannot know."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.browser.conftest import Open, Watch
from tests.browser.station import Fleet, Station, eventually

pytestmark = pytest.mark.browser


def row(page: Any, part: str, text: str) -> Any:
    """Find the row of a part of the page that holds a text."""
    return page.locator(f"#{part} > li", has_text=text)


def test_shows_computer_fleet_agents_and_what_has_happened(one: Station, two: Station, show: Open) -> None:
    two("send", "1", "Good morning", "-m", "from the other side", "--type", "review")
    two("sync")
    page = show(one, login=False)
    assert page.title() == "gitsync 1 · The Mechanic"
    row(page, "computers", "The Mechanic").get_by_text("this computer").wait_for()
    other = page.locator("#computers > li").filter(has=page.locator(".name", has_text=re.compile("^2")))
    other.get_by_text("last seen").wait_for()
    for name in ("builder", "fixer"):
        row(page, "instances", name).locator(".state[data-tone=good]").wait_for()
        row(page, "instances", name).locator("svg.spark path[d^=M]").wait_for(state="attached")
    row(page, "thread-rows", "Good morning").wait_for()
    page.locator("#events > li", has_text="Good morning").first.wait_for()
    page.locator("#sync-state", has_text="ok").wait_for()


def test_is_served_under_a_strict_policy(one: Station, show: Open) -> None:
    page = show(one, login=False)
    answer = page.request.get(f"{one.url}/dashboard")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    # What the page itself holds: no inline script, style or handler.
    text = answer.text()
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", text)


def test_the_address_that_the_command_prints_logs_in_once(one: Station, show: Open, watch: Watch) -> None:
    address = one("dashboard", "--print").strip()
    assert address.startswith(f"{one.url}/dashboard#code=")
    page = show(one, login=False)
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("#session:text-is('log out')")
    assert page.url == f"{one.url}/dashboard", "the code stays in no history"
    cookies = page.context.cookies()
    assert [(one["httpOnly"], one["sameSite"]) for one in cookies] == [(True, "Strict")]
    assert page.evaluate("document.cookie") == ""

    watch.expect("status of 401")
    other = show(one, login=False)
    other.goto("about:blank")
    other.goto(address)
    other.locator("#login-error", has_text="used already").wait_for()
    assert other.locator("#session").inner_text() == "log in"


def test_without_login_it_reads_and_says_how_to_get_further(one: Station, show: Open, watch: Watch) -> None:
    page = show(one, login=False)
    page.locator("#readonly", has_text="gitsync dashboard").wait_for()
    page.click("#sync")
    page.locator("#login[open]", has_text=".gitsync/token").wait_for()
    watch.expect("status of 401")
    page.fill("#token", "a wrong one")
    page.keyboard.press("Enter")
    page.locator("#login-error", has_text="not the token").wait_for()
    page.fill("#token", one.token)
    page.keyboard.press("Enter")
    page.wait_for_selector("#login", state="hidden")
    page.wait_for_selector("#readonly", state="hidden")
    assert page.input_value("#token") == ""
    page.click("#sync")
    page.locator("#said", has_text="synced:").wait_for()
    page.click("#session")
    page.wait_for_selector("#session:text-is('log in')")
    page.reload()
    page.wait_for_selector("#readonly:visible")


def test_follows_what_happens(one: Station, show: Open) -> None:
    page = show(one)
    page.evaluate("window.sameDocument = true")
    ident = one.send("self/builder", "Paint the shed", "green, please")
    page.locator("#events > li", has_text="Paint the shed").first.wait_for()
    row(page, "thread-rows", "Paint the shed").get_by_text("2 messages").wait_for()
    page.click("#thread-rows li:has-text('Paint the shed') .link")
    page.locator("#said-there", has_text="I have read: Paint the shed").wait_for()
    page.locator("#said-there", has_text="green, please").wait_for()
    page.locator("#said-there .receipts", has_text="done by 1/builder").wait_for()
    assert page.evaluate("window.sameDocument")
    assert ident in page.inner_text("#said-there")


def test_syncs_and_answers_a_message_of_another_computer(one: Station, two: Station, show: Open) -> None:
    page = show(one)
    two("send", "1", "Which colour?", "-m", "for the shed", "--type", "review")
    two("sync")
    page.click("#sync")
    page.locator("#said", has_text=re.compile("synced:")).wait_for()
    row(page, "thread-rows", "Which colour?").locator(".link").click()
    page.locator("#reply-label", has_text="Your answer to 2: Which colour?").wait_for()
    page.fill("#reply", "green & <b>nothing</b> else")
    page.click("#reply-send")
    page.locator("#said-there", has_text="green & <b>nothing</b> else").wait_for()
    assert page.input_value("#reply") == ""

    def landed() -> bool:
        two("sync")
        return "green & <b>nothing</b> else" in two("thread", two_id)

    two_id = next(one["id"] for one in one.http("GET", "/messages")[1] if one["subject"] == "Which colour?")
    eventually(landed)
    page.locator("#said-there article", has_text="for the shed").get_by_role("button", name="mark as done").click()
    page.locator("#said", has_text="marked as done").wait_for()


def test_contacts_an_agent(one: Station, show: Open) -> None:
    page = show(one)
    row(page, "instances", "builder").get_by_role("button", name="contact builder", exact=True).click()
    assert page.input_value("#to") == "self/builder"
    page.fill("#subject", "A word with you")
    page.fill("#text", "about the shed")
    page.select_option("#priority", "urgent")
    page.locator("#compose button[type=submit]").click()
    page.wait_for_selector("#compose", state="hidden")
    page.locator("#said", has_text="on its way").wait_for()
    row(page, "thread-rows", "A word with you").wait_for()


def test_says_why_a_message_cannot_be_sent(one: Station, show: Open, watch: Watch) -> None:
    watch.expect("status of 4[0-9][0-9]")
    page = show(one)
    page.click("#write")
    page.fill("#to", "self/nobody")
    page.fill("#text", "kept, although it was refused")
    page.locator("#compose button[type=submit]").click()
    page.locator("#compose-error", has_text="no agent 'nobody'").wait_for()
    assert page.input_value("#text") == "kept, although it was refused"


def test_stops_starts_restarts_and_drains_an_agent(one: Station, show: Open) -> None:
    page = show(one)
    fixer = row(page, "instances", "fixer")
    fixer.locator(".state", has_text="online").wait_for()
    before = one.instance("fixer")["pid"]
    fixer.get_by_role("button", name="restart fixer", exact=True).click()
    eventually(lambda: one.instance("fixer")["pid"] not in (None, before))
    fixer.locator(".state", has_text="online").wait_for()
    fixer.get_by_role("button", name="stop fixer", exact=True).click()
    fixer.locator(".state", has_text="offline").wait_for()
    fixer.get_by_role("button", name="start fixer", exact=True).click()
    fixer.locator(".state", has_text="online").wait_for()
    fixer.get_by_role("button", name="drain fixer", exact=True).click()
    fixer.get_by_text("takes nothing new").wait_for()
    fixer.get_by_role("button", name="resume fixer", exact=True).click()
    fixer.get_by_role("button", name="drain fixer", exact=True).wait_for()


def test_submits_a_task_and_shows_its_result(one: Station, show: Open) -> None:
    page = show(one)
    page.click("#new-task")
    page.fill("#task-type", "build_project")
    page.fill("#task-content", "Build the shed\nof wood")
    page.locator("#submit button[type=submit]").click()
    page.wait_for_selector("#submit", state="hidden")
    task = row(page, "task-rows", "Build the shed")
    task.locator(".state", has_text="COMPLETED").wait_for()
    task.locator(".link").click()
    page.locator("#task-facts", has_text="I have read:").wait_for()
    page.locator("#task-facts", has_text="of wood").wait_for()


def test_cancels_a_task(one: Station, show: Open) -> None:
    page = show(one)
    (one.alive / "hold").touch()
    try:
        first = one.post("/task", {"type": "build_project", "content": "holds the builder up"})["task_id"]
        eventually(lambda: one.http("GET", f"/tasks/{first}")[1]["status"] == "IN_PROGRESS")
        one.post("/task", {"type": "build_project", "content": "not needed after all"})
        task = row(page, "task-rows", "not needed after all")
        task.get_by_role("button", name="cancel").click()
        task.locator(".state", has_text="FAILED").wait_for()
        task.get_by_text("cancelled").wait_for()
    finally:
        (one.alive / "hold").unlink()
    row(page, "task-rows", "holds the builder up").locator(".state", has_text="COMPLETED").wait_for()


def test_says_when_it_shows_old_data_and_goes_on_after_a_crash(fleet: Fleet, show: Open, watch: Watch) -> None:
    station = fleet.make("4", "The Server")
    station.agent("builder")
    station.settings()
    station.up()
    page = show(station)
    page.evaluate("window.sameDocument = true")
    (station.alive / "hold").touch()
    station.send("self/builder", "Half done", "nobody can know the end of this")
    row(page, "instances", "builder").get_by_text("Half done").wait_for()

    watch.expect("net::ERR_")
    station.kill()
    page.locator("#old", has_text=re.compile(r"Showing old data since \d\d:\d\d:\d\d")).wait_for()
    page.locator("#link", has_text="not connected").wait_for()
    (station.alive / "hold").unlink()
    station.up()
    page.wait_for_selector("#old", state="hidden")
    page.wait_for_selector("#link:text-is('live')")
    station.send("self/builder", "After the crash", "are you there?")
    page.locator("#events > li", has_text="After the crash").first.wait_for()
    row(page, "thread-rows", "After the crash").get_by_text("2 messages").wait_for()

    # What was under way is asked of a person, who is still logged in.
    page.locator("#waiting[data-some]").wait_for()
    uncertain = row(page, "approvals", "Half done")
    uncertain.locator(".state", has_text="uncertain").wait_for()
    uncertain.get_by_role("button", name="run again: Half done", exact=True).click()
    uncertain.wait_for(state="detached")
    row(page, "thread-rows", "Half done").get_by_text("2 messages").wait_for()
    assert page.evaluate("window.sameDocument")
    station.down()


def test_theme_follows_the_system_until_a_person_chooses(one: Station, show: Open) -> None:
    page = show(one, scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    page.click("#theme")
    assert page.evaluate(ground) == light
    page.reload()
    page.wait_for_selector("#link:text-is('live')")
    assert page.evaluate(ground) == light


def test_pauses_the_feed(one: Station, show: Open) -> None:
    page = show(one)
    page.click("#pause")
    one.send("self/builder", "While nobody looks", "quietly")
    row(page, "thread-rows", "While nobody looks").wait_for()
    assert page.locator("#events > li", has_text="While nobody looks").count() == 0
    page.click("#pause")
    page.locator("#events > li", has_text="While nobody looks").first.wait_for()


def test_lets_its_connection_go_while_nobody_looks(one: Station, show: Open) -> None:
    page = show(one, clock=True)
    seen = "(how) => { Object.defineProperty(document, 'visibilityState', {value: how, configurable: true});"
    seen += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(seen, "hidden")
    page.clock.run_for(30_000)
    page.wait_for_selector("#link:text-is('live')")
    page.clock.run_for(31_000)
    page.locator("#link", has_text="not connected").wait_for()
    one.send("self/builder", "Out of sight", "not out of mind")
    page.clock.run_for(30_000)
    assert page.inner_text("#link") == "not connected", "it does not come back by itself"
    page.evaluate(seen, "visible")
    page.clock.resume()
    page.locator("#events > li", has_text="Out of sight").first.wait_for()
    page.wait_for_selector("#old", state="hidden")


def test_events_are_whole_however_they_arrive(one: Station, show: Open) -> None:
    page = show(one, login=False)
    found = page.evaluate(
        r"""async () => {
          const {parser} = await import('/dashboard/stream.js');
          const text = ': hello\r\n\r\nid: a-1\ndata: {"x":\ndata: 1}\n\n' +
            'event: reset\rid: a-2\rdata:y\r\r:\n\nid: 3\ndata: z';
          const all = new Set();
          for (let size = 1; size <= text.length; size += 1) {
            const given = []; const parse = parser((event) => given.push(event));
            for (let at = 0; at < text.length; at += size) parse(text.slice(at, at + size));
            all.add(JSON.stringify(given));
          }
          return [...all];
        }"""
    )
    assert [json.loads(one) for one in found] == [
        [{"id": "a-1", "name": "message", "data": '{"x":\n1}'}, {"id": "a-2", "name": "reset", "data": "y"}]
    ]

"""A machine with everything on it, as docs/dashboard.md shows it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.browser.station import Fleet, eventually

pytestmark = pytest.mark.browser


def settle(page: Any) -> None:
    """Let go of the pointer and of what is told in passing."""
    page.mouse.move(0, 0)
    page.locator("#said:empty").wait_for(state="attached")


def test_a_busy_machine_and_an_agent_that_gave_up(
    show: Open, tmp_path_factory: pytest.TempPathFactory, shots: Path
) -> None:
    fleet = Fleet(tmp_path_factory.mktemp("pictures"))
    try:
        one, two = fleet.make("1", "The Mechanic"), fleet.make("2", "The Laptop")
        one.agent("builder", "build_project", "deployment")
        one.agent("fixer", "bug_fix", more='specialty = "compilers, linkers"\n')
        broken = json.dumps([sys.executable, "-c", "raise SystemExit('no licence file')"])
        one.agents.append(
            f'\n[[agents]]\nname = "watcher"\nkind = "http"\nurl = "http://127.0.0.1:9"\nstart = {broken}\n'
            'types = ["monitor_system"]\n'
        )
        one.agents.append('\n[[agents]]\nname = "reviewer"\nkind = "inbox"\ntypes = ["review"]\n')
        one.settings()
        one.up()
        two.settings()
        two.up()
        eventually(lambda: one.instance("builder")["state"] == "online" and one.instance("fixer")["state"] == "online")
        page = show(one, size=(1180, 800))
        two.send(
            "1", "Linker runs out of memory", "ld is killed at 16 GB since Tuesday.", type="bug_fix", priority="high"
        )
        two.send("1", "Ship 2.4 tonight?", "The tests are green here. May I deploy at nine?", type="review")
        page.locator("#thread-rows li", has_text="Ship 2.4 tonight?").wait_for()
        page.locator("#thread-rows li", has_text="1/fixer → 2").wait_for()
        one.post("/task", {"type": "build_project", "content": "Build the release of 2.4"})
        page.locator("#task-rows .state", has_text="COMPLETED").wait_for()
        (one.alive / "hold").touch()
        one.post("/task", {"type": "build_project", "content": "Build the documentation", "priority": "low"})
        one.post("/task", {"type": "deployment", "content": "Deploy 2.4 to the server", "priority": "urgent"})
        page.locator("#task-rows .state", has_text="IN_PROGRESS").wait_for()

        watcher = page.locator("#instances > li", has_text="watcher")
        watcher.locator(".state", has_text="crashed").wait_for(timeout=40_000)
        page.locator("#waiting[data-some]", has_text="watcher").wait_for()
        watcher.get_by_role("button", name="start watcher", exact=True).wait_for()

        settle(page)
        page.screenshot(path=shots / "dashboard-dark.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.screenshot(path=shots / "dashboard-light.png")
        page.emulate_media(color_scheme="dark")
        page.locator("#thread-rows .link", has_text="Ship 2.4 tonight?").click()
        page.fill("#reply", "Yes, at nine. I watch the logs.")
        page.screenshot(path=shots / "dashboard-thread.png")
        page.keyboard.press("Escape")
        page.set_viewport_size({"width": 360, "height": 740})
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=shots / "dashboard-phone.png")
        assert all(
            (shots / f"dashboard-{name}.png").stat().st_size > 5_000 for name in ("dark", "light", "thread", "phone")
        )
        page.context.close()
    finally:
        fleet.close()

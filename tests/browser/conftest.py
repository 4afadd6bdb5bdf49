"""A real Chromium, the one that the machine has, looking at real processes; whatever it complains of fails the test."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.station import Fleet, Station

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("GITSYNC_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
SHOTS = bool(os.environ.get("GITSYNC_SHOTS"))

Open = Callable[..., Any]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """Start the browser, once."""
    assert CHROMIUM, "no Chromium or Chrome on PATH; set GITSYNC_CHROMIUM, or see `make browser`"
    from playwright.sync_api import sync_playwright

    # The sandbox needs rights that root in a container does not have. The pages are ours, and nothing else is loaded.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*flags, "--disable-dev-shm-usage"])
        yield browser
        browser.close()


class Watch:
    """What a page must not do; `expect` names the noise that a test makes on purpose."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.expected: list[str] = []

    def expect(self, *patterns: str) -> None:
        self.expected += patterns

    def over(self, page: Any, origin: str) -> None:
        page.on("console", lambda one: one.type in ("error", "warning") and self._note(f"console: {one.text}"))
        page.on("pageerror", lambda error: self._note(f"script: {error}"))
        page.on("dialog", lambda box: (self._note(f"a box opened: {box.message}"), box.dismiss()))
        page.on("popup", lambda other: self._note(f"a window opened: {other.url}"))
        page.on("request", lambda one: one.url.startswith(origin) or self._note(f"request to {one.url}"))
        page.expose_function("violated", lambda what: self._note(f"policy: {what}"))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => violated(`${e.violatedDirective} ${e.blockedURI}`))"
        )

    def _note(self, text: str) -> None:
        self.complaints.append(text)

    def end(self) -> None:
        left = [one for one in self.complaints if not any(re.search(pattern, one) for pattern in self.expected)]
        assert not left, left


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fail the test in the end where the browser complained, or a page reached for anything foreign."""
    watch = Watch()
    yield watch
    watch.end()


@pytest.fixture
def show(chromium: Any, watch: Watch) -> Iterator[Open]:
    """Open the dashboard of a station: logged in, unless told otherwise."""
    contexts = []

    def opened(
        station: Station,
        *,
        login: bool = True,
        scheme: str = "dark",
        size: tuple[int, int] = (1280, 900),
        clock: bool = False,
        **more: Any,
    ) -> Any:
        context = chromium.new_context(
            color_scheme=scheme,
            viewport={"width": size[0], "height": size[1]},
            reduced_motion="reduce",
            timezone_id="UTC",
            **more,
        )
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        watch.over(page, station.url)
        if clock:
            page.clock.install()
        code = f"#code={station.post('/session/code', {})['code']}" if login else ""
        page.goto(f"{station.url}/dashboard{code}")
        page.wait_for_selector("#link:text-is('live')")
        page.locator("#machine", has_text=station.name).wait_for()
        if login:
            page.wait_for_selector("#session:text-is('log out')")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="package")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Make the fleet that the tests share."""
    made = Fleet(tmp_path_factory.mktemp("fleet"))
    yield made
    made.close()


@pytest.fixture(scope="package")
def two(one: Station, fleet: Fleet) -> Station:
    """Computer 2, without a process: it writes when a test says so."""
    return fleet.make("2", "The Laptop")


@pytest.fixture(scope="package")
def one(fleet: Fleet) -> Station:
    """Computer 1, up, with three agents."""
    station = fleet.make("1", "The Mechanic")
    station.agent("builder", "build_project", "deployment")
    station.agent("fixer", "bug_fix", more='specialty = "compilers, linkers"\n')
    station.agents.append('\n[[agents]]\nname = "jesse"\nkind = "inbox"\ntypes = ["review"]\n')
    station.settings()
    station.up()
    return station


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Say where pictures go: into the documents when asked to, else where nobody looks."""
    return Path(__file__).resolve().parents[2] / "docs" / "images" if SHOTS else tmp_path

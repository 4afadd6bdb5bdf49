"""`gitsync dashboard`: an address that logs in once, for a browser or for a person."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import Computer


def redeem(address: str) -> int:
    """Log in as the page does; return the status."""
    place, _, code = address.partition("#code=")
    request = urllib.request.Request(
        place.replace("/dashboard", "/session"),
        data=json.dumps({"code": code}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_without_a_process_it_says_how_to_start_one(one: Computer) -> None:
    result = one("dashboard")
    assert result.code == 1
    assert "gitsync up --detach" in result.err


def test_prints_or_opens_an_address_that_logs_in_once(
    one: Computer, stop_processes: list[Computer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_processes.append(one)
    one.ok("up", "--detach")
    printed = one.ok("dashboard", "--print").strip()
    assert redeem(printed) == 200
    assert redeem(printed) == 401

    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    out = one.ok("dashboard")
    opened = (tmp_path / "opened").read_text()
    assert redeem(opened) == 200
    assert opened.partition("#")[0] in out
    assert opened.partition("=")[2] not in out, "a terminal that is looked over is no place for it"

    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert redeem(next(word for word in one.ok("dashboard").split() if "#code=" in word)) == 200

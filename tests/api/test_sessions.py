"""What counts as a session."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gitsync import clock
from gitsync.api import sessions
from gitsync.api.sessions import Sessions, cookie, cookie_name


class Shelf:
    """Where sessions are kept, and the token."""

    def __init__(self) -> None:
        self.token = "a"
        self.kept: dict[str, float] = {}

    def keep(self, found: Mapping[str, float]) -> None:
        self.kept = dict(found)

    def open(self) -> Sessions:
        return Sessions(lambda: self.token, self.kept, self.keep)


def test_what_is_kept_begins_no_session() -> None:
    shelf = Shelf()
    value = shelf.open().begin()
    assert value not in shelf.kept
    again = shelf.open()
    assert again.valid(value)
    assert not any(again.valid(mark) for mark in shelf.kept)
    assert not again.valid("")
    shelf.token = "b"
    assert not again.valid(value)


def test_sessions_end_by_themselves_and_by_hand() -> None:
    shelf = Shelf()
    one = shelf.open()
    old, ended = one.begin(), one.begin()
    one.end(ended)
    one.end("none")
    assert not one.valid(ended)
    assert not shelf.open().valid(ended)
    shelf.kept = dict.fromkeys(shelf.kept, clock.unix() - 1)
    late = shelf.open()
    assert not late.valid(old)
    late.begin()
    assert len(shelf.kept) == 1


def test_so_many_are_kept_and_the_oldest_makes_room() -> None:
    shelf = Shelf()
    one = shelf.open()
    values = [one.begin() for _ in range(sessions.KEPT + 10)]
    assert len(shelf.kept) == sessions.KEPT
    assert one.valid(values[-1])


def test_codes_are_good_once_and_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Shelf().open()
    code = one.code()
    assert not one.redeem("x")
    assert one.redeem(code)
    assert not one.redeem(code)
    codes = [one.code() for _ in range(sessions.CODES + 5)]
    assert [one.redeem(each) for each in codes] == [False] * 5 + [True] * sessions.CODES
    monkeypatch.setattr(sessions, "CODE_LASTS", 0.0)
    assert not one.redeem(one.code())


def test_cookies_are_found_by_their_name() -> None:
    name = cookie_name("127.0.0.1:8900")
    assert name == "gitsync_session_8900"
    assert cookie_name("localhost") == "gitsync_session"
    assert cookie_name("[::1]:8900") == name
    assert cookie(f"a=b; {name}=value; {name}x=other", name) == "value"
    assert cookie(f"x{name}=other; {name}", name) == ""

"""Sessions of browsers: how the dashboard may act without ever knowing the token.

A session is a random value in a cookie that scripts cannot read; only its fingerprint is kept, bound to the token, so
that a new token ends them all. A one-time code lets `gitsync dashboard` open a page that is logged in, without a secret
that stays in the browser's history.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Mapping

from gitsync import clock

LASTS = 7 * 24 * 3600
"""Seconds of a session."""
CODE_LASTS = 60.0
"""Seconds in which a one-time code must be used."""
KEPT = 50
"""Sessions at one time; the one that ends first makes room."""
CODES = 20


class Sessions:
    """Know which cookies are ours; `begin` and `end` wait for the disk, so they are called on threads."""

    def __init__(
        self,
        token: Callable[[], str],
        kept: Mapping[str, float],
        keep: Callable[[Mapping[str, float]], None],
    ) -> None:
        self._token = token
        self._until = dict(kept)
        self._keep = keep
        self._codes: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self) -> str:
        """Make a session; give the value of its cookie."""
        value = clock.entropy(32).hex()
        now = clock.unix()
        with self._lock:
            alive = sorted(((end, mark) for mark, end in self._until.items() if end > now), reverse=True)[: KEPT - 1]
            self._until = {**{mark: end for end, mark in alive}, self._mark(value): now + LASTS}
            self._keep(self._until)
        return value

    def valid(self, value: str) -> bool:
        """Say whether a cookie is a session that has not ended."""
        return bool(value) and self._until.get(self._mark(value), 0.0) > clock.unix()

    def end(self, value: str) -> None:
        """End a session; ending none is fine."""
        with self._lock:
            if self._until.pop(self._mark(value), None) is not None:
                self._keep(self._until)

    def code(self) -> str:
        """Make a code that begins one session, once, within a minute."""
        now = clock.monotonic()
        fresh = [(code, until) for code, until in self._codes.items() if until > now]
        self._codes = dict(fresh[-(CODES - 1) :])
        code = clock.entropy(24).hex()
        self._codes[code] = now + CODE_LASTS
        return code

    def redeem(self, code: str) -> bool:
        """Say whether a code is good, and use it up."""
        return self._codes.pop(code, 0.0) > clock.monotonic()

    def _mark(self, value: str) -> str:
        """Give what is kept of a session: not enough to make its cookie."""
        return hmac.new(self._token().encode(), value.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def cookie_name(host: str) -> str:
    """Name the cookie: with the port, because browsers share cookies among all ports of a host."""
    port = host.rpartition(":")[2]
    return f"gitsync_session_{port}" if port.isascii() and port.isdigit() else "gitsync_session"


def set_cookie(name: str, value: str, seconds: int = LASTS) -> str:
    """Write the header that gives the cookie to the browser, or with no seconds takes it back."""
    return f"{name}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict"


def cookie(header: str, name: str) -> str:
    """Find a cookie in a request; empty where there is none."""
    for part in header.split(";"):
        found, equals, value = part.strip().partition("=")
        if equals and found == name:
            return value
    return ""

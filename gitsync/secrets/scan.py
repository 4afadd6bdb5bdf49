"""Look for secrets in a text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from gitsync.secrets.rules import ASSIGNED, RULES, assigned, secret_of, span_of

MOST = 200
"""Findings that one scan gives at most: who pastes a file of keys needs no longer list."""
SHOWN = 4
"""Characters of a secret that anybody is shown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Say where a secret stands (line from 1, bytes `start` to `end`), by which rule, and what may be shown of it."""

    line: int
    rule: str
    masked: str
    fingerprint: str = ""
    """Names the secret without telling it: the first 16 hex digits of its SHA-256."""
    start: int = 0
    end: int = 0

    @property
    def place(self) -> str:
        """Say where; line 0 is what stands above the text of a message."""
        return f"line {self.line}" if self.line else "the head"

    def __str__(self) -> str:
        return f"{self.place}: {self.rule} {self.masked}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Set whether text is scanned, and which fingerprints are known to be harmless."""

    scan: bool = True
    allow: tuple[str, ...] = ()

    def find(
        self, text: str | bytes, *, known: Collection[bytes | None] = (), passed: Collection[str] = ()
    ) -> list[Finding]:
        """Give the secrets in a text that are in none of the `known` ones, nor let pass by their fingerprints.

        The first `MOST` of these: what is known must not hide what is new behind it.
        """
        if not self.scan:
            return []
        data, old = _bytes(text), [before for before in known if before is not None]
        found = scan(data, most=None)
        pass_by = {*self.allow, *passed}
        if len(found) > MOST:  # many: then looking for each in the whole of what was would take its square
            pass_by.update(one.fingerprint for before in old for one in scan(before, most=None))
        new = (
            one
            for one in found
            if one.fingerprint not in pass_by and not any(data[one.start : one.end] in before for before in old)
        )
        return list(islice(new, MOST))


def scan(text: str | bytes, *, most: int | None = MOST) -> list[Finding]:
    """Find secrets, the first `most` in the order of the text; the time goes with its length."""
    data = _bytes(text)
    found: list[Finding] = []
    end = line = counted = 0
    for start, stop, rule, value in sorted(_matches(data), key=lambda match: (match[0], -match[1])):
        if start < end:
            continue  # part of what was found already
        line += data.count(b"\n", counted, start)
        counted, end = start, stop
        found.append(Finding(line + 1, rule, mask(value), fingerprint(value), start, stop))
        if len(found) == most:
            break
    return found


def mask(value: bytes) -> str:
    """Show the first characters of a secret: at most four, and no more than a quarter."""
    shown = value[: min(SHOWN, len(value) // 4)].decode("ascii", "replace")
    return re.sub(r"[^!-~]", "·", shown) + "…"


def fingerprint(value: bytes) -> str:
    """Name a secret without telling it."""
    import hashlib

    return hashlib.sha256(value).hexdigest()[:16]


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _matches(data: bytes) -> Iterator[tuple[int, int, str, bytes]]:
    for rule in RULES:
        for anchor in rule.anchors:
            at = data.find(anchor)
            while at >= 0:
                match = rule.match(data, at)
                if match is None:
                    at = data.find(anchor, at + len(anchor))
                    continue
                yield (*span_of(match), rule.name, secret_of(match))
                at = data.find(anchor, max(match.end(), at + 1))
    yield from _assignments(data)


def _assignments(data: bytes) -> Iterator[tuple[int, int, str, bytes]]:
    low = data.lower()  # of bytes: only ASCII changes, and every place stays where it is
    for name, words, pattern, check in ASSIGNED:
        for word in words:
            at = low.find(word)
            while at >= 0:
                match = assigned(pattern, check, data, at + len(word))
                if match is not None:
                    yield (*match.span("v"), name, match["v"])
                at = low.find(word, at + len(word))

"""Look for secrets in a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from gitsync.secrets import own
from gitsync.secrets.rules import ASSIGNED, RULES, assigned, secret_of, span_of

MOST = 200
"""Findings that one scan gives at most: who pastes a file of keys needs no longer list."""
IN_NAME = -1
"""In place of a line: it stands in the name of a file or folder."""
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
        if self.line == IN_NAME:
            return "the name"
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
        pass_by = {*self.allow, *passed}
        found = self._new(data, old, pass_by)
        if b"\0" in data:
            there = {one.fingerprint for one in found}
            for read in _READINGS:
                more = self._new(read(data), [read(before) for before in old], pass_by | there)
                found += [replace(one, start=0, end=0) for one in more]  # it stands nowhere in the bytes themselves
                there |= {one.fingerprint for one in more}
        return found[:MOST]

    def find_in_name(self, path: str, *, known: str = "", passed: Collection[str] = ()) -> list[Finding]:
        """Give the secrets in the name of a file or of a folder above it that are not in the part `known`.

        They stand in no line of the text.
        """
        found = self.find(path, known=(_bytes(known),), passed=passed)
        return [replace(one, line=IN_NAME, start=0, end=0) for one in found]

    @staticmethod
    def _new(data: bytes, old: Collection[bytes], passed: Collection[str]) -> list[Finding]:
        """Give what one reading of a text has, and the same reading of those before it has not."""
        found = scan(data, most=None)
        pass_by = set(passed)
        if len(found) > MOST:  # many: then looking for each in the whole of what was would take its square
            pass_by.update(one.fingerprint for before in old for one in scan(before, most=None))
        new = (
            one
            for one in found
            if one.fingerprint not in pass_by and not any(data[one.start : one.end] in before for before in old)
        )
        return list(islice(new, MOST))


def named(path: str) -> str:
    """Give a path as it may be shown: with what looks like a secret in it masked."""
    data, pieces, end = _bytes(path), [], 0
    for one in scan(data, most=None):
        pieces += [data[end : one.start], one.masked.encode()]
        end = one.end
    return path if not pieces else b"".join([*pieces, data[end:]]).decode("utf-8", "surrogatepass")


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


def _wide(order: str, offset: int) -> Callable[[bytes], bytes]:
    """Read UTF-16; without its NUL the same is UTF-32."""
    return lambda data: data[offset:].decode(f"utf-16-{order}", "replace").replace("\0", "").encode()


_READINGS: tuple[Callable[[bytes], bytes], ...] = (
    *(_wide(order, offset) for order in ("le", "be") for offset in (0, 1)),
    lambda data: data.replace(b"\0", b""),
)
"""How else text with NUL in it can be meant: ASCII in UTF-16 has one in every character, with and without a mark at
the beginning, and an odd number of bytes may stand before it."""


def _matches(data: bytes) -> Iterator[tuple[int, int, str, bytes]]:
    yield from ((start, end, "secret of this computer", value) for start, end, value in own.places(data))
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

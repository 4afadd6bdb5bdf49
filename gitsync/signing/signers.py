"""Whose key counts for whom: OpenSSH's file `allowed_signers` (ssh-keygen(1), ALLOWED SIGNERS), and revoked keys.

    2 namespaces="gitsync-*,git" ssh-ed25519 AAAA… laptop
    jesse,jesse@example.org namespaces="git" ssh-ed25519 AAAA…

A principal is the id of a machine, or a person's name or e-mail address. A line that cannot be read counts for nothing
and is kept as it is; so is one of a certificate authority, because certificates are not checked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import translate

from gitsync.signing.keys import PublicKey, parse_public

MACHINE = "gitsync-*,git"
"""The namespaces for which a machine's key is trusted."""
PERSON = "gitsync-message,git"
"""The namespaces for which a person's key is trusted: what a person has no part in is not signed with it."""

_WORD = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^\s"])+)\s*')
_OPTION = re.compile(r'([a-zA-Z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s",]*)))?(?:,|$)')
_TIME = re.compile(r"(\d{8})(\d{4})?(\d{2})?(Z?)", re.ASCII)
_PLAIN = re.compile(r"[^\s\"',*?!\\#\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Line:
    """One line that says whose key counts for what; times are Unix time in seconds."""

    raw: str
    principals: str
    key: PublicKey
    namespaces: str | None = None
    after: float | None = None
    before: float | None = None
    comment: str = ""

    def names(self, principal: str) -> bool:
        """Say whether it speaks of this principal."""
        return _matches(self.principals, principal)

    def covers(self, namespace: str, at: float | None) -> bool:
        """Say whether it counts for this namespace, at this time where one is given."""
        if self.namespaces is not None and not _matches(self.namespaces, namespace):
            return False
        if at is None:
            return True
        return (self.after is None or at >= self.after) and (self.before is None or at < self.before)


class AllowedSigners:
    """The keys that count, in the order of the file, and those that were revoked."""

    def __init__(self, texts: Iterable[str | Line] = (), revoked: Iterable[PublicKey] = ()) -> None:
        self.entries = tuple(texts)
        self.lines = tuple(line for line in self.entries if isinstance(line, Line))
        self.revoked = frozenset(revoked)

    @classmethod
    def parse(cls, text: str, revoked: str = "") -> AllowedSigners:
        """Read the two files; what cannot be read in them counts for nothing."""
        return cls(map(_entry, text.splitlines()), _keys(revoked))

    def render(self) -> str:
        """Write the file of allowed signers: `parse` of it gives the same, and no line is changed."""
        return "".join(f"{entry.raw if isinstance(entry, Line) else entry}\n" for entry in self.entries)

    def trusted(self, principal: str, key: PublicKey, namespace: str, at: float | None = None) -> bool:
        """Say whether a key counts for a principal in a namespace, at a time (Unix seconds) where one is given."""
        if key in self.revoked:
            return False
        return any(line.key == key and line.names(principal) and line.covers(namespace, at) for line in self.lines)

    def keys_of(self, principal: str) -> tuple[PublicKey, ...]:
        """Give the keys that stand in the file for a principal, oldest first, revoked ones too."""
        return tuple(dict.fromkeys(line.key for line in self.lines if line.names(principal)))

    def adding(self, line: Line) -> AllowedSigners:
        """Give the same with one line more."""
        return AllowedSigners((*self.entries, line), self.revoked)


def parse_line(text: str) -> Line:
    """Read one line; raise ValueError for what is none."""
    first = _WORD.match(text)
    second = _WORD.match(text, first.end()) if first else None
    if first is None or second is None:
        raise ValueError("not a line of allowed signers: a name, and a key")
    principals, options = _unquoted(first[1]), ""
    try:
        key = parse_public(text[first.end() :])
        rest = text[first.end() :]
    except ValueError:
        options = second[1]
        rest = text[second.end() :]
        key = parse_public(rest)
    namespaces: str | None = None
    after: float | None = None
    before: float | None = None
    at = 0
    while at < len(options):
        option = _OPTION.match(options, at)
        if option is None or option.end() == at:
            raise ValueError(f"cannot read the options {options!r}")
        at = option.end()
        name, value = option[1].lower(), option[2] if option[2] is not None else option[3] or ""
        if name == "namespaces":
            namespaces = value
        elif name == "valid-after":
            after = _time(value)
        elif name == "valid-before":
            before = _time(value)
        else:  # cert-authority, and what is not known: it may narrow what the key is good for
            raise ValueError(f"the option {name} is not supported")
    words = rest.split(None, 2)
    comment = words[2].strip() if len(words) > 2 else ""
    return Line(text, principals, key, namespaces, after, before, comment)


def new_line(principal: str, key: PublicKey, namespaces: str, comment: str = "") -> Line:
    """Make a line; raise ValueError for a principal that could mean more than itself."""
    if not valid_principal(principal):
        raise ValueError(f"not the name of a signer: {principal!r}")
    tail = re.sub(r"[\x00-\x1f\x7f]", " ", comment).strip()
    return parse_line(f'{principal} namespaces="{namespaces}" {key}' + (f" {tail}" if tail else ""))


def valid_principal(text: str) -> bool:
    """Say whether this can name one signer: no blanks, no patterns, no quotes."""
    return _PLAIN.fullmatch(text) is not None


def _entry(text: str) -> str | Line:
    if not text.strip() or text.lstrip().startswith("#"):
        return text
    try:
        return parse_line(text)
    except ValueError:
        return text


def _keys(text: str) -> Iterable[PublicKey]:
    for line in text.splitlines():
        try:
            yield parse_public(line)
        except ValueError:
            continue


def _unquoted(word: str) -> str:
    return re.sub(r'"((?:[^"\\]|\\.)*)"', lambda match: match[1].replace('\\"', '"'), word)


def _matches(patterns: str, text: str) -> bool:
    """Match a list of patterns as OpenSSH does: `*` and `?`, and one with `!` that fits forbids."""
    found = False
    for pattern in patterns.split(","):
        bare = pattern.removeprefix("!")
        # Square brackets mean nothing to OpenSSH.
        if bare and re.fullmatch(translate(bare.replace("[", "[[]")), text):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _time(text: str) -> float:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time written YYYYMMDD[HHMM[SS]][Z]: {text!r}")
    moment = datetime.strptime(match[1] + (match[2] or "0000") + (match[3] or "00"), "%Y%m%d%H%M%S")  # noqa: DTZ007
    return (moment.replace(tzinfo=UTC) if match[4] else moment.astimezone()).timestamp()

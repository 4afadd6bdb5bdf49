"""Whose word counts on this machine, as a value that the reading side asks: the rules, and the trusted keys."""

from __future__ import annotations

import hashlib
import logging
from functools import lru_cache

from gitsync.errors import GitsyncError
from gitsync.signing.keys import parse_public
from gitsync.signing.signers import AllowedSigners
from gitsync.signing.store import KeyStore
from gitsync.verifying import ALTERED, FORGED, REVOKED, UNKNOWN_KEY, VERIFIED, Book, Rules, plain_standing

log = logging.getLogger(__name__)


class Trust:
    """Make the book anew whenever a file of the key store or the rules have changed; asking costs a few `stat`."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._made: tuple[AllowedSigners, Rules, Book] | None = None
        self._failed = ""

    def book(self, rules: Rules) -> Book:
        """Give the book as it is now; where the keys cannot be read nobody is trusted, and the log says why."""
        try:
            signers = self._store.signers()
        except (GitsyncError, OSError) as error:
            if str(error) != self._failed:
                self._failed = str(error)
                log.error("no key is trusted: %s", error)
            return Book(rules, mark="unreadable")
        self._failed = ""
        if self._made is None or self._made[0] is not signers or self._made[1] != rules:
            self._made = (signers, rules, book_of(signers, rules))
        return self._made[2]


def book_of(signers: AllowedSigners, rules: Rules = Rules()) -> Book:  # noqa: B008 - a value
    """Make the book of these keys."""

    @lru_cache(maxsize=4096)
    def judge(sender: str, evidence: str) -> str:
        return standing(sender, evidence, signers)

    said = signers.render() + "\n".join(sorted(str(key) for key in signers.revoked))
    return Book(rules, judge, hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()[:16])


def standing(sender: str, evidence: str, signers: AllowedSigners) -> str:
    """Say what evidence is worth for a sender: one rule for messages, receipts and commits.

    none at all                                             unsigned
    the signature does not fit the text, or is none         altered
    its key was revoked here                                revoked
    its key counts for the one who is said to write         verified
    its key counts only for somebody else                   forged
    nobody here has said whose key it is                    unknown_key

    No time is asked: whoever signs chooses the dates that can be read in git and in messages, so a time keeps nobody
    out. Revoking does.
    """
    if evidence in ("", ALTERED):
        return plain_standing(evidence)
    namespace, _, text = evidence.partition(" ")
    key = parse_public(text)
    if key in signers.revoked:
        return REVOKED
    if signers.trusted(sender, key, namespace):
        return VERIFIED
    others = any(line.key == key and not line.names(sender) for line in signers.lines)
    return FORGED if others else UNKNOWN_KEY

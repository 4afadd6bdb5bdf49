"""Message ids: ULIDs, and the variants that a clash of two edits leaves behind."""

from __future__ import annotations

import re

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ID_PATTERN = r"[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}"
VARIANT_PATTERN = r"~[0-9a-fA-F]{4,32}"

_ID = re.compile(ID_PATTERN)
_ANY_ID = re.compile(f"({ID_PATTERN})({VARIANT_PATTERN})?")


def make_ulid(ms: int, entropy: bytes) -> str:
    """Make a ULID from Unix time in milliseconds and 10 random bytes."""
    if not 0 <= ms < 1 << 48:
        raise ValueError(f"not a time in milliseconds that fits a ULID: {ms}")
    if len(entropy) != 10:
        raise ValueError(f"a ULID takes 10 random bytes, not {len(entropy)}")
    number = ms << 80 | int.from_bytes(entropy, "big")
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def is_id(text: str) -> bool:
    """Say whether a text is a message id (26 characters of Crockford base32, any case), no variant."""
    return _ID.fullmatch(text) is not None


def canonical(text: str) -> str:
    """Give the one spelling of an id or a variant's id; raise ValueError for anything else."""
    match = _ANY_ID.fullmatch(text)
    if match is None:
        raise ValueError(f"not a message id: {text!r}")
    return match[1].upper() + (match[2] or "").lower()


def base_id(text: str) -> str:
    """Give the id of the message that a variant belongs to; an id without a variant as it is."""
    return text.partition("~")[0]


def variant_id(text: str, content: str) -> str:
    """Name the version with this content hash of a message; a variant's variant belongs to the message."""
    return f"{base_id(text)}~{content}"

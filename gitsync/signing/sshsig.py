"""Signatures in the format of OpenSSH (its PROTOCOL.sshsig): what `ssh-keygen -Y sign` makes and `-Y verify` checks.

A signature names the key and a namespace, so that one made for a message can never pass for one of a commit.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from gitsync.signing import keys
from gitsync.signing.keys import PrivateKey, PublicKey
from gitsync.signing.wire import Damaged, Reader, string

MESSAGE = "gitsync-message"
RECEIPT = "gitsync-receipt"
KEY = "gitsync-key"
GIT = "git"
"""git's own namespace: of commits and tags."""

LONGEST = 16 * 1024
"""Bytes of a signature; the longest RSA key makes 4 KB."""

_MAGIC = b"SSHSIG"
_HASHES = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}
_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"


def sign(key: PrivateKey, namespace: str, message: bytes) -> bytes:
    """Sign bytes; give the signature as one blob."""
    name = namespace.encode("ascii")
    inner = _signed(name, b"sha512", hashlib.sha512(message).digest())
    signature = string(keys.ED25519.encode()) + string(key.sign(inner))
    return (
        _MAGIC
        + (1).to_bytes(4, "big")
        + string(key.public.blob)
        + string(name)
        + string(b"")
        + string(b"sha512")
        + string(signature)
    )


def verify(blob: bytes, namespace: str, message: bytes) -> PublicKey | None:
    """Give the key that signed these bytes for this namespace; None where the signature does not hold. Never fails.

    Whose key it is, and whether it counts, is not asked here.
    """
    if len(blob) > LONGEST:
        return None
    try:
        reader = Reader(blob)
        if reader.take(len(_MAGIC)) != _MAGIC or reader.number() != 1:
            return None
        key = PublicKey(reader.string())
        name, reserved, digest, signature = (reader.string() for _ in range(4))
        reader.end()
        parts = Reader(signature)
        algorithm, raw = parts.string(), parts.string()
        parts.end()
    except Damaged:
        return None
    if name != namespace.encode("ascii") or digest not in _HASHES:
        return None
    # What is reserved is part of what was signed, whatever it will mean one day.
    signed = _signed(name, digest, _HASHES[digest](message).digest(), reserved)
    return key if keys.verify(key, algorithm, raw, signed) else None


def claimed_key(blob: bytes) -> PublicKey | None:
    """Give the key that a signature names, whether or not it holds; None where there is none."""
    try:
        reader = Reader(blob[:LONGEST])
        reader.take(len(_MAGIC) + 4)
        key = PublicKey(reader.string())
    except Damaged:
        return None
    return key if key.kind else None


def to_text(blob: bytes) -> str:
    """Write a signature as one word: base64."""
    return base64.b64encode(blob).decode("ascii")


def from_text(text: str) -> bytes | None:
    """Read a signature from one word; None where it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def armor(blob: bytes) -> str:
    """Write a signature in the lines that `ssh-keygen` and git use."""
    text = to_text(blob)
    return "\n".join([_BEGIN, *(text[at : at + 70] for at in range(0, len(text), 70)), _END]) + "\n"


def dearmor(text: str) -> bytes | None:
    """Read a signature from such lines; None where it is none."""
    text = text.strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        return None
    return from_text("".join(text[len(_BEGIN) : -len(_END)].split()))


def _signed(namespace: bytes, digest: bytes, of_message: bytes, reserved: bytes = b"") -> bytes:
    return _MAGIC + string(namespace) + string(reserved) + string(digest) + string(of_message)

"""What a signature is worth: one rule for messages, receipts and commits, from values alone.

no signature                                                -> unsigned
it does not fit the text, or is none at all                 -> altered
it fits; its key was revoked here                           -> revoked
it fits; its key counts for the one who is said to write    -> verified
it fits; its key counts only for somebody else              -> forged
it fits; nobody here has said whose key it is               -> unknown_key
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gitsync.protocol.blocks import Block
from gitsync.protocol.receipts import split_signature
from gitsync.signing import sshsig
from gitsync.signing.commits import split_commit
from gitsync.signing.keys import PublicKey
from gitsync.signing.payload import message_payload, receipt_payload
from gitsync.signing.signers import AllowedSigners


class Standing(StrEnum):
    """What is known of who made something."""

    VERIFIED = "verified"
    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown_key"
    ALTERED = "altered"
    REVOKED = "revoked"
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class Checked:
    """A standing, and the key that the signature names: None where there is no signature that can be read."""

    standing: Standing
    key: PublicKey | None = None


def check(
    blob: bytes | None,
    namespace: str,
    payload: bytes,
    principals: str | Sequence[str],
    signers: AllowedSigners,
    at: float | None = None,
) -> Checked:
    """Judge a signature (None: there is none) of one who goes by these names. Never fails.

    `at` (Unix seconds) is asked of lines that hold for a time only; None: they hold for ever. Whoever signs chooses the
    dates that can be read in git and in messages, so a time keeps nobody out: `revoked` does.
    """
    if blob is None:
        return Checked(Standing.UNSIGNED)
    key = sshsig.verify(blob, namespace, payload)
    if key is None:
        return Checked(Standing.ALTERED, sshsig.claimed_key(blob))
    if key in signers.revoked:
        return Checked(Standing.REVOKED, key)
    names = (principals,) if isinstance(principals, str) else principals
    if any(signers.trusted(name, key, namespace, at) for name in names):
        return Checked(Standing.VERIFIED, key)
    known = any(line.key == key and not any(line.names(name) for name in names) for line in signers.lines)
    return Checked(Standing.FORGED if known else Standing.UNKNOWN_KEY, key)


def check_message(block: Block, from_: str, to: str, signers: AllowedSigners, at: float | None = None) -> Checked:
    """Judge a block; from and to are those of its path, `to` is empty on a machine's own page."""
    text = block.sshsig
    if not text:
        return Checked(Standing.UNSIGNED)
    blob = sshsig.from_text(text) or b""
    return check(blob, sshsig.MESSAGE, message_payload(from_, to, block.id, block.inner), from_, signers, at)


def check_receipt(machine: str, line: str, signers: AllowedSigners, at: float | None = None) -> Checked:
    """Judge a line of a receipts file as it stands there; `machine` is that of its path."""
    bare, text = split_signature(line)
    if not text:
        return Checked(Standing.UNSIGNED)
    blob = sshsig.from_text(text) or b""
    return check(blob, sshsig.RECEIPT, receipt_payload(machine, bare), machine, signers, at)


def check_commit(
    data: bytes, principals: str | Sequence[str], signers: AllowedSigners, at: float | None = None
) -> Checked:
    """Judge a commit object's bytes for one who goes by these names; one of OpenPGP counts as unsigned."""
    payload, blob = split_commit(data)
    return check(blob or None, sshsig.GIT, payload, principals, signers, at)

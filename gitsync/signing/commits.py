"""Signatures of commits, as git makes and checks them with `gpg.format = ssh`.

The signature stands in the header `gpgsig`, and is made over the commit as it would be without it.
"""

from __future__ import annotations

from gitsync.signing import sshsig
from gitsync.signing.keys import PrivateKey

_HEADER = b"gpgsig "


def sign_commit(key: PrivateKey, data: bytes) -> bytes:
    """Give a commit object's bytes with the signature over them, as the last of its headers."""
    head, gap, message = data.partition(b"\n\n")
    text = sshsig.armor(sshsig.sign(key, sshsig.GIT, data)).rstrip("\n").replace("\n", "\n ")
    return head + b"\n" + _HEADER + text.encode("ascii") + gap + message


def split_commit(data: bytes) -> tuple[bytes, bytes | None]:
    """Part a commit object's bytes from its signature: what was signed, and the signature.

    None where there is none; empty where it is none of SSH, such as one of OpenPGP.
    """
    head, gap, message = data.partition(b"\n\n")
    kept: list[bytes] = []
    found: list[bytes] | None = None
    inside = False
    for line in head.split(b"\n"):
        if inside and line.startswith(b" ") and found is not None:
            found.append(line[1:])
            continue
        inside = line.startswith(_HEADER)
        if inside and found is None:
            found = [line[len(_HEADER) :]]
            continue
        kept.append(line)
        inside = False
    if found is None:
        return data, None
    blob = sshsig.dearmor(b"\n".join(found).decode("ascii", "replace"))
    return b"\n".join(kept) + gap + message, blob or b""

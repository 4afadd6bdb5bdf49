"""The bytes that are signed: few, in plain text, and the same wherever the message has been (PROTOCOL 9).

Line ends, blanks before them and blank lines at the end do not count, here as in the content hash: so a signature holds
exactly as long as the text is the same message. From and to are those of the path, in its spelling.
"""

from __future__ import annotations

from gitsync.protocol.blocks import counted
from gitsync.protocol.ids import base_id, canonical

NOBODY = "-"
"""In place of a recipient, where the path names none: on a machine's own page."""


def message_payload(from_: str, to: str, id: str, text: bytes) -> bytes:  # noqa: A002
    """Give what is signed for a message: `text` is what stands between its two boundary lines.

    A variant is signed as the message whose second text it is.
    """
    head = f"gitsync-message\nfrom {_place(from_)}\nto {_place(to) or NOBODY}\nid {base_id(canonical(id))}\n\n"
    return head.encode("utf-8", "surrogateescape") + counted(text) + b"\n"


def receipt_payload(machine: str, line: str) -> bytes:
    """Give what is signed for a receipt: its line without the signature, and whose it is."""
    return f"gitsync-receipt\nmachine {_place(machine)}\n\n{line.strip()}\n".encode("utf-8", "surrogateescape")


def key_payload(machine: str, key: str) -> bytes:
    """Give what the former key signs to announce the next one (`ssh-ed25519 AAAA…`)."""
    return f"gitsync-key\nmachine {_place(machine)}\n\n{key}\n".encode("utf-8", "surrogateescape")


def _place(name: str) -> str:
    return name.upper() if name.lower() in ("all", "any") else name.lower()

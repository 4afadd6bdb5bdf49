"""Who holds the other end of a connection on this computer; Linux tells in a table that all may read."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path

Address = tuple[str, int | None] | None

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOCAL, _REMOTE, _UID, _INODE = 1, 2, 7, 9


def tells() -> bool:
    """Say whether this system tells who holds a connection."""
    return _TABLES[0].exists()


def on_this_computer(client: Address) -> bool:
    """Say whether a connection comes from this computer."""
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


def same_user(owner: int | None, client: Address) -> bool:
    """Say whether a connection is this user's own, or of root, who can read all files anyway.

    A system that does not tell whose a connection is leaves only the question whether it comes from this computer.
    """
    if not on_this_computer(client):
        return False
    return owner in (os.geteuid(), 0) if tells() else True


def owner_of(client: Address, server: Address) -> int | None:
    """Return the user of the process at the other end; None where nobody holds it, or it is not on this computer."""
    if client is None or server is None or client[1] is None or server[1] is None or not on_this_computer(client):
        return None
    wanted = {(_hex(client, wide), _hex(server, wide)) for wide in (False, True)}
    for table in _TABLES:
        try:
            lines = table.read_text("ascii", "replace").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            # A socket that its program has closed has no inode, and its owner reads as 0, which is not root.
            if len(fields) > _INODE and (fields[_LOCAL], fields[_REMOTE]) in wanted and fields[_INODE] != "0":
                return int(fields[_UID])
    return None


def _hex(address: tuple[str, int | None], wide: bool) -> str:
    """Write an address as the table does: words of 4 bytes in the order of the machine, `wide` for IPv6."""
    host = ipaddress.ip_address(address[0])
    if isinstance(host, ipaddress.IPv4Address):
        packed = (b"\0" * 10 + b"\xff\xff" + host.packed) if wide else host.packed
    else:
        packed = host.packed
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, _ORDER):08X}" for word in words) + f":{address[1]:04X}"


_ORDER = sys.byteorder

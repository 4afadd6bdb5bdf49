"""Who holds the other end of a connection on this computer; Linux tells in a table that all may read."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import sys
from pathlib import Path

Address = tuple[str, int | None] | None

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOCAL, _REMOTE, _UID, _INODE = 1, 2, 7, 9

# <linux/netlink.h>, <linux/sock_diag.h>, <linux/inet_diag.h>
_SOCK_DIAG, _BY_FAMILY, _REQUEST, _HEAD = 4, 20, 1, 16
_ALL_STATES = _NO_COOKIE = 0xFFFFFFFF
_UID_AT = 64
"""Behind four bytes, the 48 of the addresses, and three figures."""


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
    """Return the user of the process at the other end; None where nobody holds it, or it is not on this computer.

    The kernel is asked for this one connection; where it takes no such questions its table of all of them is read,
    which can take long where there are many.
    """
    if client is None or server is None or client[1] is None or server[1] is None or not on_this_computer(client):
        return None
    try:
        return _asked((client[0], client[1]), (server[0], server[1]))
    except (OSError, AttributeError, struct.error):  # another system, or one that filters netlink
        return _read(client, server)


def _asked(client: tuple[str, int], server: tuple[str, int]) -> int | None:
    """Ask by netlink (sock_diag(7)): the answer is about the socket at the other end, or an error."""
    one, other = (ipaddress.ip_address(address[0]) for address in (client, server))
    family = socket.AF_INET if one.version == 4 else socket.AF_INET6
    place = struct.pack("!HH16s16s", client[1], server[1], one.packed, other.packed)
    wanted = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, _ALL_STATES)
    whole = wanted + place + struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
    head = struct.pack("=IHHII", _HEAD + len(whole), _BY_FAMILY, _REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as asking:
        asking.settimeout(1.0)
        asking.send(head + whole)
        answer = asking.recv(8192)
    if struct.unpack_from("=H", answer, 4)[0] != _BY_FAMILY:
        (error,) = struct.unpack_from("=i", answer, _HEAD)
        if -error == errno.ENOENT:
            return None
        raise OSError(-error, "the kernel does not tell")
    user, inode = struct.unpack_from("=II", answer, _HEAD + _UID_AT)
    # A socket that its program has closed has no inode, and its owner reads as 0, which is not root.
    return int(user) if inode else None


def _read(client: tuple[str, int | None], server: tuple[str, int | None]) -> int | None:
    wanted = {(_hex(client, wide), _hex(server, wide)) for wide in (False, True)}
    for table in _TABLES:
        try:
            lines = table.read_text("ascii", "replace").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
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

"""Swap two files in one step where the system can; else never replace what was not seen (step 6).

`renameat2(RENAME_EXCHANGE)`: looking first and renaming then lost 11 % of adversarial saves.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from functools import lru_cache

_AT_FDCWD = -100
_NOREPLACE = 1
_EXCHANGE = 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM)


class NoExchange(Exception):
    """This system or file system cannot do it."""


@lru_cache(maxsize=1)
def _renameat2() -> ctypes._NamedFuncPointer | None:
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    function.restype = ctypes.c_int
    return function


def _rename(one: str, other: str, flags: int) -> None:
    function = _renameat2()
    if function is None:
        raise NoExchange
    if function(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), flags) == 0:
        return
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        raise NoExchange
    raise OSError(code, os.strerror(code), other)


def exchange(one: str, other: str) -> None:
    """Swap two existing files; raises NoExchange or OSError."""
    _rename(one, other, _EXCHANGE)


def place_new(source: str, target: str) -> None:
    """Move a file to a name that must be free; raises FileExistsError when it is not."""
    try:
        _rename(source, target, _NOREPLACE)
    except NoExchange:
        os.link(source, target, follow_symlinks=False)
        os.unlink(source)


def swap(source: str, target: str) -> bool:
    """Put `source` at `target` and leave what was there under the name `source`.

    Without an exchange the old file is first moved aside, then the new one is placed without replacing. Give False
    when somebody else placed a file in between: theirs stays, the old one is under `source`, the new one is gone.
    """
    try:
        exchange(source, target)
        return True
    except NoExchange:
        aside = f"{source}.old"
        os.rename(target, aside)
        try:
            place_new(source, target)
            placed = True
        except FileExistsError:
            os.unlink(source)
            placed = False
        os.rename(aside, source)
        return placed


def nobody_writes(name: str) -> bool:
    """Say whether surely no process has this file open for writing: only then is a read lease granted."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)

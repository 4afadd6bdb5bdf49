"""Set the limits of this process, then become the program: ``python -I -S confine.py BYTES PROGRAM ARGUMENTS…``.

A file of its own, run by its path and without the rest of the package, so that it starts in some 10 ms. Limits are set
here and not between fork and exec of the process that starts agents: that one has threads, where running Python in a
child can lock up; and not from outside after the start, when the program may have forked already.
"""

from __future__ import annotations

import os
import resource
import sys

CANNOT_START = 126
"""The exit code when the program cannot be executed, as shells have it."""


def main(memory: str, *argv: str) -> int:
    """Bound what each process of the program may write to of its own (bytes), and execute it.

    RLIMIT_DATA, not RLIMIT_AS: what is only reserved, as garbage collectors do by the gigabyte, takes no memory.
    """
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = int(memory) if most == resource.RLIM_INFINITY else min(int(memory), most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        print(f"cannot start {argv[0]!r}: {error.strerror or error}", file=sys.stderr)
    return CANNOT_START


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))

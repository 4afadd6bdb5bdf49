"""Have standard streams, whatever whoever started us did with theirs."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress


def mend() -> None:
    """Put something in the place of closed streams: what is opened next would else get their numbers, and our output.

    What cannot be encoded is shown as escapes. Standard input stays closed for Python: reading it can be refused.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, io.TextIOWrapper(io.FileIO(number, "w", closefd=False), errors="backslashreplace"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def give_up_output() -> None:
    """Let what is still to be printed vanish: Python would complain again when it flushes at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def give_up_words() -> None:
    """Let what could not be said vanish: where standard error is full, Python would end with a code of its own."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def output_fails() -> bool:
    """Say whether it is our output that cannot be written; costs an empty line where it can."""
    try:
        print(flush=True)
    except (OSError, ValueError):
        return True
    return False

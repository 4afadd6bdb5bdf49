"""Reads a Python traceback and says where to look; takes whatever nobody else takes."""

from __future__ import annotations

import re
from typing import Any

from service import serve

HINTS = {
    "KeyError": "the key is missing: use get, or see who should have put it there",
    "AttributeError": "the value is not what the line thinks it is, often None: see where it comes from",
    "TypeError": "an argument is of another kind than expected: print its type one line above",
    "IndexError": "the list is shorter than expected: look at its length, and at an empty one",
    "FileNotFoundError": "the path does not exist from where the program runs: print it in full",
    "ModuleNotFoundError": "it is not installed in this environment, or the program runs in another one",
    "ConnectionRefusedError": "nobody listens there: is the service up, and is the port the right one?",
}


def mend(message: dict[str, Any]) -> str:
    """Say where a traceback points to and what that kind of error usually means."""
    text = message["body"]
    places = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', text)
    errors = re.findall(r"^(\w*(?:Error|Exception|Interrupt))(?::\s*(.*))?$", text, re.M)
    if not places or not errors:
        return f"I have read {message['subject']!r}. With a traceback I could say where to look."
    (file, line, function), (kind, words) = places[-1], errors[-1]
    told = f"{kind} in {function}, {file} line {line}" + (f": {words}" if words else "")
    return told + "\n" + HINTS.get(kind, "read that line, and the values that it uses")


if __name__ == "__main__":
    serve("mechanic", mend)

"""A command agent that reviews a text: the message comes on standard input, what it prints is the answer.

Run as ``python reviewer.py LOG``.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time

LONG = 110


def review(body: str) -> str:
    """Return remarks about a text, as Markdown."""
    remarks = []
    for number, line in enumerate(body.splitlines(), 1):
        if len(line) > LONG:
            remarks.append(f"- line {number}: {len(line)} characters, more than {LONG}")
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            remarks.append(f"- line {number}: something is left to do")
        if line != line.rstrip():
            remarks.append(f"- line {number}: blanks at the end")
    words = len(body.split())
    return f"Read {words} words: {'nothing to say against it.' if not remarks else 'remarks follow.'}\n" + "\n".join(
        remarks
    )


def main() -> None:
    """Read one message, note that it was read, answer."""
    called = time.time()
    task = json.load(sys.stdin)
    with open(sys.argv[1], "a", encoding="utf-8") as log:
        note = {"agent": "reviewer", "id": task["id"], "key": os.environ["GITSYNC_KEY"], "time": called}
        log.write(json.dumps(note) + "\n")
    print(review(task["body"]))


if __name__ == "__main__":
    main()

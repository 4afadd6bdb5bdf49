"""Many objects in one breath: all names are written to ``cat-file`` at once, then all answers are read.

One by one every object costs a turn of two processes, 0.3 ms on a busy machine; of 100,000 commits with their trees and
files that was half of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

AT_ONCE = 512
"""Names written before the first answer is read: they must fit into a pipe, or both sides wait for each other."""


class BrokenPipeline(Exception):
    """The answers do not belong to the questions: the process ended, or somebody spoke to it in between."""


def read_many(ask: IO[bytes], answer: IO[bytes], names: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    """Give (name, kind, content) of those objects that are there; the iterator must be read to its end."""
    for first in range(0, len(names), AT_ONCE):
        part = names[first : first + AT_ONCE]
        ask.write("".join(f"{name}\n" for name in part).encode("ascii"))
        ask.flush()
        for name in part:
            words = answer.readline().split()
            if len(words) == 2 and words[1] in (b"missing", b"ambiguous"):
                continue
            if len(words) != 3:
                raise BrokenPipeline
            size = int(words[2])
            data = answer.read(size + 1)
            if len(data) != size + 1:
                raise BrokenPipeline
            yield name, words[1].decode("ascii"), data[:-1]

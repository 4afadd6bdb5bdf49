"""Text typed directly after an adopted message: while nobody has got the message it extends it (PROTOCOL 4)."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

from gitsync.protocol.blocks import Block, Free, parse
from gitsync.protocol.message import read
from gitsync.protocol.reader import read_file

_LOOKED_AT = 512 << 10
"""Bytes read anew for the texts of one file: each costs the whole file. Beyond them lint reports the text."""


def followed(data: bytes) -> dict[str, bytes]:
    """Give the hand-written messages of a file with text directly below that may belong to them, and that text.

    What gitsync wrote itself is never extended. A heading, a comment or a rule begins something else.
    """
    if b"<!-- msg" not in data:
        return {}
    found: dict[str, bytes] = {}
    segments = parse(data)
    seen: set[str] = set()
    for block, after in pairwise(segments):
        if not isinstance(block, Block) or not isinstance(after, Free):
            continue
        text = after.raw.strip()
        if not block.closed or not text or text.startswith((b"#", b"<!--", b"---", b"***", b"___")):
            continue
        if block.id not in seen and _by_hand(block):
            found[block.id] = text
        seen.add(block.id)
    return found


def extended(data: bytes, path: str, ids: Collection[str]) -> tuple[bytes, tuple[str, ...]]:
    """Move the end lines of these messages behind the text that follows; give the file, and whose line moved.

    As far as the reader would have counted the text to the message, had it been there when it was wrapped. A line that
    would change anything else in the file is left where it is.
    """
    moved: list[str] = []
    wanted = [ident for ident in followed(data) if ident in ids]
    for ident in wanted[: max(4, _LOOKED_AT // max(1, len(data)))]:
        if (longer := _extended(data, path, ident)) is not None:
            data = longer
            moved.append(ident)
    return data, tuple(moved)


def _by_hand(block: Block) -> bool:
    if block.sshsig:  # made by gitsync, whatever became of its text since
        return False
    try:
        read(block.raw)
    except ValueError:
        return True
    return False


def _extended(data: bytes, path: str, ident: str) -> bytes | None:
    segments = parse(data)
    index = next(i for i, each in enumerate(segments) if isinstance(each, Block) and each.id == ident)
    block = segments[index]
    assert isinstance(block, Block)
    at = sum(len(each.raw) for each in segments[:index])
    opening = block.raw[: block.raw.index(b"\n") + 1]
    closing = block.raw[len(opening) + len(block.inner) :]
    below = at + len(block.inner)
    # The file as it would be, had nobody wrapped this one message.
    bare = data[:at] + block.inner + data[at + len(block.raw) :]
    mine = [each for each in read_file(bare, path).messages if each.start <= below and each.end > at]
    if len(mine) != 1 or mine[0].wrapped or not at <= mine[0].start or bare[at : mine[0].start].strip():
        return None
    end = mine[0].end
    if not bare[below:end].strip():
        return None
    text = bare[at:end]
    ending = b"" if text.endswith(b"\n") else b"\r\n" if opening.endswith(b"\r\n") else b"\n"
    closing = closing if closing.endswith(b"\n") else closing + b"\n"
    longer = data[:at] + opening + text + ending + closing + bare[end:]
    before, after = _blocks(data), _blocks(longer)
    same = [name for name, _ in before] == [name for name, _ in after]
    if not same or any(x != y for x, y in zip(before, after, strict=True) if x[0] != ident):
        return None
    return (
        longer if all(each.closed for each in parse(longer) if isinstance(each, Block) and each.id == ident) else None
    )


def _blocks(data: bytes) -> list[tuple[str, bytes]]:
    return [(each.id, each.raw) for each in parse(data) if isinstance(each, Block)]

"""Change a mailbox file as its owner does: append, take back, archive. All other bytes stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gitsync.protocol import receipts as receipt_lines
from gitsync.protocol.blocks import BOM, Block, Free, Segment, ending, open_fence, parse, render
from gitsync.protocol.ids import base_id, canonical
from gitsync.protocol.message import read
from gitsync.protocol.paths import classify
from gitsync.protocol.receipts import Receipt

ROTATE_AT = 64 * 1024

_HOW_TO = (
    "<!-- To write by hand: at the end, a heading with the subject, **Priority:** normal on a line of its own"
    " below it, and your text. The two comment lines around each message are gitsync's. -->\n"
)


def append(data: bytes | None, block: bytes, *, path: str | None = None) -> bytes:
    """Put a block at the end of a file, after one blank line; None or nothing makes a new file with a header.

    A message that is in the file already, in whatever version, is not appended again. A message, a code fence or
    a comment that is open at the end is closed first, or nobody would see the block.
    """
    ids = {s.id for s in parse(block) if isinstance(s, Block)}
    if data is None or not data.removeprefix(BOM).strip():
        return (data or b"") + _header(block, path) + block
    segments = parse(data)
    if ids and ids <= {s.id for s in segments if isinstance(s, Block)}:
        return data
    if not data.endswith(b"\n"):
        data += b"\n"
    data += closing(segments)
    return data + (b"" if _ends_blank(data) else b"\n") + block


def closing(segments: tuple[Segment, ...]) -> bytes:
    """Give the lines that close what is open at the end of a file: a message, a code fence, a comment."""
    if not segments:
        return b""
    last = segments[-1]
    if isinstance(last, Block):
        return b"" if last.closed else ending(last.raw)
    if marker := open_fence(last.raw):
        return marker + b"\n"
    opened = last.raw.rfind(b"<!--")
    return b"-->\n" if opened >= 0 and b"-->" not in last.raw[opened:] else b""


def append_receipts(data: bytes | None, machine: str, receipts: Iterable[Receipt], sshsig: Sequence[str] = ()) -> bytes:
    """Put receipts at the end of a machine's file for a month, but for lines that are in it already, signed or not.

    `sshsig` holds the signatures of the receipts in base64, in the same order; empty or missing ones for none.
    """
    if not data:
        data = f"# Receipts of {machine}\n\n".encode()
    elif not data.endswith(b"\n"):
        data += b"\n"
    signatures = iter(sshsig)
    for receipt in receipts:
        signature = next(signatures, "")
        text = receipt_lines.line(receipt)
        if not _has_receipt(data, text.encode("utf-8", "surrogateescape")):
            data += f"{receipt_lines.signed_line(text, signature)}\n".encode("utf-8", "surrogateescape")
    return data


def _has_receipt(data: bytes, line: bytes) -> bool:
    """Say whether a file has this line, signed or not."""
    at = data.find(line)
    while at >= 0:
        end = data.find(b"\n", at)
        rest = data[at + len(line) : end if end >= 0 else len(data)].rstrip(b"\r")
        if (at == 0 or data[at - 1] == 0x0A) and (not rest or receipt_lines.is_signature(rest)):
            return True
        at = data.find(line, at + 1)
    return False


def withdraw(data: bytes, message_id: str) -> bytes:
    """Take a message and its variants out of a file."""
    wanted = base_id(canonical(message_id))
    return render(_without(parse(data), lambda block: base_id(block.id) == wanted))


def rotate(data: bytes, final: Callable[[str], bool], limit: int = ROTATE_AT) -> tuple[bytes, bytes] | None:
    """Move the oldest settled messages out until the file is below half the limit.

    Give what stays and what moves; None when the file is small enough or holds nothing that is settled.
    """
    if len(data) <= limit:
        return None
    segments = parse(data)
    moved: list[Block] = []
    size = len(data)
    for segment in segments:
        if size < limit // 2:
            break
        if isinstance(segment, Block) and final(base_id(segment.id)):
            moved.append(segment)
            size -= len(segment.raw)
    if not moved:
        return None
    gone = {id(block) for block in moved}
    kept = render(_without(segments, lambda block: id(block) in gone))
    return kept, b"\n".join(whole(block) for block in moved)


def whole(block: Block) -> bytes:
    """Give the bytes of a block that stand for themselves wherever they are put: closed, and whole lines."""
    raw = block.raw if block.raw.endswith(b"\n") else block.raw + b"\n"
    return raw if block.closed else raw + ending(raw)


def _without(segments: tuple[Segment, ...], gone: Callable[[Block], bool]) -> list[Segment]:
    """Leave blocks out, and the blank line that each had for itself."""
    kept: list[Segment] = []
    tail = b"\n"
    skipped = False
    for segment in segments:
        if isinstance(segment, Block) and gone(segment):
            skipped = True
            continue
        if skipped and isinstance(segment, Free) and _ends_blank(tail):
            segment = Free(_drop_blank_line(segment.raw))
        if isinstance(segment, Free) and kept and isinstance(kept[-1], Block) and not kept[-1].closed:
            kept.append(Free(ending(kept[-1].raw)))  # what ended the message was the start of the one that goes
        kept.append(segment)
        tail = (tail + segment.raw)[-4:]
        skipped = False
    return kept


def _ends_blank(data: bytes) -> bool:
    return data == b"\n" or data.endswith((b"\n\n", b"\n\r\n"))


def _drop_blank_line(raw: bytes) -> bytes:
    for blank in (b"\n", b"\r\n"):
        if raw.startswith(blank):
            return raw[len(blank) :]
    return raw


def _header(block: bytes, path: str | None) -> bytes:
    """Write the head of a new file of messages: its title, and how a person may write in it."""
    title = "Messages"
    place = classify(path) if path else None
    if place and place.sender and place.to:
        title = f"Messages from {place.sender} to {place.to}"
    else:
        try:
            message = read(block)
        except ValueError:
            pass
        else:
            recipients = ", ".join(to.partition("/")[0] for to in message.to)
            title = f"Messages from {message.sender.partition('/')[0]} to {recipients}"
    return f"# {title}\n\n{_HOW_TO}\n".encode()

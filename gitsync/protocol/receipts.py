"""What became of a message, one line each; and the files that hold these lines.

    - 2026-11-20T06:45:12Z · <id> · from 1 · to builder · done · attempt 1 · 2.3 s · reply <id> — reason

Fields that are absent are left out. In values a backslash escapes separators (`\\d` for the dot, `\\m` for the
dash), backslashes, control characters, the opening of a comment and blanks at either end, so that no value can be
mistaken for a part. A signature stands behind the line in a comment, ` <!-- sshsig=… -->`: it is about the line, and
not part of the receipt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gitsync.protocol.ids import ID_PATTERN, VARIANT_PATTERN, canonical

OUTCOMES = ("claimed", "received", "done", "failed", "refused", "held", "uncertain", "dead")
FINAL = frozenset({"done", "failed", "refused", "dead"})

_LINE = re.compile(
    rf"[-*] (?P<date>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ) · (?P<id>{ID_PATTERN}(?:{VARIANT_PATTERN})?)"
    r" · from (?P<sender>[^·—]+?)(?: · to (?P<agent>[^·—]+?))?"
    rf" · (?P<outcome>{'|'.join(OUTCOMES)})"
    r"(?: · attempt (?P<attempt>\d{1,9}))?(?: · (?P<seconds>\d{1,12}(?:\.\d{1,6})?) s)?"
    rf"(?: · reply (?P<reply>{ID_PATTERN}))?(?: — (?P<reason>.*))?"
)
_SPECIAL = re.compile(r"[\\·—\x00-\x1f\x7f-\x9f\u2028\u2029]|^ | $|<(?=!--)")
_SIGNED = re.compile(r"[ \t]+<!--[ \t]*sshsig=([A-Za-z0-9+/]+={0,2})[ \t]*-->[ \t\r\n]*\Z")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(.))", re.DOTALL)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LONG = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Receipt:
    """One step in the life of a message at its recipient; `seconds` is how long the agent took."""

    date: str
    id: str
    sender: str
    agent: str
    outcome: str
    attempt: int = 1
    seconds: float | None = None
    reply: str | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"not an outcome: {self.outcome!r}")
        object.__setattr__(self, "id", canonical(self.id))
        if self.reply is not None:
            object.__setattr__(self, "reply", canonical(self.reply))
        if self.seconds is not None:
            object.__setattr__(self, "seconds", round(float(self.seconds), 3))
        if not self.sender:
            raise ValueError("a receipt names the sender")
        for name in ("sender", "agent", "reason"):
            value: str = getattr(self, name)
            if not value.isascii():
                object.__setattr__(self, name, _storable(value))
        if not 0 <= self.attempt < 10**9:
            raise ValueError(f"not a number of an attempt: {self.attempt}")

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to the message at this recipient."""
        return self.outcome in FINAL


def line(receipt: Receipt) -> str:
    """Write a receipt as one line, without its end."""
    parts = [receipt.date, receipt.id, f"from {_escape(receipt.sender)}"]
    if receipt.agent:
        parts.append(f"to {_escape(receipt.agent)}")
    parts += [receipt.outcome, f"attempt {receipt.attempt}"]
    if receipt.seconds is not None:
        seconds = f"{receipt.seconds:.3f}".rstrip("0")
        parts.append(f"{seconds}0 s" if seconds.endswith(".") else f"{seconds} s")
    if receipt.reply is not None:
        parts.append(f"reply {receipt.reply}")
    text = "- " + " · ".join(parts)
    return f"{text} — {_escape(receipt.reason)}" if receipt.reason else text


def parse_line(text: str) -> Receipt | None:
    """Read one line, with or without its end; None where it is no receipt."""
    match = _LINE.fullmatch(split_signature(text)[0].strip(" \r\n"))
    if match is None:
        return None
    try:
        return Receipt(
            date=match["date"],
            id=match["id"],
            sender=_unescape(match["sender"]),
            agent=_unescape(match["agent"] or ""),
            outcome=match["outcome"],
            attempt=int(match["attempt"] or 1),
            seconds=None if match["seconds"] is None else float(match["seconds"]),
            reply=match["reply"],
            reason=_unescape(match["reason"] or ""),
        )
    except ValueError:
        return None


def split_signature(text: str) -> tuple[str, str]:
    """Part a line from the signature behind it, in base64; empty where there is none."""
    if "sshsig=" not in text:
        return text, ""
    at = text.rfind("<!--")
    match = _SIGNED.search(text, max(0, at - 1)) if at > 0 else None
    return (text[: match.start()].rstrip(" \t"), match[1]) if match else (text, "")


def is_signature(behind: bytes) -> bool:
    """Say whether what stands behind a line is its signature and nothing else."""
    return _SIGNED.fullmatch(behind.decode("utf-8", "surrogateescape")) is not None


def signed_line(text: str, sshsig: str) -> str:
    """Put a signature behind a line; none where it is empty."""
    return f"{text} <!-- sshsig={sshsig} -->" if sshsig else text


def parse_file(data: bytes) -> tuple[Receipt, ...]:
    """Read every receipt of a file, in order, and pass over what is none."""
    return tuple(receipt for _, _, receipt in numbered(data) if receipt is not None)


def numbered(data: bytes) -> Iterator[tuple[int, str, Receipt | None]]:
    """Give each line with its number from 1, and the receipt in it."""
    for number, raw in enumerate(data.split(b"\n"), start=1):
        text = raw.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
        yield number, text, parse_line(text)


def lines(receipts: Iterable[Receipt]) -> bytes:
    """Write receipts as lines, each with its end."""
    return b"".join(f"{line(receipt)}\n".encode("utf-8", "surrogateescape") for receipt in receipts)


def _storable(value: str) -> str:
    """Give the text that a file will give back: bytes that make a letter together are it, half a letter is none."""
    try:
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode("utf-8")


def _escape(value: str) -> str:
    def one(match: re.Match[str]) -> str:
        char = match[0]
        if char in _SHORT:
            return _SHORT[char]
        if char in "\\·—":
            return "\\" + ("m" if char == "—" else "d" if char == "·" else "\\")
        return f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"

    return _SPECIAL.sub(one, value)


def _unescape(value: str) -> str:
    def one(match: re.Match[str]) -> str:
        if code := match[1] or match[2]:
            char = chr(int(code, 16))
            return match[0] if "\ud800" <= char <= "\udfff" else char  # half a character, which no file can hold
        return {"m": "—", "d": "·", **_LONG}.get(match[3], match[3])

    return _ESCAPE.sub(one, value)

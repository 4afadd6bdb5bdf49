"""What others wrote, shown to an agent as data: fenced, with a mark that no message can know, nothing hidden. Pure."""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
# Tags by which programs around a model tell it who speaks. Claude Code itself puts what a hook says between such ones.
_TAG = re.compile(
    r"<(?=\s{0,9}/?\s{0,9}"
    r"(?:antml:|[a-z]{1,20}[-_ ]reminder|system|user|human|assistant|developer|function|tool|invoke|parameter|\|))",
    re.IGNORECASE,
)


def fenced(title: str, text: str, nonce: str) -> str:
    """Put a tamed text between two lines that carry the mark; ``title`` says what it is and whose."""
    marks = fence(text)
    return f"{marks}{title.replace('`', '')} (mark {nonce})\n{text}\n{marks}\n(end of the {_kind(title)}, mark {nonce})"


def _kind(title: str) -> str:
    return title.partition(" ")[0]


def verified(standing: str) -> str:
    """Say whether the sender is known to have written it; ``standing`` is empty for what never left this machine."""
    if standing in ("", "verified"):
        return "yes"
    return f"no ({standing}): anybody who can push may have written this in the sender's name"


def fence(text: str) -> str:
    """Return a fence of backticks that nothing inside can close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(3, longest + 1)


def tame(text: str) -> str:
    """Make what a person would not see visible: escape sequences, bidirectional and zero-width characters, tags."""
    text = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))
    return _TAG.sub("\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", text)


def line(text: str, longest: int = 200) -> str:
    """Tame a text and make one line of it, of so many characters at most."""
    return " ".join(tame(text).split())[:longest]

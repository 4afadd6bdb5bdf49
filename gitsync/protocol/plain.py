"""Strip inline markup and emoji from one line of text, so that what is left is what a person would say."""

from __future__ import annotations

import re

LONGEST = 2000
"""Characters of a heading or a value that are looked at."""

EMOJI = (
    "\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\u25a0-\u25ff\u2139\u203c\u2049\u3030\u303d"
    "\ufe0e\ufe0f\u200d\u20e3\u200b\ufeff\U000e0020-\U000e007f"
)
_EMOJI = re.compile(f"[{EMOJI}]+")
_COMMENT = re.compile(r"<!--(?:(?!-->).)*(?:-->|$)")
_LINK = re.compile(r"!?\[([^\[\]]{0,500})\]\([^()]{0,500}\)")
_TAG = re.compile(
    r"</?(?:b|i|em|strong|u|s|code|sub|sup|span|font|a|br|kbd|mark|small|big|center)(?:\s[^<>]{0,200})?/?>",
    re.I,
)
_STARS = re.compile(r"(?<!\\)\*+")
_UNDERLINES = re.compile(r"(?<![\w\\])_{1,3}(?=\S)|(?<=[^\s\\])_{1,3}(?!\w)")
_STRIKE = re.compile(r"~~")
_CODE = re.compile(r"`+")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_SPACE = re.compile(r"\s+")


def plain(text: str) -> str:
    """Give a line without markup and emoji, runs of blanks as one."""
    text = text[:LONGEST]
    if "<" in text:
        text = _TAG.sub("", _COMMENT.sub("", text))
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "*" in text:
        text = _STARS.sub("", text)
    if "_" in text:
        text = _UNDERLINES.sub("", text)
    if "~~" in text:
        text = _STRIKE.sub("", text)
    if "`" in text:
        text = _CODE.sub("", text)
    if "\\" in text:
        text = _ESCAPE.sub(r"\1", text)
    return no_emoji(text)


def no_emoji(text: str) -> str:
    """Give a line without emoji, runs of blanks as one."""
    return _SPACE.sub(" ", _EMOJI.sub(" ", text)).strip() if not text.isascii() else " ".join(text.split())

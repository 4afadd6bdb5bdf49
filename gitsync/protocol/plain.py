"""Strip inline markup and emoji from one line of text, so that what is left is what a person would say.

What CommonMark can take apart is parsed; marks that people leave over (`**Status: fine`) are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LONGEST = 2000
"""Characters of a heading or a value that are looked at."""

EMOJI = (
    "\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\u25a0-\u25ff\u2139\u203c\u2049\u3030\u303d"
    "\ufe0e\ufe0f\u200d\u20e3\u200b\ufeff\U000e0020-\U000e007f"
)
_EMOJI = re.compile(f"[{EMOJI}]+")
_STRUCTURE = re.compile(r"[`\\]|\]\(|<[A-Za-z/!]|(?<!\w)_|_(?!\w)|~~|&#?\w{1,31};")
"""Marks that mean something only together with others. Stars do not: whatever they enclose, they go."""
_DROPPED = re.compile(
    r"<!--|</?(?:b|i|em|strong|u|s|code|sub|sup|span|font|a|br|kbd|mark|small|big|center)\b", re.IGNORECASE
)
"""Comments, and the tags that only dress a text; others are as likely a slot to be filled in: `<your name>`."""
_LEFT_OVER = re.compile(r"\*+|`+|~~|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)")
_OPEN_COMMENT = "<!--"
_SPACE = re.compile(r"\s+")


def plain(text: str) -> str:
    """Give a line without markup and emoji, runs of blanks as one."""
    text = text[:LONGEST]
    if _STRUCTURE.search(text) is not None:
        return _parsed(text)
    return no_emoji(text.replace("*", "") if "*" in text else text)


def no_emoji(text: str) -> str:
    """Give a line without emoji, runs of blanks as one."""
    return _SPACE.sub(" ", _EMOJI.sub(" ", text)).strip() if not text.isascii() else " ".join(text.split())


@lru_cache(maxsize=512)
def _parsed(text: str) -> str:
    (inline,) = _parser().parseInline(text)
    pieces: list[str] = []
    for piece in _said(inline.children or []):
        before, comment, _ = piece.partition(_OPEN_COMMENT)
        pieces.append(before)
        if comment:
            break  # a comment that ends on another line
    return no_emoji("".join(pieces))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # here: most runs of the program read no markup

    # Unjoined, what was escaped or a character's name is told from marks that are left over.
    return MarkdownIt("commonmark").enable("strikethrough").disable("text_join")


def _said(tokens: Iterable[Token]) -> Iterable[str]:
    for token in tokens:
        match token.type:
            case "text":
                yield _LEFT_OVER.sub("", token.content)
            case "text_special" | "code_inline":
                yield token.content.replace(_OPEN_COMMENT, "")
            case "html_inline":
                yield "" if _DROPPED.match(token.content) else token.content
            case "image":
                yield from _said(token.children or [])
            case "link_open" | "link_close" if token.markup == "autolink":
                yield "<" if token.nesting > 0 else ">"  # an address, which may stand beside a name
            case "softbreak" | "hardbreak":
                yield " "
            case _:
                pass

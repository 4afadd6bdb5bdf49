"""Made-up mailbox files and what people and machines do to them, for property tests."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from gitsync.protocol.blocks import Block, content_hash, parse
from gitsync.protocol.ids import base_id

IDS = [f"01JD3WQ8Z6T4K9V2M5N7P0R{number:03d}" for number in range(40)]

WORDS = (
    "alpha",
    "beta",
    "gamma  ",
    "- item",
    "- item",
    "## Title",
    "---",
    "",
    "",
    "<!-- a comment -->",
    "caf\u00e9",
)


DEEDS = ("line", "cut", "change", "letter", "letter", "edit", "drop", "move", "wrap", "fence", "sign")


@dataclass(frozen=True)
class Line:
    text: str


@dataclass(frozen=True)
class Fence:
    """A code fence, perhaps one that quotes a whole message."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Letter:
    id: str
    lines: tuple[str, ...]
    closed: bool = True
    signed: str = ""

    @property
    def end(self) -> str:
        return f"<!-- /msg sshsig={self.signed} -->" if self.signed else "<!-- /msg -->"


@dataclass(frozen=True)
class Page:
    """A file as a list of things; `crlf` and `ended` are how it is written."""

    items: tuple[Line | Fence | Letter, ...]
    crlf: bool = False
    ended: bool = True

    def bytes(self) -> bytes:
        lines: list[str] = []
        for index, item in enumerate(self.items):
            if isinstance(item, Line):
                lines.append(item.text)
            elif isinstance(item, Fence):
                lines += ["```", *item.lines, "```"]
            else:
                after = self.items[index + 1] if index + 1 < len(self.items) else None
                closed = item.closed or isinstance(after, Line | Fence)
                lines += [f"<!-- msg {item.id} -->", *item.lines, *([item.end] if closed else [])]
        end = "\r\n" if self.crlf else "\n"
        text = end.join(lines) + (end if lines and self.ended else "")
        return text.encode()


words = st.sampled_from(WORDS)
lines = st.one_of(words, st.integers(0, 10**6).map(lambda number: f"line {number}")).map(Line)
typed = st.one_of(words, st.integers(0, 20).map(lambda number: f"typed {number}")).map(Line)
said = st.one_of(st.integers(0, 20).map(lambda number: f"said {number}"), st.just(""))
signatures = st.sampled_from(["", "", "QUJD", "REVG"])
bodies = st.lists(said, min_size=1, max_size=4).map(tuple)
fences = st.one_of(
    st.lists(words, max_size=3).map(lambda inside: Fence(tuple(inside))),
    st.just(Fence((f"<!-- msg {IDS[39]} -->", "quoted", "<!-- /msg -->"))),
)


@st.composite
def pages(draw: st.DrawFn, most: int = 6) -> Page:
    ids = draw(st.lists(st.sampled_from(IDS[:12]), unique=True, max_size=most))
    items: list[Line | Fence | Letter] = draw(st.lists(lines, max_size=3))  # type: ignore[assignment]
    for name in ids:
        items.append(Letter(name, draw(bodies), draw(st.integers(0, 9)) > 0, draw(signatures)))
        items += draw(st.lists(lines, max_size=3))
        if draw(st.integers(0, 7)) == 0:
            items.append(draw(fences))
    return Page(tuple(items))


@st.composite
def edited(
    draw: st.DrawFn, page: Page, new_ids: list[str], *, wraps: bool = True, whole: bool = True, most: int = 5
) -> Page:
    """Do a few things to a page: what people type, and what daemons append, adopt and delete."""
    items = list(page.items)
    names = list(new_ids)
    for _ in range(draw(st.integers(0, most))):
        what = draw(st.sampled_from(DEEDS))
        at = draw(st.integers(0, len(items)))
        item = items[at] if at < len(items) else None
        if what == "line":
            items.insert(at, draw(typed))
        elif what == "fence":
            items.insert(at, draw(fences))
        elif what == "letter" and names:
            letter = Letter(names.pop(0), draw(bodies), signed=draw(signatures))
            items.insert(len(items) if draw(st.booleans()) else at, letter)
        elif item is None:
            continue
        elif what == "cut" and isinstance(item, Line | Fence):
            del items[at]
        elif what == "change" and isinstance(item, Line):
            items[at] = draw(typed)
        elif what == "edit" and isinstance(item, Letter):
            items[at] = replace(item, lines=draw(bodies))
        elif what == "sign" and isinstance(item, Letter):
            items[at] = replace(item, signed=draw(signatures))
        elif what == "drop" and isinstance(item, Letter):
            del items[at]
        elif what == "move":
            del items[at]
            items.insert(draw(st.integers(0, len(items))), item)
        elif what == "wrap" and wraps and isinstance(item, Line) and item.text and names:
            end = at
            while end < len(items) and end < at + 4 and isinstance(items[end], Line):
                end += 1
            inside = tuple(each.text for each in items[at:end] if isinstance(each, Line))
            # A message does not say what stands beside it as well; then nobody could say which of the two was adopted.
            told = [text for text in inside if text]
            if all(text.startswith("line") and page.items.count(Line(text)) == 1 for text in told):
                items[at:end] = [Letter(names.pop(0), inside)]
    crlf = whole and draw(st.integers(0, 9)) == 0
    return Page(tuple(items), crlf, draw(st.integers(0, 5)) > 0)


@st.composite
def forks(draw: st.DrawFn, sides: int = 2, *, wraps: bool = True, whole: bool = True) -> tuple[bytes, ...]:
    """A base, and as many versions of it that were made apart from each other."""
    base = draw(pages())
    versions = [base.bytes()]
    for number in range(sides):
        new = IDS[14 + 5 * number : 19 + 5 * number]
        # Now and then both sides hold the same new message: it reached one of them through the other.
        if draw(st.integers(0, 5)) == 0:
            new = [IDS[13], *new]
        versions.append(draw(edited(base, new, wraps=wraps, whole=whole)).bytes())
    return tuple(versions)


def letters(data: bytes | None) -> dict[str, str]:
    """The messages of a file and the hashes of what they say."""
    return {s.id: content_hash(s.inner) for s in parse(data or b"") if isinstance(s, Block)}


def signed_letters(data: bytes | None) -> set[tuple[str, str]]:
    """The pairs of message and content that stand in a file with a signature."""
    return {(s.id, content_hash(s.inner)) for s in parse(data or b"") if isinstance(s, Block) and s.sshsig}


def contents(data: bytes | None) -> set[tuple[str, str]]:
    """The pairs of message and content, with variants counted to their message."""
    return {(base_id(s.id), content_hash(s.inner)) for s in parse(data or b"") if isinstance(s, Block)}


def text_lines(data: bytes | None) -> list[bytes]:
    """All lines that say something, without the boundary lines, blanks at their ends left out."""
    stripped = [line.rstrip() for line in (data or b"").split(b"\n")]
    return [line for line in stripped if line and not line.startswith((b"<!-- msg ", b"<!-- /msg"))]

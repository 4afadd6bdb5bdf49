"""Inputs that grow on purpose where a reader could lose its temper: each family makes a text of about n bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gitsync.protocol.blocks import content_hash
from gitsync.protocol.ids import variant_id

_ID = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"


def _ulid(number: int) -> str:
    return f"01JD3WQ8Z6T4K9V2M5N{number:07d}"


def _block(ident: str, body: str) -> str:
    return f"<!-- msg {ident} -->\n{body}\n<!-- /msg -->\n"


def _repeat(piece: str) -> Callable[[int], bytes]:
    return lambda n: (piece * (n // len(piece.encode()) + 1)).encode()


def _numbered(piece: str) -> Callable[[int], bytes]:
    size = len(piece.format(_ulid(0), 0).encode())
    return lambda n: "".join(piece.format(_ulid(i), i) for i in range(n // size + 1)).encode()


def _nested(n: int) -> bytes:
    depth = int(n**0.5)
    return "".join("`" * (3 + level) + "\n" for level in range(depth)).encode()


def _chain(n: int) -> bytes:
    """Name variants so that whoever looks for a free name for one text walks along all of them, again and again."""
    number = n // 160
    lost = content = content_hash(b"lost\n")
    out = [_block(_ID, "wins, or not")]
    for step in range(number):
        name = variant_id(_ID, content)
        out.append(_block(name, f"in the way {step}"))
        content = content_hash(name.encode() + lost.encode())
    return ("".join(out) + _block(_ID, "lost") * number).encode()


FAMILIES: Mapping[str, Callable[[int], bytes]] = {
    "nested fences": _nested,
    "fences in fences": _repeat("```a\n```b\n"),
    "fences closed deep": _repeat("```\n```b\n          ```\n"),
    "fences around blocks": _numbered("~~~\n```x\n~~~~\n<!-- msg {0} -->\n```\n~~~\n<!-- /msg -->\n"),
    "headings": _repeat("# a\n"),
    "headings with a field": _repeat("## x\n**From:** 1\n"),
    "dated headings": _repeat("## 2026-11-20 06:45 UTC\n\n"),
    "setext headings": _repeat("a\n---\n\n"),
    "unclosed comments": _repeat("<!-- a\n\n"),
    "comments in a line": _repeat("a <!-- b\n"),
    "comments in one line": _repeat("a <!-- b "),
    "rules": _repeat("---\n"),
    "letters under rules": _repeat("---\nFrom: 1\nTo: 2\nDate: x\n\ntext\n"),
    "blank lines": _repeat("\n"),
    "rules and blank lines": _repeat("---\n\n\n\n\n\n\n\n"),
    "one line": _repeat("a"),
    "one heading": lambda n: b"# " + b"a" * n,
    "one line of blanks": lambda n: b"**From:** a" + b" " * n + b"b",
    "lines of blanks": _repeat("**From:** a" + " " * 3900 + "b •\n"),
    "lines of bars": _repeat("**From:** a" + " | x" * 900 + "\n"),
    "lines of stars": _repeat("**K:** " + "**" * 1800 + "\n"),
    "lines of brackets": _repeat("**From:** " + "[(" * 900 + "\n"),
    "headings of brackets": _repeat("## " + "[" * 1900 + "\n"),
    "headings of links": _repeat("## " + "[a](" * 450 + "\n"),
    "headings of stars": _repeat("## " + "*a_" * 600 + "\n"),
    "headings of tags": _repeat("## " + "<a " * 600 + "\n"),
    "headings of digits": _repeat("## " + "1:" * 900 + "\n"),
    "headings of quotes": _repeat("## `" + "``` ` " * 300 + "\n"),
    "fields": _repeat("**K:** v\n"),
    "fields in a line": _repeat("**K:** v "),
    "a block": lambda n: _block(_ID, "x\n" * (n // 2)).encode(),
    "a header": lambda n: _block(
        _ID, "## x\n\n- **From:** 1\n- **To:** 2\n" + "".join(f"- **F{i}:** v\n" for i in range(n // 13)) + "\ntext"
    ).encode(),
    "blocks": _numbered("<!-- msg {0} -->\n## S\n\n- **From:** 1\n\ntext {1}\n<!-- /msg -->\n\n"),
    "blocks and text": _numbered("<!-- msg {0} -->\nx {1}\n<!-- /msg -->\ntext below\n"),
    "unclosed blocks": _numbered("<!-- msg {0} -->\nx {1}\n"),
    "start lines": _repeat(f"<!-- msg {_ID} -->\n"),
    "end lines": _repeat("<!-- /msg -->\n"),
    "long end lines": _repeat(f"<!-- msg {_ID} -->\n<!-- /msg " + "-" * 3000 + "\n"),
    "one id, one text": _repeat(_block(_ID, "x")),
    "one id, many texts": _numbered(f"<!-- msg {_ID} -->\n{{1}} {{0}}\n<!-- /msg -->\n"),
    "variants": _chain,
    "receipts": _numbered("- 2026-11-20T06:45:12Z · {0} · from 1 · to b · done · attempt 1 · 2.3 s — why\n"),
    "a receipt": lambda n: f"- 2026-11-20T06:45:12Z · {_ID} · from {'a ' * (n // 2)}".encode(),
    "a reason": lambda n: f"- 2026-11-20T06:45:12Z · {_ID} · from 1 · done — {'<!-- sshsig= ' * (n // 13)}".encode(),
    "status starts": _repeat("<!-- status -->\n"),
    "a status without an end": lambda n: b"<!-- status -->\n" + b"- a\n\n" * (n // 5),
    "agents": lambda n: (
        b"<!-- status -->\n| agent | kind | state | specialty | types | queue |\n|---|---|---|---|---|---|\n"
        + b"".join(b"| a%d | x | online | | | 1 |\n" % i for i in range(n // 28))
        + b"<!-- /status -->\n"
    ),
    "blockers": lambda n: (
        b"<!-- status -->\n- **Blockers:**\n"
        + b"".join(b"  - b %d\n" % i for i in range(n // 10))
        + b"<!-- /status -->\n"
    ),
    "one cell": lambda n: b"<!-- status -->\n|" + b"a" * n + b"\\|\n<!-- /status -->\n",
    "a title of blanks": lambda n: "# COMPUTER 1 — ".encode() + b" " * n + b"x\n<!-- status -->\n<!-- /status -->\n",
    "titles": _repeat("# COMPUTER a\n\n\n"),
    "front matter": lambda n: b"---\na: b\n" + b"a: b\n" * (n // 5),
    "not utf-8": lambda n: b"\xff\n" * (n // 2),
    "carriage returns": lambda n: b"\r" * n,
    "conflicts": _repeat("<<<<<<< a\n=======\n>>>>>>> b\n"),
}

# ruff: noqa: E501 - lines of data
"""Make text that looks like a mailbox and is wrong in every way that a person, a program or an enemy gets it wrong.

Seeded: the same seed makes the same bytes. A generator that knows the grammar reaches further than random bytes: most
of those are one long line of free text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

CUT = b"\n\x1d\n"
"""Where a target that takes several texts cuts its input."""

IDS = tuple(f"01JD3WQ8Z6T4K9V2M5N7P0R{number:03d}" for number in range(8))
_ODD_IDS = ("01jd3wq8z6t4k9v2m5n7p0r001", "01JD3WQ8Z6T4K9V2M5N7P0R001~00ff", "../../etc/passwd", "short", "I" * 26, "")
_HASHES = ("~0123456789abcdef", "~00", "~ABCDEF01", "~" + "0" * 33)
_WHO = (
    "1",
    "2",
    "laptop",
    "Computer 2",
    "C1",
    "1/mechanic",
    "ALL",
    "any",
    "jesse",
    "A & B",
    "2/../x",
    "C1 → C2",
    "",
    "*",
)
_WHEN = (
    "2026-11-20T06:45:00Z", "2025-10-29 12:25 PM PST", "October 03, 2025, 00:21 AM PDT", "15:57 PM", "0000-00-00", "MT",
    "9999-12-31T23:59:60Z", "2025-02-30 25:61", "20251120T064500Z", "[HH:MM]", "20260101_0000-9999", "1-1-1", "٣/٤/٢٠٢٥ ١٢:٠٠",
)  # fmt: skip
_LEVELS = ("high", "URGENT!!!", "P0", "🔴 now", "not urgent", "LOW / HIGH / URGENT", "?", "")
_NAMES = (
    "From", "To", "Date", "Time", "Timestamp", "Priority", "Subject", "Type", "Thread", "In-Reply-To", "Status", "Re", "By",
    "For", "Agents", "Blockers", "Install", "Auto", "K" * 45, "Reporter",
)  # fmt: skip
_WORDS = (
    "deploy",
    "the",
    "landing page",
    "café",
    "naïve",
    "→",
    "MESSAGE #3:",
    "Message from C1",
    "RESPONSE #1",
    "TO C2:",
)
_BAD = (
    b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", b"\xf4\x90\x80\x80", b"\x1b[2J", b"\x1b]8;;http://x\x07", b"\x1b]52;c;eA==\x07",
    "\u202e\u2066".encode(), "\u200b\u200d\ufeff".encode(), b"\xef\xbb\xbf", "\u2028\u2029\x85".encode(), b"\r", b"\x0b\x0c",
    b"\x9b31m", "\U000e0041".encode(), b"\\", b"|", b"`", b"*" * 7,
)  # fmt: skip
_RULES = (b"---", b"***", b"===", b"- - -", b"___", b"--", b"...")
_COMMENTS = (
    b"<!--",
    b"-->",
    b"<!-- note -->",
    b"<!-- open",
    b"text <!-- open",
    b"<!---->",
    b"<!-->",
    b"<!-- status -->",
)
_PLACEHOLDERS = (
    b"[EDIT THIS]",
    b"[ONLINE / OFFLINE]",
    b"$(date)",
    b"YYYY-MM-DD",
    b"{{x}}",
    b"<your name>",
    b"[[[[",
    b"((((",
)
_OUTCOMES = ("claimed", "received", "done", "failed", "refused", "held", "uncertain", "dead", "DONE", "")

Made = Callable[[Random], bytes]


def mailbox(rng: Random) -> bytes:
    """Make a file of messages."""
    parts = [b"\xef\xbb\xbf"] if rng.random() < 0.05 else []
    if rng.random() < 0.1:
        parts.append(b"---\ntitle: x\nfrom: 1\n" + (b"---\n" if rng.random() < 0.7 else b""))
    parts += [rng.choice(_PIECES)(rng) for _ in range(_few(rng, 7))]
    data = b"".join(parts)
    if rng.random() < 0.15:
        data = data.replace(b"\n", b"\r\n")
    return data[:-1] if rng.random() < 0.15 else data


def receipts(rng: Random) -> bytes:
    """Make a file of receipts."""
    lines = [b"# Receipts of 2\n\n"] if rng.random() < 0.5 else []
    lines += [_receipt(rng) if rng.random() < 0.8 else rng.choice(_PIECES)(rng) for _ in range(_few(rng, 6))]
    return b"".join(lines)


def status(rng: Random) -> bytes:
    """Make a status page."""
    cells = ["builder", "http", "online", "code | pipe", "a, b", "12", "\\|", "\\", "", "---", "9" * 30]
    lines = [rng.choice(("# COMPUTER 1 — The Mechanic", "# COMPUTER x", "", "# COMPUTER 1 —   "))]
    lines += ["", rng.choice(("<!-- status -->", "<!-- status -->", " <!-- status -->", "<!--status-->", "text"))]
    lines.append(f"- **Status:** {rng.choice(('ACTIVE', 'on the way', '', '<!-- /status -->'))}")
    for head in rng.sample(["agent | kind | state | specialty | types | queue", "capacity | used | limit | resets"], 2):
        lines += [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
        for _ in range(_few(rng, 3)):
            lines.append("| " + " | ".join(rng.choice(cells) for _ in range(rng.randrange(8))) + rng.choice((" |", "")))
        lines.append(rng.choice(("", "typed by hand", "<!-- msg")))
    lines.append(
        rng.choice(("- **Blockers:** none", "- **Blockers:**\n  - one\n  - none", "- **Install:** x\n- **Key:** y"))
    )
    lines.append(rng.choice(("<!-- /status -->", "<!-- /status -->", "", "<!-- status -->")))
    return "\n".join(lines).encode() + b"\n" + mailbox(rng)


def header(rng: Random) -> bytes:
    """Make one line as it stands in a header, or its value."""
    return _field(rng).strip(b"\n") if rng.random() < 0.6 else rng.choice((_when, _who, _level, _words))(rng).encode()


def commit(rng: Random) -> bytes:
    """Make a commit object as git stores it."""
    seconds = rng.choice(
        ("0", "-1", "1700000000", "1" + "0" * 12, "9" * 30, "9" * 5000, "-62135596801", "253402300800", "x", "")
    )
    zone = rng.choice(("+0000", "-1200", "+9999", "+99999999", "", "UTC"))
    name = rng.choice((b"A", b"", b"<", b"A <b> <c>", b"\x1b[2J", *_BAD))
    person = b"%s <%s> %s %s" % (name, rng.choice((b"a@b", b"", *_BAD)), seconds.encode(), zone.encode())
    lines = [b"tree " + b"4b825dc642cb6eb9a060e54bf8d69288fbee4904", b"author " + person, b"committer " + person]
    if rng.random() < 0.4:
        codec = (
            b"latin-1",
            b"utf-16",
            b"hex",
            b"zlib",
            b"idna",
            b"undefined",
            b"unicode_escape",
            b"utf-7",
            b"\0",
            b"x" * 99,
        )
        lines.append(b"encoding " + rng.choice(codec))
    if rng.random() < 0.2:
        lines.append(b"gpgsig -----BEGIN\n x\n y")
    body = [
        rng.choice((b"[1] 2 messages to 2, 1 receipt", b"[..] withdraw " + IDS[1].encode(), b"by hand", b"", *_BAD)),
        b"",
    ]
    for _ in range(_few(rng, 4)):
        trailer = rng.choice((b"Gitsync-Machine", b"Gitsync-Message", b"Gitsync-Withdrawn", b"gitsync-machine"))
        body.append(trailer + b": " + rng.choice((b"1", b"../..", _id(rng).encode(), *_BAD)))
    return b"\n".join(lines) + b"\n\n" + b"\n".join(body)


def config(rng: Random) -> bytes:
    """Make a settings file."""
    keys = (
        "id",
        "name",
        "role",
        "port",
        "host",
        "branch",
        "remote",
        "settle",
        "name",
        "kind",
        "command",
        "url",
        "match",
        "types",
    )
    values = (
        '"1"', '"../x"', "0", "-1", "true", "[]", '["a", 1]', "1e309", "nan", "{}", '"5 s"', '"1 fortnight"', "9" * 50, '""',
        '"\\u202e"', "1979-05-27", '"http"', '"command"', '"http://127.0.0.1:1/x"', '["sh", "-c", "x"]',
    )  # fmt: skip
    tables = (
        "machine",
        "sync",
        "api",
        "dispatch",
        "log",
        "[agents]",
        "[policy]",
        "[routes]",
        "supervise",
        "tasks",
        "x.y",
        "[capacity]",
    )
    lines = ['[machine]\nid = "1"'] if rng.random() < 0.8 else []
    for _ in range(_few(rng, 4)):
        lines.append(f"[{rng.choice(tables)}]")
        lines += [f"{rng.choice(keys)} = {rng.choice(values)}" for _ in range(_few(rng, 4))]
    return "\n".join(lines).encode()


def globs(rng: Random) -> bytes:
    """Make a `.gitignore`, the cut, and a path."""
    marks = (
        "*",
        "**",
        "?",
        "/",
        "a",
        "b",
        "[a-",
        "[!x]",
        "]",
        "\\",
        "!",
        "#",
        " ",
        "[]",
        "[z-a]",
        "*a*",
        "**/",
        "/**",
        "[[:alpha:]]",
    )
    rules = "\n".join("".join(rng.choice(marks) for _ in range(_few(rng, 9))) for _ in range(_few(rng, 4)))
    path = "".join(rng.choice(("a", "b", "aa", "/", "é", ".", "x]")) for _ in range(_few(rng, 12)))
    return rules.encode() + CUT + path.encode()


def tree(rng: Random) -> bytes:
    """Make a tree object as git stores it, with names twice and names that no file may have."""
    names = (
        b"a",
        b"a",
        b".git",
        b"..",
        b"",
        b"a/b",
        b"\xff",
        b"messages",
        b"README.md",
        b"git~1",
        ".g\u200cit".encode(),
    )
    modes = (b"100644", b"100755", b"40000", b"120000", b"160000", b"100664", b"0", b"7777777", b"9")
    rows = [b"%s %s\0%s" % (rng.choice(modes), rng.choice(names), rng.randbytes(20)) for _ in range(_few(rng, 6))]
    return b"".join(rows)


def paths(rng: Random) -> bytes:
    """Make a path or an address."""
    parts = ("messages", "receipts", "archive", "1_TO_2.md", "COMPUTER_1.md", "2026-11.md", "2026-11", "..", ".git", "ALL", "1",
             "jesse_TO_any.2.md", "", "\u202e", "a" * 40, "self", "2/builder", "-1_TO_2.md")  # fmt: skip
    return "/".join(rng.choice(parts) for _ in range(_few(rng, 3))).encode()


def mutate(rng: Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    """Change an input a little: lines moved, doubled, cut, spliced with another input; bytes put in and taken out."""
    for _ in range(rng.randrange(1, 4)):
        what = rng.randrange(8)
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.randrange(1, 40))
        if what == 0:
            data = data[:at] + rng.choice(_BAD) + data[at:]
        elif what == 1:
            data = data[:at] + data[end:]
        elif what == 2:
            lines = data.split(b"\n")
            i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[i], lines[j] = lines[j], lines[i]
            data = b"\n".join(lines)
        elif what == 3:
            data = data[:end] + data[at:end] * rng.randrange(1, 4) + data[end:]
        elif what == 4 and data:
            spot = rng.randrange(len(data))
            data = data[:spot] + bytes([rng.randrange(256)]) + data[spot + 1 :]
        elif what == 5:
            other = rng.choice(corpus) if corpus else b""
            data = data[:at] + other[rng.randrange(len(other) + 1) :]
        elif what == 6:
            data = data[:at] + rng.choice(_PIECES)(rng) + data[at:]
        else:
            data = data[:at] + rng.choice((b"\n", b"\r\n", b"\r", b" ", b"\t", b":", b"#", b"**")) + data[at:]
    return data[:20_000]


def three(rng: Random, make: Made) -> bytes:
    """Make a base and two versions of it, cut apart."""
    base = make(rng)
    sides = [base if rng.random() < 0.1 else mutate(rng, base, (base,)) for _ in range(2)]
    if rng.random() < 0.1:
        sides[0] = make(rng)
    return CUT.join([base.replace(CUT, b""), *(side.replace(CUT, b"") for side in sides)])


def _few(rng: Random, most: int) -> int:
    return min(rng.randrange(1, most + 1), rng.randrange(1, most + 1))


def _id(rng: Random) -> str:
    name = rng.choice(IDS) if rng.random() < 0.85 else rng.choice(_ODD_IDS)
    return name + (rng.choice(_HASHES) if rng.random() < 0.15 else "")


def _when(rng: Random) -> str:
    return rng.choice(_WHEN)


def _who(rng: Random) -> str:
    return rng.choice(_WHO)


def _level(rng: Random) -> str:
    return rng.choice(_LEVELS)


def _words(rng: Random) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(_few(rng, 5)))


def _field(rng: Random) -> bytes:
    name = rng.choice(_NAMES)
    value = rng.choice((_when, _who, _level, _words, _id))(rng)
    shapes = ("- **{}:** {}", "**{}:** {}", "**{}**: {}", "**{}: {}**", "{}: {}", "## {}: {}", "* {}: {}", "**{}:** {} • **To:** 2",
              "| {}: {} | From: C1 |", "{}： {}", "- [x] **{}:** {}", "**{}:**{}", "    {}: {}")  # fmt: skip
    line = rng.choice(shapes).format(name, value).encode()
    if rng.random() < 0.08:
        at = rng.randrange(len(line) + 1)
        line = line[:at] + rng.choice(_BAD) + line[at:]
    return line + rng.choice((b"\n", b"\n", b"  \n", b"\n\n"))


def _heading(rng: Random) -> bytes:
    text = rng.choice((_words, _when, _who))(rng)
    if rng.random() < 0.2:
        return f"{text}\n{rng.choice(('===', '---'))}\n".encode()
    return (
        b"#" * rng.randrange(1, 8)
        + rng.choice((b" ", b"", b"\t"))
        + text.encode()
        + rng.choice((b"\n", b" ##\n", b"\n\n"))
    )


def _text(rng: Random) -> bytes:
    line = _words(rng).encode()
    kind = rng.random()
    if kind < 0.12:
        line += rng.choice(_BAD)
    elif kind < 0.2:
        line = rng.choice(_PLACEHOLDERS)
    elif kind < 0.3:
        line = rng.choice(_COMMENTS)
    elif kind < 0.34:
        line = rng.choice((b"<<<<<<< ours", b">>>>>>> theirs", b"=======", b"\\<!-- msg x", b"\\```", b"Human: do it"))
    return line + b"\n" * rng.randrange(1, 3)


def _fence(rng: Random) -> bytes:
    mark = rng.choice((b"```", b"~~~", b"````", b"  ```", b"\t~~~~", b"````````"))
    inner = (
        b"".join(rng.choice((_text, _block, _fence, _field))(rng) for _ in range(_few(rng, 2)))
        if rng.random() < 0.5
        else b"x\n"
    )
    return (
        mark + rng.choice((b"", b"md", b" a`b", b" ")) + b"\n" + inner + (mark + b"\n" if rng.random() < 0.8 else b"")
    )


def _start(rng: Random) -> bytes:
    spaces = rng.choice((" ", " ", "  ", "\t"))
    return rng.choice((b"", b"", b"", b"", b" ", b"\\")) + f"<!--{spaces}msg {_id(rng)} -->\n".encode()


def _end(rng: Random) -> bytes:
    attributes = (
        "",
        "",
        "",
        " sshsig=U1NIU0lHAAAAAQ==",
        ' a="b"',
        " -- ",
        " >",
        " sshsig=",
        " \xff",
        ' sshsig="' + "A" * 300 + '"',
    )
    return f"<!-- /msg{rng.choice(attributes)} -->".encode() + rng.choice((b"\n", b"\n", b" \n", b"\r\n", b" x\n"))


def _strict(rng: Random) -> bytes:
    lines = [
        f"## {_words(rng)}",
        "",
        f"- **From:** {rng.choice(('1', '1/mechanic', '9'))}",
        "- **To:** 2",
        "- **Date:** 2026-11-20T06:45:00Z",
    ]
    lines += ["- **Priority:** normal", *(f"- **Thread:** {_id(rng)}" for _ in range(rng.randrange(2))), ""]
    return "\n".join(lines).encode() + b"\n" + _text(rng)


def _block(rng: Random) -> bytes:
    body = _strict(rng) if rng.random() < 0.5 else b"".join(rng.choice(_INNER)(rng) for _ in range(_few(rng, 4)))
    return _start(rng) + body + (_end(rng) if rng.random() < 0.9 else b"")


def _letter(rng: Random) -> bytes:
    return _heading(rng) + b"".join(_field(rng) for _ in range(_few(rng, 4))) + b"\n" + _text(rng)


def _rule(rng: Random) -> bytes:
    return rng.choice(_RULES) + b"\n"


def _receipt(rng: Random) -> bytes:
    parts = [_when(rng) if rng.random() < 0.2 else "2026-11-20T06:45:12Z", _id(rng), f"from {_who(rng)}"]
    if rng.random() < 0.5:
        parts.append(f"to {_who(rng)}")
    parts.append(rng.choice(_OUTCOMES))
    parts += rng.sample(
        ["attempt 1", "attempt 999999999", "2.3 s", "1e5 s", "reply " + _id(rng), "attempt ٣"], rng.randrange(3)
    )
    line = "- " + rng.choice((" · ", " · ", "·")).join(parts)
    if rng.random() < 0.4:
        line += " — " + rng.choice(("why", "a \\m b", "\\", "\\xzz", "\\ud800", "\\u2028", ""))
    if rng.random() < 0.2:
        line += " <!-- sshsig=U1NIU0lHAAAAAQ== -->"
    return line.encode() + rng.choice((b"\n", b"\n", b"\r\n", rng.choice(_BAD) + b"\n"))


_INNER = (_field, _field, _heading, _text, _text, _fence, _rule)
_PIECES = (_block, _block, _block, _letter, _letter, _fence, _text, _field, _heading, _rule, _start, _end, _receipt)

"""Git objects as bytes: trees and commits, parsed and composed. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from gitsync.git.values import DIRECTORY, EXECUTABLE, REGULAR, Commit, Entry, Person

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def object_id(kind: str, data: bytes) -> str:
    """Return the name git gives to an object."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data, usedforsecurity=False).hexdigest()


def to_bytes(name: str) -> bytes:
    """Return a path as git stores it; what is not UTF-8 travels as surrogate escapes."""
    return name.encode("utf-8", "surrogateescape")


def to_text(name: bytes) -> str:
    """Return a path as the rest of the program sees it."""
    return name.decode("utf-8", "surrogateescape")


def parse_tree(data: bytes) -> dict[bytes, Entry]:
    """Read one level of a tree; of a name that stands there twice, which git never writes, the first entry counts."""
    entries: dict[bytes, Entry] = {}
    at = 0
    while at < len(data):
        space = data.index(b" ", at)
        end = data.index(b"\0", space)
        mode = int(data[at:space], 8)
        if mode & 0o170000 == 0o100000:  # other permissions (100664, 100600) come from old gits and from foreign tools
            mode = EXECUTABLE if mode & 0o100 else REGULAR
        entries.setdefault(data[space + 1 : end], Entry(mode, data[end + 1 : end + 21].hex()))
        at = end + 21
    return entries


_ROW = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)
Row = tuple[bytes, bytes, bytes]
"""One entry of a tree as git stores it: mode, name, object."""


def differences(old: bytes, new: bytes) -> list[tuple[bytes, Entry | None, Entry | None]]:
    """Return what differs between two versions of one level of a tree: name, entry before, entry after.

    Only what differs becomes a value; of a folder with many files that is one or two.
    """
    before, after = set[Row](_rows(old)), set[Row](_rows(new))
    was = {row[1]: row for row in before - after}
    now = {row[1]: row for row in after - before}
    return [(name, _entry(was.get(name)), _entry(now.get(name))) for name in sorted(was.keys() | now.keys())]


def _rows(data: bytes) -> list[Row]:
    """Give the rows of one level; of a name that stands there twice the first, as when it is looked up."""
    rows: list[Row] = _ROW.findall(data)
    if len({row[1] for row in rows}) == len(rows):
        return rows
    return list({row[1]: row for row in reversed(rows)}.values())


def _entry(row: Row | None) -> Entry | None:
    return None if row is None else Entry(int(row[0], 8), row[2].hex())


def compose_tree(entries: Mapping[bytes, Entry]) -> bytes:
    """Write one level of a tree, in git's order: a directory sorts as if its name ended in a slash."""

    def key(item: tuple[bytes, Entry]) -> bytes:
        return item[0] + b"/" if item[1].mode == DIRECTORY else item[0]

    return b"".join(
        b"%o %s\0" % (entry.mode, name) + bytes.fromhex(entry.sha) for name, entry in sorted(entries.items(), key=key)
    )


def check_path(path: str) -> list[bytes]:
    """Split a path; ValueError for one that leaves the tree or that git would refuse to check out."""
    if not inside(path):
        raise ValueError(f"not a path inside the mailbox: {path!r}")
    return to_bytes(path).split(b"/")


def inside(path: str) -> bool:
    """Say whether a path from a tree may be written at all; git's own servers let others through by default."""
    return all(
        part not in ("", ".", "..") and "\0" not in part and not _GIT.fullmatch(part) for part in path.split("/")
    )


# What some file system takes for `.git`: by case, by trailing dots and blanks, by its short name or a stream's
# (Windows), by letters of no width (macOS). CVE-2014-9390, CVE-2019-1353.
_BLANK = "[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]*"
_GIT = re.compile(rf"{_BLANK}(?:\.{_BLANK}g{_BLANK}i{_BLANK}t|git~1){_BLANK}[. ]*(?::.*)?", re.IGNORECASE | re.DOTALL)


_PERSON = re.compile(r"(?P<name>.*?) ?<(?P<email>[^>]*)>(?: (?P<date>-?[0-9]+))?(?: (?P<tz>[+-][0-9]+))?", re.DOTALL)
LATEST = 253_402_300_799
"""The last second of the year 9999, in Unix time; what a commit says beyond it, or before 1970, is nonsense."""
# Encodings that people's git has written commits in. Python has others, that are no text, never end, or give halves of
# characters; and UTF-16 is not what git can store.
_ENCODING = re.compile(
    r"(?:utf-?8|(?:us-)?ascii|iso-?8859-\d{1,2}|latin-?\d|(?:cp|windows-)\d{3,4}|koi8-[rtu]|shift[_-]jis|sjis|euc[_-][a-z]{2}"
    r"|gbk?|gb2312|gb18030|big5)",
    re.IGNORECASE,
)


def parse_person(text: str) -> Person:
    """Read ``Name <mail> 1700000000 +0100``; what is missing is empty."""
    match = _PERSON.match(text)
    if match is None:
        return Person(text.strip(), "")
    return Person(match["name"].strip(), match["email"], _moment(match["date"] or "0"), match["tz"] or "+0000")


def _moment(digits: str) -> int:
    """Read Unix time; a moment before 1970 or after the year 9999 is the nearest that is none of both."""
    if digits.startswith("-"):
        return 0
    return min(int(digits), LATEST) if len(digits) < 20 else LATEST


def parse_commit(sha: str, data: bytes) -> Commit:
    """Read a commit; of a signature it only says that there is one, and any header not known here is passed over."""
    head, _, message = data.partition(b"\n\n")
    fields: dict[bytes, bytes] = {}
    parents: list[str] = []
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        if name == b"parent":
            parents.append(value.decode("ascii"))
        elif name:  # a line that starts with a blank continues the header above it
            fields.setdefault(name, value)
    encoding = fields.get(b"encoding", b"utf-8").decode("ascii", "replace")

    def text(raw: bytes) -> str:
        if encoding and _ENCODING.fullmatch(encoding):
            with suppress(LookupError, UnicodeError):
                return raw.decode(encoding)
        return raw.decode("utf-8", "surrogateescape")

    return Commit(
        sha,
        fields[b"tree"].decode("ascii"),
        tuple(parents),
        parse_person(text(fields.get(b"author", b""))),
        parse_person(text(fields.get(b"committer", b""))),
        text(message),
        b"gpgsig" in fields,
    )


def compose_commit(tree: str, parents: Iterable[str], author: Person, committer: Person, message: str) -> bytes:
    """Write a commit; a NUL, which git refuses, is taken out of the message."""
    if not message.endswith("\n"):
        message += "\n"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {_person(author)}", f"committer {_person(committer)}", "", message.replace("\0", "")]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _person(person: Person) -> str:
    name = _clean(person.name) or _clean(person.email).partition("@")[0] or "unknown"
    tz = person.tz if re.fullmatch(r"[+-]\d{4}", person.tz) else "+0000"
    return f"{name} <{_clean(person.email)}> {max(0, person.date)} {tz}"


def _clean(text: str) -> str:
    """Take out what would end the field; git also strips such characters at the ends of a name."""
    return re.sub(r"[<>\0\r\n]+", " ", text).strip(" .,:;\"'\\")

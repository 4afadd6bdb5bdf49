"""Say which files of the folder are nobody's business: editor leftovers, dotfiles, `.gitignore`; pure.

Only names that are not on the branch are ever asked about: a tracked file is never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_KEPT_DOTFILES = frozenset({".gitattributes", ".gitignore"})
_TEMPORARY = re.compile(
    r"~$|^~\$|^#.*#$|\.sw[a-px]$|\.(?:tmp|temp|bak|part|crdownload|orig|rej|lock)$|^4913$|^\d+\.tmp$|^sed[A-Za-z0-9]{6}$"
    r"|___jb_(?:tmp|old)___$|^Thumbs\.db$|^desktop\.ini$|^Icon\r$",
    re.IGNORECASE,
)


def temporary(name: str) -> bool:
    """Say whether a file name (without its folder) is a dotfile or an editor's leftover."""
    if name.startswith("."):
        return name not in _KEPT_DOTFILES
    return _TEMPORARY.search(name) is not None


Mark = str | re.Pattern[str] | None
"""One mark of a name's pattern: a letter, a set of letters (`?` is one), or None for a star."""
ANY_DEPTH = None
"""In place of a name: any number of folders."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a `.gitignore`: a pattern for each name of a path."""

    names: tuple[tuple[Mark, ...] | None, ...]
    negated: bool
    folders_only: bool


def parse_rules(text: str, folder: str = "") -> tuple[Rule, ...]:
    """Read the lines of a `.gitignore` that stands in `folder` ('' is the root), after gitignore(5)."""
    rules = []
    for raw in text.splitlines():
        line = raw if raw.endswith("\\ ") else raw.rstrip(" \t")
        if not line or line.startswith("#"):
            continue
        negated = line.startswith("!")
        if negated or line.startswith(("\\#", "\\!")):
            line = line[1:]
        folders_only = line.endswith("/")
        line = line.rstrip("/")
        if not line:
            continue
        anchored = "/" in line
        names: list[tuple[Mark, ...] | None] = [tuple(part) for part in folder.split("/") if part]
        if not anchored:
            names.append(ANY_DEPTH)
        parts = line.removeprefix("/").split("/")
        for number, part in enumerate(parts):
            if part != "**":
                names.append(_marks(part))
            elif number == len(parts) - 1 and number:
                names += [ANY_DEPTH, (None,)]  # what is inside, not the folder itself
            else:
                names.append(ANY_DEPTH if number < len(parts) - 1 else (None,))
        rules.append(Rule(tuple(names), negated, folders_only))
    return tuple(rules)


def ignored(path: str, rules: tuple[Rule, ...]) -> bool:
    """Say whether a file's path is ignored: itself, or a folder that holds it. The last rule wins."""
    parts = path.split("/")
    verdicts = [False] * len(parts)
    for rule in rules:
        for depth in _fits(rule.names, parts):
            if depth < len(parts) or not rule.folders_only:
                verdicts[depth - 1] = not rule.negated
    return any(verdicts)


def _fits(names: tuple[tuple[Mark, ...] | None, ...], parts: list[str]) -> Iterator[int]:
    """Match a path name by name; give how many of its names fit the whole pattern, each time they do.

    What could stand where is followed all at once, so that no pattern takes long: anybody who can push may write it.
    """
    places = _passed(names, {0})
    for depth, part in enumerate(parts, start=1):
        after = {place for place in places if place < len(names) and names[place] is ANY_DEPTH}
        for place in places:
            marks = names[place] if place < len(names) else None
            if marks is not None and _fits_name(marks, part):
                after.add(place + 1)
        places = _passed(names, after)
        if not places:
            return
        if len(names) in places:
            yield depth


def _passed(names: tuple[tuple[Mark, ...] | None, ...], places: set[int]) -> set[int]:
    """Add the places behind what may stand for nothing."""
    todo = list(places)
    while todo:
        place = todo.pop()
        if place < len(names) and names[place] is ANY_DEPTH and place + 1 not in places:
            places.add(place + 1)
            todo.append(place + 1)
    return places


def _fits_name(marks: tuple[Mark, ...], name: str) -> bool:
    """Match one name: when it goes wrong, only the last star takes one letter more."""
    at = place = 0
    star, resume = -1, 0
    while at < len(name):
        mark = marks[place] if place < len(marks) else ""
        if place < len(marks) and mark is None:
            star, resume = place, at
            place += 1
        elif (mark == name[at]) if isinstance(mark, str) else (mark is not None and mark.match(name[at])):
            place += 1
            at += 1
        elif star >= 0:
            resume += 1
            place, at = star + 1, resume
        else:
            return False
    return all(mark is None for mark in marks[place:])


@lru_cache(maxsize=512)
def _marks(glob: str) -> tuple[Mark, ...]:
    out: list[Mark] = []
    i = 0
    while i < len(glob):
        char = glob[i]
        if char == "*":
            out.append(None)
            i += 1
        elif char == "?":
            out.append(_ANY)
            i += 1
        elif char == "[" and (end := glob.find("]", i + 2)) != -1:
            out.append(_set(glob[i + 1 : end]))
            i = end + 1
        elif char == "\\" and i + 1 < len(glob):
            out.append(glob[i + 1])
            i += 2
        else:
            out.append(char)
            i += 1
    return tuple(out)


_ANY = re.compile(".", re.DOTALL)
_NONE = re.compile(r"(?!)")


def _set(body: str) -> re.Pattern[str]:
    """Read what stands between brackets; a range that runs backwards holds nothing."""
    negated = body[0] in "!^"
    body = body[1:] if negated else body
    inside: list[str] = []
    i = 0
    while i < len(body):
        if body[i + 1 : i + 2] == "-" and i + 2 < len(body):
            if body[i] <= body[i + 2]:
                inside.append(f"{re.escape(body[i])}-{re.escape(body[i + 2])}")
            i += 3
        else:
            inside.append(re.escape(body[i]))
            i += 1
    if not inside:
        return _ANY if negated else _NONE
    return re.compile(f"[{'^' if negated else ''}{''.join(inside)}]", re.DOTALL)

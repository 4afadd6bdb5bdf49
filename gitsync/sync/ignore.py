"""Say which files of the folder are nobody's business: editor leftovers, dotfiles, `.gitignore`; pure.

Only names that are not on the branch are ever asked about: a tracked file is never ignored.
"""

from __future__ import annotations

import re
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


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a `.gitignore`."""

    pattern: re.Pattern[str]
    negated: bool
    folders_only: bool


def parse_rules(text: str, folder: str = "") -> tuple[Rule, ...]:
    """Read the lines of a `.gitignore` that stands in `folder` ('' is the root), after gitignore(5)."""
    rules = []
    for raw in text.splitlines():
        line = re.sub(r"(?<!\\)[ \t]+$", "", raw)
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
        line = line.removeprefix("/")
        prefix = re.escape(f"{folder}/") if folder else ""
        try:
            body = ("" if anchored else "(?:.*/)?") + _translate(line)
            rules.append(Rule(re.compile(prefix + body, re.DOTALL), negated, folders_only))
        except re.error:
            continue
    return tuple(rules)


def ignored(path: str, rules: tuple[Rule, ...]) -> bool:
    """Say whether a file's path is ignored: itself, or a folder that holds it. The last rule wins."""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        part = "/".join(parts[:depth])
        is_folder = depth < len(parts)
        verdict = False
        for rule in rules:
            if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(part):
                verdict = not rule.negated
        if verdict:
            return True
    return False


@lru_cache(maxsize=512)
def _translate(glob: str) -> str:
    out = []
    i = 0
    while i < len(glob):
        char = glob[i]
        if glob.startswith("**/", i) and (i == 0 or glob[i - 1] == "/"):
            out.append("(?:.*/)?")
            i += 3
        elif glob[i:] == "**" and i and glob[i - 1] == "/":
            out.append(".+")
            i += 2
        elif char == "*":
            out.append("[^/]*")
            i += 1
        elif char == "?":
            out.append("[^/]")
            i += 1
        elif char == "[" and (end := glob.find("]", i + 2)) != -1:
            body = glob[i + 1 : end].replace("\\", "\\\\")
            out.append("[" + ("^" + body[1:] if body[0] in "!^" else body) + "]")
            i = end + 1
        elif char == "\\" and i + 1 < len(glob):
            out.append(re.escape(glob[i + 1]))
            i += 2
        else:
            out.append(re.escape(char))
            i += 1
    return "".join(out)

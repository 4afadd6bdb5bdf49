"""What a commit by hand adds that is wrong. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gitsync.protocol.lint import lint
from gitsync.secrets.scan import Secrets, named


@dataclass(frozen=True, slots=True)
class Staged:
    """A file as the last commit has it and as the next one would; None where it is not."""

    path: str
    before: bytes | None
    after: bytes | None


def complaints(files: Iterable[Staged]) -> list[str]:
    """Return a line for each problem that the commit would add; what was wrong before does not stop anybody."""
    found = []
    for file in files:
        if file.after is None or not file.path.endswith(".md"):
            continue
        old = Counter((p.rule, p.text) for p in lint(file.before, file.path)) if file.before is not None else Counter()
        for problem in lint(file.after, file.path):
            what = (problem.rule, problem.text)
            if old[what]:
                old[what] -= 1
            else:
                found.append(f"{named(file.path)}:{problem.line}: {problem.text} [{problem.rule}]")
    return found


def leaks(files: Iterable[Staged], secrets: Secrets) -> list[str]:
    """Return a line for each secret that the commit would add; what the last commit has is out already."""
    told = []
    for file in files:
        if file.after is None:
            continue
        found = secrets.find_in_name(file.path) if file.before is None else []
        found += secrets.find(file.after, known=(file.before,))
        for one in found:
            line = f":{one.line}" if one.line > 0 else ""
            told.append(f"{named(file.path)}{line}: {one.rule} {one.masked} [secret]")
    return told


def prefixed(message: str, machine: str) -> str:
    """Return a commit message that says which machine it is from; one that does so already stays."""
    first = message.split("\n", 1)[0]
    if not first.strip() or first.startswith(("[", "#", "fixup!", "squash!", "amend!")):
        return message
    return f"[{machine}] {message}"

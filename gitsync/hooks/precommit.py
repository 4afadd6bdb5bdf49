"""What a commit by hand adds that is wrong. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gitsync.protocol.lint import lint
from gitsync.secrets.scan import Secrets


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
                found.append(f"{file.path}:{problem.line}: {problem.text} [{problem.rule}]")
    return found


def leaks(files: Iterable[Staged], secrets: Secrets) -> list[str]:
    """Return a line for each secret that the commit would add; what the last commit has is out already."""
    return [
        f"{file.path}:{found.line}: {found.rule} {found.masked} [secret]"
        for file in files
        if file.after is not None
        for found in secrets.find(file.after, known=(file.before,))
    ]


def prefixed(message: str, machine: str) -> str:
    """Return a commit message that says which machine it is from; one that does so already stays."""
    first = message.split("\n", 1)[0]
    if not first.strip() or first.startswith(("[", "#", "fixup!", "squash!", "amend!")):
        return message
    return f"[{machine}] {message}"

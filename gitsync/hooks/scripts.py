"""Put our scripts into a clone's hooks folder and take them out; a hook that is there is chained, never replaced."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitsync.errors import GitsyncError

GIT_HOOKS = ("pre-commit", "prepare-commit-msg", "post-merge", "post-commit")
MARK = "# gitsync: "
CALL = "gitsync() {"
KEPT = ".before-gitsync"


def install(folder: Path, scripts: Mapping[str, str], program: Sequence[str]) -> list[str]:
    """Write the scripts, which call ``program``; return the names of those that were not there yet.

    Doing it again only renews them. A foreign hook moves to ``NAME.before-gitsync`` and runs first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = []
    for name, script in scripts.items():
        file = folder / name
        if not is_ours(file):
            new.append(name)
            if os.path.lexists(file):
                _set_aside(file)
        _write(file, with_program(script, program))
    return new


def uninstall(folder: Path, names: Sequence[str] = GIT_HOOKS) -> list[str]:
    """Take our scripts away and put back what was there before; return the names."""
    gone = []
    for name in names:
        file, kept = folder / name, folder / f"{name}{KEPT}"
        if not is_ours(file):
            continue
        gone.append(name)
        if os.path.lexists(kept):
            kept.replace(file)
        else:
            file.unlink()
    return gone


def is_ours(file: Path) -> bool:
    """Say whether a hook is a script that ``install`` wrote."""
    try:
        return not file.is_symlink() and file.is_file() and MARK.encode() in file.read_bytes()[:200]
    except OSError:
        return False


def with_program(script: str, program: Sequence[str]) -> str:
    """Replace the script's way of finding gitsync by a full path."""
    call = f'{CALL} {shlex.join(program)} "$@"; }}'
    return "".join(f"{call}\n" if line.startswith(CALL) else line for line in script.splitlines(keepends=True))


def _set_aside(file: Path) -> None:
    kept = file.with_name(file.name + KEPT)
    if os.path.lexists(kept):
        raise GitsyncError(
            f"the hook {file.name} cannot be chained",
            f"{kept} is there already",
            "decide which of the two to keep, then again",
        )
    file.rename(kept)


def _write(file: Path, script: str) -> None:
    temporary = file.with_name(f".{file.name}.gitsync")
    temporary.write_text(script)
    temporary.chmod(0o755)
    temporary.replace(file)

"""What the other rooms keep beside the clone: keys, hooks, texts that were held back, this machine's own pages."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from gitsync.config.settings import Settings
from gitsync.doctor.ground import Ground
from gitsync.doctor.values import Check, first_line, ok
from gitsync.errors import GitsyncError
from gitsync.hooks.scripts import CALL, GIT_HOOKS, is_ours
from gitsync.ledger.health import journal_facts
from gitsync.protocol.lint import lint
from gitsync.protocol.paths import classify

_MOST = 200
"""Own files that are looked through."""


def checks(ground: Ground) -> Iterator[Check]:
    """Examine what is beside the clone."""
    own = ground.settings
    if own is None or ground.git_dir is None:
        return
    yield from keys(own)
    yield hooks(own)
    yield quarantine(own, ground.seconds)
    yield pages(own)


def keys(own: Settings) -> Iterator[Check]:
    """Say whether this machine can sign, and whose keys wait for a decision."""
    from gitsync.stores import open_keys

    store = open_keys(own)
    try:
        mine = store.own()
        rows = store.rows()
    except GitsyncError as error:
        yield Check(name="keys", state="fail", what=error.what, why=first_line(error.why), remedy=error.remedy)
        return
    if mine is None:
        yield Check(
            name="keys",
            state="warn",
            what="this machine has no key",
            why="what it sends is unsigned, and is held where others ask for signatures",
            remedy="gitsync keys init",
        )
    waiting = [row for row in rows if row.state in ("new", "changed")]
    if waiting:
        changed = [row for row in waiting if row.state == "changed"]
        row = (changed or waiting)[0]
        yield Check(
            name="keys",
            state="warn",
            what=f"machine {row.machine} shows a {'different' if changed else 'new'} key: {row.fingerprint}",
            why="it was replaced, or somebody speaks in its name" if changed else "it counts when you say that it does",
            remedy=f"compare the fingerprint with its owner; then: gitsync keys trust {row.machine}",
            more=tuple(f"{row.machine} {row.fingerprint} {row.state} since {row.since}" for row in waiting),
        )
    if mine is not None and not waiting:
        yield ok("keys", f"own key {mine.fingerprint}")


def hooks(own: Settings) -> Check:
    """Say whether git's hooks in the clone are gitsync's, all of them, and lead to a program that is there."""
    folder = own.mailbox / ".git" / "hooks"
    ours = [name for name in GIT_HOOKS if is_ours(folder / name)]
    if not ours:
        return ok("hooks", "none installed; they are for people who commit in the mailbox folder")
    missing = [name for name in GIT_HOOKS if name not in ours]
    dead = [name for name in ours if not _leads_somewhere(folder / name)]
    if not missing and not dead:
        return ok("hooks", f"installed: {', '.join(ours)}")
    what = (
        f"the hook {dead[0]} calls a program that is not there"
        if dead
        else f"the hook {missing[0]} is not installed, or was replaced"
    )
    return Check(
        name="hooks",
        state="warn",
        what=what,
        why="what is committed by hand is then not looked through",
        remedy="gitsync hooks install",
        more=(*(f"missing {name}" for name in missing), *(f"dead {name}" for name in dead)),
    )


def _leads_somewhere(hook: Path) -> bool:
    try:
        lines = hook.read_text("utf-8", "replace").splitlines() if hook.is_file() else []
    except OSError:
        return False
    for line in lines:
        if line.startswith(CALL):
            try:
                program = shlex.split(line.removeprefix(CALL).partition('"$@"')[0])[0]
            except (ValueError, IndexError):
                return False
            return not program.startswith("/") or Path(program).exists()
    return True


def quarantine(own: Settings, seconds: float) -> Check:
    """Count the texts that were held back because a secret seems to be in them."""
    facts = journal_facts(own.journal_file, seconds)
    held = facts.quarantined if facts is not None else 0
    if held:
        return Check(
            name="quarantine",
            state="warn",
            what=f"{held} text(s) are held back: they seem to hold a secret",
            why="they stay on this computer until you decide",
            remedy='gitsync quarantine names them; then gitsync release ID --reason "…", or gitsync withdraw ID',
        )
    return ok("quarantine", "nothing is held back")


def pages(own: Settings) -> Check:
    """Count what is wrong with the files that this machine writes."""
    problems: list[str] = []
    looked = 0
    for path in sorted([*own.mailbox.glob("messages/*.md"), *own.mailbox.glob("COMPUTER_*.md")]):
        name = path.relative_to(own.mailbox).as_posix()
        if classify(name).owner != own.machine.id:
            continue
        looked += 1
        if looked > _MOST:
            break
        if path.is_symlink() or not path.is_file():
            problems.append(f"{name}: not a plain file")
            continue
        try:
            problems += [f"{name}:{found.line}: {found.text}" for found in lint(path.read_bytes(), name)]
        except OSError as error:
            problems.append(f"{name}: {error.strerror}")
    if not problems:
        return ok("lint", f"{looked} own files, nothing wrong")
    return Check(
        name="lint",
        state="warn",
        what=f"{len(problems)} problem(s) in this machine's own files: {problems[0]}",
        why="others may not understand what is meant",
        remedy="gitsync lint",
        more=tuple(problems[:50]),
    )

"""What is the user's own: the list of machines, the settings, and who may read and write what is private."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from gitsync.config import places
from gitsync.config.load import copy_of
from gitsync.config.settings import STATE_DIR
from gitsync.doctor.ground import Ground
from gitsync.doctor.values import Check, Fix, first_line, ok
from gitsync.errors import ConfigError, GitsyncError
from gitsync.git.repo import find_git_dir
from gitsync.git.setup import exclude, find_repo


def checks(ground: Ground) -> Iterator[Check]:
    """Examine list, settings, modes and the lines that keep both folders out of the person's git."""
    yield registration(ground)
    if ground.root is None:
        return
    yield settings(ground)
    yield from modes(ground)
    yield excluded(ground)


def registration(ground: Ground) -> Check:
    """Say whether this folder is on the user's list."""
    if ground.registry is not None:
        error = ground.registry
        return Check(name="registration", state="fail", what=error.what, why=error.why, remedy=error.remedy)
    if ground.root is None:
        return Check(
            name="registration",
            state="fail",
            what="this computer is not set up here",
            why=f"there is no {STATE_DIR} in {ground.start} or above",
            remedy="gitsync init --id ID   (or name the folder: gitsync doctor --dir PATH)",
        )
    if ground.entry is None:
        return Check(
            name="registration",
            state="fail",
            what=f"{ground.root} is not on your list {places.user_dir() / places.REGISTRY}",
            why="a cloned repository could have brought these settings, so they are not used",
            remedy="if they are yours: gitsync init   (there)",
        )
    twins = _twins(ground)
    if twins:
        return Check(
            name="registration",
            state="warn",
            what=f"the id {ground.entry.machine} stands for {len(twins) + 1} folders on your list",
            why=f"also for {', '.join(map(str, twins))}; one id must be one machine of a fleet",
            remedy="fine where they belong to different fleets; else gitsync init with another --id in one of them",
        )
    return ok("registration", f"machine {ground.entry.machine} at {ground.root}")


def _twins(ground: Ground) -> list[Path]:
    """Return other folders of the list with the same id and a clone of the same remote and branch."""
    entry = ground.entry
    assert entry is not None
    mine = _aims_at(entry.mailbox)
    return [
        other.root
        for other in places.registered().values()
        if other.machine == entry.machine and other.root != entry.root and mine and _aims_at(other.mailbox) == mine
    ]


def _aims_at(mailbox: Path) -> str | None:
    """Return a clone's remote, from its config file: what a copied folder has in common with the first one."""
    try:
        text = (mailbox / ".git" / "config").read_text("utf-8", "replace")
    except OSError:
        return None
    wanted = [line.strip() for line in text.splitlines() if line.strip().startswith(("url =", "fetch ="))]
    return "\n".join(wanted) or None


def settings(ground: Ground) -> Check:
    """Say whether the settings are there, may be used, and can be read."""
    root = ground.root
    assert root is not None
    file = places.settings_in(root)
    if ground.distrust is not None:
        return _distrusted(ground, file, ground.distrust)
    if ground.lost:
        return _lost(ground, file)
    if ground.trouble is not None:
        copy = copy_of(ground.entry.mailbox) if ground.entry is not None else None
        kept = f"; the last valid ones are in {copy}" if ground.settings is not None else ""
        error = ground.trouble
        return Check(
            name="settings",
            state="fail",
            what=first_line(error.what),
            why=error.why or "nothing is started with settings that may mean something else",
            remedy=(error.remedy or f"correct {file}") + kept,
        )
    assert ground.settings is not None
    count = len(ground.settings.agents)
    return ok("settings", f"{file}: {count} agent{'' if count == 1 else 's'}")


def _lost(ground: Ground, file: Path) -> Check:
    if ground.settings is None or ground.entry is None:
        return Check(
            name="settings",
            state="fail",
            what=f"the settings {file} are gone",
            why="there is no usable copy of them in the mailbox clone either",
            remedy="gitsync init --id ID",
        )
    copy = copy_of(ground.entry.mailbox)

    def restore() -> None:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        places.write_private(file, copy.read_bytes())

    return Check(
        name="settings",
        state="fail",
        what=f"the settings {file} are gone",
        why=f"a `git clean` may have taken them; the copy in the clone is whole: {copy}",
        remedy="gitsync doctor --fix puts them back, as any other command does",
        fix=Fix(says=f"put the settings back from {copy}", touches=(file,), act=restore),
    )


def _distrusted(ground: Ground, file: Path, error: ConfigError) -> Check:
    """Say why settings are not used; only too wide a mode can be mended, and only of what nobody has changed."""
    fix = None
    wide = [
        path for path in (file.parent, file) if _mine(path) and path.lstat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ]
    copy = copy_of(ground.entry.mailbox) if ground.entry is not None else None
    if wide and copy is not None and _same(file, copy):
        fix = Fix(says="take the right to write from everybody else", touches=tuple(wide), act=lambda: _narrow(wide))
    remedy = error.remedy
    if wide and fix is None:
        remedy = f"look at it, others could have changed it; then: chmod -R go-rwx {file.parent}"
    return Check(name="settings", state="fail", what=error.what, why=error.why, remedy=remedy, fix=fix)


def _mine(path: Path) -> bool:
    try:
        info = path.lstat()
    except OSError:
        return False
    return info.st_uid == os.geteuid() and not stat.S_ISLNK(info.st_mode)


def _same(file: Path, copy: Path) -> bool:
    try:
        return places.owned(copy) and file.read_bytes() == copy.read_bytes()
    except OSError:
        return False


def modes(ground: Ground) -> Iterator[Check]:
    """Look at everything that only its owner may read."""
    own = ground.settings
    if own is None:
        return
    foreign: list[str] = []
    wide: list[Path] = []
    for path in _private(ground):
        try:
            info = path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            foreign.append(f"{path}: {error.strerror}")
            continue
        if info.st_uid != os.geteuid():
            foreign.append(f"{path} belongs to user {info.st_uid}")
        elif not stat.S_ISLNK(info.st_mode) and info.st_mode & 0o077:
            wide.append(path)
    if foreign:
        yield Check(
            name="owner",
            state="fail",
            what=f"not everything here belongs to you (user {os.geteuid()}): {foreign[0]}",
            why="gitsync was run as another user once, perhaps with sudo, or you are not who set it up",
            remedy=f"sudo chown -R $(id -un) {own.state_dir} {own.mailbox}",
            more=tuple(foreign),
        )
    else:
        yield ok("owner", "everything belongs to you")
    if not wide:
        yield ok("modes", "what is private can be read by its owner only")
        return
    secret = [path for path in wide if path == own.token_file or own.keys_dir in (path, path.parent)]
    yield Check(
        name="modes",
        state="fail" if secret else "warn",
        what=f"others on this computer may read or write {(secret or wide)[0]}",
        why="whoever has the token or a key may send in your name" if secret else "it holds messages and settings",
        remedy="gitsync doctor --fix" + ("; then `gitsync init` for a new token is wise" if secret else ""),
        more=tuple(f"{path}: {stat.filemode(path.lstat().st_mode)}" for path in wide),
        fix=Fix(says="let only the owner read and write them", touches=tuple(wide), act=lambda: _narrow(wide)),
    )


def _narrow(paths: Sequence[Path]) -> None:
    for path in paths:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o077)


def _private(ground: Ground) -> Iterator[Path]:
    own = ground.settings
    assert own is not None
    yield from (own.state_dir, own.file, own.token_file, own.daemon_file, own.log_file)
    for store in (own.journal_file, own.ledger_file):
        yield from (Path(f"{store}{suffix}") for suffix in ("", "-wal", "-shm"))
    yield from (own.private_dir, copy_of(own.mailbox), own.clone_lock_file)
    yield own.keys_dir
    try:
        yield from sorted(own.keys_dir.iterdir())
    except OSError:
        return


def excluded(ground: Ground) -> Check:
    """Say whether the person's own git leaves both folders alone."""
    root = ground.root
    assert root is not None
    repo = find_repo(root)
    if repo is None or ground.settings is None:
        return ok("exclude", "not inside a repository" if repo is None else "not known")
    patterns = [f"/{STATE_DIR}/"]
    if ground.settings.mailbox.is_relative_to(root):
        patterns.append(f"/{ground.settings.mailbox.relative_to(root).as_posix()}/")
    try:
        file = find_git_dir(repo)[1] / "info" / "exclude"
        lines = {line.rstrip() for line in file.read_bytes().splitlines()} if file.exists() else set()
    except (GitsyncError, OSError) as error:
        return Check(name="exclude", state="warn", what=f"{repo}: its ignore list cannot be read", why=str(error))
    missing = [pattern for pattern in patterns if os.fsencode(pattern) not in lines]
    if not missing:
        return ok("exclude", f"{file} keeps both folders out of your git")
    return Check(
        name="exclude",
        state="warn",
        what=f"your repository does not ignore {' and '.join(missing)}",
        why="`git add -A` would take messages, or the token, into your own commits",
        remedy="gitsync doctor --fix adds the line to .git/info/exclude, which is in no commit",
        fix=Fix(
            says=f"add {' and '.join(missing)} to {file}",
            touches=(file,),
            act=lambda: _exclude(repo, patterns),
        ),
    )


def _exclude(repo: Path, patterns: list[str]) -> None:
    exclude(repo, patterns)

"""What git keeps in the clone: locks, refs of gitsync's own, objects; is any of it left over, lost, or too much."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from gitsync import clock
from gitsync.doctor.ground import Ground
from gitsync.doctor.values import Check, Fix, first_line, ok
from gitsync.errors import GitFailed, GitsyncError
from gitsync.git import looking
from gitsync.git.repo import Mailbox
from gitsync.git.upkeep import STALE_AFTER, stale_locks

MANY_LOOSE = 20_000
LARGE = 2 << 30
OLD_RESCUE = 90 * 86400.0
"""Seconds after which a rescued commit is worth a word: nobody came for it."""


def checks(mailbox: Mailbox) -> Iterator[Check]:
    """Examine what git keeps in a clone that is open."""
    yield locks(mailbox)
    yield rescued(mailbox)
    yield pins(mailbox)
    yield size(mailbox.path)


def locks(mailbox: Mailbox) -> Check:
    """Look for the locks of a git that is no more."""
    found = stale_locks(mailbox.git_dir, mailbox.common_dir)
    if not found:
        return ok("locks", "no lock is left over")
    names = [str(path.relative_to(mailbox.common_dir)) for path in found]
    return Check(
        name="locks",
        state="warn",
        what=f"a git that was ended left {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else ""),
        why=f"it is older than {STALE_AFTER:.0f} s, no process has it open, and git waits for it",
        remedy="gitsync doctor --fix, or the next cycle",
        more=tuple(names),
        fix=Fix(says="take the locks away", aside=tuple(found), lock=True),
    )


def rescued(mailbox: Mailbox) -> Check:
    """Count the commits that were kept when they lost their name."""
    refs = mailbox.refs("refs/gitsync/rescue/")
    if not refs:
        return ok("rescue", "nothing had to be rescued")
    dates = {}
    for name, sha in refs.items():
        if mailbox.has(sha):
            dates[name] = mailbox.commit(sha).committer.date
    old = [name for name, at in dates.items() if clock.unix() - at > OLD_RESCUE]
    more = [f"{name} {clock.stamp(at)}" for name, at in sorted(dates.items(), key=lambda item: item[1])]
    if not old:
        return ok("rescue", f"{len(refs)} kept under refs/gitsync/rescue/", more=more)
    return Check(
        name="rescue",
        state="warn",
        what=f"{len(old)} rescued commit{'s are' if len(old) > 1 else ' is'} older than {OLD_RESCUE / 86400:.0f} days",
        why="they are kept until you say that nobody needs them, and keep old objects from being removed",
        remedy=f"git log {old[0]}; then: git update-ref -d {old[0]}   (in {mailbox.path})",
        more=tuple(more),
    )


def pins(mailbox: Mailbox) -> Check:
    """Look for refs of ours that name what is not there any more: git refuses to fetch beside them."""
    named = mailbox.refs("refs/gitsync/")
    gone = sorted(name for name, sha in named.items() if not mailbox.has(sha))
    if not gone:
        return ok("pins", f"{len(named)} refs of gitsync, all whole")
    mendable = tuple(name for name in gone if name.startswith(("refs/gitsync/local/", "refs/gitsync/remote/")))
    files = (mailbox.common_dir / "packed-refs", *(mailbox.common_dir / name for name in mendable))
    return Check(
        name="pins",
        state="fail",
        what=f"{gone[0]} names an object that is not there" + (f", and {len(gone) - 1} more" if len(gone) > 1 else ""),
        why="somebody ran `git gc --prune=now` at the wrong moment, or the disk lost something; git cannot fetch so",
        remedy="gitsync doctor --fix",
        more=tuple(gone),
        fix=Fix(
            says="remove the refs; what they named is fetched again or was thrown away",
            touches=files,
            lock=True,
            act=lambda: _drop(mailbox, {name: named[name] for name in mendable}),
        )
        if mendable
        else None,
    )


def _drop(mailbox: Mailbox, refs: Mapping[str, str]) -> None:
    with mailbox:
        for name, sha in refs.items():
            if not mailbox.delete_ref(name, sha):
                raise GitsyncError(f"{name} moved meanwhile")


def size(clone: Path) -> Check:
    """Say how large the clone is."""
    try:
        found = looking.loose(clone)
    except GitsyncError as error:
        return Check(name="size", state="warn", what="git cannot count its objects", why=first_line(str(error)))
    told = f"{(found.loose_size + found.pack_size) >> 20} MiB, {found.loose} loose objects, {found.packs} packs"
    if found.loose > MANY_LOOSE:
        return Check(
            name="size",
            state="warn",
            what=f"{found.loose} loose objects in the clone",
            why="each push looks at all of them; a process that runs packs them by itself",
            remedy="gitsync up --detach   (or: git -C PATH repack -d)",
        )
    if found.pack_size + found.loose_size > LARGE:
        return Check(
            name="size",
            state="warn",
            what=f"the clone has grown to {told}",
            why="every new machine fetches all of it",
            remedy="look for large files: git -C coordination rev-list --objects --all --disk-usage",
        )
    return ok("size", told)


def objects(ground: Ground) -> Iterator[Check]:
    """Let git look whether everything that is named is there."""
    clone, own = ground.clone, ground.settings
    if clone is None or own is None:
        return
    if not os.access(clone / ".git", os.R_OK):
        return
    try:
        gone = looking.absent(clone, ground.seconds)
    except GitFailed as error:
        yield Check(
            name="objects",
            state="fail",
            what="git finds the clone damaged",
            why=first_line(error.why),
            remedy=f"see: git -C {clone} fsck",
            more=tuple(error.stderr.splitlines()[:20]),
        )
        return
    except GitsyncError as error:
        yield Check(name="objects", state="fail", what=error.what, why=error.why, remedy=error.remedy)
        return
    if gone is None:
        yield ok("objects", f"not looked at to the end: it takes more than {ground.seconds:g} s")
    elif gone:
        yield Check(
            name="objects",
            state="fail",
            what=f"{len(gone)} object{'s are' if len(gone) > 1 else ' is'} missing in the clone",
            why="the disk lost something, or objects were removed by hand",
            remedy="gitsync doctor --fix fetches them again from the remote, which adds and removes nothing else",
            more=tuple(gone[:50]),
            fix=Fix(
                says="fetch every object of the branch again",
                lock=True,
                act=lambda: looking.fetch_again(clone, own.sync.remote, own.sync.branch, 60.0),
            )
            if not ground.offline
            else None,
        )
    else:
        yield ok("objects", "everything that is named is there")

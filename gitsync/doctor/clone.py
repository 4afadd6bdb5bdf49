"""The mailbox clone: is it whole, does it know its remote, is it where syncing expects it, is anything in its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gitsync.config.settings import STATE_DIR, Settings
from gitsync.doctor import kept
from gitsync.doctor.ground import INCOMPLETE, Ground
from gitsync.doctor.values import Check, Fix, first_line, nothing, ok
from gitsync.errors import GitsyncError
from gitsync.git import looking
from gitsync.git.repo import Mailbox
from gitsync.git.setup import find_repo, remote_url
from gitsync.ledger.health import journal_facts
from gitsync.secrets.redact import redact

Init = Callable[[], None]


def unfinished(ground: Ground, init: Init) -> Iterator[Check]:
    """Look for what an interrupted `init` left, and for a clone that is gone; ``init`` clones again."""
    mailbox = ground.mailbox
    if mailbox is None or ground.root is None:
        return
    growing = [
        path
        for path in (ground.root / STATE_DIR / "new-clone", mailbox.with_name(f".{mailbox.name}.new-clone"))
        if path.is_dir()
    ]
    there = (mailbox / ".git").is_file() or (mailbox / ".git" / "HEAD").exists()
    if (
        there
        and ground.git_dir is None
        and not (mailbox / ".git" / INCOMPLETE).exists()
        and ground.settings is not None
    ):
        yield Check(
            name="clone",
            state="fail",
            what=f"the mailbox {mailbox} is damaged: parts of its .git are gone",
            why="git does not take it for a repository any more; what was unsent is in its journal, if that is left",
            remedy=f"keep it: mv {mailbox} {mailbox}.damaged; then: gitsync init",
        )
        return
    whole = there
    marked = (mailbox / ".git" / INCOMPLETE).exists()
    journal = mailbox / ".git" / "gitsync" / "journal.sqlite3"
    if whole and not marked and not growing:
        yield ok("clone", str(mailbox))
        return
    aside = [*growing]
    if marked and not journal.exists():
        aside.append(mailbox)
    missing = not whole or (marked and mailbox in aside)
    what = (
        f"the mailbox {mailbox} is only half cloned"
        if marked
        else f"an interrupted init left {growing[0]}"
        if growing and whole
        else f"the mailbox {mailbox} is gone" + (", and a half-finished clone is left" if growing else "")
    )
    usable = ground.settings is not None and ground.git is not None
    fix = Fix(
        says="set what is half-finished aside" + (", and clone the mailbox again" if missing else ""),
        aside=tuple(aside),
        act=init if missing else nothing,
    )
    yield Check(
        name="clone",
        state="fail" if missing or marked else "warn",
        what=what,
        why="it is a clone with the journal of what is under way in it" if missing else "it takes room, nothing else",
        remedy="put it back if it was moved; else: gitsync init   (or gitsync doctor --fix)"
        if missing
        else "gitsync doctor --fix",
        fix=fix if usable and (aside or missing) else None,
    )


def checks(ground: Ground) -> Iterator[Check]:
    """Examine a clone that is there."""
    clone, own = ground.clone, ground.settings
    if clone is None or own is None:
        return
    try:
        mailbox = Mailbox(clone, own.sync.branch, own.sync.remote, network_timeout=ground.seconds)
    except GitsyncError as error:
        yield Check(name="clone", state="fail", what=error.what, why=error.why, remedy=error.remedy)
        return
    with mailbox:
        try:
            settings = looking.settings_of(clone)
        except GitsyncError as error:
            owner = "belongs to another user" in error.what
            yield Check(
                name="git-config",
                state="fail",
                what=error.what if owner else f"git cannot read {clone / '.git' / 'config'}",
                why=first_line(error.why),
                remedy=error.remedy if owner else "correct it by hand; git names the line",
            )
            return
        yield from where_to(ground, own, dict(settings))
        yield from standing(ground, own, mailbox)
        yield from kept.checks(mailbox)


def where_to(ground: Ground, own: Settings, settings: Mapping[str, str]) -> Iterator[Check]:
    """Look at the remote and the upstream of the clone."""
    clone, remote, branch = own.mailbox, own.sync.remote, own.sync.branch
    repo = find_repo(own.root)
    theirs = _url_of(repo, remote) if repo is not None and repo != clone else None
    url = settings.get(f"remote.{remote.lower()}.url") or settings.get(f"remote.{remote}.url")
    if url is None:
        fix = None
        if theirs is not None:
            wanted = [(f"remote.{remote}.url", theirs)]
            fix = _configure(clone, wanted, f"let the mailbox use {redact(theirs)}, as your repository does")
        yield Check(
            name="remote-url",
            state="fail",
            what=f"the mailbox has no remote called {remote}",
            why="there is nowhere to send to",
            remedy=f"git -C {clone} remote add {remote} URL",
            fix=fix,
        )
    elif theirs is not None and theirs != url:
        yield Check(
            name="remote-url",
            state="warn",
            what=f"the mailbox is on {redact(url)}, your repository on {redact(theirs)}",
            why="perhaps the repository has moved; where messages go is for you to decide",
            remedy=f"if they belong together: git -C {clone} remote set-url {remote} URL",
        )
    else:
        yield ok("remote-url", redact(url))
    expected = (
        (f"remote.{remote}.fetch", f"+refs/heads/{branch}:refs/remotes/{remote}/{branch}"),
        (f"branch.{branch}.remote", remote),
        (f"branch.{branch}.merge", f"refs/heads/{branch}"),
    )
    missing = [(key, value) for key, value in expected if _lookup(settings, key) is None]
    if missing:
        yield Check(
            name="upstream",
            state="warn",
            what=f"the branch {branch} has no upstream in the mailbox clone",
            why="gitsync does without, but `git pull` and `git push` there do not know where to go",
            remedy="gitsync doctor --fix",
            more=tuple(key for key, _ in missing),
            fix=_configure(clone, missing, f"set {', '.join(key for key, _ in missing)}"),
        )
    else:
        yield ok("upstream", f"{remote}/{branch}")


def _url_of(repo: Path, remote: str) -> str | None:
    """Return a repository's remote, in the form that it has in a clone beside it."""
    from gitsync.git.setup import absolute

    try:
        url = remote_url(repo, remote)
    except GitsyncError:
        return None
    return None if url is None else absolute(url, repo)


def _lookup(settings: Mapping[str, str], key: str) -> str | None:
    """Look a setting up as git does: section and name in any case, what stands between them exactly."""
    section, _, rest = key.partition(".")
    middle, _, name = rest.rpartition(".")
    return settings.get(f"{section.lower()}.{middle}.{name.lower()}")


def _configure(clone: Path, settings: list[tuple[str, str]], says: str) -> Fix:
    file = clone / ".git" / "config"
    return Fix(says=says, touches=(file,), lock=True, act=lambda: looking.set_local(clone, settings))


def standing(ground: Ground, own: Settings, mailbox: Mailbox) -> Iterator[Check]:
    """Say what is checked out and how the branch stands to the remote's."""
    clone, branch = own.mailbox, own.sync.branch
    busy, head = mailbox.in_progress(), mailbox.head()
    local, far = mailbox.ref(mailbox.local_ref), mailbox.ref(mailbox.tracking_ref)
    if busy is not None:
        yield Check(
            name="branch",
            state="warn",
            what=f"a {busy} is under way in the mailbox folder",
            why="syncing goes on, the folder is left alone until that is over",
            remedy=f"finish it, or: git -C {clone} {busy} {'reset' if busy == 'bisect' else '--abort'}",
        )
    elif head.branch is None:
        same = local is not None and head.commit == local
        yield Check(
            name="branch",
            state="warn",
            what="the mailbox folder is on no branch (detached HEAD)",
            why="syncing goes on, the folder is left alone",
            remedy=f"git -C {clone} switch {branch}",
            fix=Fix(
                says=f"go back to {branch}, which is at the same commit: no file changes",
                touches=(mailbox.git_dir / "HEAD", mailbox.git_dir / "logs" / "HEAD"),
                lock=True,
                act=lambda: looking.attach(clone, branch),
            )
            if same
            else None,
        )
    elif head.branch != branch:
        yield Check(
            name="branch",
            state="warn",
            what=f"the mailbox folder is on the branch {head.branch}, not {branch}",
            why="syncing goes on, the folder is left alone",
            remedy=f"git -C {clone} switch {branch}",
        )
    elif local is None and far is not None:
        yield _no_branch(ground, own, mailbox, far)
    else:
        yield ok("branch", branch)
    if local is None or far is None or not (mailbox.has(local) and mailbox.has(far)):
        return
    if mailbox.is_ancestor(local, far) or mailbox.is_ancestor(far, local):
        yield ok("diverged", "the clone's branch and the remote's are in one line")
    else:
        base = mailbox.merge_base(local, far)
        yield Check(
            name="diverged",
            state="warn",
            what="the clone's branch and the remote's have gone apart"
            if base is not None
            else "the clone's branch and the remote's share no history",
            why="commits made by hand are rebuilt on the remote's by the next cycle, and kept",
            remedy="gitsync sync" if base is not None else "gitsync sync says what can be done",
            more=(f"here {local}", f"there {far}", f"base {base}"),
        )


def _no_branch(ground: Ground, own: Settings, mailbox: Mailbox, far: str) -> Check:
    """Say that the local branch is gone, or unreadable after a power loss; the commit on disk is still known."""
    facts = journal_facts(own.journal_file, ground.seconds)
    on_disk = facts.meta.get("materialised") if facts is not None else None
    known = on_disk is not None and mailbox.has(on_disk)
    target = on_disk if known and on_disk is not None else far
    broken = mailbox.common_dir / mailbox.local_ref
    return Check(
        name="branch",
        state="fail",
        what=f"the clone has no branch {own.sync.branch}" + (", or its ref cannot be read" if broken.exists() else ""),
        why="the remote has it" if not known else "the folder holds a commit that is known, so nothing is lost",
        remedy="gitsync doctor --fix" if known else "gitsync sync",
        fix=Fix(
            says=f"let {own.sync.branch} stand at {target[:10]}, what the folder was put from last",
            aside=(broken,) if broken.exists() else (),
            touches=(mailbox.git_dir / "logs" / "HEAD",),
            refs=(mailbox.local_ref,),
            lock=True,
            act=lambda: _make_ref(own, target),
        )
        if known
        else None,
    )


def _make_ref(own: Settings, commit: str) -> None:
    with Mailbox(own.mailbox, own.sync.branch, own.sync.remote) as mailbox:
        if not mailbox.move_ref(mailbox.local_ref, commit, None):
            raise GitsyncError(f"{mailbox.local_ref} came back meanwhile")

"""Join a mailbox or begin one: in steps that are taken back when a later one fails."""

from __future__ import annotations

import shlex
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gitsync import clock
from gitsync.cli.client import running
from gitsync.cli.failures import keep_warnings
from gitsync.cli.firstconfig import first_config
from gitsync.cli.progress import Bar
from gitsync.cli.template import mailbox_files
from gitsync.config import places
from gitsync.config.load import check_trust, load
from gitsync.config.places import Registered
from gitsync.config.settings import STATE_DIR, Settings
from gitsync.errors import GitsyncError, Halted, Refused, TryLater, UsageError
from gitsync.ledger.values import Op
from gitsync.machine import Opened, open_machine
from gitsync.protocol.identity import Machine
from gitsync.protocol.paths import status_path
from gitsync.protocol.status import read_status
from gitsync.stores import open_keys
from gitsync.sync.lock import CloneLock
from gitsync.sync.presence import binding, read_beat
from gitsync.sync.values import CycleResult, Request

How = Literal["new", "joined", "again"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a first `init` shall make, decided before anything is touched."""

    root: Path
    repo: Path | None
    source: Path | str
    mailbox: Path
    machine: Machine
    branch: str
    remote: str
    port: int | None
    preset: str = "open"

    @property
    def new_clone(self) -> Path:
        """Where the clone grows until it is whole; below .gitsync, so that a crash leaves nothing in the repository."""
        if self.mailbox.is_relative_to(self.root):
            return self.root / STATE_DIR / "new-clone"
        return self.mailbox.with_name(f".{self.mailbox.name}.new-clone")


@dataclass(frozen=True, kw_only=True)
class Done:
    """What `init` made or found."""

    settings: Settings
    how: How
    url: str
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    key: str = ""  # its fingerprint


@contextmanager
def _asked_once() -> Iterator[None]:
    """Say of a remote that is away what is true here: nobody tries again by itself."""
    try:
        yield
    except TryLater as away:
        away.remedy = "run gitsync init again when it can be reached"
        raise


@_asked_once()
def join(plan: Plan, *, take_over: bool = False) -> Done:
    """Carry a plan out; when a step fails, everything that was made is taken back."""
    _refuse_tracked(plan.repo, plan.root, plan.mailbox)
    with _all_or_nothing() as undo:
        _make_folder(plan.root, undo)
        _hide(plan.repo, plan.root, plan.mailbox)
        _make_folder(plan.root / STATE_DIR, undo, mode=0o700)
        undo.append(lambda: _remove_state(plan.root))
        exists = _clone(plan, undo)
        # Settings and list first, the clone's place last: a kill in between leaves what `init` again will complete.
        file = places.settings_in(plan.root)
        places.write_private(
            file,
            first_config(
                ident=plan.machine.id,
                name=plan.machine.name,
                role=plan.machine.role,
                remote=plan.remote,
                branch=plan.branch,
                mailbox=None if plan.mailbox == plan.root / "coordination" else str(plan.mailbox),
                port=plan.port,
                preset=plan.preset,
            ),
        )
        _write_token(plan.root)
        places.register(Registered(plan.root, plan.mailbox, plan.machine.id))
        undo.append(lambda: places.forget(plan.root))
        _put_in_place(plan, undo)
        settings = load(explicit=plan.root)
        key = _key(settings)
        url, others, notes = _first_cycle(settings, take_over=take_over)
        return Done(settings=settings, how="joined" if exists else "new", url=url, others=others, notes=notes, key=key)


@_asked_once()
def renew(root: Path, repo: Path | None, args: Namespace) -> Done:
    """Put right what is missing on a computer that was set up before; its settings stay as they are."""
    entry = places.registered().get(root)
    file = places.settings_in(root)
    programs: list[str] = []
    if entry is None:
        # Settings without an entry: another home, or a list that was lost. Whoever says `init` here vouches for them,
        # unless git could have brought them.
        check_trust(root, Registered(root, root, ""))
        from gitsync.config.read import read_settings

        found = read_settings(file, root)
        entry = Registered(root, found.mailbox, found.machine.id)
        programs = [shlex.join(spec.argv) for spec in found.agents if spec.argv]
        places.register(entry)
    settings = load(explicit=root)
    machine = settings.machine
    if args.id is not None and args.id != machine.id:
        raise UsageError(
            f"this computer is {machine.id} already, not {args.id}",
            f"{settings.file} says so, and messages under that id may be under way",
            "keep the id; for another one remove .gitsync and the mailbox folder first",
        )
    places.register(Registered(root, settings.mailbox, machine.id))
    notes = [
        f"--{option} is not applied again: edit {settings.file}"
        for option in ("name", "role", "branch", "remote", "mailbox", "port", "preset")
        if getattr(args, option) is not None
    ]
    if programs:
        notes.append(f"the settings that were there are yours now; they start: {'; '.join(programs)}")
    if settings.restored:
        notes.append(f"the settings were gone; they are back from the copy in the clone: {settings.file}")
    if not settings.token_file.exists():
        _write_token(root)
    _hide(repo, root, settings.mailbox)
    git = settings.mailbox / ".git"
    if not git.is_file() and not (git / "HEAD").exists():
        if settings.mailbox.exists() and any(settings.mailbox.iterdir()):
            kept = settings.state_dir / f"lost-mailbox-{clock.stamp().replace(':', '')}"
            shutil.move(settings.mailbox, kept)
            notes.append(f"what was left of the mailbox is in {kept}")
        notes.append(f"the mailbox was gone; it was cloned again to {settings.mailbox}")
        plan = _plan_of(settings, repo, args.url)
        _clone(plan, [])
        _put_in_place(plan, [])
        settings = load(explicit=root)
    key = _key(settings)
    found_process = running(settings)
    if found_process is not None and args.take_over:
        raise GitsyncError(
            "the background process is running", f"pid {found_process.pid}", "gitsync down; then take over"
        )
    if found_process is not None:
        with_open = open_machine(settings)
        try:
            with_open.look_around()
            url, others = with_open.mailbox.url(), _others(with_open)
        finally:
            with_open.close()
    else:
        url, others, more = _first_cycle(settings, take_over=args.take_over)
        notes += more
    return Done(settings=settings, how="again", url=url, others=others, notes=tuple(notes), key=key)


def _plan_of(settings: Settings, repo: Path | None, url: str | None) -> Plan:
    source = repo if repo is not None else url
    if source is None:
        raise UsageError(
            f"the mailbox {settings.mailbox} is gone", "this folder was made for a URL", "run: gitsync init URL (in it)"
        )
    return Plan(
        root=settings.root,
        repo=repo,
        source=source,
        mailbox=settings.mailbox,
        machine=settings.machine,
        branch=settings.sync.branch,
        remote=settings.sync.remote,
        port=None,
    )


Undo = list[Callable[[], object]]


@contextmanager
def _all_or_nothing() -> Iterator[Undo]:
    """Collect what takes each step back; do it, last step first, when the block fails or is interrupted."""
    undo: Undo = []
    try:
        yield undo
    except BaseException:
        for step in reversed(undo):
            try:
                step()
            except OSError:
                continue  # what cannot be removed must not hide why it should have been
        raise


def _refuse_tracked(repo: Path | None, root: Path, mailbox: Path) -> None:
    from gitsync.git.setup import is_tracked

    if repo is None:
        return
    if mailbox.is_relative_to(root) and is_tracked(repo, str(mailbox.relative_to(root))):
        raise UsageError(
            f"the repository tracks {mailbox.relative_to(root)}/ already",
            "the mailbox is a clone of its own and cannot be put where files of the repository are",
            "choose another place: gitsync init --id ID --mailbox ../mailbox",
        )
    if is_tracked(repo, STATE_DIR):
        raise UsageError(
            f"the repository tracks {STATE_DIR}/",
            "settings that start programs must not come by git",
            f"run: git rm -r --cached {STATE_DIR}",
        )


def _make_folder(folder: Path, undo: Undo, *, mode: int = 0o777) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError as error:
        raise GitsyncError(f"cannot make the folder {folder}", error.strerror or str(error)) from error
    for path in reversed(missing):
        undo.append(path.rmdir)


def _remove_state(root: Path) -> None:
    """Remove what belongs to a machine that was not set up in the end."""
    for file in (root / STATE_DIR).iterdir():
        if not file.is_dir():
            file.unlink()


def _hide(repo: Path | None, root: Path, mailbox: Path) -> None:
    """Keep both folders out of the sight of the person's own git."""
    if repo is None:
        return
    from gitsync.git.setup import exclude

    patterns = [f"/{STATE_DIR}/"]
    if mailbox.is_relative_to(root):
        patterns.append(f"/{mailbox.relative_to(root).as_posix()}/")
    exclude(repo, patterns)


def _clone(plan: Plan, undo: Undo) -> bool:
    """Clone the mailbox branch, not yet to its place; return whether the branch was there."""
    from gitsync.git.setup import clone

    new = plan.new_clone
    if plan.mailbox.exists() and (not plan.mailbox.is_dir() or any(plan.mailbox.iterdir())):
        raise UsageError(
            f"{plan.mailbox} is there already",
            "init would clone the mailbox to it",
            "move it away, or choose another place with --mailbox",
        )
    if new.exists():
        shutil.rmtree(new)  # of an init that was killed
    _make_folder(new.parent, undo)
    _make_folder(plan.mailbox.parent, undo)
    undo.append(lambda: shutil.rmtree(new, ignore_errors=True))
    with Bar("cloning") as bar:
        return clone(
            plan.source,
            new,
            plan.branch,
            remote=plan.remote,
            progress=lambda step: bar.show(step.phase, step.percent),
        )


def _put_in_place(plan: Plan, undo: Undo) -> None:
    """Move the whole clone to its place in one step."""
    if plan.mailbox.exists():
        plan.mailbox.rmdir()
    plan.new_clone.rename(plan.mailbox)
    plan.mailbox.chmod(0o700)  # what is said in the fleet is not for the other users of this computer
    undo.append(lambda: shutil.rmtree(plan.mailbox, ignore_errors=True))


def _write_token(root: Path) -> None:
    places.write_private(root / STATE_DIR / "token", clock.entropy(32).hex().encode() + b"\n")


def _key(settings: Settings) -> str:
    """Make the key that signs what this computer writes, where there is none; return its fingerprint."""
    return open_keys(settings).create(clock.entropy(36), clock.stamp()).fingerprint


def _first_cycle(settings: Settings, *, take_over: bool) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Sync once, so that the fleet knows the machine and the mailbox is on disk; return URL, others, notes."""
    from gitsync.git.setup import use_driver

    keep_warnings(settings.state_dir)
    with CloneLock(settings.clone_lock_file):
        opened = open_machine(settings)
        try:
            url = opened.mailbox.url()
            _refuse_double(opened, take_over)
            use_driver(settings.mailbox, [sys.executable, "-P", "-m", "gitsync"])
            tip = opened.mailbox.ref(opened.mailbox.tracking_ref)
            if tip is None:
                _queue_template(opened, mailbox_files())
            engine = opened.engine(page=None if _has_page(opened, tip) else "IDLE")
            if take_over:
                engine.take_over()
            result = engine.cycle(Request(settle_now=True))
            opened.note(result)
            _check(result, url, settings)
            opened.refresh()
            opened.look_around()
            notes: tuple[str, ...] = ()
            if opened.journal.meta("refs") == "refused":
                notes = ("the remote takes no refs beside the branch: signs of life go into COMPUTER_<id>.md instead",)
            return url, _others(opened), notes
        finally:
            opened.close()


def _has_page(opened: Opened, tip: str | None) -> bool:
    path = status_path(opened.settings.machine.id)
    return tip is not None and opened.mailbox.lookup(opened.mailbox.commit(tip).tree, path) is not None


def _refuse_double(opened: Opened, take_over: bool) -> None:
    """Raise Halted when another computer has the id, before that computer can notice us.

    The engine would tell it that its id is contested, and it would stop: a mistyped --id must not do that.
    """
    if take_over or opened.journal.meta("beat") is not None:
        return
    mailbox, ident = opened.mailbox, opened.settings.machine.id
    found = mailbox.fetch()
    sha = found.machine.get(ident)
    if sha is not None:
        commit = mailbox.commit(sha)
        beat = read_beat(commit.message, commit.committer.date)
        if beat is None or beat.bound != binding(mailbox.path):
            raise _double(ident, f"it was last seen {clock.stamp(commit.committer.date)}")
    elif found.tip is not None:
        # Where the host refuses such refs, the page carries the install id (PROTOCOL 7).
        entry = mailbox.lookup(mailbox.commit(found.tip).tree, status_path(ident))
        page = read_status(mailbox.blob(entry.sha)) if entry is not None else None
        if page is not None and page.install is not None:
            raise _double(ident, f"its page {status_path(ident)} says so")


def _double(ident: str, why: str) -> Halted:
    return Halted(
        f"the id {ident} is taken by another computer",
        why,
        "choose another --id; or, if this computer replaces that one, add --take-over",
        kind="double-id",
    )


def _queue_template(opened: Opened, template: dict[str, bytes]) -> None:
    """Queue what a new mailbox begins with; the engine's first cycle records the horizon (PROTOCOL 4)."""
    journal = opened.journal
    waiting = {op.ident for op in journal.pending() if op.kind == "import"}
    journal.enqueue_many([Op("import", path, "", data) for path, data in template.items() if path not in waiting])


def _others(opened: Opened) -> tuple[str, ...]:
    own = opened.settings.machine.id
    return tuple(sorted(ident for ident in opened.fleet() if ident != own))


def _check(result: CycleResult, url: str, settings: Settings) -> None:
    if result.state == "ok":
        return
    what, remedy = result.error or f"syncing with {url} failed", result.remedy or ""
    if result.kind == "double-id":
        raise _double(settings.machine.id, what)
    if result.state == "offline":
        raise TryLater(what, f"the remote is {url}", remedy)
    if result.state == "refused":
        raise Refused(what, "", remedy or "ask the owner of the remote, or choose another --branch")
    raise GitsyncError(what, "", remedy)

"""Set a computer up: parse what `init` was told, and tell what came of it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from gitsync.cli.joining import Done, Plan, join, renew
from gitsync.cli.terminal import clean_line, note, say, to_terminal
from gitsync.config import places
from gitsync.config.load import find
from gitsync.config.read import DEFAULT_MAILBOX
from gitsync.errors import EXIT_OK, RemoteAway, UsageError
from gitsync.protocol.identity import Machine
from gitsync.protocol.paths import valid_id


def init(args: Namespace) -> int:
    """Set this computer up in this repository, or in a new folder for a URL; safe to repeat."""
    root, repo = _root(args)
    try:
        if places.settings_in(root).exists() or root in places.registered():
            done = renew(root, repo, args)
        else:
            done = join(_plan(args, root, repo), take_over=args.take_over)
    except RemoteAway as error:
        # Elsewhere a process tries again by itself; nobody does that for a command.
        raise RemoteAway(
            error.what, error.why, "check the address and the way to it, then run gitsync init again"
        ) from error
    _tell(done)
    if args.agents_md is not None:
        from gitsync.cli.agenthooks import add_section

        # Asked for by its option, so nobody is asked again; what changes is shown all the same.
        changed = add_section(done.settings, args.agents_md, yes=True)
        say(f"  {'section in' if changed else 'is in'} {args.agents_md}")
    return EXIT_OK


def _root(args: Namespace) -> tuple[Path, Path | None]:
    """Return the folder that will hold .gitsync, and the repository it is in."""
    from gitsync.git.setup import find_repo

    if args.url is not None:
        folder = args.folder or args.dir or Path(_name_of(args.url))
        return folder.absolute().resolve(), None
    here = (args.dir or Path.cwd()).resolve()
    if not here.is_dir():
        raise UsageError(f"there is no folder {here}")
    known = find(here)
    if known is not None:
        return known, find_repo(known)
    repo = find_repo(here)
    if repo is None:
        raise UsageError(
            f"{here} is not in a git repository",
            "init sets a computer up beside the code that its agents work on, and takes the remote from there",
            "go to a repository, or name a remote: gitsync init URL DIR --id ID",
        )
    return repo.resolve(), repo


def _plan(args: Namespace, root: Path, repo: Path | None) -> Plan:
    from gitsync.config.checks import branch_name
    from gitsync.git.setup import remote_url

    ident = args.id
    if ident is None:
        raise UsageError(
            "which computer of the fleet is this?", "every computer has an id of its own: 1, 2, laptop", "add --id ID"
        )
    if not valid_id(ident):
        raise UsageError(
            f"{ident!r} cannot be an id",
            "all, any and self are taken",
            "use up to 31 of a-z, 0-9 and '-', beginning with a letter or digit",
        )
    for option in ("name", "role"):
        if any(ord(char) < 32 or ord(char) == 127 for char in getattr(args, option) or ""):
            raise UsageError(f"--{option} must be one line without control characters")
    if args.port is not None and not 0 <= args.port <= 65535:
        raise UsageError(f"--port {args.port} is no port", "", "use 1 to 65535, or 0 for a free one")
    branch = args.branch or "coordination"
    try:
        branch_name(branch)
    except ValueError as error:
        raise UsageError(f"--branch must be {error}, not {branch!r}") from None
    remote = args.remote or "origin"
    if repo is not None and remote_url(repo, remote) is None:
        raise UsageError(
            f"the repository {repo} has no remote {remote!r}",
            "the mailbox is a branch on a remote that all computers reach",
            f"add one: git remote add {remote} URL   (or name another with --remote)",
        )
    mailbox = args.mailbox.absolute().resolve() if args.mailbox is not None else root / DEFAULT_MAILBOX
    return Plan(
        root=root,
        repo=repo,
        source=repo if repo is not None else args.url,
        mailbox=mailbox,
        machine=Machine(ident, args.name or "", args.role or ""),
        branch=branch,
        remote=remote,
        port=args.port,
        preset=args.preset or "open",
    )


def _name_of(url: str) -> str:
    """Return the folder that a URL suggests, as `git clone` does."""
    name = url.rstrip("/").replace("\\", "/").rsplit("/", 1)[-1].rsplit(":", 1)[-1].removesuffix(".git")
    if not name or name in (".", ".."):
        raise UsageError(f"{url} suggests no name for a folder", "", "name one: gitsync init URL DIR --id ID")
    return name


def _tell(done: Done) -> None:
    settings = done.settings
    machine = settings.machine
    for line in done.notes:
        note(line)
    called = f" ({machine.name})" if machine.name else ""
    say(f"this computer is {machine.id}{called}; branch {settings.sync.branch} of {clean_line(done.url)}")
    say(f"  mailbox   {settings.mailbox}")
    say(f"  settings  {settings.file}")
    say(f"  key       {done.key}")
    say(
        {
            "new": "  the mailbox is new",
            "joined": "  joined the mailbox that was there",
            "again": "  was set up already",
        }[done.how]
    )
    if done.others:
        say(f"  fleet     {', '.join(done.others)}")
    if to_terminal() or done.how != "again":
        say("next:")
        say("  gitsync up --detach              start the background process")
        say('  gitsync send all "Hello" -m "…"  write to the others')
        say(f"  edit {settings.file} to add agents")

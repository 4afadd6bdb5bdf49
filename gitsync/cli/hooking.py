"""Hooks: putting them in place, and what they do when git or a coding agent calls them.

They answer fast, and when something is wrong with gitsync they let people and agents go on.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.errors import EXIT_OK, EXIT_REFUSED, GitsyncError, UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from gitsync.config.settings import Settings
    from gitsync.hooks.claude import News, Opening
    from gitsync.ledger.journal import Journal
    from gitsync.ledger.ledger import Ledger

CLAUDE = ("claude-session-start", "claude-user-prompt", "claude-stop")
GEMINI = ("gemini-session-start", "gemini-before-agent", "gemini-after-agent")
AGENTS = (*CLAUDE, *GEMINI)
GIT = ("pre-commit", "prepare-commit-msg", "post-merge", "post-commit")
_WAITING = ("waiting", "held", "uncertain")


def hooks(args: Namespace) -> int:
    """Install, remove or list the git hooks of the mailbox clone, or what lets a coding agent call us."""
    if args.what != "git":
        from gitsync.cli.agenthooks import run

        return run(args)
    if args.undo or args.user or args.project or args.file is not None:
        raise UsageError(
            "git hooks have no such option", "", "name what it is for: gitsync hooks install claude-code …"
        )
    from gitsync.cli.settings import own_settings
    from gitsync.cli.template import hook_script
    from gitsync.cli.terminal import say
    from gitsync.hooks.scripts import install, is_ours, uninstall

    settings = own_settings(args)
    folder = settings.mailbox / ".git" / "hooks"
    if not folder.parent.is_dir():
        raise GitsyncError(f"the mailbox {settings.mailbox} is gone", "", "run: gitsync init")
    if args.action == "install":
        program = [sys.executable, "-P", "-m", "gitsync", "--dir", str(settings.root)]
        new = install(folder, {name: hook_script(name) for name in GIT}, program)
        say(f"installed in {folder}: {', '.join(GIT)}" if new else f"were installed already, renewed: {folder}")
    elif args.action == "uninstall":
        gone = uninstall(folder)
        say(f"removed: {', '.join(gone)}" if gone else "none were installed")
    else:
        for name in GIT:
            file = folder / name
            say(f"{name}: {'ours' if is_ours(file) else 'another' if file.exists() else 'none'}")
    return EXIT_OK


def hook(args: Namespace) -> int:
    """Do what one hook does; only ``pre-commit`` ever refuses anything."""
    if args.name not in (*AGENTS, *GIT, "codex-notify"):
        raise UsageError(f"no hook {args.name!r}", "", "there are: " + ", ".join((*GIT, *AGENTS, "codex-notify")))
    try:
        if args.name in AGENTS:
            return _agent(args)
        return _git(args)
    except Exception:
        from gitsync.cli.failures import keep

        keep(args.dir)
        return EXIT_OK


def _agent(args: Namespace) -> int:
    from gitsync.clock import entropy
    from gitsync.hooks import claude

    given = getattr(args, "given", None)
    if given is None and not sys.stdin.isatty():
        given = sys.stdin.buffer.read()
    asked = claude.asked(given or b"")
    if asked.get("stop_hook_active"):
        return EXIT_OK  # it was told already, and is about to stop for the second time
    if "GITSYNC_KEY" in os.environ:
        return EXIT_OK  # gitsync itself runs this agent for one message, and the others are not its business
    from gitsync.config.load import find, load

    folder = asked.get("cwd")
    start = Path(folder) if isinstance(folder, str) and Path(folder).is_dir() else None
    if args.dir is None and "GITSYNC_DIR" not in os.environ and find(start) is None:
        return EXIT_OK  # installed for all projects of the user, and this one has no mailbox
    settings = load(start, args.dir)
    from gitsync.hooks.shown import claim
    from gitsync.ledger.journal import Journal
    from gitsync.ledger.ledger import Ledger

    if not settings.journal_file.exists() or not settings.ledger_file.exists():
        return EXIT_OK  # nothing was ever received; a hook is not what creates the stores
    with Journal(settings.journal_file) as journal:
        ledger = Ledger(settings.ledger_file)
        ledger.rules = settings.verification
        try:
            news = _news(ledger, journal)
            opening = _opening(settings, ledger, journal, news) if args.name in claude.STARTS else None
        finally:
            ledger.close()
    stop = args.name in claude.STOPS
    nonce = entropy(8).hex()
    text = first = claude.opening(opening, nonce=nonce) if opening is not None else ""

    def choose(shown: frozenset[str]) -> tuple[str, ...]:
        nonlocal text
        fresh = claude.choose(news, shown, urgent_only=stop)
        if not fresh:
            return ()
        text, keys = claude.context(
            fresh,
            more=len([n for n in news if n.key not in shown]) - len(fresh) if not stop else 0,
            nonce=nonce,
            room=claude.MAX_TOTAL - len(first),
        )
        text = f"{first}\n\n{text}".strip()
        return keys

    claim(settings.state_dir / ("shown-stop" if stop else "shown"), choose)
    if text:
        print(claude.answer(args.name, text))
    return EXIT_OK


def _opening(settings: Settings, ledger: Ledger, journal: Journal, news: list[News]) -> Opening:
    """Gather who this computer is and what is open on it."""
    from gitsync.hooks.claude import Opening

    open_tasks = journal.count_open_tasks()
    recent = journal.tasks(limit=50) if open_tasks else []
    return Opening(
        machine=settings.machine.id,
        name=settings.machine.name,
        role=settings.machine.role,
        agents=tuple(agent.name for agent in settings.agents),
        others=tuple(sorted(ledger.machines() - {settings.machine.id})),
        waiting=len(news),
        urgent=sum(one.priority == "urgent" for one in news),
        open_tasks=open_tasks,
        tasks=tuple((task.id, task.status, task.subject) for task in recent if task.ended is None),
    )


def _news(ledger: Ledger, journal: Journal) -> list[News]:
    """Return what is open for this machine and not in the hands of an agent that works by itself."""
    from gitsync.hooks.claude import News

    rows = [row for row in ledger.open_for_me() if not row.withdrawn and not row.quarantined]
    locals_ = journal.locals(open_only=True)
    intents = journal.intents_for([*(row.key for row in rows), *(one.key for one in locals_)])
    taken = {key for key, found in intents.items() if any(intent.state not in _WAITING for intent in found)}
    if ledger.rules.watchful:
        from gitsync.inbox import doubts_about

        # What is held because nobody knows who wrote it is no agent's business, however it is fenced.
        taken |= doubts_about(ledger, journal, rows).keys() | {key for key, _ in journal.doubted()}
    messages = [(row.key, row.message, row.standing) for row in rows]
    messages += [(one.key, one.message, "") for one in locals_]
    return [
        News(
            key=key,
            id=message.id,
            sender=message.sender,
            to=", ".join(message.to),
            subject=message.subject,
            body=message.body,
            date=message.date,
            priority=message.priority,
            standing=standing,
        )
        for key, message, standing in messages
        if key not in taken
    ]


def _git(args: Namespace) -> int:
    from gitsync.config import load

    if args.name == "codex-notify":
        return _turned(args)
    settings = load(None, args.dir)
    if args.name == "prepare-commit-msg":
        _prefix(args, settings.machine.id)
    elif args.name == "pre-commit":
        return _check(settings)
    else:
        _wake(settings)
    return EXIT_OK


def _turned(args: Namespace) -> int:
    """Look at once for what is to be sent and what has come: Codex has ended a turn in the folder that it names."""
    from gitsync.config.load import find, load
    from gitsync.hooks.claude import asked

    folder = asked(args.rest[-1].encode() if args.rest else b"").get("cwd")
    start = Path(folder) if isinstance(folder, str) and Path(folder).is_dir() else None
    if args.dir is not None or find(start) is not None:
        _wake(load(start, args.dir))
    return EXIT_OK


def _wake(settings: Settings) -> None:
    from gitsync.cli.client import connect

    client = connect(settings)
    if client is not None:
        client.post("/wake", timeout=1.0)


def _prefix(args: Namespace, machine: str) -> None:
    from gitsync.hooks.precommit import prefixed

    # git calls it with the file and where the text came from; a merge's or an amended commit's own text stays.
    if not args.rest or args.rest[1:2] in (["merge"], ["squash"], ["commit"]):
        return
    file = Path(args.rest[0])
    old = file.read_bytes().decode("utf-8", "surrogateescape")
    new = prefixed(old, machine)
    if new != old:
        file.write_bytes(new.encode("utf-8", "surrogateescape"))


def _check(settings: Settings) -> int:
    from gitsync.git.repo import Mailbox
    from gitsync.git.staged import staged
    from gitsync.hooks.precommit import Staged, complaints, leaks
    from gitsync.stores import know_own

    know_own(settings)
    # With `git commit -a` or `git commit FILE` git shows the hook another index than the usual one.
    index = Path(os.environ.get("GIT_INDEX_FILE") or settings.mailbox / ".git" / "index")
    mailbox = Mailbox(settings.mailbox, settings.sync.branch, settings.sync.remote)
    try:
        files = [Staged(*file) for file in staged(mailbox, index)]
    finally:
        mailbox.close()
    found, secrets = complaints(files), leaks(files, settings.secrets)
    if not found and not secrets:
        return EXIT_OK
    from gitsync.cli.terminal import clean_line

    if secrets:
        print("gitsync: this commit would put what looks like a secret into the mailbox", file=sys.stderr)
        for line in secrets:
            print(f"  {clean_line(line)}", file=sys.stderr)
        print(
            "  take it out; if it may be seen by all, commit with --no-verify: gitsync then keeps the commit here"
            ' until gitsync release ID --reason "…"',
            file=sys.stderr,
        )
    if not found:
        return EXIT_REFUSED
    print("gitsync: this commit would put mistakes into the mailbox", file=sys.stderr)
    for line in found:
        print(f"  {clean_line(line)}", file=sys.stderr)
    print("  correct them, or commit all the same: git commit --no-verify", file=sys.stderr)
    return EXIT_REFUSED

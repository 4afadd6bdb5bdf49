"""Let a coding agent call gitsync: hooks in its settings, a section in AGENTS.md. Only when a person asks for it."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gitsync.cli.editing import Place, change, made, read, undo
from gitsync.cli.settings import own_settings
from gitsync.cli.terminal import note, say
from gitsync.config.settings import Settings
from gitsync.errors import EXIT_OK, UsageError
from gitsync.hooks import programs, section


@dataclass(frozen=True, slots=True)
class Target:
    """What is installed where, and how."""

    place: Place
    put: Callable[[bytes | None], bytes]
    take: Callable[[bytes], bytes]
    there: Callable[[bytes | None], bool]
    after: str


def run(args: Namespace) -> int:
    """Install, remove or show what lets a coding agent call gitsync."""
    settings = own_settings(args)
    target = _target(args, settings)
    file = target.place.file
    if args.undo:
        done = undo(target.place, yes=args.yes)
        say(f"put back as it was: {file}" if done else f"nothing to put back: {file}")
        return EXIT_OK
    old = read(target.place)
    if args.action == "status":
        say(f"{args.what}: {'installed' if target.there(old) else 'none'} in {file}")
    elif args.action == "install":
        if change(target.place, old, target.put(old), yes=args.yes):
            say(f"installed: {file}")
            _mention_git(settings, target.place)
            if target.after:
                say(f"  {target.after}")
            say(f"  put it back: gitsync hooks install {args.what}{' --user' if args.user else ''} --undo")
        else:
            say(f"is installed already: {file}")
    elif old is None or not target.there(old):
        say(f"not installed: {file}")
    else:
        new = target.take(old)
        left = new.strip() not in (b"", b"{}") or not made(target.place)
        change(target.place, old, new if left else None, yes=args.yes)
        say(f"removed from {file}")
    return EXIT_OK


def add_section(settings: Settings, name: Path, *, yes: bool) -> bool:
    """Put the section into a file of the person's repository; say whether that changed it."""
    place = _in_root(settings, name)
    old = read(place)
    return change(place, old, section.with_section(old), yes=yes)


def program(settings: Settings, *, user: bool) -> list[str]:
    """Return the call of this gitsync by full paths.

    Without -P Python would take modules from the folder it runs in, which is the agent's and may be anybody's.
    """
    call = [sys.executable, "-P", "-m", "gitsync"]
    return call if user else [*call, "--dir", str(settings.root)]


def _target(args: Namespace, settings: Settings) -> Target:
    what, user = args.what, args.user
    if args.file is not None and what != "agents-md":
        raise UsageError("--file is for agents-md only")
    if user and what == "agents-md":
        raise UsageError("AGENTS.md is a file of the project", "", "without --user; --file names another")
    call = program(settings, user=user or what == "codex")
    if what == "agents-md":
        place = _in_root(settings, args.file or Path("AGENTS.md"))
        return Target(place, section.with_section, section.without_section, section.has_section, "")
    if what == "codex":
        if args.project:
            raise UsageError("Codex is told in the user's settings only", "", "without --project")
        home = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
        return Target(
            Place(home / "config.toml"),
            lambda data: programs.with_notify(data, call),
            programs.without_notify,
            programs.has_notify,
            "after each turn of Codex gitsync looks at once for what is to be sent and what has come",
        )
    kind = programs.CLAUDE_CODE if what == "claude-code" else programs.GEMINI
    return Target(
        _settings_of(what, settings, user=user),
        lambda data: programs.with_hooks(data, kind, call),
        lambda data: programs.without_hooks(data, kind),
        lambda data: bool(programs.installed(data, kind)),
        "sessions that begin from now on have it",
    )


def _settings_of(what: str, settings: Settings, *, user: bool) -> Place:
    if what == "claude-code":
        if user:
            own = os.environ.get("CLAUDE_CONFIG_DIR")
            return Place((Path(own) if own else Path.home() / ".claude") / "settings.json")
        # Not settings.json, which is shared by git: what is written holds paths of this computer.
        return Place(settings.root / ".claude" / "settings.local.json", settings.root)
    if user:
        return Place(Path.home() / ".gemini" / "settings.json")
    return Place(settings.root / ".gemini" / "settings.json", settings.root)


def _in_root(settings: Settings, name: Path) -> Place:
    file = settings.root / name
    if file.suffix.lower() != ".md":
        raise UsageError(f"{name} is no Markdown file", "", "AGENTS.md, CLAUDE.md, GEMINI.md …")
    return Place(file, settings.root)


def _mention_git(settings: Settings, place: Place) -> None:
    """Say where a file with paths of this computer could be committed by mistake; the ignore list is the person's."""
    if place.within is None or place.file.suffix != ".json":
        return
    from gitsync.git.setup import find_repo, is_ignored

    repo = find_repo(settings.root)
    if repo is not None and not is_ignored(repo, place.file):
        note(f"git does not ignore {place.file.name}: it holds paths of this computer, so do not commit it")

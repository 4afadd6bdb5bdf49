"""Print shell completions, made from the parser."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _SubParsersAction

from gitsync.errors import EXIT_OK

_FILES = {"file", "files", "base", "ours", "theirs"}
_FOLDERS = {"dir", "folder", "mailbox"}


def completion(args: Namespace) -> int:
    """Print the completions of every verb and option for one shell."""
    import shtab

    from gitsync.cli.parser import build

    parser = build()
    _mark(parser, shtab.FILE, shtab.DIRECTORY)
    print(shtab.complete(parser, args.shell))
    return EXIT_OK


def _mark(parser: ArgumentParser, file: object, folder: object) -> None:
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for sub in action.choices.values():
                _mark(sub, file, folder)
        elif action.dest in _FILES:
            action.complete = file  # type: ignore[attr-defined]
        elif action.dest in _FOLDERS:
            action.complete = folder  # type: ignore[attr-defined]

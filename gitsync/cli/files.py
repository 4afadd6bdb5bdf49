"""Read, check, merge and take in files, without the running process."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from gitsync.cli.terminal import clean, clean_line, plural, print_json, say, table, to_terminal
from gitsync.errors import EXIT_ERROR, EXIT_OK, GitsyncError


def parse(args: Namespace) -> int:
    """Show what the reader understands of files, from their bytes alone."""
    from gitsync.protocol.reader import read_file
    from gitsync.protocol.report import as_json

    reports = []
    for name in args.files:
        data = _bytes(name)
        reports.append(as_json(name, read_file(data, _mailbox_path(name))))
    if args.json:
        print_json(reports)
    else:
        for report in reports:
            _show_report(report)
    return EXIT_OK


def lint(args: Namespace) -> int:
    """Show what is wrong in files, or in the whole mailbox; exit 1 when anything is."""
    from gitsync.protocol.lint import lint as check

    found: list[dict[str, Any]] = []
    for shown, file, path in _to_lint(args):
        found += [
            {"file": shown, "line": problem.line, "rule": problem.rule, "text": problem.text}
            for problem in check(_bytes(file), path)
        ]
    if not args.files:
        found = sorted([*found, *_not_files(args)], key=lambda item: item["file"])
    if args.json:
        print_json(found)
    else:
        for item in found:
            print(clean_line(f"{item['file']}:{item['line']}: {item['text']} [{item['rule']}]"))
    return EXIT_ERROR if found else EXIT_OK


def merge_driver(args: Namespace) -> int:
    """Merge as git asks its drivers to: the result takes the place of ours, and there is never a conflict."""
    from gitsync.protocol.merge import merge_path

    base, ours, theirs = (file.read_bytes() for file in (args.base, args.ours, args.theirs))
    # An empty base is how git says that neither side had it: then nothing counts as deleted.
    merged = merge_path(args.path, base or None, ours, theirs)
    args.ours.write_bytes(merged.data or b"")
    return EXIT_OK


def import_files(args: Namespace) -> int:
    """Bring old message files into the mailbox, as history."""
    from gitsync.cli.importing import import_all

    return import_all(args)


def _to_lint(args: Namespace) -> list[tuple[str, str, str]]:
    """Return (name to show, file to read, path in a mailbox) of what is to be checked."""
    if args.files:
        return [(name, name, _mailbox_path(name)) for name in args.files]
    from gitsync.cli.settings import own_settings

    mailbox = own_settings(args).mailbox
    files = sorted(
        file
        for file in mailbox.rglob("*.md")
        if ".git" not in file.relative_to(mailbox).parts and file.is_file() and not file.is_symlink()
    )
    return [(str(file.relative_to(mailbox)), str(file), str(file.relative_to(mailbox))) for file in files]


def _not_files(args: Namespace) -> list[dict[str, Any]]:
    """Find links, submodules, folders named like files, and paths that are written nowhere: on the branch and on disk.

    They are never opened, so that no other rule can speak of them.
    """
    from gitsync.cli.settings import own_settings
    from gitsync.cli.stores import machine
    from gitsync.git.objects import inside

    told: dict[str, str] = {}
    with machine(own_settings(args)) as opened:
        tip, mailbox = opened.mailbox.ref(opened.mailbox.tracking_ref), opened.mailbox.path
        for path, entry in opened.mailbox.files(opened.mailbox.commit(tip).tree).items() if tip else ():
            if not inside(path):
                told[path] = "a path that leaves the mailbox, on the branch: it is written nowhere"
            elif not entry.is_file:
                told[path] = "a link or submodule, on the branch: it is never followed, and not placed here"
    for found in mailbox.rglob("*"):
        path = str(found.relative_to(mailbox))
        if path.partition("/")[0] == ".git":
            continue
        if found.is_symlink():
            told[path] = "a symbolic link: it is never followed, and stays here"
        elif found.is_dir() and found.suffix == ".md":
            told[path] = "a folder named like a file: what belongs there waits"
    return [{"file": path, "line": 1, "rule": "not-a-file", "text": text} for path, text in told.items()]


def _bytes(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise GitsyncError(f"cannot read {name}", error.strerror or str(error)) from error


def _mailbox_path(name: str) -> str:
    """Return the part of a file's name that a mailbox would know it by: ``messages/1_TO_2.md``."""
    from gitsync.protocol.paths import classify

    parts = Path(name).absolute().parts if name != "-" else ()
    for length in (3, 2, 1):
        path = "/".join(parts[-length:])
        if len(parts) >= length and classify(path).kind != "other":
            return path
    # In a folder called messages the path says who writes to whom, or should: lint reports the others.
    if len(parts) >= 2 and parts[-2] == "messages":
        return "/".join(parts[-2:])
    return parts[-1] if parts else ""


def _show_report(report: dict[str, Any]) -> None:
    say(f"{report['file']}: {plural(len(report['messages']), 'message')}")
    status = report["status"]
    if status is not None:
        say(
            f"  status, line {status['line']}: {status['id_or_name'] or '?'}"
            f" is {status['state'] or status['state_raw']}"
        )
    if report["messages"]:
        (_narrow if to_terminal() else _whole)(report["messages"])
    for problem in report["problems"]:
        print(clean(f"  line {problem['line']}: {problem['text']} [{problem['rule']}]"))


def _whole(messages: list[dict[str, Any]]) -> None:
    table(
        ("lines", "from", "to", "date", "priority", "subject", "id"),
        [
            (
                f"{m['line']}-{m['end_line']}",
                m["from"] or "–",
                ", ".join(m["to"]) or "–",
                m["date_utc"] or m["date"] or "–",
                m["priority"] or "–",
                m["subject"] or "–",
                (m["id"] or "–") + (" (draft)" if m["draft"] else ""),
            )
            for m in messages
        ],
    )


def _narrow(messages: list[dict[str, Any]]) -> None:
    table(
        ("lines", "from → to", "date", "subject"),
        [
            (
                f"{m['line']}-{m['end_line']}",
                f"{m['from'] or '–'} → {', '.join(m['to']) or '–'}",
                (m["date_utc"][:16].replace("T", " ") if m["date_utc"] else m["date"]) or "–",
                ("[draft] " if m["draft"] else "" if m["id"] else "[by hand] ")
                + ("" if m["priority"] in (None, "normal") else f"[{m['priority']}] ")
                + (m["subject"] or "–"),
            )
            for m in messages
        ],
        wide="subject",
    )

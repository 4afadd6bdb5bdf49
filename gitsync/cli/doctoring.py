"""Examine this machine, mend what is safe, put back what was mended, make a report."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsync import __version__, clock
from gitsync.cli.client import Client, running
from gitsync.cli.terminal import clean_line, coloured, print_json, say
from gitsync.doctor.ground import Ground, Running, survey
from gitsync.doctor.values import Check, State, ordered, worst
from gitsync.errors import EXIT_ERROR, EXIT_OK, GitsyncError, UsageError

if TYPE_CHECKING:
    from gitsync.config.settings import Settings
    from gitsync.doctor.bundle import Item
    from gitsync.doctor.mend import Mended

SECONDS = 3.0
"""How long one question to the remote, or to an agent, may take."""
_COLOURS: dict[State, str] = {"fail": "31", "warn": "33", "ok": "32"}


def doctor(args: Namespace) -> int:
    """Examine, and do what was asked for; 1 when something is broken, warnings allowed."""
    if args.undo is not None and (args.fix or args.bundle is not None):
        raise UsageError("--undo stands alone", "what is put back would be mended, or reported, at once", "one by one")
    ground = _survey(args)
    if args.undo is not None:
        return _undo(ground, args)
    checks = _examine(ground, args)
    undo, mended = None, list["Mended"]()
    if args.fix and any(check.fix is not None for check in checks):
        from gitsync.doctor.mend import mend

        undo, mended = mend(ground, ordered(checks))
        ground = _survey(args)
        checks = _examine(ground, args)
    report: list[Item] = []
    if args.bundle is not None:
        from gitsync.doctor.bundle import write

        report = write(ground, checks, args.bundle)
    if args.json:
        print_json(_document(ground, checks, undo, mended, args.bundle, report))
    else:
        _show(checks, undo, mended, tried=args.fix)
        _show_report(args.bundle, report)
    return EXIT_ERROR if worst(checks) == "fail" else EXIT_OK


def _survey(args: Namespace) -> Ground:
    return survey(args.dir, running=_running, offline=args.offline, seconds=SECONDS)


def _running(settings: Settings) -> Running | None:
    """Find the background process and ask how it is."""
    found = running(settings)
    if found is None:
        return None
    client = Client(settings, found)

    def ask(path: str) -> Any:
        try:
            return client.get(path, also=503)
        except GitsyncError:
            return None

    health = ask("/health")
    if not isinstance(health, dict):
        return Running(pid=found.pid, port=found.port, since=found.since)
    about, status, instances = ask("/"), ask("/status"), ask("/instances")
    return Running(
        pid=found.pid,
        port=found.port,
        since=found.since,
        version=str(about.get("version")) if isinstance(about, dict) else None,
        health=health,
        status=status if isinstance(status, dict) else {},
        instances=tuple(one for one in instances or () if isinstance(one, dict)),
    )


def _examine(ground: Ground, args: Namespace) -> list[Check]:
    from gitsync.doctor.examine import examine

    def rebuild() -> None:
        from gitsync.machine import open_machine

        assert ground.settings is not None
        opened = open_machine(ground.settings)
        try:
            opened.refresh()
        finally:
            opened.close()

    def init() -> None:
        from gitsync.cli.joining import renew
        from gitsync.cli.parser import build
        from gitsync.git.setup import find_repo

        assert ground.root is not None
        renew(ground.root, find_repo(ground.root), build().parse_args(["init"]))

    return examine(ground, rebuild=rebuild, init=init)


def _undo(ground: Ground, args: Namespace) -> int:
    from gitsync.doctor.mend import undo

    told = undo(ground, args.undo)
    if args.json:
        print_json({"undone": args.undo, "changes": told})
    else:
        for line in told:
            say(line)
        say(f"undone: {args.undo}" if told else f"undone: {args.undo}; everything was as before already")
    return EXIT_OK


def _document(
    ground: Ground,
    checks: Sequence[Check],
    undo: str | None,
    mended: Sequence[Mended],
    bundle: Path | None,
    report: Sequence[Item],
) -> dict[str, Any]:
    own = ground.settings
    return {
        "state": worst(checks),
        "version": __version__,
        "machine": own.machine.id if own is not None else None,
        "date": clock.stamp(),
        "checks": [check.document() for check in ordered(checks)],
        "fixes": [{"name": one.name, "what": one.says, "failed": one.failed or None} for one in mended],
        "undo": undo,
        "bundle": {"file": str(bundle), "items": [item.name for item in report]} if bundle is not None else None,
    }


def _show(checks: Sequence[Check], undo: str | None, mended: Sequence[Mended], *, tried: bool) -> None:
    for one in mended:
        say(f"not mended: {clean_line(one.says)}: {clean_line(one.failed)}" if one.failed else f"mended: {one.says}")
    if undo is not None:
        say(f"to put it back as it was: gitsync doctor --undo {undo}")
    if mended:
        say()
    well = [check for check in checks if check.state == "ok"]
    bad = [check for check in ordered(checks) if check.state != "ok"]
    for check in bad:
        _show_one(check)
    if not tried and any(check.fix is not None for check in bad):
        count = sum(check.fix is not None for check in bad)
        say(f"{count} of these can be mended, and put back: gitsync doctor --fix")
    say(f"{'everything else' if bad else 'everything'} is well: {len(well)} checks")


def _show_one(check: Check) -> None:
    mark = f"\x1b[{_COLOURS[check.state]}m{check.state}\x1b[0m" if coloured() else check.state
    print(f"{mark}  {clean_line(check.what)}")
    for line in (check.why, check.remedy):
        if line:
            print(f"      {clean_line(line)}")


def _show_report(file: Path | None, report: Sequence[Item]) -> None:
    if file is None:
        return
    say(f"report written to {file}; look through it before you pass it on. In it:")
    for item in report:
        say(f"  {item.name}  {len(item.data)} bytes")

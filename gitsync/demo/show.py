"""Put up the fleet, play the steps, leave it running or take it down."""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path
from types import FrameType

from gitsync.demo.computer import CheckFailed
from gitsync.demo.fleet import BRANCH, Fleet
from gitsync.demo.narrator import Narrator
from gitsync.demo.steps import STEPS, Step


class _Stop(BaseException):
    """Ctrl-C or SIGTERM arrived, or the terminal was closed."""


def show(*, once: bool = False) -> int:
    """Run the demonstration; return the exit code: 0 when every check held."""
    tell = Narrator()
    base = Path(tempfile.mkdtemp(prefix="gitsync-demo-")).resolve()
    fleet = Fleet(base)
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    failed: list[str] = []
    played = 0
    try:
        _put_up(fleet, tell)
        for step in STEPS:
            played += 1
            if not _play(step, fleet, tell):
                failed.append(step.__name__)
        if failed:
            for line in fleet.tails():
                tell.plain(line)
        if not once:
            _stay(fleet, tell)
    except CheckFailed as error:
        tell.bad(str(error))
        for line in fleet.tails():
            tell.plain(line)
        failed.append("putting up the fleet")
    except _Stop:
        tell.plain()
        tell.say("stopping …")
        if once:
            failed.append("interrupted")
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # a second ctrl-C must not leave processes behind
        fleet.close()
        fleet.remove()
        for number, handler in before.items():
            signal.signal(number, handler)
    tell.plain()
    if failed:
        tell.bad("not kept: " + ", ".join(name.replace("_", " ") for name in failed))
        return 1
    steps = f"{len(STEPS)} steps" if played == len(STEPS) else f"{played} of {len(STEPS)} steps begun"
    tell.good(f"every check held ({steps}); all processes have ended and {base} is gone")
    return 0


def _put_up(fleet: Fleet, tell: Narrator) -> None:
    tell.title("Three computers on this one, each with its own home, clone, settings and background process")
    fleet.build()
    tell.say(f"remote: a bare git repository, {fleet.remote}")
    for computer in fleet.computers:
        computer.start()
    for computer in fleet.computers:
        computer.up()
        pid = computer.daemon.pid if computer.daemon else "-"
        tell.say(f"computer {computer.id}, {computer.name}: pid {pid}, port {computer.port}")
    tell.say(f"agents: 1/mechanic ({fleet.claude}),")
    tell.say("        1/desk (inbox), 2/builder (http), 2/reviewer (command),")
    tell.say("        3/analyst (command), 3/watcher (http)")
    tell.history(fleet.new_history())


def _play(step: Step, fleet: Fleet, tell: Narrator) -> bool:
    tell.title(" ".join((step.__doc__ or step.__name__).split()))
    try:
        step(fleet, tell)
    except CheckFailed as error:
        tell.bad(str(error))
        return False
    finally:
        tell.history(fleet.new_history())
    return True


def _stay(fleet: Fleet, tell: Narrator) -> None:
    for computer in fleet.computers:
        computer.leave_command(fleet.base / f"gitsync-{computer.id}")
    tell.title("The fleet keeps running until ctrl-C. In another terminal:")
    tell.plain(f"  cd {fleet.base}")
    tell.plain("  # gitsync-1 is gitsync as the owner of computer 1 types it; gitsync-2 and -3 too")
    tell.plain('  ./gitsync-1 send 2/reviewer "Hello" -m "A text" --wait 10s')
    tell.plain("  ./gitsync-1 inbox; ./gitsync-2 status")
    tell.plain("  # a mailbox, to read and to write by hand; its history; settings; logs")
    tell.plain("  nano computer-1/coordination/messages/1_TO_2.md")
    tell.plain(f"  git -C {fleet.remote.name} log {BRANCH}")
    tell.plain("  cat computer-1/.gitsync/config.toml; ls logs")
    for computer in fleet.computers:
        tell.plain(f"  curl http://127.0.0.1:{computer.port}/computers")
    while True:
        for computer in fleet.computers:
            if computer.daemon is not None and not computer.daemon.running():
                raise CheckFailed(f"the process of computer {computer.id} has ended")
        tell.history(fleet.new_history())
        time.sleep(1.0)


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Stop

"""Start and stop the background process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

from gitsync import clock
from gitsync.agents.environment import MARK, TOLD
from gitsync.cli.client import NoAnswer, Running, alive, connect, running
from gitsync.cli.settings import own_settings
from gitsync.cli.stores import refuse_lost_clone
from gitsync.cli.terminal import clean, say
from gitsync.config.settings import Settings
from gitsync.errors import EXIT_OK, GitsyncError

START = 30.0
"""Seconds a process may take until it answers: a first run reads the whole history."""
AGENTS = 5.0
"""Seconds for which agents that are starting are waited for, to say whether they are up."""
POLL = 0.05


def up(args: Namespace) -> int:
    """Run the process, in the foreground or detached."""
    settings = own_settings(args)
    refuse_lost_clone(settings)
    found = _settled(settings)
    if found is not None:
        if args.detach:
            say(f"already running: pid {found.pid}, port {found.port}, since {found.since}")
            return EXIT_OK
        raise GitsyncError(
            "the background process is running already",
            f"pid {found.pid}, port {found.port}, since {found.since}",
            "use it, or stop it with: gitsync down",
        )
    return _detach(settings) if args.detach else _foreground(settings)


def down(args: Namespace) -> int:
    """Stop the process; fine where none runs, and with settings that somebody is in the middle of editing."""
    settings = own_settings(args, last_valid=True)
    found = running(settings)
    if found is None:
        say("no process is running")
        return EXIT_OK
    _stop(settings, found)
    say(f"stopped pid {found.pid}")
    return EXIT_OK


def restart(args: Namespace) -> int:
    """Stop the process if there is one, and start it."""
    settings = own_settings(args)
    refuse_lost_clone(settings)
    found = running(settings)
    if found is not None:
        _stop(settings, found)
    return _detach(settings) if args.detach else _foreground(settings)


def _foreground(settings: Settings) -> int:
    from gitsync.daemon.main import run

    return run(settings)


def _detach(settings: Settings) -> int:
    """Start the process in a session of its own; return when it answers or has ended."""
    settings.log_file.parent.mkdir(mode=0o700, exist_ok=True)
    said = settings.state_dir / "start.log"
    with os.fdopen(os.open(said, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "gitsync", "--dir", str(settings.root), "up"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
            env=_environment(),
        )
    deadline = clock.monotonic() + START
    while clock.monotonic() < deadline:
        code = child.poll()
        if code is not None:
            raise GitsyncError(*_last_words(said, code))
        found = running(settings)
        if found is not None and found.pid == child.pid and _answers(settings):
            say(f"running: pid {found.pid}, port {found.port}, log {settings.log_file}")
            child.returncode = 0  # it lives on; keeps Popen from complaining that it was left behind
            _tell_agents(settings)
            return EXIT_OK
        clock.sleep(POLL)
    child.terminate()
    child.wait()
    raise GitsyncError(
        f"the process did not answer within {START:.0f} s",
        f"its log is {settings.log_file}",
        "look there; then try again",
    )


def _tell_agents(settings: Settings) -> None:
    """Say which agents are up, and what keeps the others; waits a moment for those that are just starting."""
    if not settings.agents:
        return
    deadline = clock.monotonic() + AGENTS
    client = connect(settings)
    try:
        found = client.get("/instances") if client is not None else []
        while any(one["state"] == "starting" for one in found) and clock.monotonic() < deadline:
            clock.sleep(POLL)
            found = client.get("/instances") if client is not None else []
    except GitsyncError:
        return  # it has just answered: `gitsync status` will say what is the matter
    for one in found:
        word = f": {clean(one['word'])}" if one["word"] else ""
        say(f"  {clean(one['name'])}  {one['state']}{word}")


def _environment() -> dict[str, str]:
    """Let the process find this same program: it runs in another folder, where a relative path would lead astray.

    What an agent was told of its message is not for it: started by one, it must not be taken for a part of that.
    """
    env = {name: value for name, value in os.environ.items() if name not in TOLD and name != MARK}
    if "PYTHONPATH" in env:
        env["PYTHONPATH"] = os.pathsep.join(
            str(Path(part).absolute()) for part in env["PYTHONPATH"].split(os.pathsep) if part
        )
    return env


def _settled(settings: Settings) -> Running | None:
    """Return the process that runs, once it answers; None when there is none.

    One that was killed a moment ago looks as if it ran until the system is through with it, and must not be taken for
    an answer to "up". Raises `NoAnswer` for one that neither answers nor ends.
    """
    deadline = clock.monotonic() + START
    while (found := running(settings)) is not None:
        if _answers(settings):
            return found
        if clock.monotonic() > deadline:
            raise NoAnswer(
                f"the background process {found.pid} is there and does not answer",
                f"it runs since {found.since}; it may be stopped, or hang",
                "look into .gitsync/gitsync.log; then: gitsync restart",
            )
        clock.sleep(POLL)
    return None


def _answers(settings: Settings) -> bool:
    client = connect(settings)
    try:
        # 503 is an answer too: a machine whose remote is away is up, and says so in its status.
        return client is not None and client.get("/health", also=503) is not None
    except NoAnswer:
        return False


def _last_words(said: Path, code: int) -> tuple[str, str, str]:
    lines = [line for line in said.read_text(errors="replace").splitlines() if line.strip()]
    own = next((at for at, line in enumerate(lines) if line.startswith("gitsync: ")), None)
    told = lines[own:] if own is not None else lines[-2:]
    what = clean(told[0].removeprefix("gitsync: ")) if told else f"the process ended with exit code {code}"
    why = told[1].strip() if len(told) > 1 else f"exit code {code}"
    return what, why, told[2].strip() if len(told) > 2 else ""


def _stop(settings: Settings, found: Running) -> None:
    """Ask over HTTP, then by signal, and wait until the process has ended."""
    patience = settings.dispatch.drain + 15.0
    client = connect(settings)
    try:
        if client is not None:
            client.post("/shutdown")
    except GitsyncError:
        _signal(found.pid, signal.SIGTERM)
    begun = clock.monotonic()
    insisted = False
    while (waited := clock.monotonic() - begun) < patience:
        if not alive(found.pid):
            return
        if waited > patience / 2 and not insisted:
            _signal(found.pid, signal.SIGTERM)
            insisted = True
        clock.sleep(POLL)
    raise GitsyncError(
        f"the process {found.pid} does not stop",
        f"it was asked to {patience:.0f} s ago",
        f"look into {settings.log_file}; as the last resort: kill -9 {found.pid}",
    )


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended meanwhile, which is what is wanted

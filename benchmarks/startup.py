"""How long the command line takes to answer, beside an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.measure import Row, Samples, interleave
from benchmarks.world import quiet, world
from gitsync.demo.computer import Computer

LIMIT = 0.2
HOOK_LIMIT = 0.1
"""p95 of what a coding agent waits for at each prompt (s)."""
HOOK_INPUT = b'{"session_id": "s", "hook_event_name": "UserPromptSubmit", "prompt": "hello"}'
HOOKS = ("claude-session-start", "claude-user-prompt", "claude-stop")


def measure(*, full: bool = False) -> list[Row]:
    """Start each command many times, in turn with the bare interpreter."""
    with world() as here:
        url, bare = here.remote()
        computer = here.computer("1", url)
        computer.up()
        quiet(bare)
        base = _gitsync(computer)

        commands = {
            "gitsync --help": [*base, "--help"],
            "gitsync status, with the process running": [*base, "status"],
            "gitsync send, with the process running": [*base, "send", "2", "hello", "-m", "a body"],
        }
        # As `gitsync hooks install claude-code` writes them, in a mailbox that has messages.
        call = [sys.executable, "-P", "-m", "gitsync", "--dir", str(computer.root), "hook"]
        commands |= {f"gitsync hook {name}": [*call, name] for name in HOOKS}
        sender = here.computer("2", url)
        for number in range(20):
            _run([*_gitsync(sender), "send", "1", f"thing {number}", "-m", "a body " * 50], sender)
        _run([*_gitsync(sender), "sync"], sender)
        _run([*_gitsync(computer), "sync"], computer)
        plain, *ours = interleave(
            40 if full else 15,
            lambda: _run([sys.executable, "-c", "pass"], computer),
            *(lambda argv=argv: _run(argv, computer) for argv in commands.values()),
        )
    return [
        Row(
            "Starting",
            name,
            samples.short(),
            f"python -c pass {plain.short()}",
            samples.p50 / plain.p50,
            *_limit(name, samples),
        )
        for name, samples in zip(commands, ours, strict=True)
    ]


def _gitsync(computer: Computer) -> list[str]:
    return [sys.executable, "-m", "gitsync", "--dir", str(computer.root)]


def _run(argv: list[str], computer: Computer) -> None:
    subprocess.run(argv, input=HOOK_INPUT, capture_output=True, env=computer.env, cwd=computer.root, check=True)


def _limit(name: str, samples: Samples) -> tuple[str, bool | None]:
    """Return what is promised about a command, and whether it held."""
    if " hook " in name:
        return "p95 < 100 ms", samples.p95 < HOOK_LIMIT
    return ("", None) if "send" in name else ("< 200 ms", samples.p50 < LIMIT)

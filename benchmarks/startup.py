"""How long the command line takes to answer, beside an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.measure import Row, interleave
from benchmarks.world import quiet, world

LIMIT = 0.2
HOOK_INPUT = b'{"session_id": "s", "hook_event_name": "UserPromptSubmit", "prompt": "hello", "cwd": "/"}'


def measure(*, full: bool = False) -> list[Row]:
    """Start each command many times, in turn with the bare interpreter."""
    with world() as here:
        url, bare = here.remote()
        computer = here.computer("1", url)
        computer.up()
        quiet(bare)
        base = [sys.executable, "-m", "gitsync", "--dir", str(computer.root)]

        def start(argv: list[str]) -> None:
            subprocess.run(argv, input=HOOK_INPUT, capture_output=True, env=computer.env, cwd=computer.root, check=True)

        commands = {
            "gitsync --help": [*base, "--help"],
            "gitsync hook claude-user-prompt": [*base, "hook", "claude-user-prompt"],
            "gitsync status, with the process running": [*base, "status"],
            "gitsync send, with the process running": [*base, "send", "2", "hello", "-m", "a body"],
        }
        plain, *ours = interleave(
            40 if full else 15,
            lambda: start([sys.executable, "-c", "pass"]),
            *(lambda argv=argv: start(argv) for argv in commands.values()),
        )
    return [
        Row(
            "Starting",
            name,
            samples.short(),
            f"python -c pass {plain.short()}",
            samples.p50 / plain.p50,
            "< 200 ms" if "send" not in name else "",
            samples.p50 < LIMIT if "send" not in name else None,
        )
        for name, samples in zip(commands, ours, strict=True)
    ]

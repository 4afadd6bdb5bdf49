"""An agent by recipe in a running gitsync: messages from another computer, one conversation, what it used."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from gitsync import clock
from tests.cli.conftest import Computer, calls, make_computer, one, own_list, stop_processes, two

__all__ = ["calls", "make_computer", "one", "own_list", "stop_processes", "two"]

PROGRAM = f"""\
#!{sys.executable}
import json, os, sys
text = sys.stdin.read()
session = sys.argv[sys.argv.index("--session") + 1] if "--session" in sys.argv else "ses_new"
file = os.path.join(os.path.dirname(os.path.abspath(__file__)), session)
known = open(file).read() if os.path.exists(file) else ""
open(file, "w").write(known + "x")
part = lambda kind, **more: print(json.dumps({{"type": kind, "sessionID": session, "part": more}}))
part("step_start")
part("text", text=f"turn {{len(known) + 1}}; asked: {{'what colour' in text}}")
part("step_finish", reason="stop", cost=0.5, tokens={{"input": 10, "output": 2, "cache": {{"read": 3, "write": 0}}}})
"""


def until(holds: Callable[[], bool], limit: float = 40.0) -> None:
    end = clock.monotonic() + limit
    while not holds():
        assert clock.monotonic() < end
        clock.sleep(0.2)


def test_a_thread_goes_on_over_a_restart(
    one: Computer, two: Computer, tmp_path: Path, stop_processes: list[Computer]
) -> None:
    program = tmp_path / "programs" / "opencode"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    agent = f'[[agents]]\nname = "coder"\nkind = "command"\nrecipe = "opencode"\nargv = ["{program}"]\ndefault = true\n'
    one.settings(f'[sync]\nfastest = "200ms"\nslowest = "200ms"\n{agent}')
    stop_processes.append(one)

    def replies() -> list[str]:
        two.ok("sync")
        return [two.ask("show", row["id"])["body"].strip() for row in two.ask("inbox")]

    one.ok("up", "--detach")
    first = two.ask("send", "1/coder", "A question", "-m", "what colour is the sky?")["id"]
    until(lambda: len(replies()) == 1)
    assert replies() == ["turn 1; asked: True"]
    one.ok("restart")
    answer = two.ask("inbox")[0]["id"]
    two.ok("reply", answer, "-m", "And at night?")
    until(lambda: len(replies()) == 2)
    assert "turn 2; asked: False" in replies(), "its own session knows what was asked"
    assert first in json.dumps(one.ask("thread", first))
    costs = json.dumps(one.ask("costs", "--runs", "5"))
    assert '"tokens_in": 10' in costs
    assert "500000" in costs

"""Row 20: clocks wrong by days. Real processes, each with a wall clock of its own; nothing is ordered by it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gitsync.protocol.blocks import Block, parse
from gitsync.protocol.message import read
from tests.cli.calls import PROJECT
from tests.daemon.conftest import QUICK, Computer, eventually, http
from tests.daemon.test_running import ECHO
from tests.remotes import Remote

DAYS = 9


class Skewed:
    """A computer whose background process and commands have a clock that somebody has set wrong."""

    def __init__(self, computer: Computer, days: float) -> None:
        self.computer = computer
        self.clock = computer.root / ".gitsync" / "clock"
        self.process: subprocess.Popen[bytes] | None = None
        self.set(days)

    def set(self, days: float) -> None:
        """Set the clock; what runs sees it at once."""
        new = self.clock.with_name("clock.new")
        new.write_text(str(days))
        new.replace(self.clock)

    def command(self, *args: str) -> list[str]:
        """Give the command line of a call on this computer."""
        return [sys.executable, "-m", "tests.daemon.skewed", str(self.clock), "--dir", str(self.computer.root), *args]

    def ask(self, *args: str) -> Any:
        """Run a command with --json by this clock."""
        done = subprocess.run(
            [*self.command(*args), "--json"], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def up(self) -> None:
        """Start the background process by this clock."""
        self.computer.settings(QUICK + ECHO)
        self.process = subprocess.Popen(self.command("up"), cwd=PROJECT, stderr=subprocess.DEVNULL)
        eventually(lambda: self.computer.ask("status")["process"] is not None)

    def down(self) -> None:
        """Stop the background process."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None


@pytest.fixture
def skewed() -> Iterator[Callable[[Computer, float], Skewed]]:
    """Give computers wrong clocks; end their processes."""
    made: list[Skewed] = []

    def make(computer: Computer, days: float) -> Skewed:
        made.append(Skewed(computer, days))
        return made[-1]

    yield make
    for one in made:
        one.down()


def subjects(computer: Computer) -> list[str]:
    """Give the subjects of what a computer has received, oldest first."""
    return [entry["subject"] for entry in reversed(computer.ask("inbox"))]


def told(computer: Computer, ident: str) -> list[str]:
    """Give what has been said of a message, once its end is known."""
    outcomes = [str(receipt["outcome"]) for receipt in computer.ask("show", ident)["receipts"]]
    return outcomes if "done" in outcomes else []


def dates_on_branch(remote: Remote, path: str) -> list[str]:
    """Give the dates that the messages of a file carry, in the order of the file."""
    return [read(block.raw).date for block in parse(remote.read(path)) if isinstance(block, Block)]


def test_20_three_clocks_days_apart(
    bare: Remote,
    one: Computer,
    two: Computer,
    make_computer: Callable[[Remote | str, str], Computer],
    skewed: Callable[[Computer, float], Skewed],
) -> None:
    three = make_computer(bare, "3")
    three.init()
    one.settings(QUICK)
    ahead, behind = skewed(two, DAYS), skewed(three, -DAYS)
    ahead.up()
    behind.up()
    one.ok("sync")
    sent = []
    for number, to in enumerate("2332"):
        sent.append(one.ask("send", to, f"number {number}", "-m", "x")["id"])
        eventually(lambda number=number: one.ask("sync") and f"Re: number {number}" in subjects(one))
    # Each answer came after the question, and the order of the branch is the order everywhere, whatever the dates say.
    assert subjects(one) == [f"Re: number {number}" for number in range(4)]
    assert subjects(two) == ["number 0", "number 3"]
    assert subjects(three) == ["number 1", "number 2"]
    theirs = {ident: dates_on_branch(bare, f"messages/{ident}_TO_1.md")[0] for ident in "23"}
    [mine, _] = dates_on_branch(bare, "messages/1_TO_2.md")
    assert theirs["3"] < mine < theirs["2"]
    assert [entry["subject"] for entry in one.ask("thread", sent[0])] == ["number 0", "Re: number 0"]
    for ident in sent:
        outcomes = eventually(lambda ident=ident: one.ask("sync") and told(one, ident))
        assert outcomes in (["received", "done"], ["done"])
    commits = bare.git("rev-list", "--reverse", "coordination").split()
    assert [entry["commit"] for entry in one.ask("log", "--limit", "0")] == commits

    # Written by hand, claimed by one, said to all: none of it asks what day it is.
    page = one.mailbox / "messages" / "1_TO_3.md"
    page.write_text(page.read_text() + "\n## By hand\n\n**Priority:** high\n\nPlease.\n")
    one.ok("send", "ANY", "Whoever", "-m", "x")
    one.ok("send", "ALL", "Everybody", "-m", "x")
    wanted = ["Re: By hand", "Re: Everybody", "Re: Everybody", "Re: Whoever"]
    eventually(lambda: one.ask("sync") and sorted(subjects(one))[:4] == wanted)
    for process in (ahead, behind):
        assert http(process.computer, "GET", "/health")[0] == 200
        process.down()
    one.ok("sync")
    answers = sorted(subject for subject in subjects(one) if subject.startswith("Re: "))
    assert answers == sorted([*wanted, *(f"Re: number {number}" for number in range(4))])
    assert "another machine" not in str(one.ask("status")["sync"]["error"])


def test_20_a_clock_that_was_days_ahead_and_is_put_right(
    bare: Remote, one: Computer, two: Computer, skewed: Callable[[Computer, float], Skewed]
) -> None:
    """What was written by the wrong clock is neither handed over again, nor does it stand before what comes later."""
    one.settings(QUICK)
    wrong = skewed(two, DAYS)
    wrong.up()
    early = one.ask("send", "2", "early", "-m", "x")["id"]
    eventually(lambda: one.ask("sync") and subjects(one) == ["Re: early"])
    wrong.down()
    wrong.set(-DAYS)
    wrong.up()
    one.ok("send", "2", "late", "-m", "x")
    eventually(lambda: one.ask("sync") and subjects(one) == ["Re: early", "Re: late"])
    assert subjects(two) == ["early", "late"]
    assert wrong.ask("sync")["state"] == "ok"
    assert eventually(lambda: one.ask("sync") and told(one, early)).count("done") == 1


def test_20_a_clock_that_is_set_back_while_the_process_runs(
    bare: Remote, one: Computer, two: Computer, skewed: Callable[[Computer, float], Skewed]
) -> None:
    """The scheduler waits for dates: they must not be waited for when they have moved days away."""
    one.settings(QUICK)
    wrong = skewed(two, DAYS)
    wrong.up()
    one.ok("send", "2", "before", "-m", "x")
    eventually(lambda: one.ask("sync") and subjects(one) == ["Re: before"])
    wrong.set(-DAYS)
    one.ok("send", "2", "after", "-m", "x")
    eventually(lambda: one.ask("sync") and subjects(one) == ["Re: before", "Re: after"])
    assert http(two, "GET", "/health")[0] == 200
    # The looks at an interval go on too: this one ends a process whose mailbox is gone.
    process = wrong.process
    assert process is not None
    shutil.rmtree(two.mailbox)
    eventually(lambda: process.poll() is not None)
    assert os.path.exists(wrong.clock)

"""The demonstration keeps its promises and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsync.demo.computer import wait_for

ROOT = Path(__file__).resolve().parents[2]
AGENTS = ROOT / "gitsync" / "demo" / "agents"


def alive_in(folder: Path) -> list[str]:
    """Return the command lines of processes that name a folder in their arguments or stand in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = os.readlink(process / "cwd")
        except OSError:
            continue
        if int(process.name) != os.getpid() and (str(folder) in line or place.startswith(str(folder))):
            found.append(line)
    return found


class Show:
    """A running demonstration whose temporary folder is ours."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.output = folder.parent / "output.txt"
        env = {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
        with self.output.open("wb") as sink:
            call = [sys.executable, "-m", "gitsync", "demo", *options]
            self.child = subprocess.Popen(call, stdout=sink, stderr=subprocess.STDOUT, env=env)

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, words: str, seconds: float) -> None:
        def look() -> bool:
            return words in self.said() or self.child.poll() is not None

        wait_for(words, look, seconds=seconds)
        assert words in self.said(), self.said()

    def end(self) -> None:
        if self.child.poll() is None:
            self.child.terminate()
            self.child.wait(30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "temporary"
    made.mkdir()
    return made


@pytest.fixture
def shows() -> Iterator[list[Show]]:
    started: list[Show] = []
    yield started
    for show in started:
        show.end()


@pytest.mark.timeout(180)
def test_every_promise_is_kept_and_nothing_stays(folder: Path, shows: list[Show]) -> None:
    show = Show(folder)
    shows.append(show)
    show.wait_for("The fleet keeps running until ctrl-C", seconds=150)
    assert "✗" not in show.said(), show.said()
    assert len(alive_in(folder)) >= 5, "three computers and two services are running"
    (base,) = folder.iterdir()
    call = [base / "gitsync-2", "status", "--json"]
    told = subprocess.run(call, env={"PATH": os.environ["PATH"]}, capture_output=True, check=True, timeout=60)
    assert json.loads(told.stdout)["machine"]["id"] == "2"
    show.child.send_signal(signal.SIGTERM)
    assert show.child.wait(45) == 0, show.said()
    assert "every check held" in show.said()
    assert alive_in(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_demonstration_leaves_nothing(folder: Path, shows: list[Show], sent: signal.Signals) -> None:
    """A terminal that is closed is an interruption too."""
    show = Show(folder, "--once")
    shows.append(show)
    show.wait_for("computer 1, Mechanic: pid", seconds=40)
    show.child.send_signal(sent)
    assert show.child.wait(30) == 1
    assert "interrupted" in show.said()
    assert alive_in(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("agent", "body", "answer"),
    [
        ("analyst", "Numbers: 1, 2, -3.5 and v2.", "3 numbers: sum -0.5, mean -0.166667, median 1, from -3.5 to 2."),
        ("analyst", "Nothing to count.", "There are no numbers in these 3 words."),
        ("reviewer", "All is well.", "Read 3 words: nothing to say against it."),
        ("reviewer", "TODO: more \n", "Read 2 words: remarks follow."),
    ],
)
def test_the_command_agents_work(agent: str, body: str, answer: str, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    task = json.dumps({"id": "X", "body": body})
    done = subprocess.run(
        [sys.executable, str(AGENTS / f"{agent}.py"), str(log)],
        input=task, capture_output=True, text=True, check=True, env={**os.environ, "GITSYNC_KEY": "k"},
    )  # fmt: skip
    assert done.stdout.startswith(answer)
    note = json.loads(log.read_text())
    assert (note["agent"], note["id"], note["key"]) == (agent, "X", "k")

"""Many machines that write to one branch: how long until what each has to say has landed.

Each machine is a process of its own. The other side of the comparison does what a script would do: commit, push, and
after a refusal pull with rebase and push again until it is through.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import Row, Samples, ms
from benchmarks.world import BRANCH, World, post, quiet, world
from gitsync import outbox
from gitsync.config.read import read_settings
from gitsync.machine import open_machine
from gitsync.sync.engine import Request

EVERY = 2.0
"""Seconds between two messages of one machine, on average."""
DRAIN = 60.0
"""Seconds that both sides get after the last message to bring what still waits onto the branch.

What has not landed by then counts with the time it has waited: its real figure is larger.
"""


def run_ours(root: Path, seconds: float, start: float) -> dict[str, list[float]]:
    """Send now and then and run cycles as they are needed; return how long each message took to land."""
    opened = open_machine(read_settings(root / ".gitsync" / "config.toml"))
    took: list[float] = []
    try:
        engine = opened.engine()
        engine.cycle(Request(settle_now=True))
        _wait_until(start)
        end = start + seconds
        waiting: dict[str, float] = {}
        upcoming, not_before = start + random.expovariate(1 / EVERY), 0.0
        while (now := time.time()) < end or (waiting and now < end + DRAIN):
            while upcoming <= now and upcoming < end:
                message = outbox.send(opened.journal, opened.settings.machine, ["all"], [], "all", "hello", "a body\n")
                waiting[message.id] = upcoming
                upcoming += random.expovariate(1 / EVERY)
            if waiting and now >= not_before:
                result = engine.cycle(Request())
                done = time.time()
                left = {op.ident for op in opened.journal.pending()}
                took += [done - waiting.pop(ident) for ident in list(waiting) if ident not in left]
                not_before = done + (result.retry_after or 0.0 if result.pending else 0.0)
            time.sleep(0.005)
        left_over = [time.time() - since for since in waiting.values()]
    finally:
        opened.close()
    return {"landed": took, "waiting": left_over}


def run_naive(clone: Path, seconds: float, start: float) -> dict[str, list[float]]:
    """Commit and push, pull with rebase when refused; one message after the other."""
    mine = clone / f"{clone.name}.md"

    def git(*argv: str) -> bool:
        return subprocess.run(["git", *argv], cwd=clone, capture_output=True, check=False).returncode == 0

    _wait_until(start)
    end, due = start + seconds, []
    took: dict[str, list[float]] = {"landed": [], "waiting": []}
    upcoming = start
    while (upcoming := upcoming + random.expovariate(1 / EVERY)) < end:
        due.append(upcoming)
    for moment in due:
        _wait_until(moment)
        with mine.open("a") as file:
            file.write("\n## hello\n\na body\n")
        git("add", mine.name)
        git("commit", "--quiet", "-m", "hello")
        landed = git("push", "--quiet", "origin", f"HEAD:{BRANCH}")
        while not landed and time.time() < end + DRAIN:
            if not git("pull", "--quiet", "--rebase", "origin", BRANCH):
                git("rebase", "--abort")
            landed = git("push", "--quiet", "origin", f"HEAD:{BRANCH}")
        took["landed" if landed else "waiting"].append(time.time() - moment)
    return took


def contention(machines: int, seconds: float, rounds: int) -> list[Row]:
    """Let a number of machines write, ours and plain ones in turn."""
    with world() as here:
        url, _ = here.remote()
        computers = [here.computer(str(number), url) for number in range(1, machines + 1)]
        base_url, _ = here.remote("file", "baseline.git")
        first = here.plain_clone(base_url, "first")
        here.git("commit", "--quiet", "--allow-empty", "-m", "first", cwd=first)
        here.git("push", "--quiet", "origin", f"HEAD:{BRANCH}", cwd=first)
        clones = [here.plain_clone(base_url, f"plain-{number}") for number in range(machines)]
        ours, naive = Samples(), Samples()
        worst, never, never_naive = 0.0, 0, 0
        for _ in range(rounds):
            per_machine = _together(here, "ours", [c.root for c in computers], seconds)
            worst = max([worst, *(Samples(took["landed"] + took["waiting"]).p95 for took in per_machine)])
            never += _take(ours, per_machine)
            never_naive += _take(naive, _together(here, "naive", clones, seconds))
    ratio = ours.p95 / naive.p95
    limit = 1 / 3 if machines >= 30 else None
    return [
        Row(
            "Contention", f"{machines} machines, each a message every {EVERY:g} s: p95 until landed",
            ours.words() + _never(never),
            f"retry with pull --rebase: {naive.words()}" + _never(never_naive),
            ratio,
            "under a third" if limit else "",
            ratio < limit and not never if limit else None,
        ),
        Row("Contention", f"{machines} machines: p95 of the machine that fares worst", ms(worst)),
    ]  # fmt: skip


def _take(samples: Samples, per_machine: list[dict[str, list[float]]]) -> int:
    """Add what all machines saw; return how many messages had not landed."""
    for took in per_machine:
        samples.values += took["landed"] + took["waiting"]
    return sum(len(took["waiting"]) for took in per_machine)


def _never(count: int) -> str:
    return f", {count} not landed by then" if count else ""


def _together(here: World, how: str, roots: list[Path], seconds: float) -> list[dict[str, list[float]]]:
    start = time.time() + 2.0 + 0.25 * len(roots)
    env = {**here.env, "PYTHONPATH": os.getcwd()}
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contention", how, str(root), str(seconds), str(start)],
            stdout=subprocess.PIPE, env=env,
        )
        for root in roots
    ]  # fmt: skip
    return [json.loads(child.communicate(timeout=seconds + DRAIN + 120)[0]) for child in children]


def burst(count: int) -> list[Row]:
    """Hand a running process many messages at once; count the pushes."""
    with world() as here:
        url, bare = here.remote()
        computer = here.computer("1", url)
        computer.up()
        quiet(bare)
        before, commits = here.pushes(bare), here.commits(bare)
        began = time.perf_counter()
        for number in range(count):
            post(computer, "/send", {"from": "", "to": "2", "message": "a body", "subject": f"number {number}"})
        accepted = time.perf_counter() - began
        while computer.get("/status")["sync"]["pending"]:
            time.sleep(0.05)
        landed = time.perf_counter() - began
        pushes, made = here.pushes(bare) - before, here.commits(bare) - commits
    return [
        Row(
            "Contention",
            f"a burst of {count} messages: pushes",
            f"{pushes} pushes, {made} commits, all landed after {ms(landed)}",
            f"accepted in {ms(accepted)}",
            None,
            "≤ 10",
            pushes <= 10,
        )
    ]


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def measure(*, full: bool = False) -> list[Row]:
    """Run everything of this module."""
    seconds, rounds = (30.0, 3) if full else (15.0, 1)
    return [*contention(10, seconds, rounds), *contention(30, seconds, rounds), *burst(500)]


if __name__ == "__main__":
    runner = {"ours": run_ours, "naive": run_naive}[sys.argv[1]]
    json.dump(runner(Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])), sys.stdout)

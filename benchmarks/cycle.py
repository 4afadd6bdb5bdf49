"""What one cycle costs: with nothing to do, with one message to send, and how many processes it starts."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from benchmarks.measure import Row, interleave
from benchmarks.world import BRANCH, FETCH, TUNED, World, world
from gitsync import outbox
from gitsync.machine import Opened
from gitsync.sync.engine import CycleResult, Request

PAUSE = 1.6
"""Seconds: who has just pushed leaves the branch to others for up to one and a half."""


def idle(kind: str, count: int) -> list[Row]:
    """Compare a cycle with nothing to do with a tuned `git fetch` that brings nothing."""
    with world() as here:
        url, _ = here.remote(kind)
        opened = here.opened(here.computer("1", url))
        engine = opened.engine()
        for _ in range(3):
            engine.cycle(Request(settle_now=True))
        plain = here.plain_clone(url, "plain")
        spec = f"+refs/heads/{BRANCH}:refs/remotes/origin/{BRANCH}"
        ours, theirs = interleave(
            count,
            lambda: fine(engine.cycle(Request())),
            lambda: here.git(*TUNED, *FETCH, "origin", spec, cwd=plain),
        )
        ratio = ours.p50 / theirs.p50
        return [
            Row(
                "A cycle",
                f"nothing to do, {kind} remote",
                ours.short(),
                f"bare fetch {theirs.short()}",
                ratio,
                "≤ 1.3",
                ratio <= 1.3,
            )
        ]


def processes() -> list[Row]:
    """Count the git processes that a cycle starts, by standing in front of git on PATH."""
    with world() as here:
        url, _ = here.remote()
        log = _stand_in(here)
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{here.base / 'bin'}{os.pathsep}{before}"
        try:
            opened = here.opened(here.computer("1", url))
            engine = opened.engine()
            for _ in range(3):
                engine.cycle(Request(settle_now=True))
            log.write_text("")
            fine(engine.cycle(Request()))
            nothing = _started(log)
            log.write_text("")
            send_one(opened, 1)
            result = fine(engine.cycle(Request()))
            sending = _started(log)
        finally:
            os.environ["PATH"] = before
        if result.sent != 1:
            raise RuntimeError(f"the cycle sent {result.sent} messages instead of 1")
    return [
        Row(
            "A cycle",
            "processes with nothing to do",
            f"{len(nothing)} ({', '.join(nothing)})",
            "1 fetch",
            None,
            "1",
            len(nothing) == 1,
        ),
        Row(
            "A cycle",
            "processes with one message to send",
            f"{len(sending)} ({', '.join(sending)})",
            "1 push",
            None,
            "1 push",
            sending.count("push") == 1,
        ),
    ]


def sending(kind: str, count: int) -> list[Row]:
    """Compare a cycle that sends one message with a tuned `git push` of one prepared commit."""
    with world() as here:
        url, _ = here.remote(kind)
        opened = here.opened(here.computer("1", url))
        engine = opened.engine()
        for _ in range(3):
            engine.cycle(Request(settle_now=True))
        base_url, _ = here.remote(kind, "baseline.git")
        plain = here.plain_clone(base_url, "plain")
        turn = iter(range(1_000_000))

        def prepare() -> None:
            time.sleep(PAUSE)
            send_one(opened, next(turn))
            here.git("commit", "--quiet", "--allow-empty", "-m", "one", cwd=plain)

        ours, theirs = interleave(
            count,
            lambda: fine(engine.cycle(Request())),
            lambda: here.git(*TUNED, "push", "--quiet", "origin", f"HEAD:refs/heads/{BRANCH}", cwd=plain),
            before=prepare,
        )
    return [
        Row(
            "A cycle",
            f"one message to send, {kind} remote",
            ours.short(),
            f"bare push {theirs.short()}",
            ours.p50 / theirs.p50,
        )
    ]


def send_one(opened: Opened, turn: int) -> str:
    """Queue one message; return its id."""
    machine = opened.settings.machine
    message = outbox.send(opened.journal, machine, ["2"], [], "2", f"turn {turn}", "a body\n")
    return message.id


def fine(result: CycleResult) -> CycleResult:
    if result.state != "ok":
        raise RuntimeError(f"the cycle ended {result.state}: {result.error}")
    return result


def _stand_in(here: World) -> Path:
    real = shutil.which("git")
    folder, log = here.base / "bin", here.base / "started.log"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {log}\nexec {real} "$@"\n')
    (folder / "git").chmod(0o755)
    return log


def _started(log: Path) -> list[str]:
    """Return the verb of each git call in the log: the first word that is no option of git itself."""
    verbs = []
    for line in log.read_text().splitlines():
        words = iter(line.split())
        for word in words:
            if word in ("-c", "-C", "--git-dir", "--work-tree"):
                next(words, None)
            elif not word.startswith("-"):
                verbs.append(word)
                break
    return verbs


def measure(*, full: bool = False) -> list[Row]:
    """Run everything of this module."""
    count = 300 if full else 60
    rows = [*idle("file", count), *idle("http", count), *processes()]
    return [*rows, *sending("file", count // 3), *sending("http", count // 3)]

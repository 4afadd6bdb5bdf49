"""From `send` on one computer to the call of an agent: on another over a remote, and on the same one."""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, Samples, ms
from benchmarks.world import BRANCH, FETCH, TUNED, World, post, quiet, tip, world
from gitsync.demo.computer import Computer


class Caller:
    """Post over one connection that stays, as a program does that talks to its machine all day."""

    def __init__(self, computer: Computer) -> None:
        token = (computer.root / ".gitsync" / "token").read_text().strip()
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection("127.0.0.1", computer.port, timeout=60)

    def post(self, path: str, document: dict[str, Any] | None = None) -> Any:
        """Post a document; return the answer."""
        self._connection.request("POST", path, json.dumps(document or {}), self._headers)
        answer = self._connection.getresponse()
        body = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body}")
        return body

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Waker(threading.Thread):
    """Stand for the remote's post-receive hook: wake a computer as soon as the branch has moved."""

    def __init__(self, bare: Path, wake: Caller) -> None:
        super().__init__(daemon=True)
        self._bare, self._wake = bare, wake
        self.stop = threading.Event()
        self.seen = tip(bare)

    def run(self) -> None:
        while not self.stop.wait(0.0005):
            now = tip(self._bare)
            if now != self.seen:
                self.seen = now
                self._wake.post("/wake")


def remote_latency(kind: str, count: int) -> list[Row]:
    """Measure send on A until call on B, and git's own push and fetch of one commit in between."""
    with world() as here:
        url, bare = here.remote(kind)
        sink = here.sink()
        a, b = here.computer("1", url), here.computer("2", url, sink.settings())
        a.up()
        b.up()
        quiet(bare)
        base_url, _ = here.remote(kind, "baseline.git")
        writer, reader = _plain_pair(here, base_url)
        sender, woken = Caller(a), Caller(b)
        waker = Waker(bare, woken)
        waker.start()
        ours, theirs = Samples(), Samples()
        try:
            for turn in range(count + 2):
                began = time.perf_counter()
                sender.post("/send", {"from": "", "to": "2/sink", "message": "a body", "subject": f"turn {turn}"})
                took = sink.wait(f"turn {turn}") - began
                quiet(bare, seconds=random.uniform(1.6, 2.2))  # git's own turn begins as cold as ours
                plain = _push_and_fetch(here, writer, reader, turn)
                if turn >= 2:
                    ours.add(took)
                    theirs.add(plain)
                quiet(bare, seconds=random.uniform(1.6, 2.2))
        finally:
            waker.stop.set()
            waker.join()
            sender.close()
            woken.close()
    name = {"file": "a file remote", "http": "an HTTP remote"}[kind]
    return [
        Row(
            "From send to the agent",
            f"another computer over {name}, woken at the push",
            ours.short(),
            f"bare push + fetch {theirs.short()}",
            ours.p50 / theirs.p50,
        )
    ]


def local_latency(count: int) -> list[Row]:
    """Measure send until call on the same computer, and two fsyncs of small files in between."""
    with world() as here:
        url, bare = here.remote()
        sink = here.sink()
        a = here.computer("1", url, sink.settings())
        a.up()
        quiet(bare)
        ours, syncs = Samples(), Samples()
        for turn in range(count + 3):
            began = time.perf_counter()
            post(a, "/send", {"from": "", "to": "self/sink", "message": "a body", "subject": f"turn {turn}"})
            took = sink.wait(f"turn {turn}") - began
            plain = _two_fsyncs(here.base / "fsync.bin")
            if turn >= 3:
                ours.add(took)
                syncs.add(plain)
    limit = 3 * syncs.p50 + 0.003
    return [
        Row(
            "From send to the agent",
            "an agent of the same computer",
            ours.short(),
            f"two fsyncs {syncs.short()}",
            ours.p50 / syncs.p50,
            f"3 x two fsyncs + 3 ms = {ms(limit)}",
            ours.p50 <= limit,
        )
    ]


def _two_fsyncs(path: Path) -> float:
    began = time.perf_counter()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(2):
        os.write(handle, b"x" * 4096)
        os.fsync(handle)
    os.close(handle)
    return time.perf_counter() - began


def _plain_pair(here: World, url: str) -> tuple[Path, Path]:
    writer = here.plain_clone(url, "writer")
    here.git("commit", "--quiet", "--allow-empty", "-m", "first", cwd=writer)
    here.git("push", "--quiet", "origin", f"HEAD:refs/heads/{BRANCH}", cwd=writer)
    return writer, here.plain_clone(url, "reader")


def _push_and_fetch(here: World, writer: Path, reader: Path, turn: int) -> float:
    (writer / "file.md").write_text(f"{turn}\n" * 20)
    here.git("add", "file.md", cwd=writer)
    here.git("commit", "--quiet", "-m", f"turn {turn}", cwd=writer)
    began = time.perf_counter()
    here.git(*TUNED, "push", "--quiet", "origin", f"HEAD:refs/heads/{BRANCH}", cwd=writer)
    here.git(*TUNED, *FETCH, "origin", f"+refs/heads/{BRANCH}:refs/remotes/origin/{BRANCH}", cwd=reader)
    return time.perf_counter() - began


def measure(*, full: bool = False) -> list[Row]:
    """Run everything of this module."""
    count = 60 if full else 20
    return [*remote_latency("file", count), *remote_latency("http", count), *local_latency(200 if full else 60)]

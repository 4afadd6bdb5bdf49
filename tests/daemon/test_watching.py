"""Row 22: the watcher stops, is not there, or misses something; a hand edit is found all the same."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gitsync.config.load import load
from gitsync.daemon import syncing
from gitsync.daemon.control import ProcessControl
from gitsync.daemon.process import Process
from gitsync.daemon.watch import FolderWatch
from gitsync.sync.engine import Request
from tests.daemon.conftest import Computer, eventually
from tests.remotes import Remote

SLOW = '[sync]\nfastest = "1h"\nslowest = "1h"\nsettle = "50ms"\n'
"""Only a hand edit, or somebody who asks, brings a cycle."""
FAST = '[sync]\nfastest = "200ms"\nslowest = "200ms"\nsettle = "50ms"\n'
NEVER = 3600.0


@contextlib.asynccontextmanager
async def process_of(computer: Computer) -> AsyncIterator[Process]:
    """Run the background process in this one, so that its parts can be broken; its first cycle is over."""
    process = Process(load(explicit=computer.root))
    up = asyncio.Event()
    running = asyncio.create_task(process.run(ProcessControl, up.set))
    waiting = asyncio.create_task(up.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    assert up.is_set(), running.result()
    try:
        await process.syncing.sync(Request())
        yield process
    finally:
        process.stop()
        await running


async def comes_true(check: Callable[[], object]) -> None:
    """Wait in the loop until something is true."""
    async with asyncio.timeout(20):
        while not check():
            await asyncio.sleep(0.02)


def names(remote: Remote) -> list[str]:
    """Give the paths on the branch."""
    return remote.git("ls-tree", "-r", "--name-only", "coordination").splitlines()


def watcher(process: Process) -> FolderWatch:
    """Give the watcher of a process."""
    found = process.syncing._watch
    assert found is not None
    return found


def kill(watch: FolderWatch) -> None:
    """End the thread that hears of changes, as a failure in it would."""
    observer = watch._observer
    assert observer is not None
    observer.stop()
    observer.join()
    assert not watch.alive


def test_22_without_a_watcher_the_next_cycle_finds_the_edit(
    bare: Remote, one: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "HEARTBEAT", NEVER)
    one.settings(FAST)

    async def play() -> None:
        async with process_of(one) as process:
            kill(watcher(process))
            (one.mailbox / "typed.md").write_text("typed while nobody watched\n")
            await comes_true(lambda: "typed.md" in names(bare))
            assert not watcher(process).alive

    asyncio.run(play())


def test_22_a_dead_watcher_is_replaced(bare: Remote, one: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "HEARTBEAT", 0.1)
    one.settings(SLOW)

    async def play() -> None:
        async with process_of(one) as process:
            watch = watcher(process)
            kill(watch)
            (one.mailbox / "meanwhile.md").write_text("typed while nobody watched\n")
            await comes_true(lambda: watch.alive)
            await comes_true(lambda: "meanwhile.md" in names(bare))
            (one.mailbox / "later.md").write_text("typed under the eyes of the next\n")
            await comes_true(lambda: "later.md" in names(bare))

    asyncio.run(play())


def test_22_a_folder_that_is_made_or_replaced_later_is_watched_too(
    bare: Remote, one: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "HEARTBEAT", 0.1)
    one.settings(SLOW)
    messages = one.mailbox / "messages"
    shutil.rmtree(messages, ignore_errors=True)

    async def play() -> None:
        async with process_of(one) as process:
            for number in range(2):
                messages.mkdir()
                await comes_true(lambda: watcher(process).alive)
                name = f"messages/1_TO_{number + 2}.md"
                (one.mailbox / name).write_text("just text, so that nothing else happens to it\n")
                await comes_true(lambda name=name: name in names(bare))
                shutil.rmtree(messages)
                await comes_true(lambda: watcher(process).alive)

    asyncio.run(play())


def test_22_own_writes_bring_no_cycle(
    bare: Remote, one: Computer, two: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.settings(SLOW)

    async def play() -> None:
        async with process_of(one) as process:
            found: list[bool] = []
            look = process.syncing.engine.edited

            def edited() -> bool:
                found.append(look())
                return found[-1]

            monkeypatch.setattr(process.syncing.engine, "edited", edited)
            (two.mailbox / "news.md").write_text("from two\n")
            await asyncio.to_thread(two.ok, "sync")
            await process.syncing.sync(Request())
            ran = process.syncing.cycles_run
            assert (one.mailbox / "news.md").read_text() == "from two\n"
            await comes_true(lambda: found and process.syncing._settling is None and not process.syncing._small)
            assert not any(found)
            assert process.syncing.cycles_run == ran

    asyncio.run(play())


def test_22_where_nothing_can_be_watched_it_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard = threading.Event()
    watch = FolderWatch(tmp_path / "mailbox", heard.set)
    before = threading.active_count()
    with caplog.at_level(logging.WARNING):
        assert [watch.start() for _ in range(3)] == [False] * 3
    assert len(caplog.records) == 1
    assert "the scan of each cycle" in caplog.text
    assert not watch.alive
    eventually(lambda: threading.active_count() == before)
    (tmp_path / "mailbox").mkdir()
    assert watch.start()
    assert watch.alive
    deadline = time.monotonic() + 20
    while not heard.wait(0.05):
        assert time.monotonic() < deadline
        (tmp_path / "mailbox" / "x.md").write_text(str(time.monotonic()))
    watch.stop()
    assert not watch.alive

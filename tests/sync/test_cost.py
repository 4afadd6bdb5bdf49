"""What a cycle costs, in processes and in work; and the promises about what it never touches (I4, I6, I8)."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gitsync import clock
from gitsync.sync.faults import POINTS, nothing
from tests.remotes import run_git
from tests.sync.test_hand_edits import PAGE, pair
from tests.sync.world import World, ids


@contextmanager
def spawned(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Collect the command lines of every process that this one starts."""
    started: list[object] = []
    real = subprocess.Popen.__init__

    def count(self: subprocess.Popen[bytes], args: object, *rest: object, **options: object) -> None:
        started.append(args)
        real(self, args, *rest, **options)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", count)
        yield started


def verbs(started: list[object]) -> list[str]:
    words = ("fetch", "push", "cat-file", "update-ref", "config", "ls-remote")
    return [word for args in started for word in words if word in list(args)]  # type: ignore[call-overload]


def test_a_cycle_with_nothing_to_do_is_one_fetch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = pair(world)
    one.cycle()
    with spawned(monkeypatch) as started:
        for _ in range(3):
            one.cycle()
    assert verbs(started) == ["fetch"] * 3


def test_a_cycle_that_sends_is_one_push(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = pair(world)
    one.send("2")
    one.cycle()
    sent = [one.send("2") for _ in range(3)]
    with spawned(monkeypatch) as started:
        result = one.cycle()
    assert verbs(started) == ["push"]
    assert (result.sent, result.case) == (3, 3)
    two.sync()
    assert ids(two.read(PAGE))[1:] == sent
    assert one.files() == two.files()


def test_a_large_archive_is_not_walked_each_cycle(empty_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    files: dict[str, str | bytes | None] = {"README.md": "x\n"}
    for month in range(1, 5):
        for number in range(1, 76):
            files[f"archive/2026-{month:02d}/1_TO_2.{number}.md"] = f"# {month} {number}\n"
    empty_world.seed(files)
    one = empty_world.computer("1")
    one.sync()
    folder = one.engine._capture.folder
    for listing in folder._listings.values():
        listing.racy = False  # as it is a moment later
    for path, held in folder.files.items():
        folder.files[path] = type(held)(held.signature, held.blob, False, held.executable)
    looked: list[str] = []
    real = folder._look

    def look(path: str, now_ns: int, changed: set[str]) -> None:
        looked.append(path)
        real(path, now_ns, changed)

    monkeypatch.setattr(folder, "_look", look)
    one.cycle()
    assert 1 <= len(looked) <= 60
    one.append("archive/2026-02/1_TO_2.7.md", "changed in place\n")
    for _ in range(10):
        if one.engine._capture.differs:
            break
        one.cycle()
    assert one.engine._capture.differs
    one.write("archive/2026-03/new.md", "added\n")
    one.cycle()
    assert "archive/2026-03/new.md" in folder.files


def test_i4_nothing_outside_the_clone_changes(world: World) -> None:
    code = world.root / "code"
    run_git("init", "-q", code)
    (code / "a.txt").write_text("x\n")
    run_git("add", "-A", cwd=code)
    run_git("commit", "-q", "-m", "x", cwd=code)
    one = world.computer("1")
    one.stop()
    folder = code / "coordination"
    one.folder.rename(folder)
    one.folder = folder
    (code / ".git/info/exclude").write_text("coordination/\n")

    def state() -> tuple[object, ...]:
        listed = {
            str(file): file.read_bytes() for file in code.rglob("*") if file.is_file() and folder not in file.parents
        }
        return listed, run_git("status", "--porcelain", cwd=code)

    before = state()
    one.start()
    one.send("2")
    one.append("x.md", "x\n")
    one.sync()
    assert state() == before


def test_i6_with_nothing_to_say_only_the_machine_ref_moves(world: World) -> None:
    one = world.computer("1", machine_ref_every=0.0)
    one.sync()
    branch = world.remote.tip()
    first = world.remote.refs()["refs/gitsync/coordination/machine/1"]
    one.engine._presence._at = clock.monotonic() - 61.0
    one.cycle()
    assert world.remote.tip() == branch
    assert world.remote.refs()["refs/gitsync/coordination/machine/1"] != first


def test_i8_contact_is_confirmed_contact_only(world: World) -> None:
    one = world.computer("1")
    never = one.engine.contact
    assert never is None
    one.sync()
    first = one.engine.contact
    assert first is not None
    assert first <= clock.monotonic()
    away = world.remote.path.with_name("away")
    world.remote.path.rename(away)
    assert one.cycle().state == "offline"
    assert one.engine.contact == first
    away.rename(world.remote.path)
    one.cycle()
    again = one.engine.contact
    assert again is not None
    assert again > first


def test_12_a_full_disk_is_said_before_anything_is_written(world: World) -> None:
    one, _ = pair(world)
    one.engine._known.settings = type(one.settings)(free_space=1 << 60)
    one.send("2")
    result = one.cycle()
    assert result.state == "error"
    assert result.error is not None
    assert "disk" in result.error
    assert PAGE not in world.remote.files()
    one.engine._known.settings = one.settings
    assert one.cycle().sent == 1


def test_12_a_folder_that_cannot_be_written(world: World) -> None:
    one, two = pair(world)
    two.send("1")
    two.sync()
    (one.folder / "messages").write_text("in the way\n")
    result = one.cycle()
    assert result.state == "ok"
    (one.folder / "messages").unlink()
    world.settle()
    assert one.files() == two.files()


@pytest.mark.parametrize("point", POINTS if "GITSYNC_SEEDS" in os.environ else POINTS[::2])
def test_23_gc_that_prunes_everything_at_once_stops_nothing_for_long(world: World, point: str) -> None:
    """`gc --prune=now` takes what no ref names yet, at any step: the next cycles begin anew, from what is on disk."""
    one, two = pair(world)
    two.append("README.md", "from two\n")
    two.sync()
    one.append("README.md", "from one\n")  # its bytes are in no commit: what is pushed is merged with the other's

    def gc(name: str) -> None:
        if name == point:
            one.git("gc", "-q", "--prune=now")

    one.fault = gc
    one.cycle(settle_now=True)
    one.fault = nothing
    one.append("README.md", "one again\n")
    one.cycle(settle_now=True)
    world.settle()
    assert {b"from one", b"from two", b"one again"} <= set(two.read("README.md").splitlines())
    assert one.read("README.md") == two.read("README.md")
    assert one.git("fsck", "--connectivity-only").count("missing") == 0


def test_23_a_gc_that_prunes_what_was_pinned_meanwhile_is_waited_for(world: World) -> None:
    """It listed what refs reach before our commit was there, and removes it after the ref names it."""
    one, two = pair(world)
    ident = one.send("2", "mine")
    note = one.folder / ".git/gc.pid"
    pruned = []

    def gc() -> None:
        try:
            deadline = time.monotonic() + 10
            while (
                sha := one.git("for-each-ref", "--format=%(objectname)", "refs/gitsync/local/attempt").strip()
            ) == "":
                assert time.monotonic() < deadline
            (one.folder / ".git/objects" / sha[:2] / sha[2:]).unlink()
            pruned.append(sha)
        finally:
            note.unlink()

    def begin(name: str) -> None:
        if name == "4-built" and not pruned:
            note.write_text(f"{os.getpid()} {socket.gethostname()}")
            thread.start()

    thread = threading.Thread(target=gc)
    one.fault = begin
    assert one.sync().sent == 1
    thread.join()
    assert len(pruned) == 1
    world.settle()
    assert ids(two.read("messages/1_TO_2.md")) == [ident]
    assert one.git("fsck", "--connectivity-only").count("missing") == 0


def test_23_a_ref_of_ours_to_nothing_does_not_stop_the_fetch(world: World) -> None:
    one, two = pair(world)
    one.send("2", "mine")
    one.sync()
    for name in ("refs/gitsync/local/attempt", "refs/remotes/origin/coordination"):
        place = one.folder / ".git" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("1" * 40 + "\n")
    two.send("1", "news")
    two.sync()
    one.sync()
    assert one.files() == two.files()


def test_23_gc_by_somebody_else_takes_nothing_in_flight(world: World) -> None:
    one, two = pair(world)
    one.send("2", "mine")
    one.append("README.md", "typed\n")

    def gc(name: str) -> None:
        if name == "5-kept":
            one.git("gc", "-q", "--prune=now")

    one.fault = gc
    assert one.sync().sent == 1
    one.fault = lambda _name: None
    one.append("README.md", "typed again\n")
    one.git("gc", "-q", "--prune=now")
    world.settle()
    assert two.read("README.md").endswith(b"typed\ntyped again\n")
    assert one.files() == two.files()


def test_23_what_a_gc_took_before_it_was_marked_is_made_anew(world: World) -> None:
    one, two = pair(world)
    one.send("2", "mine")
    one.append("README.md", "typed\n")
    left = ["5-attempted"]

    def gc(name: str) -> None:
        if name in left:
            left.remove(name)
            one.mailbox.settle()
            one.git("gc", "-q", "--prune=now")

    one.fault = gc
    one.cycle(settle_now=True)
    assert not left
    world.settle()
    assert two.read("README.md").endswith(b"typed\n")
    assert one.files() == two.files()
    assert one.journal.pending_count() == 0
    one.git("fsck", "--strict", "--no-dangling")


def test_1_a_lock_left_behind_pauses_the_folder_and_is_removed_when_old(world: World) -> None:
    one, two = pair(world)
    two.send("1")
    two.sync()
    lock = one.folder / ".git/index.lock"
    lock.touch()
    result = one.cycle()
    assert result.state == "ok"
    assert result.folder != "ok"
    os.utime(lock, (1, 1))
    one.restart()
    world.settle()
    assert not lock.exists()
    assert one.files() == two.files()
    assert one.git("status", "--porcelain") == ""


def test_ignored_files_cost_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = pair(world)
    one.write(".gitignore", "*.log\n")
    one.write("noise.log", "x\n")
    world.settle()
    one.send("2")
    one.cycle()
    one.write("noise.log", "more\n")
    assert not one.engine.edited()
    one.send("2")
    with spawned(monkeypatch) as started:
        assert one.cycle().sent == 1
    assert verbs(started) == ["push"]
    one.write(".gitignore", "")
    world.settle()
    assert "noise.log" in world.remote.files()

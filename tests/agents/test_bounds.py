"""What a program of an agent may take: memory, processes, output, time; and no way out of it by leaving the session."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gitsync import clock
from gitsync.agents.bounds import Bounds, Family, confined
from tests.agents.test_command import gone, python, run, within

MB = 1024 * 1024

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="bounds are looked at in /proc")

CROWD = """
import os, sys, time
open("pids", "a").write(f"{{os.getpid()}} ")
for number in range({count}):
    child = os.fork()
    if child == 0:
        {apart}
        open("pids", "a").write(f"{{os.getpid()}} ")
        time.sleep(30)
        os._exit(0)
    {meanwhile}
time.sleep(30)
"""
APART = """os.setsid()
        if os.fork():
            os._exit(0)"""


def pids(root: Path) -> list[int]:
    return [int(pid) for pid in (root / "pids").read_text().split()]


def test_a_memory_hog_is_stopped_by_the_kernel(tmp_path: Path) -> None:
    told = python(tmp_path, "data = bytearray(300 << 20); print(len(data))", memory=128 * MB)
    assert told.kind == "failed"
    assert told.started
    assert "MemoryError" in told.reason
    assert python(tmp_path, "data = bytearray(30 << 20); print(len(data))", memory=128 * MB).reply == str(30 * MB)


def test_what_is_only_reserved_takes_no_memory(tmp_path: Path) -> None:
    code = "import mmap; mmap.mmap(-1, 4 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0); print('well')"
    assert python(tmp_path, code, memory=64 * MB).reply == "well"


def test_many_that_take_a_little_are_counted_together(tmp_path: Path) -> None:
    took = CROWD.format(count=6, apart="kept = os.urandom(40 << 20)", meanwhile="pass")
    before = clock.monotonic()
    told = python(tmp_path, took, memory=128 * MB)
    assert told.kind == "failed"
    assert told.reason.startswith("memory: it takes ")
    assert told.reason.endswith(" MB, 128 MB are allowed")
    assert clock.monotonic() - before < 15
    assert within(3, lambda: all(gone(pid) for pid in pids(tmp_path)))


@pytest.mark.parametrize("apart", ["pass", "os.setsid()", APART], ids=["plain", "setsid", "orphans"])
def test_a_fork_bomb_is_ended_wherever_its_parts_went(tmp_path: Path, apart: str) -> None:
    told = python(tmp_path, CROWD.format(count=60, apart=apart, meanwhile="time.sleep(0.005)"), processes=20)
    assert told.kind == "failed"
    assert told.reason.startswith("processes: it is ")
    assert told.reason.endswith(" of them, 20 are allowed")
    assert within(3, lambda: all(gone(pid) for pid in pids(tmp_path)))


def test_at_the_time_limit_those_that_left_the_session_end_too(tmp_path: Path) -> None:
    told = python(tmp_path, CROWD.format(count=2, apart=APART, meanwhile="pass"), timeout=1.0, grace=0.2)
    assert told.reason == "time-out after 1 s"
    assert len(pids(tmp_path)) == 3
    assert within(3, lambda: all(gone(pid) for pid in pids(tmp_path)))


def test_a_flood_ends_those_that_left_the_session_too(tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.setsid()\n"
        "    time.sleep(30)\n"
        "open('pids', 'w').write(f'{os.getpid()} {child}')\n"
        "while True: os.write(1, b'x' * 65536)"
    )
    told = python(tmp_path, code, max_output=4096)
    assert told.reason.startswith("flood: ended after ")
    assert within(3, lambda: all(gone(pid) for pid in pids(tmp_path)))


@pytest.mark.parametrize(
    ("program", "words"), [("nothing-like-it", "not on PATH"), ("./none", "No such file"), ("./plain", "Permission")]
)
def test_a_program_that_cannot_start_has_not_started(tmp_path: Path, program: str, words: str) -> None:
    (tmp_path / "plain").write_text("no program")
    told = run(tmp_path, program, memory=64 * MB)
    assert not told.started
    assert words in told.reason


def test_what_only_the_kernel_can_refuse_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("#!/no/such/interpreter\n")
    (tmp_path / "bad").chmod(0o755)
    told = run(tmp_path, "./bad", memory=64 * MB)
    assert told.kind == "failed"
    assert told.reason.startswith("exit code 126: cannot start './bad'")


def test_arguments_pass_unchanged_and_no_shell_reads_them(tmp_path: Path) -> None:
    evil = ("$(touch owned)", "; touch owned", "a b", "", "'\"", "-c")
    told = run(tmp_path, sys.executable, "-c", "import sys; print(sys.argv[1:])", *evil, memory=128 * MB)
    assert told.reply == str(list(evil))
    assert not (tmp_path / "owned").exists()
    assert confined(("x",), 0, tmp_path, {}) == ("x",)


def test_strangers_are_none_of_them_and_we_ourselves_never(monkeypatch: pytest.MonkeyPatch) -> None:
    family = Family(2**22 + 1, "NOBODY=has-this")
    assert family.members() == []
    assert family.exceeds(Bounds(memory=1, processes=1)) == ""
    monkeypatch.setattr(Family, "_marked", lambda *_: True)
    assert os.getpid() not in family.members()

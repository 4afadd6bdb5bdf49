"""The small decisions: base of an edit, mass deletion, ignored names, pauses, the clone's lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.git.objects import inside
from gitsync.sync import bases
from gitsync.sync.exchange import nobody_writes, place_new, swap
from gitsync.sync.ignore import ignored, parse_rules, temporary
from gitsync.sync.lock import CloneLock, LockHeld
from gitsync.sync.tempo import LONGEST_RETRY, RETRY, Tempo
from tests.remotes import run_git


def test_the_base_misses_the_fewest_blocks() -> None:
    versions = [("v3", {"a", "b", "c"}), ("v2", {"a", "b"}), ("v1", {"a"})]
    assert bases.choose({"a", "b"}, versions) == "v2"
    assert bases.choose({"a", "b", "c"}, versions) == "v3"
    assert bases.choose({"a"}, versions) == "v1"


def test_the_newest_base_wins_a_tie() -> None:
    assert bases.choose(set(), [("v2", set()), ("v1", set())]) == "v2"
    assert bases.choose({"a", "b"}, [("v2", {"a"}), ("v1", {"b"})]) == "v2"
    assert bases.choose({"a"}, []) is None


@pytest.mark.parametrize(
    ("gone", "total", "asked"), [(4, 4, False), (5, 10, False), (5, 9, True), (6, 10, True), (50, 100, False)]
)
def test_13_mass_deletion(gone: int, total: int, asked: bool) -> None:
    assert bases.mass_deletion(gone, total) is asked


@pytest.mark.parametrize("name", [".x.swp", "x.md~", "#x#", ".#x", "4913", "~$x.docx", "x.tmp", ".DS_Store", "x.swx"])
def test_editor_leftovers_are_nobodys_business(name: str) -> None:
    assert temporary(name)


@pytest.mark.parametrize("name", ["1_TO_2.md", ".gitignore", ".gitattributes", "README.md", "notes.txt", "5000"])
def test_other_names_count(name: str) -> None:
    assert not temporary(name)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("*.log\n!keep.log\n", ["a.log", "keep.log", "d/b.log", "d/keep.log"]),
        ("/top\nsub/x\n", ["top", "d/top", "sub/x", "d/sub/x"]),
        ("build/\n", ["build/x", "d/build/y", "build.md"]),
        ("**/deep\na/**/b\nend/**\n", ["deep", "x/y/deep", "a/b", "a/x/y/b", "end/z", "end"]),
        ("[ab]?.md\n\\#x\n\\!y\n", ["a1.md", "c1.md", "#x", "!y"]),
        ("trail \nspace\\ \n# comment\n\n", ["trail", "trail ", "space ", "# comment"]),
        ("d\n!d/x\n", ["d/x", "d"]),
    ],
)
def test_gitignore_says_what_git_says(tmp_path: Path, text: str, paths: list[str]) -> None:
    run_git("init", "-q", tmp_path)
    (tmp_path / ".gitignore").write_text(text)
    for path in paths:
        said = subprocess.run(
            ["git", "check-ignore", "-q", "--no-index", "--", path], cwd=tmp_path, check=False
        ).returncode
        if path == "end" or (path == "d" and text.startswith("d")):
            continue  # git looks whether it is a folder, and there is none here
        assert ignored(path, parse_rules(text)) is (said == 0), (text, path)


def test_pauses_only_where_there_is_contention() -> None:
    tempo = Tempo()
    tempo.pushed(100.0, 1.0)
    assert tempo.paused(100.0) == 0.0
    assert tempo.lost(101.0, 0.5) == 0.5 * RETRY
    tempo.pushed(102.0, 1.0)
    assert 0.0 < tempo.paused(102.0) <= 1.0
    tempo.pushed(200.0, 1.0)
    assert tempo.paused(200.0) == 0.0


def test_a_crowd_makes_pauses_longer_and_who_is_behind_comes_first() -> None:
    tempo, now = Tempo(), 100.0
    waits = []
    for _ in range(5):
        waits.append(tempo.lost(now, 1.0))
        now += 0.1
    assert waits[:3] == pytest.approx([RETRY, 4 * RETRY, 16 * RETRY])
    assert max(waits) <= LONGEST_RETRY
    assert tempo.lost(now + 20.0, 1.0) < waits[-1] / 2
    alone, crowded = Tempo(), tempo
    alone.lost(now, 0.0)
    alone.pushed(now + 20.0, 1.0)
    crowded.pushed(now + 20.0, 1.0)
    assert crowded.paused(now + 20.0) > 2 * alone.paused(now + 20.0)


@given(
    budget=st.sampled_from([2.0, 6.0, 12.0]),
    machines=st.integers(1, 20),
    asks=st.lists(st.floats(0.0, 30.0), max_size=60),
)
def test_the_push_budget_holds_over_every_minute(budget: float, machines: int, asks: list[float]) -> None:
    tempo, now, pushes = Tempo(), 0.0, []
    for gap in asks:
        now += gap
        if tempo.over_budget(now, budget, machines) == 0.0:
            tempo.pushed(now, 0.0)
            pushes.append(now)
    share = budget / machines
    for start in pushes:
        near = [at for at in pushes if start <= at < start + 60.0]
        assert len(near) <= max(1, int(share) + 1)
    assert Tempo().over_budget(0.0, None, 3) == 0.0


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/x",
        "a/../b",
        ".git/config",
        "a/.GIT/x",
        "a//b",
        "",
        ".git./x",
        ".",
        "GIT~1/x",
        ".g\u200cit",
        ".git::$x/y",
    ],
)
def test_paths_that_leave_the_mailbox_are_never_written(path: str) -> None:
    assert not inside(path)


def test_swapping_and_placing(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_text("new")
    old.write_text("old")
    assert swap(str(new), str(old))
    assert (new.read_text(), old.read_text()) == ("old", "new")
    with pytest.raises(FileExistsError):
        place_new(str(new), str(old))
    place_new(str(new), str(tmp_path / "free"))
    assert (tmp_path / "free").read_text() == "old"


def test_swapping_without_an_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsync.sync.exchange._renameat2", lambda: None)
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_text("new")
    old.write_text("old")
    assert swap(str(new), str(old))
    assert (new.read_text(), old.read_text()) == ("old", "new")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new", "old"]


def test_an_open_writer_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("x")
    assert nobody_writes(str(file))
    with file.open("a"):
        assert not nobody_writes(str(file))
    with file.open():
        assert nobody_writes(str(file))


def test_19_the_clones_lock_has_an_owner(tmp_path: Path) -> None:
    place = tmp_path / "daemon.lock"
    script = (
        "import sys; from pathlib import Path; from gitsync.sync.lock import CloneLock\n"
        "CloneLock(Path(sys.argv[1])).acquire(); print('held', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LockHeld) as caught:
            CloneLock(place).acquire()
        assert caught.value.owner is not None
        assert caught.value.owner.pid == child.pid
        child.kill()
        child.wait()
    with CloneLock(place) as lock:  # the kernel let go with the process; no time had to pass
        assert lock.held
    assert not lock.held


@pytest.mark.parametrize(
    ("disk", "stale"),
    [
        pytest.param(b"a\nb\nmine\n", True, id="typed-without-seeing"),
        pytest.param(b"a\nmine\nb\n", True, id="typed-elsewhere"),
        pytest.param(b"a\nb\nfrom two\nmine\n", False, id="seen"),
        pytest.param(b"a\nb\nfrom twoo\n", False, id="arrived-line-changed"),
        pytest.param(b"a\nb\n", False, id="arrived-line-removed"),
        pytest.param(b"a\nmine\n", False, id="older-line-removed-too"),
    ],
)
def test_a_save_that_did_not_see_what_was_placed(disk: bytes, stale: bool) -> None:
    assert bases.unseen(disk, b"a\nb\n", b"a\nb\nfrom two\n") is stale


@pytest.mark.parametrize(
    ("disk", "stale"),
    [
        pytest.param(b"a\nb\nline 2-1-42 0.398939\n", True, id="another writer's line at the same place"),
        pytest.param(b"line 1-0-50 of two\na\nb\n", True, id="a change of nothing: it stands elsewhere"),
        pytest.param(b"a\nb\nline 1-0-51 of two, changed\n", False, id="continued"),
        pytest.param(b"a\nb\nline 1-0-51 by two\n", False, id="corrected"),
    ],
)
def test_lines_of_two_writers_resemble_each_other(disk: bytes, stale: bool) -> None:
    assert bases.unseen(disk, b"a\nb\n", b"a\nb\nline 1-0-51 of two\n") is stale


def test_a_save_that_changed_an_older_line_without_seeing_a_new_one() -> None:
    before = b"a\nb\nc\nd\n"
    assert bases.unseen(b"a\nB\nc\nd\n", before, before + b"from two\n")
    assert not bases.unseen(b"A\nB\nc\nd\n", before, before + b"from two\n")

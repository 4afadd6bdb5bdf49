"""Starting the program is quick, and what is not needed is not loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gitsync.cli import hooking, parser
from gitsync.hooks import claude, scripts
from gitsync.protocol.message import PRIORITIES
from tests.cli.calls import PROJECT
from tests.cli.conftest import Computer, gitsync

HEAVY = ("git", "rich", "anthropic", "starlette", "uvicorn", "httpx", "apscheduler", "watchdog", "markdown_it", "shtab")


def loaded(code: str, cwd: Path, stdin: str = "{}") -> set[str]:
    script = (
        f"import sys\nsys.path.insert(0, {str(PROJECT)!r})\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=cwd, input=stdin, capture_output=True, text=True, check=True, timeout=60
    )
    return {name.partition(".")[0] for name in done.stderr.splitlines()}


def test_nothing_heavy_is_loaded(one: Computer) -> None:
    for args in (["--help"], ["send", "--help"], ["hook", "claude-user-prompt"]):
        modules = loaded(f"from gitsync.cli.main import main\nassert main({args!r}) == 0", one.root)
        assert modules.isdisjoint(HEAVY), modules & set(HEAVY)
        assert "asyncio" not in modules


def test_it_starts_in_well_under_200_ms(one: Computer) -> None:
    for args in (["--help"], ["init", "--help"], ["hook", "claude-user-prompt"]):
        assert min(_processor_time(args, one.root) for _ in range(5)) < 0.2, args


def _processor_time(args: list[str], cwd: Path) -> float:
    """Return what a call costs in seconds of processor: waiting while others run says nothing about this program."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gitsync", *args], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def test_completions(tmp_path: Path) -> None:
    for shell in ("bash", "zsh", "tcsh"):
        result = gitsync("completion", shell, cwd=tmp_path)
        assert result.code == 0
        assert "withdraw" in result.out


def test_version_and_usage(tmp_path: Path) -> None:
    from gitsync import __version__

    assert gitsync("--version", cwd=tmp_path).out == f"gitsync {__version__}\n"
    assert gitsync(cwd=tmp_path).code == 2
    nowhere = gitsync("status", cwd=tmp_path)
    assert nowhere.code == 2
    assert "gitsync init" in nowhere.err


def test_without_a_verb_the_help_is_shown(tmp_path: Path) -> None:
    result = gitsync(cwd=tmp_path)
    assert result.code == 2
    assert "withdraw" in result.err


def test_an_unknown_verb_is_answered_with_the_nearest(tmp_path: Path) -> None:
    result = gitsync("statsu", cwd=tmp_path)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[:2] == ["gitsync: there is no verb 'statsu'", "  did you mean: status or restart?"]
    other = gitsync("frobnicate", cwd=tmp_path)
    assert other.code == 2
    assert "merge-driver" not in other.err  # nobody is sent to what only git calls


def test_a_wrong_call_leaves_no_log(tmp_path: Path) -> None:
    assert gitsync("inbox", cwd=tmp_path).code == 2
    assert not (tmp_path / "state").exists()


def test_what_is_written_twice_for_speed_is_the_same() -> None:
    assert parser.PRIORITIES == PRIORITIES
    assert hooking.GIT == scripts.GIT_HOOKS
    assert set(hooking.AGENTS) == set(claude.EVENTS)

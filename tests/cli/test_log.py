"""The journal from git history: in order, and no more of it read than was asked for."""

from __future__ import annotations

import pytest

from gitsync.cli.main import main
from gitsync.protocol import commits
from tests.cli.conftest import Computer
from tests.remotes import Remote, run_git

MANY = 1500


def lengthen(bare: Remote, count: int) -> None:
    """Put commits on the branch, dated backwards: clocks are not to be believed."""
    tip = bare.tip()
    text = "".join(
        f"commit refs/heads/coordination\ncommitter A Person <a@b> {1_900_000_000 - number * 3600} +0000\n"
        f"data {len(f'number {number}')}\nnumber {number}\n" + (f"from {tip}\n" if number == 0 else "")
        for number in range(count)
    )
    run_git("fast-import", "--quiet", "--force", cwd=bare.path, input=text)


def test_a_limit_bounds_what_is_read(
    bare: Remote, one: Computer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lengthen(bare, MANY)
    one.ok("sync")
    read = []

    def reading(message: str) -> commits.CommitNote:
        read.append(message)
        return understand(message)

    understand = commits.read
    monkeypatch.setattr(commits, "read", reading)
    assert main(["--dir", str(one.root), "log", "--limit", "3"]) == 0
    shown = capsys.readouterr().out
    assert [word for word in shown.split() if word.isdigit()] == [str(MANY - 3), str(MANY - 2), str(MANY - 1)]
    assert len(read) == 3


def test_all_of_it_in_the_order_of_the_branch(bare: Remote, one: Computer) -> None:
    lengthen(bare, MANY)
    one.ok("sync")
    everything = one.ask("log")
    assert [entry["commit"] for entry in everything] == bare.git("rev-list", "--reverse", "coordination").split()
    assert one.ask("log", "--limit", "7") == everything[-7:]
    early = one.ask("log", "--since", "2030-03-01")
    assert early == [entry for entry in everything if entry["date"] >= "2030-03-01"] != []
    assert one.ask("log", "--since", "2030-03-01", "--limit", "2") == early[-2:]

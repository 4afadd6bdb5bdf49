"""Walks over commits agree with git, for straight, branching and long histories, and when clocks are wrong."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsync.git import history
from gitsync.git.repo import Mailbox
from gitsync.git.repo import Person as Who
from tests.remotes import Person, run_git


def grow(mailbox: Mailbox, plan: list[tuple[list[int], int]]) -> list[str]:
    """Make commits; each names its parents by number and has any date."""
    tree = mailbox.write_tree(None, {})
    made: list[str] = []
    for number, (parents, date) in enumerate(plan):
        chosen = list(dict.fromkeys(made[-1 - back] for back in parents if back < len(made)))
        made.append(mailbox.write_commit(tree, chosen, str(number), Who("n", "e", date + 1)))
    return made


def check(mailbox: Mailbox, commits: list[str], pairs: list[tuple[int, int]]) -> None:
    for a, b in pairs:
        one, other = commits[a % len(commits)], commits[b % len(commits)]
        ancestor = mailbox._git("merge-base", "--is-ancestor", one, other, ok=(0, 1)).code == 0
        assert mailbox.is_ancestor(one, other) == ancestor
        bases = run_git("merge-base", "--all", one, other, cwd=mailbox.path, check=False).split()
        base = mailbox.merge_base(one, other)
        assert base in bases if bases else base is None
        between = mailbox.between([one], other)
        assert {commit.sha for commit in between} == set(
            run_git("rev-list", other, f"^{one}", cwd=mailbox.path).split()
        )
        seen: set[str] = set()
        members = {commit.sha for commit in between}
        for commit in between:
            assert set(commit.parents) & members <= seen
            seen.add(commit.sha)


STEPS = st.tuples(st.lists(st.integers(0, 4), max_size=2), st.integers(0, 5))


@settings(max_examples=15)
@given(st.lists(STEPS, min_size=1, max_size=10), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4))
def test_any_history(tmp_path_factory: pytest.TempPathFactory, plan, pairs) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("repo")
    run_git("init", "-q", "--template=", path)
    with Mailbox(path, "coordination") as mailbox:
        check(mailbox, grow(mailbox, plan), pairs)


def test_a_history_longer_than_one_looks_at(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "NEAR", 8)
    rng = random.Random(1)
    commits = grow(mailbox, [([0], n) for n in range(40)])
    fork = grow_from(mailbox, commits[20], 15)
    check(mailbox, [*commits, *fork], [(rng.randrange(55), rng.randrange(55)) for _ in range(15)])


def grow_from(mailbox: Mailbox, start: str, count: int) -> list[str]:
    tree = mailbox.commit(start).tree
    made = [start]
    for n in range(count):
        made.append(mailbox.write_commit(tree, [made[-1]], f"fork {n}", Who("n", "e", 7)))
    return made[1:]


def test_nothing_is_excluded(mailbox: Mailbox) -> None:
    commits = grow(mailbox, [([0], 0) for _ in range(4)])
    assert [commit.sha for commit in mailbox.between([], commits[-1])] == commits
    assert mailbox.between([commits[-1]], commits[0]) == []
    assert [commit.sha for commit in mailbox.between(commits[:2], commits[-1])] == commits[2:]


def test_a_shallow_clone_ends_where_it_ends_and_can_be_deepened(
    repo: Person,
    tmp_path: Path,
    open_mailbox,  # type: ignore[no-untyped-def]
) -> None:
    commits = [repo.commit({"a": str(n)}) for n in range(5)]
    run_git("clone", "-q", "--depth=2", f"file://{repo.path}", tmp_path / "shallow")
    mailbox = open_mailbox(tmp_path / "shallow")
    assert mailbox.is_shallow()
    assert mailbox.commit(commits[3]).parents == ()
    assert not mailbox.is_ancestor(commits[0], commits[4])
    assert [commit.sha for commit in mailbox.between([], commits[4])] == commits[3:]
    assert mailbox.fetch().tip == commits[4]
    mailbox.unshallow()
    assert not mailbox.is_shallow()
    assert mailbox.is_ancestor(commits[0], commits[4])
    assert mailbox.merge_base(commits[0], commits[4]) == commits[0]
    mailbox.unshallow()

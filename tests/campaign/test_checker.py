"""The checker itself: a fleet that kept every promise has no violation, and each broken one is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.checker import Machine, Observed, Sent, Written, blocks, check, snapshot
from tests.remotes import run_git

ID = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
OTHER = "01JD3WQ8Z6T4K9V2M5N7P0R3S9"


def block(ident: str, body: str) -> str:
    return f"<!-- msg {ident} -->\n## A word\n\n- **From:** 1\n- **To:** 2\n\n{body}\n<!-- /msg sshsig=AAAA -->\n"


class Case:
    """A branch with one message, two clones that have it, and an agent that was given it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.remote = root / "remote.git"
        run_git("init", "-q", "--bare", self.remote)
        self.author = root / "author"
        run_git("init", "-q", "-b", "coordination", self.author)
        run_git("remote", "add", "origin", str(self.remote), cwd=self.author)
        self.commit({"messages/1_TO_2.md": block(ID, "build it"), "NOTES.md": "a line of mine\n"})
        self.machines = [Machine(name, root / name) for name in ("1", "2")]
        for machine in self.machines:
            run_git("clone", "-q", "-b", "coordination", self.remote, machine.clone)
        self.log = root / "worker.jsonl"
        self.calls: list[dict[str, Any]] = []
        self.call()
        self.sent = [Sent(ID, "1", "2", "build it", reach=("2",))]
        self.written = [Written("a line of mine", "NOTES.md")]
        self.person = root / "person"
        run_git("init", "-q", self.person)
        (self.person / "work.py").write_text("work\n")
        self.outside = {self.person: snapshot(self.person)}

    def commit(self, files: dict[str, str], message: str = "by hand") -> None:
        for name, text in files.items():
            file = self.author / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        run_git("add", "-A", cwd=self.author)
        run_git("commit", "-q", "--allow-empty", "-m", message, cwd=self.author)
        run_git("push", "-q", "--force", "origin", "coordination", cwd=self.author)

    def pull(self) -> None:
        for machine in self.machines:
            run_git("fetch", "-q", cwd=machine.clone)
            run_git("reset", "-q", "--hard", "origin/coordination", cwd=machine.clone)

    def call(self, **changes: Any) -> None:
        line = {"machine": "2", "agent": "worker", "id": ID, "event": "begun", "at": 1.0}
        with self.log.open("a") as log:
            log.write(json.dumps({**line, **changes}) + "\n")

    def found(self, **more: Any) -> list[str]:
        violations = check(self.remote, self.machines, [self.log], self.sent, self.written, self.outside, **more)
        return sorted({violation.invariant for violation in violations})


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_kept_promise_is_no_violation(case: Case) -> None:
    assert case.found(idle=("a", "a"), observed=[Observed("1", True, 1.0, 0.0, 300.0)]) == []


def test_i1_a_message_that_is_nowhere_or_has_lost_its_text_or_reached_nobody(case: Case) -> None:
    case.sent = [replace(case.sent[0], id=OTHER, reach=())]
    assert case.found() == ["I1"]
    case.sent[0].told = "withdrawn"
    assert case.found() == []
    case.sent = [Sent(ID, "1", "2", "another text", reach=("2",))]
    assert case.found() == ["I1"]
    case.sent = [Sent(ID, "1", "3", "build it", reach=("3",))]
    assert "I1" in case.found()


def test_i1_a_receipt_is_an_answer_too_and_a_message_that_is_done_may_go(case: Case) -> None:
    case.log.write_text("")
    assert case.found() == ["I1"]
    case.commit({"receipts/2/2026-11.md": f"- 2026-11-20T06:45:12Z · {ID} · from 1 · to worker · done · attempt 1\n"})
    case.pull()
    assert case.found() == []
    case.commit({"messages/1_TO_2.md": ""})
    case.pull()
    assert case.found() == []


def test_i1_a_word_of_a_person_is_owed_to_the_sender(case: Case) -> None:
    case.sent[0].settled = ("2",)
    assert case.found() == ["I1"]
    case.commit({"receipts/2/2026-11.md": f"- 2026-11-20T06:45:12Z · {ID} · from 1 · done · attempt 1\n"})
    case.pull()
    assert case.found() == []


def test_i1_a_message_that_stands_twice(case: Case) -> None:
    case.commit({"archive/2026-11/1_TO_2.1.md": block(ID, "build it")})
    case.pull()
    assert case.found() == ["I1"]


def test_i2_what_is_begun_twice(case: Case) -> None:
    case.call(event="untouched")
    case.call(at=2.0)
    assert case.found() == []
    case.call(at=3.0)
    assert case.found() == ["I2"]
    assert case.found(wiped={"2": [2.5]}) == ["I7"]


def test_i2_by_two_agents_and_by_the_wrong_machine(case: Case) -> None:
    case.call(agent="helper")
    assert case.found() == ["I2"]
    case.log.write_text("")
    case.call(machine="1")
    assert "I2" in case.found()


def test_i2_an_idempotent_agent_may_be_given_it_again(case: Case) -> None:
    case.log.write_text("")
    case.call(idempotent=True)
    case.call(idempotent=True, at=2.0)
    assert case.found() == []


def test_i3_a_line_that_is_gone_unless_it_was_rescued(case: Case) -> None:
    tip = run_git("rev-parse", "HEAD", cwd=case.author).strip()
    case.commit({"NOTES.md": "nothing\n"})
    case.pull()
    assert case.found() == ["I3"]
    run_git("commit", "--amend", "-q", "-m", "begun anew", cwd=case.author)
    run_git("checkout", "-q", "--orphan", "fresh", cwd=case.author)
    run_git("commit", "-q", "-m", "fresh", cwd=case.author)
    run_git("push", "-q", "--force", "origin", "fresh:coordination", cwd=case.author)
    case.pull()
    run_git("update-ref", "refs/gitsync/rescue/rewritten-1", tip, cwd=case.machines[0].clone)
    assert case.found() == []


@pytest.mark.parametrize("deed", ["file", "config", "hook", "ref", "stash"])
def test_i4_what_is_changed_in_the_persons_repository(case: Case, deed: str) -> None:
    git = case.person / ".git"
    match deed:
        case "file":
            (case.person / "work.py").write_text("other\n")
        case "config":
            (git / "config").write_text("[a]\n\tb = c\n")
        case "hook":
            (git / "hooks").mkdir(exist_ok=True)
            (git / "hooks/pre-commit").write_text("#!/bin/sh\n")
        case _:
            (git / "refs" / deed).write_text("0" * 40 + "\n")
    assert case.found() == ["I4"]


def test_i4_the_mailbox_and_two_lines_of_exclude_are_ours(case: Case) -> None:
    (case.person / "coordination").mkdir()
    (case.person / ".gitsync").mkdir()
    exclude = case.person / ".git/info/exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_text((exclude.read_text() if exclude.exists() else "") + "/coordination/\n/.gitsync/\n")
    assert case.found() == []


def test_i5_a_folder_an_index_or_a_branch_that_differs(case: Case) -> None:
    clone = case.machines[1].clone
    (clone / "NOTES.md").write_text("a line of mine, and more\n")
    assert case.found() == ["I5"]
    case.machines[1] = replace(case.machines[1], paused=True)
    assert case.found() == []
    case.machines[1] = replace(case.machines[1], paused=False)
    case.pull()
    run_git("rm", "-q", "--cached", "NOTES.md", cwd=clone)
    assert case.found() == ["I5"]


def test_i6_a_commit_that_changes_nothing_and_one_that_nobody_wanted(case: Case) -> None:
    case.commit({}, "[1] nothing\n\nGitsync-Machine: 1")
    case.pull()
    assert case.found() == ["I6"]
    assert case.found(idle=("a", "b")) == ["I6"]


def test_i8_green_after_contact_was_lost_or_with_old_work(case: Case) -> None:
    assert case.found(observed=[Observed("1", False, 999.0, 999.0, 300.0)]) == []
    assert case.found(observed=[Observed("1", True, 999.0, 0.0, 300.0)]) == ["I8"]
    assert case.found(observed=[Observed("1", True, 0.0, 999.0, 300.0)]) == ["I8"]


def test_blocks_are_told_apart() -> None:
    data = f"free\n{block(ID, 'one')}between\n{block(OTHER, 'two')}".encode()
    assert [(ident, b"one" in text, b"two" in text) for ident, text in blocks(data)] == [
        (ID, True, False),
        (OTHER, False, True),
    ]

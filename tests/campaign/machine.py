"""The state machine: Hypothesis chooses what happens to the fleet, and the checker judges at the end of each life.

A life is one example: at most `stateful_step_count` steps. What fails is printed by Hypothesis as the steps that lead
there; the one command that plays it again is printed beside it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.campaign.checker import report
from tests.campaign.records import record
from tests.campaign.replicas import SimClock
from tests.campaign.township import POINTS, Township

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where lives are played: an fsync costs nothing there; that it is called is for the tests of power loss."""

PACE = (3, 4, 7)
"""After so many steps each replica looks at the remote by itself."""
LONGEST = 9
"""Steps after which a replica that is dead begins anew, and one that is cut off reaches the remote again."""

WHO = st.integers(0, 2)
SOME = st.integers(0, 41)
YES = st.booleans()


class Fates(RuleBasedStateMachine):
    """Draw one step after the other."""

    number: ClassVar[int] = 0
    """The seed of this run."""
    taken: ClassVar[Counter[str]] = Counter()
    lives: ClassVar[int] = 0
    violations: ClassVar[int] = 0
    sent: ClassVar[int] = 0
    lines: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self.sim = self._stack.enter_context(SimClock(7).installed())
        self.root = Path(tempfile.mkdtemp(prefix="gitsync-fates-", dir=MEMORY))
        self._stack.callback(shutil.rmtree, self.root, ignore_errors=True)
        self.fleet = Township(self.root, self.sim)
        self._stack.callback(self.fleet.close)
        self._turns = list(PACE)
        self._trouble = [0, 0, 0]
        type(self).lives += 1

    def _step(self, name: str, *args: Any, **more: Any) -> None:
        self.sim.pass_time(0.5)
        if getattr(self.fleet, name)(*args, **more):
            self.taken[name] += 1
        # Life goes on whatever is drawn: each replica runs a cycle now and then, and no trouble lasts for ever.
        for who in range(3):
            one = self.fleet.at(who)
            self._trouble[who] = 0 if one.alive and self.fleet.online(one) else self._trouble[who] + 1
            if self._trouble[who] > LONGEST:
                self.taken["heal"] += self.fleet.heal(who)
                self.taken["revive"] += self.fleet.revive(who)
            self._turns[who] -= 1
            if self._turns[who] <= 0:
                self._turns[who] = PACE[who]
                self.sim.pass_time(0.5)
                self.taken["cycle"] += self.fleet.cycle(who, False)

    # Twice and three times the same rule: that is how often it is drawn.

    @rule(who=WHO, to=SOME, kind=SOME)
    def send(self, who: int, to: int, kind: int) -> None:
        self._step("send", who, to, kind)

    @rule(who=WHO, to=SOME, kind=SOME)
    def send_more(self, who: int, to: int, kind: int) -> None:
        self._step("send", who, to, kind)

    @rule(who=WHO, which=SOME, to=SOME)
    def send_again(self, who: int, which: int, to: int) -> None:
        self._step("send_again", who, which, to)

    @rule(who=WHO, now=YES)
    def cycle(self, who: int, now: bool) -> None:
        self._step("cycle", who, now)

    @rule(who=WHO, now=YES)
    def cycle_again(self, who: int, now: bool) -> None:
        self._step("cycle", who, now)

    @rule(who=WHO, now=YES)
    def cycle_once_more(self, who: int, now: bool) -> None:
        self._step("cycle", who, now)

    @rule(seconds=st.sampled_from([3.0, 3.0, 20.0, 90.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self._step("wait", seconds)

    @rule(who=WHO)
    def look_at_health(self, who: int) -> None:
        self._step("look_at_health", who)

    @rule(who=WHO, which=SOME)
    def reply(self, who: int, which: int) -> None:
        self._step("reply", who, which)

    @rule(who=WHO, which=SOME)
    def withdraw(self, who: int, which: int) -> None:
        self._step("withdraw", who, which)

    @rule(who=WHO, which=SOME, first_take=YES)
    def ack(self, who: int, which: int, first_take: bool) -> None:
        self._step("ack", who, which, first_take=first_take)

    @rule(who=WHO, kind=SOME)
    def answers(self, who: int, kind: int) -> None:
        self._step("answers", who, kind)

    @rule(who=WHO, file=SOME, place=SOME, aside=YES)
    def edit(self, who: int, file: int, place: int, aside: bool) -> None:
        self._step("edit", who, file, place, aside)

    @rule(who=WHO, point=SOME, file=SOME, aside=YES)
    def edit_in_between(self, who: int, point: int, file: int, aside: bool) -> None:
        self._step("edit_in_between", who, point, file, aside)

    @rule(who=WHO, to=SOME, aside=YES)
    def handwrite(self, who: int, to: int, aside: bool) -> None:
        self._step("handwrite", who, to, aside)

    @rule(who=WHO, to=SOME)
    def open_editor(self, who: int, to: int) -> None:
        self._step("open_editor", who, to)

    @rule(who=WHO, aside=YES)
    def save_editor(self, who: int, aside: bool) -> None:
        self._step("save_editor", who, aside)

    @rule(who=WHO, file=SOME)
    def commit_here(self, who: int, file: int) -> None:
        self._step("commit_here", who, file)

    @rule(file=SOME, place=SOME)
    def edit_on_the_host(self, file: int, place: int) -> None:
        self._step("edit_on_the_host", file, place)

    @rule(what=SOME, which=SOME)
    def delete_on_the_host(self, what: int, which: int) -> None:
        self._step("delete_on_the_host", what, which)

    @rule(who=WHO, file=SOME, which=SOME)
    def delete_block(self, who: int, file: int, which: int) -> None:
        self._step("delete_block", who, file, which)

    @rule(who=WHO, which=SOME)
    def delete_notes(self, who: int, which: int) -> None:
        self._step("delete_notes", who, which)

    @rule(who=WHO)
    def delete_folder(self, who: int) -> None:
        self._step("delete_folder", who)

    @rule(who=WHO)
    def restart(self, who: int) -> None:
        self._step("restart", who)

    @rule(who=WHO, to=SOME, number=st.integers(0, len(POINTS) - 1))
    def kill_at(self, who: int, to: int, number: int) -> None:
        self._step("kill_at", who, to, number)

    @rule(who=WHO, number=SOME)
    def cut_off(self, who: int, number: int) -> None:
        self._step("cut_off", who, number)

    @rule(who=WHO, after=st.integers(0, 149))
    def kill(self, who: int, after: int) -> None:
        self._step("kill", who, after)

    @rule(who=WHO)
    def revive(self, who: int) -> None:
        self._step("revive", who)

    @rule(who=WHO)
    def partition(self, who: int) -> None:
        self._step("partition", who)

    @rule(who=WHO)
    def heal(self, who: int) -> None:
        self._step("heal", who)

    @rule(who=WHO)
    def heal_again(self, who: int) -> None:
        self._step("heal", who)

    @rule(back=SOME, really=st.sampled_from([True, False, False]))
    def rewrite_remote(self, back: int, really: bool) -> None:
        if really:
            self._step("rewrite_remote", back)

    @rule(who=WHO)
    def accept(self, who: int) -> None:
        self._step("accept", who)

    @rule(who=WHO, running=YES)
    def wipe_ledger(self, who: int, running: bool) -> None:
        self._step("wipe_ledger", who, running)

    @rule(who=WHO, really=st.sampled_from([True, False, False]))
    def copy_clone(self, who: int, really: bool) -> None:
        if really:
            self._step("copy_clone", who)

    def teardown(self) -> None:
        try:
            found = self.fleet.finish()
            type(self).violations += len(found)
            type(self).sent += len(self.fleet.sent)
            type(self).lines += len(self.fleet.written)
            assert not found, f"{report(found)}\nagain: {again(self.number)}"
        finally:
            self._stack.close()


def again(number: int) -> str:
    """Give the one command that plays a run again."""
    return f"GITSYNC_SEED={number} python -m pytest -m campaign tests/campaign/test_machine.py -k by_seed"


def play(number: int, *, lives: int, steps: int, shrink: bool = True) -> dict[str, Any]:
    """Play a run of one seed; write what it did to ``build/campaign/machine.jsonl``, and give that."""
    run = type(
        "Fates", (Fates,), {"number": number, "taken": Counter(), "lives": 0, "violations": 0, "sent": 0, "lines": 0}
    )
    began = time.monotonic()
    failed = True
    try:
        run_state_machine_as_test(
            seed(number)(run),
            settings=settings(
                max_examples=lives,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                derandomize=False,
                print_blob=False,
                report_multiple_bugs=False,
                phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
        failed = False
    finally:
        seconds = time.monotonic() - began
        figures = {
            "seed": number,
            "remote": "file",
            "lives": run.lives,
            "steps": sum(run.taken.values()),
            "sent": run.sent,
            "lines": run.lines,
            "ms": round(1000 * seconds),
            "violations": run.violations or int(failed),
            "by_step": dict(run.taken.most_common()),
        }
        record("machine", figures)
    return figures

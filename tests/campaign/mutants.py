"""Seeded defects: each is put into a copy of the program, and the campaign has to find it.

`python -m tests.campaign.mutants [NAME …]` prints who found what, and after how much; so does ``make faults-full``. A
defect that survives says that the campaign is too weak; one that cannot be put in any more says that the program has
changed there, and that the defect has to be written anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.records import record

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("gitsync", "tests", "coordination", "hooks", "pyproject.toml")
SEEDS = 8
LIVES = 10
STEPS = 60
MACHINE = "the state machine"


@dataclass(frozen=True)
class Mutant:
    """One defect: in a file of gitsync, each text that stands there exactly once is replaced by another."""

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]
    tests: str = ""
    """Which tests must find it (arguments of pytest); empty: the state machine must."""


@dataclass(frozen=True)
class Caught:
    """What found a defect, and after how much."""

    mutant: str
    by: str
    what: str
    steps: int
    seconds: float


class Survived(AssertionError):
    """Nothing found the defect."""


MUTANTS = (
    Mutant(
        "drop the base: compare a hand edit with what has arrived meanwhile",
        "sync/capture.py",
        (("base=base, executable=bool(held", "base=at_tip.sha if at_tip else None, executable=bool(held"),),
    ),
    Mutant(
        "skip the fsync of an object",
        "git/store.py",
        (("                os.fsync(handle)\n            finally:", "                pass\n            finally:"),),
        "tests/sync/test_power_loss.py",
    ),
    Mutant(
        "skip the fsync of a file that is put on disk",
        "sync/materialise.py",
        (("            os.fsync(fd)\n", ""),),
        "tests/sync/test_power_loss.py",
    ),
    Mutant(
        "swallow a pull error",
        "sync/incoming.py",
        (
            (
                "        fetched = self._mailbox.fetch()\n",
                (
                    "        try:\n            fetched = self._mailbox.fetch()\n"
                    "        except GitsyncError:\n            fetched = self._mailbox.fetched()\n"
                ),
            ),
        ),
    ),
    Mutant(
        "push what was built on a stale tip over the newest one",
        "sync/outgoing.py",
        (
            (
                'branch = Update(self._mailbox.local_ref, commit, run.tip or "")',
                'branch = Update(self._mailbox.local_ref, commit, self._mailbox.fetch().tip or "")',
            ),
        ),
    ),
    Mutant(
        "retry a lost race on the stale tip",
        "sync/outgoing.py",
        (("                    self._incoming.pull(run)\n", ""),),
        "tests/sync/test_remote_troubles.py -k test_4",
    ),
    Mutant(
        "forget the attempted commit",
        "sync/outgoing.py",
        (('        self._journal.attempted(draft.tip, run.tip or "", built.seqs)', "        pass"),),
        "tests/sync/test_remote_troubles.py -k test_4",
    ),
    Mutant(
        "let messages leave the outbox before they have landed",
        "sync/outgoing.py",
        (
            (
                '        self._journal.attempted(draft.tip, run.tip or "", built.seqs)',
                (
                    '        self._journal.attempted(draft.tip, run.tip or "", built.seqs)'
                    "; self._journal.landed(built.seqs, draft.tip)"
                ),
            ),
        ),
    ),
    Mutant(
        "dispatch before the intent",
        "dispatch/handover.py",
        (
            (
                "            if not await self._books.begin(job, idempotent",
                "            if job is None and not await self._books.begin(job, idempotent",
            ),
            (
                '            self._fault("7-answered")\n',
                (
                    '            self._fault("7-answered")\n'
                    "            await self._books.begin(job, idempotent=self._agents[job.agent].spec.idempotent)\n"
                ),
            ),
        ),
    ),
    Mutant(
        "begin again what a crash cut off",
        "dispatch/dispatcher.py",
        (
            (
                '            again = spec is not None and (spec.idempotent or spec.kind == "inbox")\n',
                "            again = True\n",
            ),
        ),
    ),
    Mutant(
        "ignore the claim's lease",
        "sync/claims.py",
        (('[Update(ref, mine, "")]', "[Update(ref, mine, None)]"),),
    ),
    Mutant(
        "move the branch without its index",
        "sync/engine.py",
        (("                self._mailbox.move_index(old, new)\n", ""),),
    ),
    Mutant(
        "take an absent message for a deleted one",
        "sync/build.py",
        (
            (
                "protect = frozenset(ident for ident in absent if not self._facts.final(ident))",
                "protect = frozenset(ident for ident in absent if ident is None)",
            ),
        ),
    ),
    Mutant(
        "ack without a receipt",
        "inbox/settle.py",
        (
            (
                "ops = _receipt(mine, name, outcome, old.attempt if old else 1, reason, reply_id)\n",
                "ops: list[Op] = []\n",
            ),
        ),
    ),
    Mutant(
        "know a message by its text instead of its id",
        "sync/build.py",
        (
            (
                "            if op.ident in block_ids(data) or (retried",
                (
                    '            words = op.payload.rpartition(b"\\n<!-- /msg")[0].split(b"\\n\\n", 2)[-1]\n'
                    "            if op.ident in block_ids(data) or (data is not None and words in data) or (retried"
                ),
            ),
        ),
    ),
    Mutant(
        "stay green after contact is lost",
        "daemon/schedule.py",
        (("    elif facts.contact_age > limit:\n", "    elif facts.contact_age > limit * 1000:\n"),),
    ),
    Mutant(
        "materialise by a plain write",
        "sync/materialise.py",
        (
            (
                "            placed = swap(name, target)\n",
                (
                    '            with open(target, "wb") as out:\n'
                    "                out.write(self._mailbox.blob(entry.sha))\n"
                    "            os.unlink(name)\n"
                    "            return True\n"
                ),
            ),
        ),
    ),
    Mutant(
        "throw away what came out of an exchange",
        "sync/materialise.py",
        (
            (
                "        surprise = data is None or held is None or self._mailbox.hash_blob(data) != held\n",
                "        surprise, alone = False, True\n",
            ),
        ),
    ),
    Mutant(
        "hand over again after the ledger was wiped",
        "inbox/follow.py",
        (
            (
                "            self.ledger.start_over(basis, self.book.mark)\n",
                (
                    "            self.ledger.start_over(basis, self.book.mark)\n"
                    "            with self.journal.db.write() as conn:\n"
                    '                conn.execute("DELETE FROM intents")\n'
                ),
            ),
        ),
    ),
    Mutant(
        "keep no rescue ref of a branch that was rewritten",
        "sync/known.py",
        (("            self._mailbox.move_ref(name, commit, None)\n", ""),),
    ),
    Mutant(
        "commit also what changes nothing",
        "sync/draft.py",
        (
            ("        if not entries and not empty:\n", "        if not entries and empty:\n"),
            ("        if tree == self.tree and not empty:\n", "        if tree == self.tree and empty:\n"),
        ),
    ),
    Mutant(
        "overlook another machine with the same id",
        "sync/presence.py",
        (("        return self._doubled(beat)\n", "        return None\n"),),
    ),
)


def apply(mutant: Mutant, tree: Path) -> None:
    """Put a defect into a copy of the program; AssertionError where it does not fit any more."""
    file = tree / "gitsync" / mutant.file
    text = file.read_text()
    for old, new in mutant.changes:
        assert text.count(old) == 1, (
            f"{mutant.name}: {mutant.file} has {text.count(old)} times, not once: {old.strip()}"
        )
        text = text.replace(old, new)
    compile(text, str(file), "exec")
    file.write_text(text)


def copy(to: Path) -> Path:
    """Copy what a run of the tests needs."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, to / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, to / part)
    return to


def hunt(mutant: Mutant, folder: Path) -> Caught:
    """Let the campaign look for a defect, by seeds in order; Survived where it finds nothing."""
    folder.mkdir(parents=True)
    tree = copy(folder)
    apply(mutant, tree)
    began = time.monotonic()
    if mutant.tests:
        done = _pytest(tree, *mutant.tests.split())
        if done.returncode != 1:
            raise Survived(f"{mutant.name}: {mutant.tests} found nothing\n{done.stdout[-2000:]}")
        first = re.search(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
        assert first is not None, f"{mutant.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return _told(mutant, mutant.tests.split()[0], first[1].partition("::")[2], 0, began)
    figures = tree / "build/campaign/machine.jsonl"
    steps = 0
    for number in range(1, SEEDS + 1):
        environ = {"GITSYNC_SEED": str(number), "GITSYNC_LIVES": str(LIVES), "GITSYNC_STEPS": str(STEPS)}
        done = _pytest(tree, "tests/campaign/test_machine.py", "-k", "by_seed", **environ)
        steps += json.loads(figures.read_text().splitlines()[-1])["steps"] if figures.exists() else 0
        if done.returncode == 1:
            found = re.search(r"\b(I[1-8]: .*)$", done.stdout, re.MULTILINE)
            assert found is not None, f"{mutant.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
            return _told(mutant, MACHINE, f"{found[1]} (seed {number})", steps, began)
        assert done.returncode == 0, f"{mutant.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    raise Survived(f"{mutant.name}: {steps} steps of {SEEDS} seeds found nothing")


def _told(mutant: Mutant, by: str, what: str, steps: int, began: float) -> Caught:
    caught = Caught(mutant.name, by, what[:160], steps, round(time.monotonic() - began, 1))
    figures = {"deed": mutant.name, "seed": 0, "remote": "file", "by": by, "what": caught.what}
    record("mutants", {**figures, "steps": steps, "ms": round(1000 * caught.seconds)})
    return caught


def _pytest(tree: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    options = ["-o", "addopts=-p no:schemathesis --import-mode=importlib", "-p", "no:cacheprovider", "-q", "-x", "-rf"]
    options += ["--basetemp", str(tree.parent / f"{tree.name}-run")]  # beside nobody else's leftovers
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *args],
        cwd=tree,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )


def main(names: list[str]) -> int:
    """Hunt those whose name holds one of these words; all without any."""
    import tempfile

    survived = 0
    for mutant in MUTANTS:
        if names and not any(name in mutant.name for name in names):
            continue
        with tempfile.TemporaryDirectory(prefix="gitsync-mutant-") as folder:
            try:
                caught = hunt(mutant, Path(folder) / "tree")
            except AssertionError as error:
                survived += 1
                print(f"SURVIVED | {error}", flush=True)
            else:
                what = f"{caught.what} | {caught.steps} steps, {caught.seconds} s"
                print(f"{mutant.name} | {caught.by} | {what}", flush=True)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

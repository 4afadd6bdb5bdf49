"""A long life in random order: everybody writes, edits, restarts and loses the network, and at the end all agree.

`make soak SEEDS=20` plays twenty lives of 1,500 steps; one short life belongs to every run of the tests.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.remotes import Remote
from tests.sync.world import Computer, World, ids

SEEDS = range(int(os.environ.get("GITSYNC_SEEDS", "3")))
NOTES = ("NOTES.md", "plan/next.md", "COMPUTER_1.md")


class Life:
    """Play random steps on a fleet and remember what must not be lost."""

    def __init__(self, world: World, remote: Remote, seed: int) -> None:
        self.world = world
        self.remote = remote
        self.draw = random.Random(seed)
        self.sent: dict[str, str] = {}
        self.lines: list[str] = []
        self.away = False
        for name in ("1", "2", "3"):
            world.computer(name, settle=0.0, wrap_delay=0.0)
        self.steps = {
            self.send: 20,
            self.write_a_line: 12,
            self.write_a_message: 4,
            self.change_a_line: 6,
            self.one_cycle: 60,
            self.restart: 3,
            self.push_by_hand: 3,
            self.network: 3,
        }

    def play(self, steps: int) -> None:
        """Take a number of steps, then let everybody come to rest."""
        self.world.settle()
        for _ in range(steps):
            self.draw.choices(list(self.steps), list(self.steps.values()))[0]()
        if self.away:
            self.network()
        self.world.settle(rounds=12)

    def anyone(self) -> Computer:
        return self.draw.choice(self.world.computers)

    def send(self) -> None:
        computer = self.anyone()
        to = self.draw.choice([other.name for other in self.world.computers if other is not computer] + ["ALL"])
        for _ in range(self.draw.choice((1, 1, 1, 5))):
            self.sent[computer.send(to, f"body {self.draw.random()}")] = f"messages/{computer.name}_TO_{to}.md"

    def write_a_line(self) -> None:
        self._insert(f"line {len(self.lines)} {self.draw.random()}")

    def change_a_line(self) -> None:
        """Somebody makes a line longer; what was in it stays in it."""
        computer, path = self.anyone(), self.draw.choice(NOTES)
        file = computer.folder / path
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        own = [number for number, line in enumerate(lines) if line.startswith("line ")]
        if own:
            number = self.draw.choice(own)
            lines[number] = lines[number].rstrip("\n") + f" changed by {computer.name}\n"
            computer.write(path, "".join(lines))

    def write_a_message(self) -> None:
        computer = self.anyone()
        other = self.draw.choice([one for one in self.world.computers if one is not computer])
        text = f"words {len(self.lines)} {self.draw.random()}"
        self.lines.append(text)
        head = f"\n## By hand {len(self.lines)}\n\nFrom: {computer.name}\nTo: {other.name}\n\n"
        computer.append(f"messages/{computer.name}_TO_{other.name}.md", f"{head}{text}\n")

    def one_cycle(self) -> None:
        result = self.anyone().cycle()
        assert result.state == ("offline" if self.away else "ok"), result

    def restart(self) -> None:
        self.anyone().restart()

    def push_by_hand(self) -> None:
        """A person with plain git adds a line in the middle of everything."""
        if self.away:
            return
        person = self.world.person()
        file = person.path / "NOTES.md"
        line = f"line {len(self.lines)} by a person {self.draw.random()}"
        text = (file.read_text() if file.exists() else "") + line + "\n"
        person.commit({"NOTES.md": text}, "by hand")
        person.push()
        self.lines.append(line)

    def network(self) -> None:
        """The remote goes away, or comes back."""
        here, hidden = self.remote.path, self.remote.path.with_suffix(".away")
        (hidden if self.away else here).rename(here if self.away else hidden)
        self.away = not self.away

    def _insert(self, line: str) -> None:
        computer, path = self.anyone(), self.draw.choice(NOTES)
        file = computer.folder / path
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        place = len(lines) if "COMPUTER" in path else self.draw.randint(0, len(lines))
        lines.insert(place, line + "\n")
        computer.write(path, "".join(lines))
        self.lines.append(line)

    def agree(self) -> None:
        """I1, I3, I5: all folders are alike, every message is there once, every line is there."""
        first, *others = [computer.files() for computer in self.world.computers]
        for other in others:
            assert other == first
        assert self.remote.files() == first
        everything = b"\n".join(first.values()).decode()
        found = [
            ident for path, data in first.items() if path.startswith(("messages", "archive")) for ident in ids(data)
        ]
        assert len(found) == len(set(found)), "a message stands twice"
        assert set(self.sent) <= set(found), "a message that was sent is not there"
        assert [line for line in self.lines if line not in everything] == []

    def quiet(self) -> None:
        """I6: nothing more is said."""
        before = self.remote.tip()
        for computer in self.world.computers * 2:
            computer.sync()
        assert self.remote.tip() == before


def live(root: Path, remote: Remote, seed: int, steps: int) -> None:
    world = World(root, remote)
    world.seed()
    try:
        life = Life(world, remote, seed)
        life.play(steps)
        life.agree()
        life.quiet()
    finally:
        world.close()


def test_a_short_life(tmp_path: Path, bare: Remote) -> None:
    live(tmp_path, bare, seed=1, steps=80)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_life(tmp_path: Path, bare: Remote, seed: int) -> None:
    live(tmp_path, bare, seed=seed, steps=1500)

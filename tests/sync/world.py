"""Computers for tests of the sync engine: a real clone, a real journal, a real remote each."""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gitsync import clock
from gitsync.git.repo import Mailbox
from gitsync.ledger.journal import Journal
from gitsync.ledger.values import Op, message_op
from gitsync.protocol.blocks import Block, parse
from gitsync.protocol.identity import Machine
from gitsync.protocol.message import Message
from gitsync.protocol.status import Status
from gitsync.sync.engine import CycleResult, Engine, Facts, Request
from gitsync.sync.faults import FaultPoint, nothing
from gitsync.sync.settings import SyncSettings
from tests.remotes import Person, Remote, run_git

_SECONDS = itertools.count()


def message(sender: str, to: str, body: str = "hello") -> Message:
    """Make a message with an id of its own."""
    return Message(id=clock.new_id(), sender=sender, to=(to,), subject="A word", body=body, date="2026-11-20T06:45:00Z")


def ids(data: bytes) -> list[str]:
    """Give the ids of the blocks in a file, in order."""
    return [segment.id for segment in parse(data) if isinstance(segment, Block)]


@dataclass
class Computer:
    """One machine: its folder, and the engine when it runs."""

    name: str
    folder: Path
    settings: SyncSettings
    remote: Remote
    status: Callable[[], Status | None] = lambda: None
    finals: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    fault: FaultPoint = nothing
    tips: list[str] = field(default_factory=list)
    mailbox: Mailbox = field(init=False)
    journal: Journal = field(init=False)
    engine: Engine = field(init=False)

    def start(self) -> Computer:
        """Open everything, as a process that starts does."""
        self.mailbox = Mailbox(self.folder, self.settings.branch, network_timeout=self.settings.network_timeout)
        self.journal = Journal(self.folder / ".git" / "gitsync" / "journal.sqlite3")
        self.engine = Engine(
            self.mailbox,
            self.journal,
            self.settings,
            Machine(self.name),
            facts=Facts(
                final=self.finals.__contains__,
                untouched=lambda ident: ident not in self.touched,
                status=self._status,
            ),
            on_tip=self._tip,
            fault=self._pass,
        )
        return self

    def _status(self) -> Status | None:
        return self.status()

    def _pass(self, point: str) -> None:
        self.fault(point)

    def _tip(self, tip: str) -> int:
        self.tips.append(tip)
        return 0

    def stop(self) -> None:
        """Close everything."""
        self.mailbox.close()
        self.journal.close()

    def restart(self) -> None:
        """Be a new process on the same clone."""
        self.stop()
        self.start()

    def cycle(self, **request: bool) -> CycleResult:
        """Run one cycle."""
        return self.engine.cycle(Request(**request))

    def die_at(self, point: str) -> None:
        """Run a cycle that is cut off at a point, as when the process is killed there."""

        def die(passed: str) -> None:
            if passed == point:
                raise SystemExit

        self.fault = die
        with pytest.raises(SystemExit):
            self.cycle()
        self.fault = nothing

    def sync(self, **request: bool) -> CycleResult:
        """Run one cycle as `gitsync sync` does, and insist that it went well."""
        result = self.cycle(settle_now=True, **request)
        assert result.state == "ok", result
        return result

    def send(self, to: str, body: str = "hello") -> str:
        """Queue a message; give its id."""
        sent = message(self.name, to, body)
        self.journal.enqueue(message_op(sent, to))
        return sent.id

    def queue(self, op: Op) -> None:
        """Queue any operation."""
        self.journal.enqueue(op)

    def read(self, path: str) -> bytes:
        """Read a file of the mailbox folder."""
        return (self.folder / path).read_bytes()

    def write(self, path: str, data: str | bytes) -> None:
        """Save a file as an editor does."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)

    def append(self, path: str, text: str) -> None:
        """Write a text at the end of a file."""
        file = self.folder / path
        self.write(path, (file.read_bytes() if file.exists() else b"") + text.encode())

    def files(self) -> dict[str, bytes]:
        """Read every file of the folder."""
        return {
            str(file.relative_to(self.folder)): file.read_bytes()
            for file in sorted(self.folder.rglob("*"))
            if ".git" not in file.relative_to(self.folder).parts and file.is_file() and not file.is_symlink()
        }

    def git(self, *args: str) -> str:
        """Run git in the folder, as a person does."""
        return run_git(*args, cwd=self.folder)

    @property
    def person(self) -> Person:
        """Be the person who works in this folder."""
        return Person(self.folder)


class World:
    """A remote with a mailbox branch, and the computers around it."""

    empty = Path("/nonexistent")

    def __init__(self, root: Path, remote: Remote) -> None:
        self.root = root
        self.remote = remote
        self.computers: list[Computer] = []

    def seed(self, files: dict[str, str | bytes | None] | None = None) -> None:
        """Begin the branch with some files, pushed by a person."""
        person = self.person()
        person.switch("coordination")
        person.commit(files or {"README.md": "# Mailbox\n\nProtocol: 1\n"}, "begin")
        person.push()

    def template(self) -> Path:
        """Give an empty clone to copy: one process instead of two for each computer."""
        if not World.empty.is_dir():
            World.empty = Path(tempfile.mkdtemp(prefix="gitsync-template-")) / "clone"
            atexit.register(shutil.rmtree, World.empty.parent)
            run_git("init", "-q", "-b", "coordination", World.empty)
        return World.empty

    def person(self) -> Person:
        """Give a person with a clone of their own."""
        person = Person.clone(self.remote.url, self.root / f"person{next(_SECONDS)}")
        if "refs/heads/coordination" in self.remote.refs():
            person.switch("coordination")
        return person

    def computer(self, name: str, **settings: object) -> Computer:
        """Set up a machine and start it."""
        folder = self.root / f"computer-{name}-{next(_SECONDS)}"
        template = self.template()
        shutil.copytree(template, folder)
        with (folder / ".git/config").open("a") as config:
            config.write(f'[remote "origin"]\n\turl = {self.remote.url}\n')
            config.write("\tfetch = +refs/heads/*:refs/remotes/origin/*\n")
        computer = Computer(name, folder, SyncSettings(**settings), self.remote)  # type: ignore[arg-type]
        self.computers.append(computer.start())
        return computer

    def settle(self, *, rounds: int = 4) -> None:
        """Let everybody sync until nothing moves."""
        for _ in range(rounds):
            results = [computer.sync() for computer in self.computers]
            if not any(result.changed for result in results):
                return
        raise AssertionError("still moving")

    def close(self) -> None:
        """End what the computers have started."""
        for computer in self.computers:
            computer.stop()

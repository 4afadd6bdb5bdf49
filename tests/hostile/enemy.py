"""Somebody who may push to the branch and writes git's objects by hand; and two honest machines that go on."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

from gitsync import inbox
from gitsync.ledger.ledger import Ledger
from gitsync.protocol.blocks import Block, parse
from tests.sync.world import Computer, World

FILE, EXECUTABLE, LINK, FOLDER, SUBMODULE = b"100644", b"100755", b"120000", b"40000", b"160000"
Entry = tuple[bytes, bytes, str]
"""Mode, name, object."""
BEGIN = "Enemy <enemy@example.invalid> 1763600000 +0000"


class Enemy:
    """Write objects into the remote behind git's back, which checks nothing by default."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.git = ["git", "-C", str(world.remote.path)]

    def write(self, kind: str, data: bytes) -> str:
        """Put any object into the remote."""
        made = subprocess.run(
            [*self.git, "hash-object", "-t", kind, "-w", "--literally", "--stdin"],
            input=data, capture_output=True, check=True,
        )  # fmt: skip
        return made.stdout.decode().strip()

    def tree(self, *entries: Entry) -> str:
        """Put a tree into the remote, in the order given."""
        return self.write(
            "tree", b"".join(b"%s %s\0%s" % (mode, name, bytes.fromhex(sha)) for mode, name, sha in entries)
        )

    def nested(self, files: dict[bytes, bytes | Entry]) -> list[Entry]:
        """Put files below folders; give the entries of the top."""
        below: dict[bytes, dict[bytes, bytes | Entry]] = {}
        entries: list[Entry] = []
        for path, content in files.items():
            name, slash, rest = path.partition(b"/")
            if slash:
                below.setdefault(name, {})[rest] = content
            elif isinstance(content, bytes):
                entries.append((FILE, name, self.write("blob", content)))
            else:
                entries.append(content)
        entries += [(FOLDER, name, self.tree(*self.nested(inside))) for name, inside in below.items()]
        return sorted(entries, key=lambda entry: entry[1] + b"/" if entry[0] == FOLDER else entry[1])

    def push(self, *entries: Entry, **files: bytes) -> str:
        """Put a commit on the branch: what was there at the top, and these entries over it."""
        del files
        named = {name for _, name, _ in entries}
        old = [entry for entry in self._top() if entry[1] not in named]
        both = sorted([*old, *entries], key=lambda entry: entry[1] + b"/" if entry[0] == FOLDER else entry[1])
        return self.commit(self.tree(*both))

    def add(self, files: dict[bytes, bytes | Entry]) -> str:
        """Put a commit with more files on the branch, which may be named anything."""
        return self.push(*self.nested(files))

    def commit(self, tree: str, head: bytes | None = None, message: bytes = b"odd\n") -> str:
        """Put a commit on the branch, its head written by hand if given (after the lines tree and parent)."""
        who = head or f"author {BEGIN}\ncommitter {BEGIN}".encode()
        data = b"tree %s\nparent %s\n%s\n\n%s" % (tree.encode(), (self.world.remote.tip() or "").encode(), who, message)
        sha = self.write("commit", data)
        self.world.remote.git("update-ref", "refs/heads/coordination", sha)
        return sha

    @property
    def top(self) -> str:
        """The tree of the branch."""
        return self.world.remote.git("rev-parse", "coordination^{tree}").strip()

    def _top(self) -> list[Entry]:
        rows = self.world.remote.git("ls-tree", "-z", "coordination").split("\0")[:-1]
        split = [(row.partition("\t")[0].split(), row.partition("\t")[2]) for row in rows]
        return [
            (head[0].lstrip("0").encode(), name.encode("utf-8", "surrogateescape"), head[2]) for head, name in split
        ]


class Reader:
    """A machine of the engine together with its inbox."""

    def __init__(self, computer: Computer) -> None:
        self.computer = computer
        self.computer.journal.set_meta("born", "2026-11-19T00:00:00Z")
        self.ledger = Ledger(computer.folder / ".git" / "gitsync" / "ledger.sqlite3")
        self.troubles: dict[str, str] = {}

    def go(self) -> None:
        """Sync, read what came, and note everything that is reported."""
        for _ in range(2):  # what arrives is reported when it is looked at
            for trouble in self.computer.sync().troubles:
                self.troubles[trouble.path] = trouble.text
        tip = self.computer.mailbox.ref(self.computer.mailbox.local_ref)
        assert tip is not None
        read = inbox.ingest(self.computer.mailbox, self.ledger, self.computer.journal, self.computer.name, tip)
        for problem in read.problems:
            self.troubles[problem.path] = f"{problem.rule}: {problem.text}"

    def handed(self) -> list[str]:
        """The ids of what an agent would get now."""
        return [each.message.id for each in inbox.candidates(self.ledger, self.computer.journal, self.computer.name)]

    def entries(self) -> list[dict[str, Any]]:
        """What `gitsync inbox` lists."""
        return inbox.inbox_view(self.ledger, self.computer.journal, self.computer.name)


class Town:
    """Two honest machines and an enemy."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.enemy = Enemy(world)
        self.one, self.two = (Reader(world.computer(name)) for name in ("1", "2"))
        self.canary = world.root / "canary"
        self.canary.write_text("alive\n")
        for reader in (self.one, self.two):
            reader.computer.sync()
        self._before = self._outside()

    def close(self) -> None:
        for reader in (self.one, self.two):
            reader.ledger.close()
        self.world.close()
        # Python's own way to remove a folder fails on a thousand below each other, and so would pytest.
        subprocess.run(["rm", "-rf", *(reader.computer.folder for reader in (self.one, self.two))], check=True)

    def settle(self) -> None:
        """Let both machines take what is on the branch."""
        for reader in (self.two, self.one):
            reader.go()

    def goes_on(self) -> None:
        """Both machines take the branch as it is; a message of each reaches the other; nothing else has changed."""
        self.settle()
        sent = self.one.computer.send("2"), self.two.computer.send("1")
        for reader in (self.one, self.two, self.one):
            reader.go()
        assert sent[0] in self.two.handed()
        assert sent[1] in self.one.handed()
        assert sent[0] in ids_of(self.world.remote.read("messages/1_TO_2.md"))
        self.untouched()

    def untouched(self) -> None:
        """Nothing outside the mailbox folders has changed, nor the settings of their repositories."""
        assert self._outside() == self._before

    def _outside(self) -> dict[str, str]:
        found = {}
        mailboxes = [
            bytes(reader.computer.folder.relative_to(self.world.root)) + b"/" for reader in (self.one, self.two)
        ]
        for name in sorted(_below(self.world.root)):
            inside = next((name.removeprefix(box) for box in mailboxes if name.startswith(box)), None)
            if inside is not None and inside not in (b".git/config", b".git/info/attributes"):
                if not inside.startswith(b".git/hooks/"):
                    continue
            elif name.startswith(b"person"):
                continue
            file = self.world.root / os.fsdecode(name)
            found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "folder"
        return found


def ids_of(data: bytes) -> list[str]:
    """Give the ids of the messages in a file."""
    return [segment.id for segment in parse(data) if isinstance(segment, Block)]


def block(ident: str, text: str, **fields: str) -> bytes:
    """Write a message by hand."""
    head = "".join(f"- **{name}:** {value}\n" for name, value in fields.items())
    return f"<!-- msg {ident} -->\n## {text}\n\n{head}\n{text}\n<!-- /msg -->\n".encode()


def names_below(folder: Path) -> set[bytes]:
    """Give every name below a mailbox folder but git's own."""
    return {name for name in _below(folder) if name != b".git" and not name.startswith(b".git/")}


def _below(folder: Path) -> set[bytes]:
    """Give every name below a folder, however deep."""
    found: set[bytes] = set()
    todo = [b""]
    while todo:
        where = todo.pop()
        with os.scandir(os.path.join(bytes(folder), where)) as entries:
            for entry in entries:
                name = os.path.join(where, entry.name)
                found.add(name)
                if entry.is_dir(follow_symlinks=False):
                    todo.append(name)
    return found

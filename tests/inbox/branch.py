"""A mailbox branch that a test writes commit by commit, in process, with the real git objects."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitsync.git.repo import Entry, Mailbox, Person
from gitsync.protocol import commits, edit
from gitsync.protocol.ids import make_ulid
from gitsync.protocol.message import Message, write
from gitsync.protocol.paths import messages_path, receipts_path
from gitsync.protocol.receipts import Receipt, lines

EPOCH = 1_795_000_000


class Branch:
    """Build the history; `files` is what the tip holds."""

    def __init__(self, path: Path) -> None:
        subprocess.run(["git", "init", "-q", "-b", "coordination", str(path)], check=True)
        self.mailbox = Mailbox(path, "coordination")
        self.files: dict[str, bytes] = {}
        self.tip = ""
        self.tree: str | None = None
        self.count = 0

    def new_id(self) -> str:
        """Make ids that differ and sort in order."""
        self.count += 1
        return make_ulid((EPOCH + self.count) * 1000, self.count.to_bytes(10, "big"))

    def commit(
        self,
        changes: Mapping[str, bytes | Entry | None],
        message: str = "by hand",
        *,
        parents: Sequence[str] | None = None,
        tree: str | None = None,
    ) -> str:
        """Commit changed files (None: deleted) on the tip."""
        self.count += 1
        stored = {
            path: self.mailbox.write_blob(data) if isinstance(data, bytes) else data for path, data in changes.items()
        }
        for path, data in changes.items():
            if isinstance(data, bytes):
                self.files[path] = data
            else:
                self.files.pop(path, None)
        self.tree = self.mailbox.write_tree(tree or self.tree, stored)
        person = Person("somebody", "somebody@example.invalid", EPOCH + self.count)
        above = parents if parents is not None else [self.tip] if self.tip else []
        self.tip = self.mailbox.write_commit(self.tree, above, message, person, person)
        self.mailbox.settle()
        return self.tip

    def message(self, sender: str, to: str, subject: str = "Hello", body: str = "", **more: object) -> Message:
        """Make a message without sending it."""
        ident = self.new_id()
        values = {"id": ident, "sender": sender, "to": (to,), "subject": subject, "body": body, **more}
        return Message(date="2026-11-20T06:45:00Z", **values)  # type: ignore[arg-type]

    def send(self, sender: str, to: str, subject: str = "Hello", body: str = "", **more: object) -> Message:
        """Commit a message as the sender's gitsync does."""
        message = self.message(sender, to, subject, body, **more)
        machine, recipient = sender.partition("/")[0], message.to[0].partition("/")[0]
        path = messages_path(machine, recipient)
        self.commit(
            {path: edit.append(self.files.get(path), write(message))},
            commits.compose(machine, messages=[(message.id, recipient)]),
        )
        return message

    def receipt(self, machine: str, message: Message, outcome: str, **more: object) -> Receipt:
        """Commit a receipt as the recipient's gitsync does."""
        self.count += 1
        receipt = Receipt(
            date=f"2026-11-20T07:{self.count % 60:02}:00Z",
            id=message.id,
            sender=message.sender.partition("/")[0],
            outcome=outcome,
            **{"agent": "", **more},  # type: ignore[arg-type]
        )
        path = receipts_path(machine, "2026-11")
        data = self.files.get(path, b"# Receipts\n\n") + lines([receipt])
        self.commit({path: data}, commits.compose(machine, receipts=1))
        return receipt

    def write(self, path: str, text: str, message: str = "by hand") -> str:
        """Commit a file as a person does."""
        return self.commit({path: text.encode()}, message)

    def archive(self, path: str, to: str, *, count: int) -> None:
        """Move the oldest blocks to the archive in one commit, as rotation does."""
        from gitsync.protocol.blocks import Block, parse

        segments = parse(self.files[path])
        blocks = [segment for segment in segments if isinstance(segment, Block)][:count]
        kept = b"".join(segment.raw for segment in segments if segment not in blocks)
        moved = self.files.get(to, b"") + b"".join(block.raw for block in blocks)
        self.commit({path: kept, to: moved}, commits.compose("1", archived=count))

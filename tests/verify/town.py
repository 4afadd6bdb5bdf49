"""A branch that three signers and whoever can push write to, and machine 2, which reads it and acts on it.

Everything is real: git objects, signatures, journal, ledger, dispatcher, an agent that is a process and keeps a log of
its own. Only the remote is played: what a test commits is what was fetched.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gitsync.agents.opening import open_agents
from gitsync.agents.spec import AgentSpec
from gitsync.dispatch.claims import Claim
from gitsync.dispatch.decide import Leave, decide
from gitsync.dispatch.dispatcher import Dispatcher
from gitsync.dispatch.settings import DispatchSettings
from gitsync.inbox import Envelope, Ingest, candidates, ingest, release, show_view
from gitsync.inbox.trust import Trust
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import receipt_of
from gitsync.protocol import commits, edit
from gitsync.protocol.identity import Machine
from gitsync.protocol.message import Message, write
from gitsync.protocol.paths import messages_path, receipts_path
from gitsync.protocol.receipts import Receipt, line, signed_line
from gitsync.signing import sshsig
from gitsync.signing.commits import sign_commit
from gitsync.signing.keys import PrivateKey
from gitsync.signing.payload import receipt_payload
from gitsync.signing.signer import Signer
from gitsync.signing.signers import MACHINE, PERSON, new_line
from gitsync.signing.store import KeyStore
from gitsync.verifying import Demand, Rules
from tests.inbox.branch import Branch

NOW = "2026-11-20T06:45:00Z"
LOGGED = "import json,sys; d=json.load(sys.stdin); print(json.dumps(d), file=open({file!r}, 'a'))"


class Town:
    """Machine 2 and the branch; `signer` makes keys for the others."""

    def __init__(self, root: Path, level: str = "require") -> None:
        self.root = root
        self.branch = Branch(root / "mailbox")
        self.rules = Rules(level)
        self.journal = Journal(root / "journal.sqlite3")
        self.journal.set_meta("born", NOW)
        self.ledger = Ledger(root / "ledger.sqlite3")
        self.store = KeyStore(self._folder("keys-2"), "2")
        self.store.create(b"2" * 36, NOW)
        self.trust_book = Trust(self.store)
        self.log = root / "worker.log"
        self.worker = AgentSpec(
            name="worker",
            kind="command",
            argv=(sys.executable, "-S", "-c", LOGGED.format(file=str(self.log))),
            default=True,
        )
        self.claimed: list[str] = []
        self.answer: Claim = "won"

    def close(self) -> None:
        self.ledger.close()
        self.journal.close()
        self.branch.mailbox.close()

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(mode=0o700)
        return folder

    # keys

    @staticmethod
    def key(name: str) -> PrivateKey:
        """Give the key of that name; the same each time."""
        return PrivateKey.of_seed(name.encode().ljust(32, b".")[:32])

    def trust(self, who: str, key: PrivateKey, namespaces: str = MACHINE) -> None:
        """Say on machine 2 that a key is somebody's."""
        self.store.trust(new_line(who, key.public, namespaces), NOW)

    def trust_person(self, who: str, key: PrivateKey) -> None:
        self.trust(who, key, PERSON)

    # the branch

    def block(self, message: Message, key: PrivateKey | None, *, as_: str = "", to: str = "") -> bytes:
        """Write a block, signed as the gitsync of its sender does."""
        block = write(message)
        if key is None:
            return block
        signer = Signer(_Holding(key, as_ or message.sender.partition("/")[0]))  # type: ignore[arg-type]
        return signer.message(block, to or message.to[0])

    def put(self, path: str, data: bytes, machine: str = "1", ids: Sequence[tuple[str, str]] = ()) -> str:
        """Commit a block at the end of a file."""
        return self.branch.commit(
            {path: edit.append(self.branch.files.get(path), data)}, commits.compose(machine, messages=list(ids))
        )

    def send(self, sender: str, to: str, key: PrivateKey | None, subject: str = "Hello", **more: Any) -> Message:
        """Send a message as that machine's gitsync does, signed with this key; None: by hand of whoever can push."""
        message = self.branch.message(sender, to, subject, **more)
        machine, recipient = sender.partition("/")[0], message.to[0].partition("/")[0]
        self.put(messages_path(machine, recipient), self.block(message, key), machine, [(message.id, recipient)])
        return message

    def receipt(self, machine: str, message: Message, outcome: str, key: PrivateKey | None) -> None:
        """Write a receipt into a machine's file."""
        self.branch.count += 1
        said = Receipt(
            date=f"2026-11-20T07:{self.branch.count % 60:02}:00Z",
            id=message.id,
            sender=message.sender.partition("/")[0],
            agent="",
            outcome=outcome,
        )
        text = line(said)
        if key is not None:
            payload = receipt_payload(machine, text)
            text = signed_line(text, sshsig.to_text(sshsig.sign(key, sshsig.RECEIPT, payload)))
        path = receipts_path(machine, "2026-11")
        data = self.branch.files.get(path, b"# Receipts\n\n") + text.encode() + b"\n"
        self.branch.commit({path: data}, commits.compose(machine, receipts=1))

    def by_hand(self, path: str, data: bytes, key: PrivateKey | None) -> str:
        """Commit a file as a person does, with a signed commit where there is a key."""
        made = self.branch.mailbox.write_commit
        if key is None:
            return self.branch.commit({path: data})
        self.branch.mailbox.write_commit = (  # type: ignore[method-assign]
            lambda *args, **more: made(*args, **more, sign=lambda raw: sign_commit(key, raw))
        )
        try:
            return self.branch.commit({path: data})
        finally:
            self.branch.mailbox.write_commit = made  # type: ignore[method-assign]

    # machine 2

    def read(self) -> Ingest:
        """Do what a cycle does after a fetch: also when nothing came, trust may have changed."""
        book = self.trust_book.book(self.rules)
        self.ledger.rules = self.rules
        return ingest(self.branch.mailbox, self.ledger, self.journal, "2", self.branch.tip, book=book)

    def forget_ledger(self) -> None:
        """Lose the cache."""
        self.ledger.close()
        for file in self.root.glob("ledger.sqlite3*"):
            file.unlink()
        self.ledger = Ledger(self.root / "ledger.sqlite3")

    def facts(self) -> dict[str, tuple[object, ...]]:
        """Give what the ledger knows that must not depend on how it came to know it."""
        rows = self.ledger.newest(limit=10_000)
        return {r.key: (r.standing, r.evidence, r.content, r.open, r.contested, r.message.body) for r in rows}

    def rebuilt_is_the_same(self) -> None:
        self.read()
        before = self.facts()
        self.forget_ledger()
        self.read()
        assert self.facts() == before

    def waiting(self) -> list[Envelope]:
        return candidates(self.ledger, self.journal, "2")

    def left(self, message: Message) -> str:
        """Say why a message is left alone; fail where it is not."""
        (envelope,) = [one for one in self.waiting() if one.message.id == message.id]
        decided = decide(envelope, "", {"worker": self.worker}, self._settings(), 0)
        assert isinstance(decided, Leave), decided
        return decided.reason

    def show(self, message: Message) -> dict[str, Any]:
        return show_view(self.ledger, self.journal, "2", message.id)

    def standing(self, message: Message) -> str:
        (row,) = [row for row in self.ledger.message(message.id) if row.to in ("2", "ALL", "ANY", "")]
        return row.standing

    def let_go(self, message: Message) -> None:
        release(self.ledger, self.journal, "2", message.id)

    def require_only_of(self, sender: str) -> None:
        self.rules = Rules(demands=(Demand(sender, "require"),))

    def _settings(self) -> DispatchSettings:
        quick: dict[str, Any] = {"backoff": 0.05, "claim_wait": (0.0, 0.01), "claim_wait_worse": (0.0, 0.01)}
        return DispatchSettings(machine=Machine("2", "The Builder"), rules=self.rules, **quick)

    def act(self, *specs: AgentSpec) -> None:
        """Read, and let the dispatcher do what is to be done, to its end; then its receipts land."""
        self.read()
        asyncio.run(self._act(specs or (self.worker,)))
        self.land()

    async def _act(self, specs: Sequence[AgentSpec]) -> None:
        agents = open_agents(specs, self.root)
        dispatcher = Dispatcher(
            self.journal,
            self.ledger,
            agents,
            self._settings(),
            self.waiting,
            claim=self._claim,
            release=self._release,
            refresh=None,
            changed=lambda: None,
            allowed=lambda: True,
        )
        await dispatcher.recover()
        try:
            for _ in range(4):  # a claim is won a moment after it was asked for
                await dispatcher.consider()
                await asyncio.sleep(0.03)
                await self._until(lambda: not any(dispatcher.busy().values()))
        finally:
            await dispatcher.drain(5)
            for agent in agents.values():
                await agent.close()

    async def _until(self, holds: Callable[[], bool]) -> None:
        for _ in range(2000):
            if holds():
                return
            await asyncio.sleep(0.005)
        raise AssertionError("it did not end")

    async def _claim(self, ident: str) -> Claim:
        self.claimed.append(ident)
        return self.answer

    async def _release(self, ident: str) -> None:
        return None

    def land(self) -> None:
        """Bring the receipts of machine 2 to the branch, signed with its key."""
        for op in self.journal.pending():
            if op.kind == "receipt":
                said = replace(receipt_of(op), reason="")
                self._own_receipt(said)
        self.journal.landed([op.seq for op in self.journal.pending()], "landed")
        self.read()

    def _own_receipt(self, said: Receipt) -> None:
        text = line(said)
        key = self.store.private()
        assert key is not None
        signature = sshsig.to_text(sshsig.sign(key, sshsig.RECEIPT, receipt_payload("2", text)))
        path = receipts_path("2", "2026-11")
        data = self.branch.files.get(path, b"# Receipts\n\n") + signed_line(text, signature).encode() + b"\n"
        self.branch.commit({path: data}, commits.compose("2", receipts=1))

    def given(self) -> list[dict[str, Any]]:
        """Give what the agent was called with, by its own log."""
        if not self.log.exists():
            return []
        return [json.loads(text) for text in self.log.read_text("utf-8").splitlines()]

    def given_ids(self) -> list[str]:
        return [one["id"] for one in self.given()]

    def states(self, message: Message) -> list[str]:
        return [intent.state for intent in self.journal.intents() if intent.message_id == message.id]


class _Holding:
    """A key store that holds one key; for the machines that the tests play."""

    def __init__(self, key: PrivateKey, machine: str) -> None:
        self._key = key
        self.machine = machine

    def private(self) -> PrivateKey:
        return self._key

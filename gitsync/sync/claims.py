"""Claims on messages to ANY: the remote decides who created the ref, exactly one wins (PROTOCOL 6)."""

from __future__ import annotations

import re
from collections.abc import Callable

from gitsync import clock
from gitsync.errors import AuthFailed, GitFailed, RemoteAway, TryLater
from gitsync.git.repo import Mailbox, Update
from gitsync.ledger.journal import Journal
from gitsync.protocol.identity import Machine
from gitsync.sync.values import Claim, author


class Claims:
    """Create and remove claim refs; the nonce commit is in the journal before it is pushed."""

    def __init__(
        self,
        mailbox: Mailbox,
        journal: Journal,
        machine: Machine,
        sign: Callable[[bytes], bytes] | None = None,
        doubt: Callable[[str, bytes], str] = lambda _machine, _commit: "",
    ) -> None:
        """Take what is needed; `doubt` says of a machine and the bytes of its claim why that does not count, or ''."""
        self._sign = sign
        self._doubt = doubt
        self._mailbox = mailbox
        self._journal = journal
        self.machine = machine

    def claim(self, message_id: str, install: str) -> Claim:
        """Try to become the one machine that executes a message; asking again after a win wins again."""
        ref = self._mailbox.claim_ref(message_id)
        key = f"claim:{message_id}"
        mine = self._journal.meta(key)
        if mine is None or not self._mailbox.has(mine):
            mine = self._nonce(message_id, install)
            self._journal.set_meta(key, mine)
        self._mailbox.pin(f"claim/{message_id}", mine)
        try:
            [answer] = self._mailbox.push([Update(ref, mine, "")])
            if answer.ok:
                return "won"
            if answer.kind == "refused":
                self._forget(message_id)
                return "unsupported"
            holder = self._mailbox.fetch().claims.get(message_id)
        except (RemoteAway, AuthFailed, GitFailed):
            return "away"  # the nonce stays, so a claim that did arrive is known as ours later
        if holder == mine:
            return "won"
        if holder is None:
            return "away"  # released between push and fetch: whoever asks again may win
        self._forget(message_id)
        if why := self._doubtful(message_id, holder):
            self._journal.doubt_claim(message_id, why)
            return "unproven"
        return "lost"

    def release(self, message_id: str) -> None:
        """Remove our claim after the final receipt; raises RemoteAway when it has to be tried again."""
        key = f"claim:{message_id}"
        mine = self._journal.meta(key)
        if mine is None:
            return
        self._mailbox.push([Update(self._mailbox.claim_ref(message_id), None, mine)])
        self._forget(message_id)

    def free(self, message_id: str) -> str | None:
        """Remove another machine's claim, because a person says that it is gone; name it, None where there is none.

        Raises RemoteAway or AuthFailed, and TryLater where somebody else was at the claim at that moment.
        """
        holder = self._mailbox.fetch().claims.get(message_id)
        if holder is None or holder == self._journal.meta(f"claim:{message_id}"):
            return None
        who = re.search(r"^Machine: (\S+)$", self._mailbox.commit(holder).message, re.MULTILINE)
        [answer] = self._mailbox.push([Update(self._mailbox.claim_ref(message_id), None, holder)])
        if not answer.ok:
            raise TryLater(f"the claim on {message_id} cannot be removed", answer.text, "look again: gitsync show")
        return who[1] if who is not None else "another machine"

    def _doubtful(self, message_id: str, holder: str) -> str:
        """Say why another machine's claim does not count here; a claim on another message counts for nobody."""
        commit = self._mailbox.commit(holder)
        who = re.search(r"^Machine: (\S+)$", commit.message, re.MULTILINE)
        machine = who[1] if who is not None else ""
        raw = self._mailbox.raw_commit(holder)
        if commit.message.partition("\n")[0].strip() != f"claim {message_id}":
            raw = b""
        return self._doubt(machine, raw)

    def _nonce(self, message_id: str, install: str) -> str:
        person = author(self.machine, clock.unix())
        note = f"claim {message_id}\n\nMachine: {self.machine.id}\nInstall: {install}\nNonce: {clock.new_id()}\n"
        return self._mailbox.write_commit(self._mailbox.write_tree(None, {}), [], note, person, person, sign=self._sign)

    def _forget(self, message_id: str) -> None:
        self._journal.set_meta(f"claim:{message_id}", None)
        pinned = f"refs/gitsync/local/claim/{message_id}"
        if (sha := self._mailbox.ref(pinned)) is not None:
            self._mailbox.delete_ref(pinned, sha)

"""Win or lose the messages to ANY: one machine of the fleet executes each (PROTOCOL 6)."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Literal

from gitsync import clock
from gitsync.dispatch.decide import Envelope
from gitsync.dispatch.papers import receipt
from gitsync.dispatch.settings import DispatchSettings
from gitsync.errors import GitsyncError
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger

Claim = Literal["won", "lost", "unproven", "unsupported", "away"]
"""`unproven`: somebody else holds it by a claim that does not count here; a person decides."""

_META = "claims"
_AGAIN = (5.0, 10.0)


class Claims:
    """Know which messages to ANY are being claimed, are ours, or are somebody else's.

    What is ours is a fact in the journal until the claim's ref is removed, so that a restart removes it too.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        settings: DispatchSettings,
        claim: Callable[[str], Awaitable[Claim]],
        release: Callable[[str], Awaitable[object]] | None,
        changed: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._settings = settings
        self._claim = claim
        self._release = release
        self._changed = changed
        self._won: set[str] = set()
        self._elsewhere: set[str] = set()
        self._by_line: set[str] = set()
        self._again: dict[str, float] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._held: dict[str, str] = dict(json.loads(journal.meta(_META) or "{}"))

    def won(self, envelope: Envelope) -> bool:
        """Say whether this machine executes it."""
        return envelope.key in self._won

    def pursue(self, envelope: Envelope, fits: bool, then: Callable[[], None]) -> None:
        """Claim a message after a little while, unless that is under way or decided; call `then` when it is."""
        key = envelope.key
        if key in self._won or key in self._elsewhere or key in self._tasks:
            return
        if self._again.get(key, 0.0) > clock.monotonic():
            return
        if key in self._by_line:
            if self._first_line(envelope):
                then()
            return
        task = asyncio.create_task(self._pursue(envelope, fits, then))
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    def next_wake(self) -> float | None:
        """Return when an unanswered claim is worth another try (seconds from now)."""
        due = min(self._again.values(), default=None)
        return None if due is None else max(0.1, due - clock.monotonic())

    async def let_go(self, open_keys: set[str]) -> None:
        """Remove the claims whose final receipt has reached the branch, and forget what is no longer open."""
        for memory in (self._elsewhere, self._won, self._by_line):
            memory &= open_keys | set(self._held)
        if not self._held:
            return
        waiting = {op.ident for op in await asyncio.to_thread(self._journal.pending) if op.kind == "receipt"}
        for key, ident in list(self._held.items()):
            if ident in waiting or not await asyncio.to_thread(self._finished, key, key in open_keys):
                continue
            if not await self._remove(key, ident):
                return  # the remote is away; the claims stand until it is back

    async def give_up(self, envelope: Envelope) -> None:
        """Leave a message to whoever executed it before this machine's claim."""
        self._won.discard(envelope.key)
        self._elsewhere.add(envelope.key)
        await self._remove(envelope.key, envelope.message.id)

    async def _remove(self, key: str, ident: str) -> bool:
        if key not in self._held:
            return True
        if self._release is not None:
            try:
                await self._release(ident)
            except GitsyncError:
                return False
        del self._held[key]
        self._won.discard(key)
        await asyncio.to_thread(self._remember)
        return True

    async def stop(self) -> None:
        """Stop claiming; what is won stays won."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pursue(self, envelope: Envelope, fits: bool, then: Callable[[], None]) -> None:
        worse = not fits or envelope.sender == self._settings.machine.id
        await asyncio.sleep(clock.jitter(*(self._settings.claim_wait_worse if worse else self._settings.claim_wait)))
        try:
            answer = await self._claim(envelope.message.id)
        except GitsyncError:
            answer = "away"
        key = envelope.key
        self._again.pop(key, None)
        if answer == "won":
            self._held[key] = envelope.message.id
            await asyncio.to_thread(self._remember)
            await asyncio.to_thread(self._journal.enqueue_many, receipt(envelope, "", "claimed", clock.stamp()))
            self._won.add(key)
        elif answer == "lost":
            self._elsewhere.add(key)
        elif answer == "unsupported" and not self._first_line(envelope):
            ops = receipt(envelope, "", "claimed", clock.stamp())
            # The line decides, so here it must travel by itself.
            await asyncio.to_thread(self._journal.enqueue_many, [dataclasses.replace(op, urgent=True) for op in ops])
            self._by_line.add(key)
            self._changed()
        elif answer == "away":
            self._again[key] = clock.monotonic() + clock.jitter(*_AGAIN)
        then()

    def _first_line(self, envelope: Envelope) -> bool:
        """Where the host takes no claim refs, the first `claimed` line on the branch decides."""
        for told in self._ledger.receipts(envelope.message.id, envelope.sender):
            if told.receipt.outcome == "claimed":
                ours = told.machine == self._settings.machine.id
                (self._won if ours else self._elsewhere).add(envelope.key)
                self._by_line.discard(envelope.key)
                return True
        return False

    def _finished(self, key: str, still_open: bool) -> bool:
        """Say whether a claim has done its work: here, or elsewhere before we asked for what was free again."""
        intents = self._journal.intents_for([key]).get(key, [])
        if not intents:
            return not still_open
        return any(intent.state in ("done", "failed", "refused", "dead") for intent in intents)

    def _remember(self) -> None:
        self._journal.set_meta(_META, json.dumps(self._held) if self._held else None)

"""Say in the journal what a limit keeps waiting, and hand over all the same what a person let go (Q4)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from gitsync import clock
from gitsync.balancing import choose
from gitsync.dispatch.books import Books
from gitsync.dispatch.lanes import Job, Lanes
from gitsync.dispatch.quota import Quota
from gitsync.dispatch.readiness import Readiness
from gitsync.ledger.journal import Journal


class Waits:
    """Know why messages wait for a limit, as the journal has it."""

    def __init__(self, journal: Journal, quota: Quota, lanes: Lanes, readiness: Readiness, books: Books) -> None:
        self._journal = journal
        self._quota = quota
        self._lanes = lanes
        self._readiness = readiness
        self._books = books
        self._known = {key: reason for key, (reason, _) in journal.waits().items()}

    async def look(self) -> None:
        """Learn what a person let go since."""
        if self._known:
            waits = await asyncio.to_thread(self._journal.waits)
            self._quota.passes = frozenset(key for key, (_, let_go) in waits.items() if let_go)

    def let_go(self) -> Iterator[tuple[Job, str]]:
        """Choose among what a person let go: it waits for room, and for no limit."""
        for key in sorted(self._quota.passes):
            for job in [job for job in self._lanes.of(key) if not job.running]:
                names = (job.agent,) if job.bound else job.choices
                loads = {name: replace(self._readiness.load(name), spent="") for name in names}
                agent = choose([name for name in names if loads[name].room], loads)
                if agent is not None:
                    yield job, agent

    async def note(self) -> None:
        """Keep in the journal what a limit keeps waiting, and why: mostly nothing."""
        found: dict[str, str] = {}
        passes = self._quota.passes
        if self._quota.bounds:
            now = clock.unix()
            for job in self._lanes:
                reason = "" if job.running or job.envelope.key in passes else self._reason(job, now)
                if reason:
                    found[job.envelope.key] = reason
        news = {key: reason for key, reason in found.items() if self._known.get(key) != reason}
        over = self._known.keys() - found.keys() - passes
        over |= {key for key in passes if not self._lanes.of(key)}
        if news or over:
            await self._books.note_waits(news, over)
        self._known = {**found, **{key: self._known.get(key, "") for key in self._quota.passes - over}}

    def _reason(self, job: Job, now: float) -> str:
        if job.attempt == 1 and (reason := self._quota.reason(job.envelope.sender, now)):
            return reason
        names = (job.agent,) if job.bound else job.choices
        spent = [self._quota.used_up(name, now) for name in names]
        return spent[0] if spent and all(spent) else ""

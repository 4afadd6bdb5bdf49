"""What this machine's page on the branch says of it; changes of agents are told only when they last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from gitsync import clock
from gitsync.config.settings import Settings
from gitsync.git.repo import Mailbox
from gitsync.protocol.paths import status_path
from gitsync.protocol.status import AgentRow, Status, read_status, same_but_time

AgentStates = Mapping[str, tuple[str, int]]
"""State and queue length of each agent, by name."""

HOLD = 60.0
"""Seconds an agent's new state must last before it is told to the fleet: a flapping agent must not write history."""


class Machine(Protocol):
    """The machine that a page tells of, as it is at each moment."""

    settings: Settings
    mailbox: Mailbox
    waiting: Callable[[], tuple[str, ...]]

    def shown_key(self) -> dict[str, str]:
        """Return what is said of its key."""


class Page:
    """What this machine's page says; changes of agents are told only when they last."""

    def __init__(self, machine: Machine, state: str | None, agents: Callable[[], AgentStates] | None) -> None:
        """Take what is told of; ``state`` None: the page is left alone."""
        self._machine = machine
        self._state = state
        self._agents = agents
        self._told: Status | None = None
        self._next: tuple[Status, float] | None = None

    def status(self) -> Status | None:
        """Return the status to publish, None to leave the page as it is."""
        if self._state is None:
            return None
        status = self._now(self._state)
        if status is None:
            return self._told
        if self._told is None:
            self._told = self._published(status) or status
            return self._told
        if _without_queues(status) == _without_queues(self._told):
            self._next = None
            return self._told
        moment = clock.monotonic()
        if self._next is None or _without_queues(self._next[0]) != _without_queues(status):
            self._next = (status, moment)
        called = status.blockers != self._told.blockers  # somebody is needed, or not any more: that is told at once
        called = called or status.key != self._told.key
        if called or moment - self._next[1] >= HOLD:
            self._told, self._next = status, None
        return self._told

    def _published(self, status: Status) -> Status | None:
        """Return what the page says now, if only the queues have changed since: that alone is worth no commit."""
        mailbox = self._machine.mailbox
        tip = mailbox.ref(mailbox.tracking_ref)
        entry = mailbox.lookup(mailbox.commit(tip).tree, status_path(status.id)) if tip is not None else None
        page = read_status(mailbox.blob(entry.sha)) if entry is not None else None
        if page is None:
            return None
        queues = {row.agent: row.queue for row in page.agents}
        same = replace(status, agents=tuple(replace(row, queue=queues.get(row.agent, 0)) for row in status.agents))
        return same if same_but_time(same, replace(page, install=None)) else None

    def _now(self, state: str) -> Status | None:
        settings = self._machine.settings
        states = self._agents() if self._agents is not None else {}
        rows = []
        for spec in settings.agents:
            agent_state, queue = states.get(spec.name, ("offline", 0))
            if agent_state == "starting" and not self._machine.waiting():
                return None  # the first health check decides; until then nothing is known that is worth a commit
            rows.append(AgentRow(spec.name, spec.kind, agent_state, spec.specialty, spec.types, queue))
        machine = settings.machine
        return Status(
            id=machine.id,
            name=machine.name,
            state=state,
            role=machine.role,
            agents=tuple(rows),
            capacity=(),
            blockers=self._machine.waiting(),
            **self._machine.shown_key(),
        )


def _without_queues(status: Status) -> Status:
    return replace(status, agents=tuple(replace(row, queue=0) for row in status.agents))

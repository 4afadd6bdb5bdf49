"""What the models of this machine may look at: threads and messages of the branch, and the fleet. Nothing is written.

What never leaves this machine is shown to a model only while it answers a message that does not leave it either: its
answer to another machine must not carry it away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gitsync.agents.base import Delivery
from gitsync.agents.claude.surroundings import Seen
from gitsync.documents import computers_document
from gitsync.ledger.values import Row, local_key
from gitsync.machine import Opened
from gitsync.protocol.message import Message
from gitsync.verifying import VERIFIED

FOUND = 20
"""Messages that a search gives at most."""


class Window:
    """Read the stores for a model; called on threads."""

    def __init__(self, opened: Opened, own_state: Callable[[], str]) -> None:
        self._opened = opened
        self._own_state = own_state

    def thread(self, delivery: Delivery) -> list[Seen]:
        """Give the thread of the message that is answered, oldest first."""
        name = delivery.thread or delivery.id
        found = [
            (row.commit_date, _seen(row.message, row.standing))
            for row in self._opened.ledger.thread(name)
            if _shown(row)
        ]
        if _stays(delivery):
            found += [(one.created, _seen(one.message, VERIFIED)) for one in self._opened.journal.locals(thread=name)]
        return [seen for _, seen in sorted(found, key=lambda pair: pair[0])]

    def search(self, words: str, delivery: Delivery) -> list[Seen]:
        """Find messages of the branch, best first."""
        return [_seen(row.message, row.standing) for row in self._opened.ledger.search(words, FOUND) if _shown(row)]

    def fleet(self) -> str:
        """Write the computers, one line each, and their agents below."""
        computers = computers_document(self._opened, self._own_state())
        return "\n".join(line for one in computers for line in _computer(one))


def _computer(one: Mapping[str, object]) -> list[str]:
    about = ", ".join(f"{key} {one[key]}" for key in ("name", "role", "last_seen") if one.get(key))
    lines = [f"{one['id']}: {one['state']}{', ' if about else ''}{about}"]
    agents = one.get("agents")
    for agent in agents if isinstance(agents, Sequence) and not isinstance(agents, str) else ():
        if isinstance(agent, Mapping):
            lines += ["  " + ", ".join(f"{key} {agent[key]}" for key in agent if agent[key] not in ("", None, []))]
    blockers = one.get("blockers")
    if isinstance(blockers, Sequence) and not isinstance(blockers, str):
        lines += [f"  blocked: {blocker}" for blocker in blockers]
    return lines


def _stays(delivery: Delivery) -> bool:
    return delivery.key.startswith(local_key(""))


def _shown(row: Row) -> bool:
    return not row.withdrawn and not row.quarantined


def _seen(message: Message, standing: str) -> Seen:
    return Seen(
        id=message.id,
        sender=message.sender,
        date=message.date,
        subject=message.subject,
        text=message.body,
        standing=standing,
    )

"""Adopt hand-written messages: which ones to wrap now, derived anew from the tip's text (PROTOCOL 4)."""

from __future__ import annotations

from collections.abc import Callable

from gitsync.git.repo import Mailbox
from gitsync.ledger.journal import Journal
from gitsync.protocol.blocks import content_hash
from gitsync.protocol.follow_up import followed
from gitsync.protocol.machine_name import machine_of, other_machine
from gitsync.protocol.paths import Place, classify
from gitsync.protocol.reader import Found
from gitsync.sync.contents import Contents


def forged(found: Found, place: Place) -> bool:
    """Say whether the text names another machine as its sender than its path does; a mere name is no machine."""
    return other_machine(found.sender, place.owner) is not None


def known_since(text: bytes, horizon: bytes) -> bool:
    """Say whether a hand-written message, or at least its head, was already there at the horizon."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    old = [line.rstrip() for line in horizon.splitlines() if line.strip()]
    head = lines[:4]
    if not head:
        return True
    return any(old[start : start + len(head)] == head for start in range(len(old) - len(head) + 1))


class Wraps:
    """Follow the trees of the branch and know which hand-written messages wait for their wrap."""

    def __init__(
        self,
        mailbox: Mailbox,
        journal: Journal,
        contents: Contents,
        *,
        machine: str,
        now: Callable[[], float],
        delay: Callable[[], float],
    ) -> None:
        self.machine = machine
        self._mailbox = mailbox
        self._journal = journal
        self._contents = contents
        self._now = now
        self._delay = delay
        self._tree: str | None = None
        self._found: dict[str, tuple[Found, ...]] = {}
        self._below: dict[str, dict[str, bytes]] = {}
        self._due: dict[tuple[str, str], float] = {}

    def follow(self, tree: str | None) -> None:
        """Look at what differs from the tree looked at last."""
        if tree == self._tree:
            return
        for change in self._mailbox.changed(self._tree, tree):
            self._found.pop(change.path, None)
            self._below.pop(change.path, None)
            if change.new is None or not change.new.is_file:
                continue
            place = classify(change.path)
            if place.kind not in ("messages", "status") or not self._concerns(place):
                continue
            if self._contents.refused(change.new.sha):
                continue
            found = tuple(
                message
                for message in self._contents.unwrapped(change.new.sha, change.path)
                if not message.draft and not forged(message, place) and self._ours_to_wrap(message, place)
            )
            new = tuple(m for m in found if not self._before_horizon(change.path, change.new.sha, m)) if found else ()
            if new:
                self._found[change.path] = new
            if place.kind == "messages" and (below := self._typed_below(change.path, change.new.sha)):
                self._below[change.path] = below
        self._tree = tree
        waiting = {(path, m.content) for path, messages in self._found.items() for m in messages}
        waiting |= {(path, _name(*item)) for path, below in self._below.items() for item in below.items()}
        for key in [key for key in self._due if key not in waiting]:
            del self._due[key]
        for path, content in waiting:
            own = classify(path).owner == self.machine
            self._due.setdefault((path, content), self._now() + (0.0 if own else self._delay()))

    def ready(self) -> dict[str, list[tuple[int, int]]]:
        """Give the spans to wrap now, by path, in file order."""
        now = self._now()
        spans: dict[str, list[tuple[int, int]]] = {}
        for path, messages in self._found.items():
            for message in messages:
                if self._due[path, message.content] <= now:
                    spans.setdefault(path, []).append((message.start, message.end))
        return spans

    def followed(self) -> dict[str, list[str]]:
        """Give the ids of adopted messages whose end lines may move behind the text below them now, by path."""
        now = self._now()
        found = {
            path: [ident for ident, text in below.items() if self._due[path, _name(ident, text)] <= now]
            for path, below in self._below.items()
        }
        return {path: ids for path, ids in found.items() if ids}

    def drop(self, path: str, ident: str) -> None:
        """Ask no more about the text below a message: it is somebody's work already; lint reports it."""
        text = self._below[path].pop(ident)
        self._due.pop((path, _name(ident, text)), None)

    def wait(self) -> float | None:
        """Give the seconds until the next wrap is due; None when none waits."""
        return max(0.0, min(self._due.values()) - self._now()) if self._due else None

    def _typed_below(self, path: str, blob: str) -> dict[str, bytes]:
        data = self._mailbox.blob(blob)
        old = self._at_horizon(path)
        return {ident: text for ident, text in followed(data).items() if old is None or not known_since(text, old)}

    def _concerns(self, place: Place) -> bool:
        if place.owner == self.machine or place.kind == "status":
            return True
        return place.to in (self.machine, "ALL", "ANY")

    def _ours_to_wrap(self, message: Found, place: Place) -> bool:
        if place.kind == "messages" or place.owner == self.machine:
            return True
        named = {machine_of(name) or name.lower() for name in message.to}
        return bool(named & {self.machine, "all", "any"})

    def _before_horizon(self, path: str, blob: str, message: Found) -> bool:
        old = self._at_horizon(path)
        return old is not None and known_since(self._mailbox.blob(blob)[message.start : message.end], old)

    def _at_horizon(self, path: str) -> bytes | None:
        """Give what a file held when this machine joined."""
        horizon = self._journal.meta("horizon")
        if not horizon or not self._mailbox.has(horizon):
            return None
        entry = self._mailbox.lookup(self._mailbox.commit(horizon).tree, path)
        return None if entry is None or not entry.is_file else self._mailbox.blob(entry.sha)


def _name(ident: str, text: bytes) -> str:
    return f"{ident} {content_hash(text)}"

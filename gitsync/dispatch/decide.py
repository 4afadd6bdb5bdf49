"""Decide what becomes of a message that has arrived; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gitsync.agents.spec import AgentSpec
from gitsync.dispatch.settings import DispatchSettings
from gitsync.ledger.values import ASKED_BY, Intent
from gitsync.protocol.message import PRIORITIES, Message
from gitsync.routing import INBOX, Route, route
from gitsync.verifying import contest, holds_back, objection

AUTO = "Auto"
REPLIED = "replied"


class Envelope(Protocol):
    """A message on its way to an agent, as the inbox gives it."""

    @property
    def key(self) -> str: ...
    @property
    def message(self) -> Message: ...
    @property
    def sender(self) -> str: ...
    @property
    def agents(self) -> Sequence[str]: ...
    @property
    def content(self) -> str: ...
    @property
    def local(self) -> bool: ...
    @property
    def claim(self) -> bool: ...
    @property
    def history(self) -> bool: ...
    @property
    def suspect(self) -> bool: ...
    @property
    def standing(self) -> str: ...
    @property
    def contested(self) -> str: ...
    @property
    def let_go(self) -> bool: ...
    @property
    def intents(self) -> Sequence[Intent]: ...


@dataclass(frozen=True, slots=True)
class Hand:
    """Give it to one of these agents, best first; `fits` is False where no route or agent names its type."""

    agents: tuple[str, ...]
    fits: bool = True


@dataclass(frozen=True, slots=True)
class Settle:
    """Give it to nobody: write this state, for this agent, with this reason.

    `doubted`: only because its sender is not verified, so that trust alone lets it go on.
    """

    agent: str
    state: str
    reason: str
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """Write nothing: it is not for this machine to decide."""

    reason: str


Decision = Hand | Settle | Leave


def automatic(message: Message) -> bool:
    """Say whether a message is an agent's reply, written without a person."""
    return any(name.lower() == AUTO.lower() and value.strip().lower() == REPLIED for name, value in message.fields)


def author(envelope: Envelope) -> str:
    """Return who wrote a message, as policies and limits name them; who asked for a task, not what carries it here."""
    if envelope.local:
        asked = next((value for name, value in envelope.message.fields if name == ASKED_BY), "")
        return asked or envelope.message.sender
    return envelope.message.sender


def decide(
    envelope: Envelope,
    target: str,
    specs: Mapping[str, AgentSpec],
    settings: DispatchSettings,
    auto_replies: int,
) -> Decision:
    """Decide about a new message and one of its targets; `auto_replies` counts those in its thread, itself included.

    D1  history                                       left alone
    D2  a reply that names no agent                   waits in the inbox: its reader is a person
    D3  no such agent, or the policy says no          refused; left to others when it is to ANY
    D4  nobody takes it                               waits in the inbox; left to others when it is to ANY
    D5  its agent pulls                               waits in that agent's inbox
    D6  perhaps handed over by a lost journal (I7)    uncertain, unless the agent is idempotent
    D7  an automatic reply, the thread's budget used  held: two agents must not talk for ever
    D8  its sender is not verified, as it must be     held, also before D2 to D5; left to others when it is to ANY
    D9  to ANY, and said to be done elsewhere in a    left alone until a person lets it go: perhaps it is true (I2)
        way that does not count
    D10 otherwise                                     handed over
    """
    message = envelope.message
    if envelope.history:
        return Leave("D1: older than this machine's horizon")
    if message.in_reply_to and not target and not envelope.claim and "ALL" not in message.to:
        return _doubted(envelope, INBOX, settings) or Settle(INBOX, "waiting", "D2: a reply to a person")
    found = route(
        target or None,
        message.type,
        list(specs.values()),
        settings.routes,
        settings.policies,
        envelope.sender,
        sender=author(envelope),
        text=f"{message.subject}\n{message.body}",
    )
    if found.refused is not None:
        if envelope.claim:
            return Leave(f"D3: {found.refused}")
        # A refusal is final and signed: by an unsigned copy under the id of other work it would be made to end that.
        return _doubted(envelope, target, settings) or Settle(target, "refused", found.refused)
    if not found.agents:
        if envelope.claim:
            return Leave("D4: nobody here takes it")
        return _doubted(envelope, INBOX, settings) or Settle(INBOX, "waiting", found.reason)
    first = specs[found.agents[0]]
    if first.kind == "inbox" and not envelope.claim:
        return _doubted(envelope, first.name, settings) or Settle(first.name, "waiting", found.reason)
    if envelope.suspect and not _harmless(first):
        return Settle(first.name, "uncertain", "the journal was lost: it may have been handed over before")
    if automatic(message) and auto_replies >= settings.turn_budget:
        return Settle(first.name, "held", f"turn budget: {auto_replies} automatic replies in this thread")
    able = found.agents if not envelope.suspect else tuple(name for name in found.agents if _harmless(specs[name]))
    doubts = {name: held for name in able if (held := _doubted(envelope, name, settings)) is not None}
    able = tuple(name for name in able if name not in doubts)
    if not able:
        held = next(iter(doubts.values()))
        return Leave(f"D8: {held.reason}") if envelope.claim else held
    if envelope.claim and envelope.contested and not envelope.let_go:
        return Leave(f"D9: {contest(envelope.contested, message.id)}")
    return Hand(able, fits=_fits(found, message.type))


def _doubted(envelope: Envelope, agent: str, settings: DispatchSettings) -> Settle | None:
    """Hold a message that this agent may not have as long as its sender is not verified.

    This machine's own messages to itself are not asked: who asked for a task was, before it became one.
    """
    if envelope.local or envelope.let_go:
        return None
    level = settings.rules.of((envelope.sender, author(envelope)), agent, envelope.message.type)
    if not holds_back(level, envelope.standing):
        return None
    return Settle(agent, "held", objection(envelope.standing, envelope.sender, envelope.message.id), doubted=True)


def _harmless(spec: AgentSpec) -> bool:
    return spec.idempotent or spec.kind == "inbox"


def _fits(found: Route, kind: str) -> bool:
    return bool(kind) and not found.reason.startswith("R5")


def backoff(attempt: int, first: float, longest: float, wish: float | None = None) -> float:
    """Return how long to wait after a failed attempt (s): doubling, and never less than the agent asked for."""
    pause = min(longest, first * 2.0 ** min(attempt - 1, 30))
    return pause if wish is None else max(pause, min(wish, 24 * 3600.0))


def rank(priority: str) -> int:
    """Order priorities: the most urgent has the smallest number, an unknown one counts as normal."""
    return -PRIORITIES.index(priority if priority in PRIORITIES else "normal")

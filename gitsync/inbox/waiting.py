"""What waits for this machine's agents."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace

from gitsync.ledger.intents import FINAL
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import ASKED_BY, ASKED_STANDING, Intent, Local, Row, amended_key, base_key, local_key
from gitsync.protocol.blocks import content_hash
from gitsync.protocol.message import Message
from gitsync.verifying import UNSIGNED, VERIFIED

_ENDED = "ended_elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message to this machine on its way to an agent.

    `agents` are those that the sender named for this machine, `agent` the first of them ('' when none). `claim`: to
    ANY, must be claimed first. `suspect`: it may have been handed over before the journal was lost (I7): uncertain,
    unless its agent is idempotent or pulls. `intents` are what was decided so far (none, or one of them in
    `retry`). `standing` and `contested` as in the ledger's row; `let_go`: a person wants it acted on all the same.
    """

    key: str
    message: Message
    sender: str
    agent: str
    content: str
    agents: tuple[str, ...] = ()
    local: bool = False
    claim: bool = False
    history: bool = False
    suspect: bool = False
    standing: str = UNSIGNED
    contested: str = ""
    let_go: bool = False
    amended: int = 0
    intents: tuple[Intent, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether it is known here that its sender wrote it."""
        return self.standing == VERIFIED


def candidates(
    ledger: Ledger,
    journal: Journal,
    machine_id: str,
    *,
    amend: Collection[str] = (),
    memory: MutableMapping[str, Envelope] | None = None,
) -> list[Envelope]:
    """Give what may be dispatched now, in the order of the branch; local messages last.

    That is: nothing on the branch settles it, and the journal has no intent for it, or one that a retry is due for.
    And for the agents in `amend`, which ask for amendments: a later text of what they have finished with. The cost
    goes with what is open, and with what was amended. `memory` is what the last call gave of local messages, which
    never change: those are not read again.
    """
    retries = journal.intents(("retry",))
    retried = {intent.message_key for intent in retries}
    keys = ledger.open_keys()
    decided = journal.decided(keys)
    wanted = {key for key in keys if key not in decided} | {key for key in retried if key == base_key(key)}
    wanted -= _ended(journal) - retried
    rows = [row for row in ledger.by_keys(sorted(wanted)) if not row.withdrawn]
    gone = journal.gone([row.key for row in rows])
    claims = journal.doubtful_claims()
    local = [one for one in _open_locals(journal, memory if memory is not None else {}) if one.key not in retried]
    again = [one for key in sorted(retried) if (one := _local(journal, key)) is not None]
    intents: dict[str, list[Intent]] = {}
    for key, of_message in journal.intents_for(sorted({base_key(key) for key in retried})).items():
        for intent in of_message:
            if intent.message_key in retried:
                intents.setdefault(intent.message_key, []).append(intent)
        intents.setdefault(key, [])
    return [
        *(_with_doubts(envelope(row, machine_id, intents.get(row.key, ())), claims, gone) for row in rows),
        *_amended(ledger, journal, machine_id, amend, intents),
        *local,
        *(local_envelope(one, intents.get(one.key, ())) for one in again),
    ]


def keep_ended(journal: Journal, keys: Collection[str]) -> None:
    """Remember messages to ANY that other machines are through with, though the branch is about to lose their word.

    Who takes the branch back over a receipt leaves the message on it: nothing there says any more that it was done, and
    the next machine that asks would win the claim and do it again (I2). Called before the ledger begins anew.
    """
    known = _ended(journal)
    if not known.issuperset(keys):
        journal.set_meta(_ENDED, json.dumps(sorted(known.union(keys))))


def _ended(journal: Journal) -> frozenset[str]:
    return frozenset(json.loads(journal.meta(_ENDED) or "[]"))


def _open_locals(journal: Journal, memory: MutableMapping[str, Envelope]) -> list[Envelope]:
    known = dict(memory)
    keys, news = journal.open_locals(known)
    fresh = {one.key: local_envelope(one) for one in news}
    for key in known.keys() - set(keys):
        memory.pop(key, None)
    for key, one in fresh.items():
        memory[key] = one
    return [found for key in keys if (found := fresh.get(key) or known.get(key)) is not None]


def _amended(
    ledger: Ledger, journal: Journal, machine_id: str, amend: Collection[str], retried: Mapping[str, list[Intent]]
) -> list[Envelope]:
    """Give later texts: those due for another try, and new ones for agents that have finished with all before.

    A journal that was lost knows of no hand-over, so nothing is amended then (I7).
    """
    due = {key: intents for key, intents in retried.items() if key != base_key(key)}
    rows = {row.key: row for row in ledger.by_keys(sorted({base_key(key) for key in due})) if not row.withdrawn}
    found = [
        replace(envelope(rows[base_key(key)], machine_id, intents), key=key, claim=False, suspect=False)
        for key, intents in due.items()
        if base_key(key) in rows
    ]
    news = ledger.amended_for_me() if amend else []
    handed = journal.intents_for([row.key for row in news])
    for row in news:
        agents = tuple(name for name in sorted(amend) if _finished(handed.get(row.key, ()), name, row.content))
        if agents:
            found.append(
                replace(
                    envelope(row, machine_id),
                    key=amended_key(row.key, row.content),
                    agent=agents[0],
                    agents=agents,
                    claim=False,
                    suspect=False,
                )
            )
    return found


def _finished(handed: Sequence[Intent], agent: str, content: str) -> bool:
    """Tell whether an agent is through with every text of a message that it got, and has not had this one."""
    own = [intent for intent in handed if intent.agent == agent]
    return bool(own) and all(intent.state in FINAL and intent.content != content for intent in own)


def waiting(ledger: Ledger, journal: Journal, machine_id: str, agent: str) -> list[Envelope]:
    """Give what waits in the inbox of an agent that pulls, oldest first."""
    held = {base_key(intent.message_key): intent for intent in journal.intents(("waiting",), agent=agent)}
    found = [envelope(row, machine_id, (held[row.key],)) for row in ledger.by_keys(sorted(held)) if not row.withdrawn]
    local = [(key, _local(journal, key)) for key in sorted(held)]
    return [*found, *(local_envelope(one, (held[key],)) for key, one in local if one is not None)]


def lost(ledger: Ledger, journal: Journal, machine_id: str) -> bool:
    """Tell whether this machine lived before this journal did: the journal was lost (I7).

    `born` is set by the first ingest. Before that, a journal from which nothing ever went out, on a branch where a
    gitsync of this id has committed or written receipts, is not the first one.
    """
    return journal.meta("born") is None and not journal.used() and ledger.has_lived(machine_id)


def _with_doubts(one: Envelope, claims: Mapping[str, str], gone: Collection[str]) -> Envelope:
    if one.claim and not one.contested and one.message.id in claims:
        one = replace(one, contested=claims[one.message.id])
    return replace(one, let_go=True) if one.key in gone else one


def envelope(row: Row, machine_id: str, intents: Sequence[Intent] = ()) -> Envelope:
    """Put a message of the branch on its way."""
    agents = _agents(row.message, machine_id)
    return Envelope(
        key=row.key,
        message=row.message,
        sender=row.sender,
        agent=agents[0] if agents else "",
        content=row.content,
        agents=agents,
        claim=machine_id not in _machines(row.message) and "ANY" in _machines(row.message),
        history=row.history,
        suspect=row.suspect,
        standing=row.standing,
        contested=row.contested,
        amended=row.amended,
        intents=tuple(intents),
    )


def local_envelope(local: Local, intents: Sequence[Intent] = ()) -> Envelope:
    """Put a message of this machine to itself on its way; who asked for the task that it carries counts as sender.

    This machine wrote it, so there is nothing to verify; one that carries somebody's task stands as what asked for it.
    """
    machine = local.message.sender.partition("/")[0]
    agents = _agents(local.message, machine)
    asked = next((value for name, value in local.message.fields if name == ASKED_BY), "")
    return Envelope(
        key=local.key,
        message=local.message,
        sender=asked.partition("/")[0] or machine,
        agent=agents[0] if agents else "",
        content=content_hash(local.block),
        agents=agents,
        local=True,
        standing=next((value for name, value in local.message.fields if name == ASKED_STANDING), VERIFIED),
        intents=tuple(intents),
    )


def _local(journal: Journal, key: str) -> Local | None:
    prefix, _, ident = key.partition("/")
    return journal.local(ident) if f"{prefix}/" == local_key("") else None


def _machines(message: Message) -> list[str]:
    return [address.partition("/")[0] for address in message.to]


def _agents(message: Message, machine_id: str) -> tuple[str, ...]:
    named = [address.partition("/") for address in message.to]
    return tuple(agent for machine, _, agent in named if agent and machine in (machine_id, "ALL", "ANY"))

"""Look again at what was decided because of who sent it, after trust or rules have changed."""

from __future__ import annotations

from collections.abc import Collection

from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.ledger.values import Row, base_key
from gitsync.verifying import Rules, holds_back, objection

TRUSTED = "its sender is verified now"


def review(
    ledger: Ledger, journal: Journal, rules: Rules, lost: Collection[str] = (), *, changed: bool = False
) -> None:
    """Release what was held for want of trust and needs no more; hold what is in no hands yet and has lost it.

    `lost` are the keys of messages that were verified and are not any more, `changed` says that trust is not what it
    was. What an agent was given stays as it is.
    """
    if changed:
        journal.drop_claims()
    held = journal.doubted()
    rows = {row.key: row for row in ledger.by_keys(sorted({base_key(key) for key, _ in held} | set(lost)))}
    for key, agent in held:
        row = rows.get(base_key(key))
        if row is not None and not row.withdrawn and not holds_back(_level(rules, row, agent), row.standing):
            journal.release(key, agent, reason=TRUSTED)
    if not lost:
        return
    for intent in journal.intents(("waiting", "retry")):
        row = rows.get(base_key(intent.message_key))
        if row is None or row.key not in lost or not holds_back(_level(rules, row, intent.agent), row.standing):
            continue
        with journal.db.write():
            why = objection(row.standing, row.sender, row.message.id)
            if journal.finish(intent.message_key, intent.agent, "held", reason=why):
                journal.doubt(intent.message_key)


def _level(rules: Rules, row: Row, agent: str) -> str:
    return rules.of((row.sender, row.message.sender), agent, row.message.type)

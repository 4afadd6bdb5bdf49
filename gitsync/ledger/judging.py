"""Judge again what the ledger has read, after somebody was trusted, or is trusted no more.

What the bytes prove (`evidence`) was found out when they were read, and stays. Only what that is worth changes, and it
is the same for all that one sender signed with one key: so this costs a few statements, not a walk over the messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitsync.ledger.db import Connection
from gitsync.verifying import REVOKED, VERIFIED


@dataclass(frozen=True, slots=True)
class Judged:
    """What has changed: the keys of messages that are verified now, and of those that were; and whether more depends.

    `deeper`: which text of a message is the one that counts, or which receipt, may have changed. Both depend on the
    order in which things were met, so the ledger is to be built again where the rules look at that. `revoked` is the
    evidence of receipts whose key counted until now.
    """

    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    deeper: bool = False
    revoked: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything is worth more or less than before."""
        return bool(self.gained or self.lost)


def rejudge(conn: Connection, judge: Callable[[str, str], str]) -> Judged:
    """Bring the standings of messages, their other texts and receipts up to date."""
    gained: list[str] = []
    lost: list[str] = []
    deeper = False
    revoked: list[str] = []
    for sender, evidence, was in conn.execute("SELECT DISTINCT sender, evidence, standing FROM messages").fetchall():
        now = judge(sender, evidence)
        if now == was:
            continue
        where = "sender = ? AND evidence = ? AND standing = ?"
        if VERIFIED in (now, was):
            found = conn.execute(
                f"SELECT key, amended FROM messages WHERE {where} AND mine = 1", (sender, evidence, was)
            )
            for key, amended in found:
                (gained if now == VERIFIED else lost).append(key)
                deeper |= amended > 0
        conn.execute(f"UPDATE messages SET standing = ? WHERE {where}", (now, sender, evidence, was))
    texts = "SELECT DISTINCT sender, amendments.evidence, amendments.standing FROM amendments JOIN messages USING (key)"
    for sender, evidence, was in conn.execute(texts).fetchall():
        now = judge(sender, evidence)
        if now != was:
            deeper |= VERIFIED in (now, was)
            conn.execute(
                "UPDATE amendments SET standing = ? WHERE evidence = ? AND standing = ?"
                " AND key IN (SELECT key FROM messages WHERE sender = ?)",
                (now, evidence, was, sender),
            )
    told = "SELECT DISTINCT machine, evidence, standing FROM receipts WHERE standing <> ''"
    for machine, evidence, was in conn.execute(told).fetchall():
        now = judge(machine, evidence)
        if now != was:
            deeper |= VERIFIED in (now, was)
            if (was, now) == (VERIFIED, REVOKED):
                revoked.append(evidence)
            conn.execute(
                "UPDATE receipts SET standing = ? WHERE machine = ? AND evidence = ? AND standing = ?",
                (now, machine, evidence, was),
            )
    return Judged(tuple(gained), tuple(lost), deeper, tuple(revoked))

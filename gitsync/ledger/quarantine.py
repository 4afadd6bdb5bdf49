"""What may not leave this machine before a person says so: how it is kept back, shown, let go and dropped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitsync.ledger.db import Database, text
from gitsync.ledger.held import NOTHING, Held, held_of, hold, in_text, settle, unpacked
from gitsync.ledger.local import add
from gitsync.ledger.queue import add_ops
from gitsync.ledger.values import Op
from gitsync.protocol.message import read
from gitsync.secrets.scan import Finding, Secrets
from gitsync.signing.signer import Signer


class Quarantine:
    """The rows of the journal that are kept back. Each method is one transaction."""

    db: Database
    signer: Signer | None
    secrets: Secrets = Secrets()
    """How text is looked at before it is queued; the settings may change it at any time."""

    def hold(
        self,
        ident: str,
        kind: str,
        place: str,
        findings: Sequence[Finding],
        payload: bytes,
        *,
        same: str = "",
        ops: Sequence[Op] = (),
        local: Sequence[bytes] = (),
    ) -> str:
        """Keep something back; give its id, or that of what is held already and is the `same`.

        `ops` and `local` (blocks of messages to agents of this machine) are carried out when it is released.
        """
        with self.db.write() as conn:
            return hold(conn, ident, kind, place, findings, payload, same=same, ops=ops, local=local)

    def would_hold(self, op: Op) -> str:
        """Say why the queue would keep a message back, in words for whoever waits for it; empty where it would not.

        The queue does that by itself (`add_ops`), for whatever room the message comes from.
        """
        found = in_text(op.payload, self.secrets.find(op.payload))
        if not found:
            return ""
        return f"is kept back there: {found[0].place} looks like a secret ({found[0].rule}); a person can let it go"

    def held(self, *states: str, newest: int | None = None) -> list[Held]:
        """Give what is kept back, or what is in one of the states, oldest first."""
        wanted = states or ("held",)
        query = f"SELECT * FROM quarantine WHERE state IN ({', '.join('?' * len(wanted))}) ORDER BY number DESC"
        with self.db.read() as conn:
            rows = conn.execute(
                query + (" LIMIT ?" if newest else ""), (*wanted, *([newest] if newest else []))
            ).fetchall()
        return [held_of(row) for row in rows[::-1]]

    def held_by_prefix(self, prefix: str) -> list[Held]:
        """Give what was ever kept back whose id begins so, oldest first."""
        prefix = text(prefix)  # an argument may be any bytes
        with self.db.read() as conn:
            rows = conn.execute(
                "SELECT * FROM quarantine WHERE id >= ? AND id < ? ORDER BY number", (prefix, prefix + "\U0010ffff")
            ).fetchall()
        return [held_of(row) for row in rows]

    def let_go(self, ident: str, reason: str) -> bool:
        """Release what is held, with the reason on record: its operations are queued. False where it is not held."""
        with self.db.write() as conn:
            row = conn.execute("SELECT * FROM quarantine WHERE id = ? AND state = 'held'", (ident,)).fetchone()
            if row is None:
                return False
            ops, local = unpacked(row["parcel"])
            add_ops(conn, ops, self.signer)
            for block in local:
                add(conn, read(block), block)
            settle(conn, ident, "released", reason)
        return True

    def drop(self, ident: str, *, state: str = "dropped") -> bool:
        """Forget the text of what is held: taken back, or `gone` from its file. False where it is not held."""
        with self.db.write() as conn:
            if conn.execute("SELECT 1 FROM quarantine WHERE id = ? AND state = 'held'", (ident,)).fetchone() is None:
                return False
            conn.execute("UPDATE quarantine SET payload = x'', parcel = ? WHERE id = ?", (NOTHING, ident))
            settle(conn, ident, state, "")
        return True

    def overrides(self) -> list[Held]:
        """Give what was released and is named in no commit yet, oldest first."""
        with self.db.read() as conn:
            rows = conn.execute(
                "SELECT * FROM quarantine WHERE state = 'released' AND commit_id IS NULL ORDER BY number"
            ).fetchall()
        return [held_of(row) for row in rows]

    def recorded(self, idents: Iterable[str], commit: str) -> None:
        """Note the commit whose trailers name these overrides; the text itself is on the branch now."""
        with self.db.write() as conn:
            conn.executemany(
                "UPDATE quarantine SET commit_id = ?, payload = x'', parcel = ? WHERE id = ?",
                [(commit, NOTHING, ident) for ident in idents],
            )

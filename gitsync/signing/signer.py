"""Sign what this machine writes, with its key as it is at that moment."""

from __future__ import annotations

import logging

from gitsync.errors import GitsyncError
from gitsync.protocol.blocks import Block, parse, signed
from gitsync.signing import sshsig
from gitsync.signing.commits import sign_commit
from gitsync.signing.keys import PrivateKey
from gitsync.signing.payload import message_payload, receipt_payload
from gitsync.signing.store import KeyStore

log = logging.getLogger(__name__)


class Signer:
    """Sign blocks, receipts and commits; without a key that may be used they stay as they are.

    A message is more than its signature: a key that is missing or open to others keeps nothing from being sent. The
    log says so once, and `trouble` as long as it lasts.
    """

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._told = ""

    @property
    def machine(self) -> str:
        """The id of the machine whose key it is."""
        return self._store.machine

    def key(self) -> PrivateKey | None:
        """Give the key, None where there is none that may be used."""
        try:
            key = self._store.private()
        except (GitsyncError, OSError) as error:
            if str(error) != self._told:
                log.warning("what this machine writes is not signed: %s", " · ".join(str(error).splitlines()))
            self._told = str(error)
            return None
        self._told = ""
        return key

    def message(self, block: bytes, to: str) -> bytes:
        """Give a block with its signature; `to` is the recipient as the path will name it."""
        key = self.key()
        if key is None:
            return block
        segments = parse(block)
        whole = segments[0] if len(segments) == 1 else None
        if not isinstance(whole, Block) or not whole.closed:
            return block
        payload = message_payload(self.machine, to.partition("/")[0], whole.id, whole.inner)
        return signed(whole, sshsig.to_text(sshsig.sign(key, sshsig.MESSAGE, payload)))

    def receipt(self, line: str) -> str:
        """Give the signature of a receipt's line, in base64; empty without a key."""
        key = self.key()
        if key is None:
            return ""
        return sshsig.to_text(sshsig.sign(key, sshsig.RECEIPT, receipt_payload(self.machine, line)))

    def commit(self, data: bytes) -> bytes:
        """Give a commit object's bytes with its signature."""
        key = self.key()
        return data if key is None else sign_commit(key, data)

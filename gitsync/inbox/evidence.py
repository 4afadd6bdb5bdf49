"""What the bytes of the branch prove about who wrote a text, whoever is trusted here.

Two things can prove it: the signature in the block's end line, which gitsync makes and which survives every way that
a block goes; and, for what a person wrote by hand, the signature of the commit that brought the text. The latter dies
with the commit: a commit that was rebuilt, or lies where a shallow clone ends, proves nothing.

Evidence is a text: empty (nothing to check), `altered` (a signature that does not fit), else the namespace of the
signature and the key that made it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitsync.git.repo import Commit, Mailbox
from gitsync.protocol.blocks import Block, content_hash, parse
from gitsync.protocol.reader import unwrapped
from gitsync.protocol.receipts import split_signature
from gitsync.signing import sshsig
from gitsync.signing.commits import split_commit
from gitsync.signing.payload import message_payload, receipt_payload
from gitsync.verifying import ALTERED

FAR = 200
"""Commits back to look for the one that brought a hand-written text; it is wrapped within minutes (PROTOCOL 4)."""


def of_block(block: Block, owner: str, to: str) -> str:
    """Say what the signature in the end line proves; owner and recipient are those of the path."""
    text = block.sshsig
    if not text:
        return ""
    return _proved(text, sshsig.MESSAGE, message_payload(owner, to, block.id, block.inner))


def claimed(block: Block) -> str:
    """Say what the signature in the end line would prove if it held; cheap, because nothing is checked."""
    key = sshsig.claimed_key(sshsig.from_text(block.sshsig) or b"")
    return ALTERED if key is None else f"{sshsig.MESSAGE} {key}"


def of_receipt(machine: str, line: str) -> str:
    """Say what the signature behind a receipt proves; `machine` is that of the path."""
    bare, text = split_signature(line)
    return _proved(text, sshsig.RECEIPT, receipt_payload(machine, bare)) if text else ""


def of_commit(raw: bytes) -> str:
    """Say what the signature of a commit proves; one that is not of SSH proves nothing here."""
    payload, blob = split_commit(raw)
    if not blob:
        return ""
    key = sshsig.verify(blob, sshsig.GIT, payload)
    return ALTERED if key is None else f"{sshsig.GIT} {key}"


def of_bringer(mailbox: Mailbox, commit: Commit, path: str, data: bytes, block: Block) -> str:
    """Say what is proved by the signature of the commit that brought the text of a block which `commit` shows first.

    That is this commit, or, where it only put the boundaries around it, an earlier one. The text must have been one
    whole message there, alone of its kind on all the way from there: else a part of what somebody signed, or a second
    copy of it, would pass for a message by them. Nor does a merge prove anything, here or on the way: it brings what
    others wrote, and could begin anew at a commit whose text was adopted on the other side.
    """
    text = block.inner.strip()
    if not text:
        return ""
    way = [commit]
    while len(way) <= FAR:
        parent = _parent(mailbox, way[-1])
        before = None if parent is None else _file(mailbox, parent, path)
        if parent is None or before is None or text not in before:
            break
        way.append(parent)
    brought = way[-1]
    if not brought.signed or any(len(one.parents) > 1 for one in way):
        return ""
    if brought.parents and not mailbox.has(brought.parents[0]):
        return ""
    raw = mailbox.raw_commit(brought.sha)
    if not brought.parents and b"\nparent " in raw.partition(b"\n\n")[0]:
        return ""  # a shallow clone ends here: what it brought cannot be told from what was there
    content = content_hash(block.inner)
    if _copies(data, content) != 1 or (len(way) > 1 and _by_hand(data, path, content)):
        return ""
    for one in way[1:]:
        then = _file(mailbox, one, path) or b""
        if _by_hand(then, path, content) != 1 or _copies(then, content):
            return ""
    found = of_commit(raw)
    return "" if found == ALTERED else found


def beside(mailbox: Mailbox, names: Sequence[str]) -> frozenset[str]:
    """Give those of these commits (parents first, the tip last) that do not stand in one line with all the others.

    Only a merge makes such. Each of two lines could adopt the same signed text under an id of its own, and whoever
    pushes can make a second line from any commit: so neither proves anything.
    """
    found = set()
    open_ends = set(names[-1:])
    for name in reversed(names):
        if len(open_ends) > 1:
            found.add(name)
        open_ends.discard(name)
        open_ends.update(mailbox.commit(name).parents or ("",))  # another root stays an open end
    return frozenset(found)


def _proved(text: str, namespace: str, payload: bytes) -> str:
    key = sshsig.verify(sshsig.from_text(text) or b"", namespace, payload)
    return ALTERED if key is None else f"{namespace} {key}"


def _parent(mailbox: Mailbox, commit: Commit) -> Commit | None:
    if not commit.parents or not mailbox.has(commit.parents[0]):
        return None
    return mailbox.commit(commit.parents[0])


def _file(mailbox: Mailbox, commit: Commit, path: str) -> bytes | None:
    entry = mailbox.lookup(commit.tree, path)
    return None if entry is None or not entry.is_file else mailbox.blob(entry.sha)


def _copies(data: bytes, content: str) -> int:
    blocks: Sequence[object] = parse(data)
    return sum(isinstance(one, Block) and content_hash(one.inner) == content for one in blocks)


def _by_hand(data: bytes, path: str, content: str) -> int:
    return sum(found.content == content for found in unwrapped(data, path))
